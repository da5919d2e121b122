"""Accepted terms of service: recorded only when asked, where conda's own plugin for them looks."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.mirror import Mirror
from tests.integration.four_steps import Steps

OLD, NEW = "2025-07-15T00:00:00Z", "2026-02-01T00:00:00Z"

# How conda-anaconda-tos names the directory of a channel (its path.py), with the real conda's Channel.
HASH = """
import hashlib, sys
from conda.base.context import reset_context
reset_context()
from conda.models.channel import Channel
for url in sys.argv[1:]:
    channel = Channel(url)
    text = channel.channel_location + channel.channel_name
    print(hashlib.sha256(text.encode()).hexdigest())
"""


class Site:
    """A server with channels that have terms, or none."""

    def __init__(self, root: Path, mirror: Mirror) -> None:
        self.root = root
        self.mirror = mirror

    def channel(self, name: str) -> str:
        """URL of a channel."""
        return f"{self.mirror.url}/{name}"

    def publish(self, name: str, version: str) -> None:
        """Give a channel terms."""
        folder = self.root / name
        folder.mkdir(parents=True, exist_ok=True)
        terms = {
            "version": version,
            "text": f"Terms of {version}",
            "support": "https://example.org",
        }
        (folder / "terms.json").write_text(json.dumps(terms))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Two channels with terms."""
    root = tmp_path / "site"
    root.mkdir()
    with Mirror(root) as mirror:
        found = Site(root, mirror)
        found.publish("pkgs/main", OLD)
        found.publish("conda/lab", OLD)
        yield found


@pytest.fixture
def user_home(tmp_path: Path) -> Path:
    """A home directory."""
    path = tmp_path / "home"
    path.mkdir()
    return path


@pytest.fixture
def steps(run_module: Any, user_home: Path, conda_installation: Path) -> Steps:
    """The four steps with the home directory and the installation under watch."""
    return Steps(run_module, (user_home, conda_installation), conda_installation)


