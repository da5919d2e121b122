"""A user's own installation from a mirror by name, with the login shells of this machine."""

from __future__ import annotations

import getpass
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lab.mirror import Mirror
from tests.integration.roles.conftest import FleetHost, Run

# Only in make test-full: the scenarios default, multiuser and airgap run this role in make test.
pytestmark = pytest.mark.full

REPODATA = "/conda/lab/noarch/repodata.json"
USER_FILES = (".profile", ".zprofile", ".config/fish/conf.d/llmfleet-conda.fish")


@pytest.fixture(scope="module")
def own(mirror: Mirror, tmp_path_factory: pytest.TempPathFactory) -> FleetHost:
    """A host with one user, whose home directory is empty; the lab's mirror is a preset of the site's."""
    work = tmp_path_factory.mktemp("own")
    for name in ("host", "home"):
        (work / name).mkdir()
    return FleetHost(
        root=work / "host",
        mirror_url=mirror.url,
        extra={
            "install_miniconda_users": [getpass.getuser()],
            "install_miniconda_prefix": "~/miniconda3",
            "install_miniconda_platform": "debian",
            "install_miniconda_login_shells": ["bash", "zsh", "fish"],
            "install_miniconda_channel_alias": "",
            "install_miniconda_mirror_preset": "site",
            "install_miniconda_mirror_presets": site(mirror.url),
        },
    )


def site(url: str) -> dict[str, Any]:
    return {"site": {"custom_channels": {"lab": f"{url}/conda"}}}


def play(host: FleetHost, *words: str, **variables: Any) -> Run:
    """The role alone, by a playbook of its own."""
    playbook = host.root.parent / "own.yml"
    roles = [{"role": "llmfleet.conda.install_miniconda"}]
    playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "roles": roles}]))
    return host.play(str(playbook), *words, "-e", json.dumps(variables))


def asked(mirror: Mirror) -> list[str]:
    return [entry["method"] for entry in mirror.log() if entry["path"] == REPODATA]


@pytest.fixture(scope="module")
def home(own: FleetHost) -> Path:
    return own.root.parent / "home"


@pytest.fixture(scope="module")
def installed(own: FleetHost, home: Path, mirror: Mirror) -> Run:
    """Foretold, then done."""
    foretold = play(own, "--check")
    assert foretold.code == 0, foretold.text
    assert not (home / "miniconda3").exists()
    mirror.reset()
    done = play(own)
    assert done.code == 0, done.text
    assert foretold.changed == done.changed == 3
    assert asked(mirror) == ["GET"]
    return done


def test_a_login_shell_of_the_user_has_conda(installed: Run, home: Path) -> None:
    environment = {"HOME": str(home), "PATH": os.defpath}
    command = "conda activate base && conda config --show custom_channels && command -v python"
    said = subprocess.run(
        ["bash", "-lc", command], env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout.splitlines()[-1] == str(home / "miniconda3/bin/python")
    assert "lab: http://127.0.0.1" in said.stdout
    for name in USER_FILES:
        assert "$HOME/miniconda3" in (home / name).read_text()


def test_a_second_run_changes_nothing_and_asks_nobody(
    installed: Run, own: FleetHost, mirror: Mirror
) -> None:
    mirror.reset()
    # A mirror that is away is no matter to a host that is as wanted.
    mirror.fault("/conda/*", "status", code=503)
    again = play(own)
    assert again.code == 0, again.text
    assert (again.changed, again.conda_starts) == (0, 0)
    assert mirror.log() == []
    assert [name.rpartition(".")[2] for name in again.modules] == [
        "conda_installation",
        "conda_config",
        *["blockinfile"] * 3,
    ]


def test_a_mirror_without_the_channel_is_not_written(
    installed: Run, own: FleetHost, home: Path, mirror: Mirror
) -> None:
    condarc = home / "miniconda3" / ".condarc"
    before = condarc.read_text()
    for words in (("--check",), ()):
        other = play(own, *words, install_miniconda_mirror_presets=site(f"{mirror.url}/other"))
        assert other.code == 2
        said = " ".join(other.text.split())
        assert "The channel lab does not answer" in said
        assert f"{mirror.url}/other/conda/lab/noarch/repodata.json" in said
        assert "answered 404" in said
    assert condarc.read_text() == before


def refusal_of(home: Path, channel: str) -> str:
    """The name of the real conda's error, for a person who logs in and searches a channel by hand."""
    command = f"conda activate base && conda search --json --override-channels -c {channel} six"
    said = subprocess.run(
        ["bash", "-lc", command],
        env={"HOME": str(home), "PATH": os.defpath},
        capture_output=True,
        text=True,
        check=False,
    )
    return str(json.loads(said.stdout).get("exception_name", ""))


def test_refused_channels_are_turned_away_by_conda_until_they_are_accepted(
    installed: Run, own: FleetHost, home: Path, published_site: Mirror
) -> None:
    channel = f"{published_site.url}/pkgs/main"
    condarc = {"default_channels": [channel]}
    refuse = {
        "install_miniconda_tos": "refuse",
        "install_miniconda_reject_tos": [channel],
        "install_miniconda_condarc": condarc,
    }
    changed = [play(own, *words, **refuse).changed for words in (("--check",), (), ())]
    assert changed == [1, 1, 0]
    root = home / "miniconda3" / "conda-meta" / "tos"
    (record,) = root.rglob("*.json")
    assert json.loads(record.read_text())["tos_accepted"] is False
    assert channel in (home / "miniconda3" / ".condarc").read_text()
    assert refusal_of(home, "defaults") == "ChannelNotAllowed"
    assert refusal_of(home, channel) == "ChannelNotAllowed"
    assert refusal_of(home, "lab") == ""

    accept = {"install_miniconda_tos": "accept", "install_miniconda_accept_tos": [channel]}
    changed = [play(own, **accept, install_miniconda_condarc=condarc).changed for _ in range(2)]
    assert changed == [1, 0]
    assert json.loads(record.read_text())["tos_accepted"] is True
    assert refusal_of(home, "defaults") not in ("ChannelNotAllowed", "ChannelDenied")
    assert "list_channels" not in (home / "miniconda3" / ".condarc").read_text()


def test_all_of_it_is_removed(installed: Run, own: FleetHost, home: Path) -> None:
    (home / ".profile").write_text("umask 022\n" + (home / ".profile").read_text())
    removed = play(own, install_miniconda_state="absent")
    assert removed.code == 0, removed.text
    assert not (home / "miniconda3").exists()
    assert (home / ".profile").read_text() == "umask 022\n"
    assert (home / ".zprofile").read_text() == ""
    assert not (home / USER_FILES[2]).exists()
    again = play(own, install_miniconda_state="absent")
    assert (again.code, again.changed) == (0, 0)