def directories(installation: Path, home: Path, *urls: str) -> list[str]:
    """The directories of channels by the real conda."""
    done = subprocess.run(
        [str(installation / "bin" / "python"), "-I", "-B", "-c", HASH, *urls],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "CONDA_ROOT": str(installation)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def refuses(
    run_module: Any, cases: dict[str, tuple[dict[str, Any], str]], how: dict[str, Any]
) -> None:
    """Each case (options, words of the message) fails in check mode and for real."""
    for options, words in cases.values():
        for check in (True, False):
            result = run_module("conda_config", options, check=check, **how)
            assert result["rc"] == 1
            assert words in result["msg"]


def records(root: Path) -> dict[str, dict[str, Any]]:
    """What is recorded below a root, by path."""
    return {
        str(path.relative_to(root)): json.loads(path.read_text()) for path in root.rglob("*.json")
    }


@pytest.mark.full
def test_acceptance_for_a_user(
    site: Site, steps: Steps, user_home: Path, conda_installation: Path, run_module: Any
) -> None:
    channels = [site.channel("pkgs/main"), site.channel("conda/lab")]
    how: dict[str, Any] = {"environment": {"HOME": str(user_home)}}
    options = {"scope": "user", "installation": str(conda_installation), "accept_tos": channels}
    result = steps("conda_config", options, **how)
    root = user_home / ".conda" / "tos"
    found = records(root)
    expected = directories(conda_installation, user_home, *channels)
    assert set(found) == {f"{directory}/1752537600.0.json" for directory in expected}
    for channel, directory in dict(zip(channels, expected, strict=True)).items():
        record = found[f"{directory}/1752537600.0.json"]
        assert record.pop("acceptance_timestamp")
        assert record == {
            "version": OLD,
            "text": f"Terms of {OLD}",
            "support": "https://example.org",
            "base_url": channel,
            "tos_accepted": True,
        }
    assert [(item["channel"], item["accepted"], item["version"]) for item in result["tos"]] == [
        (channel, True, OLD) for channel in channels
    ]
    assert all(Path(item["path"]).is_file() for item in result["tos"])
    assert not (user_home / ".condarc").exists()

    # What is recorded needs no network, and later terms are not accepted by it.
    site.publish("pkgs/main", NEW)
    site.mirror.reset()
    assert not run_module("conda_config", options, **how)["changed"]
    assert site.mirror.counts() == {}
    newer = {**options, "newer_tos": True}
    again = steps("conda_config", newer, **how)
    assert [item["version"] for item in again["tos"]] == [NEW, OLD]

    steps("conda_config", {**options, "accept_tos": channels[:1], "state": "absent"}, **how)
    assert [path.partition("/")[0] for path in records(root)] == expected[1:]
    steps("conda_config", {**options, "state": "absent"}, **how)
    assert not root.exists()


def test_acceptance_for_an_installation_with_its_settings(
    site: Site, steps: Steps, user_home: Path, conda_installation: Path, run_module: Any
) -> None:
    """conda divides a URL by its settings: those of the same task count already."""
    how: dict[str, Any] = {"environment": {"HOME": str(user_home)}}
    channel = site.channel("pkgs/main")
    default = site.channel("conda/lab")
    settings = {"custom_channels": {"main": site.channel("pkgs")}, "default_channels": [default]}
    options = {
        "scope": "prefix",
        "installation": str(conda_installation),
        "settings": settings,
        "accept_tos": [channel, "defaults"],
    }
    try:
        steps("conda_config", options, **how)
        root = conda_installation / "conda-meta" / "tos"
        expected = directories(conda_installation, user_home, channel, default)
        assert {path.partition("/")[0] for path in records(root)} == set(expected)
        location = f"{site.mirror.url.partition('://')[2]}/pkgs"
        assert expected[0] == hashlib.sha256(f"{location}main".encode()).hexdigest()
    finally:
        result = run_module("conda_config", {**options, "state": "absent"}, **how)
    assert result["changed"]
    assert not root.exists()


def test_nothing_is_accepted_without_the_option(
    site: Site, user_home: Path, run_module: Any
) -> None:
    how: dict[str, Any] = {"environment": {"HOME": str(user_home), "CI": "true"}}
    settings = {"channels": [site.channel("pkgs/main")], "default_channels": ["defaults"]}
    assert run_module("conda_config", {"scope": "user", "settings": settings}, **how)["changed"]
    assert [path.name for path in user_home.iterdir() if path.name != ".ansible"] == [".condarc"]
    assert site.mirror.counts() == {}


def test_what_cannot_be_accepted(site: Site, user_home: Path, run_module: Any) -> None:
    how: dict[str, Any] = {"environment": {"HOME": str(user_home)}}
    refused = {
        "has no terms": ({"scope": "user", "accept_tos": [site.channel("none")]}, "answered 404"),
        "no scope": (
            {"path": str(user_home / "rc"), "accept_tos": [site.channel("pkgs/main")]},
            "needs the option scope",
        ),
        "no URL": ({"scope": "user", "accept_tos": ["conda-forge"]}, "needs channel URLs"),
        "nothing": ({"scope": "user"}, "settings, accept_tos"),
    }
    refuses(run_module, refused, how)
    assert not (user_home / ".conda").exists()


def test_a_refusal_takes_the_place_of_an_acceptance_and_back(
    site: Site, steps: Steps, user_home: Path, conda_installation: Path, run_module: Any
) -> None:
    channel = site.channel("pkgs/main")
    how: dict[str, Any] = {"environment": {"HOME": str(user_home)}}
    options = {"scope": "user", "installation": str(conda_installation)}
    refuse = {**options, "reject_tos": [channel]}
    result = steps("conda_config", refuse, **how)
    assert f"# rejected: the terms of {channel} of {OLD}\n" in result["diff"]["after"]
    (directory,) = directories(conda_installation, user_home, channel)
    root = user_home / ".conda" / "tos"
    record = records(root)[f"{directory}/1752537600.0.json"]
    # What conda-anaconda-tos writes for `conda tos reject` (its local.py): the terms and these three keys.
    assert record.pop("acceptance_timestamp")
    assert record == {
        "version": OLD,
        "text": f"Terms of {OLD}",
        "support": "https://example.org",
        "base_url": channel,
        "tos_accepted": False,
    }
    # What is recorded needs no network; newer terms are refused when that is asked for.
    site.publish("pkgs/main", NEW)
    site.mirror.reset()
    assert not run_module("conda_config", refuse, **how)["changed"]
    assert site.mirror.counts() == {}
    newer = steps("conda_config", {**refuse, "newer_tos": True}, **how)
    assert [(item["refused"], item["version"]) for item in newer["tos"]] == [(True, NEW)]

    accepted = steps("conda_config", {**options, "accept_tos": [channel]}, **how)
    assert [(item["accepted"], item["refused"]) for item in accepted["tos"]] == [(True, False)]
    steps("conda_config", refuse, **how)
    steps("conda_config", {**refuse, "state": "absent"}, **how)
    assert not root.exists()


def test_what_cannot_be_refused(site: Site, user_home: Path, run_module: Any) -> None:
    how: dict[str, Any] = {"environment": {"HOME": str(user_home)}}
    channel = site.channel("pkgs/main")
    refused: dict[str, tuple[dict[str, Any], str]] = {
        "has no terms": ({"scope": "user", "reject_tos": [site.channel("none")]}, "answered 404"),
        "no scope": (
            {"path": str(user_home / "rc"), "reject_tos": [channel]},
            "reject_tos needs the option scope",
        ),
        "no URL": (
            {"scope": "user", "reject_tos": ["conda-forge"]},
            "reject_tos needs channel URLs",
        ),
        "both": (
            {"scope": "user", "reject_tos": [channel], "accept_tos": [f"{channel}/"]},
            f"both name {channel}",
        ),
    }
    refuses(run_module, refused, how)
    assert not (user_home / ".conda").exists()


def test_a_conda_without_a_list_of_denied_channels_allows_none_but_those_named(
    site: Site, user_home: Path, conda_installation: Path, run_module: Any
) -> None:
    """Why the role install_miniconda writes another key for a conda before 24.11.1: by the real conda."""
    how: dict[str, Any] = {"environment": {"HOME": str(user_home)}}
    default = site.channel("pkgs/main")
    for name in ("noarch", "linux-64"):
        folder = site.root / "pkgs" / "main" / name
        folder.mkdir()
        (folder / "repodata.json").write_text('{"packages": {}, "packages.conda": {}}')

    def search(channel: str) -> str:
        """The name of conda's error, or empty when it searched the channel and found nothing or something."""
        command = ["conda", "search", "--json", "--override-channels", "-c", channel, "lab-upgrade"]
        done = subprocess.run(
            [str(conda_installation / "bin" / "python"), "-m", *command],
            env={"PATH": os.environ["PATH"], "HOME": str(user_home)},
            capture_output=True,
            text=True,
            check=False,
        )
        name = str(json.loads(done.stdout).get("exception_name", ""))
        return "" if name.startswith("PackagesNotFound") else name

    settings = {"default_channels": [default], "denylist_channels": [default]}
    options: dict[str, Any] = {"scope": "user", "settings": settings}
    run_module("conda_config", options, **how)
    assert search("defaults") == ""
    settings["allowlist_channels"] = ["lab"]
    assert run_module("conda_config", options, **how)["changed"]
    assert search("defaults") == "ChannelNotAllowed"
    assert search(default) == "ChannelNotAllowed"
    assert search("lab") == ""
