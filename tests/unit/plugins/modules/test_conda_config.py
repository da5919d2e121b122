"""The module conda_config as Ansible runs it, on real files; PyYAML is the oracle."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args

from ansible_collections.llmfleet.conda.plugins.module_utils._config import subject as config_cycle
from ansible_collections.llmfleet.conda.plugins.modules import conda_config
from ansible_collections.llmfleet.conda.tests.unit.plugins.fake_prefix import snapshot

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the module; returns its result."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    def start(check: bool = False, **options: Any) -> dict[str, Any]:
        arguments = {
            **options,
            "_ansible_check_mode": check,
            "_ansible_diff": True,
            "_ansible_remote_tmp": str(scratch),
        }
        with patch_module_args(arguments), pytest.raises(SystemExit) as left:
            conda_config.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert bool(left.value.code) == bool(result.get("failed"))
        return result

    return start


@pytest.fixture
def both(run: Run, tmp_path: Path) -> Run:
    """Check mode, the run, and the run again, with the contract between them."""

    def places() -> dict[str, tuple[int, bytes | str]]:
        # AnsibleModule removes its scratch directories when the process ends.
        return {key: value for key, value in snapshot(tmp_path).items() if "scratch" not in key}

    def start(**options: Any) -> dict[str, Any]:
        before = places()
        foretold = run(check=True, **options)
        assert places() == before
        done = run(**options)
        assert (foretold["changed"], foretold["diff"]) == (done["changed"], done["diff"])
        assert foretold["settings"] == done["settings"]
        settled = places()
        assert not run(**options)["changed"]
        assert places() == settled
        assert [path for path in (tmp_path / "scratch").rglob("*") if path.is_file()] == []
        return done

    return start


def test_a_new_file(both: Run, tmp_path: Path) -> None:
    path = tmp_path / "condarc"
    settings = {"channels": ["lab"], "always_yes": True, "remote_max_retries": 5}
    result = both(path=str(path), settings=settings)
    assert result["changed"]
    assert result["path"] == str(path)
    assert result["settings"] == settings
    assert yaml.safe_load(path.read_text()) == settings
    assert result["diff"]["before"] == ""
    assert result["diff"]["after"] == path.read_text()
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask


def test_only_what_differs_is_rewritten(both: Run, tmp_path: Path) -> None:
    path = tmp_path / "condarc"
    path.write_text("# ours\nchannels: [a, b]  # flow\nx: 1 # one\n")
    path.chmod(0o640)
    assert not both(path=str(path), settings={"channels": ["a", "b"]})["changed"]
    assert both(path=str(path), settings={"channels": ["b", "a"], "x": 1})["changed"]
    assert path.read_text() == "# ours\nchannels:\n  - b\n  - a\nx: 1 # one\n"
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("text", ["x: 1", "x: 1\r\ny: 2\r\n", "x: 1\n\n\n", "---\nx: 1\n...\n"])
def test_an_odd_ending_is_no_reason_for_a_change(both: Run, tmp_path: Path, text: str) -> None:
    path = tmp_path / "condarc"
    path.write_bytes(text.encode())
    assert not both(path=str(path), settings={"x": 1})["changed"]
    assert path.read_bytes() == text.encode()
    assert both(path=str(path), settings={"z": 3})["changed"]
    assert yaml.safe_load(path.read_text())["z"] == 3
    kept = [line for line in text.splitlines() if line]
    assert [line for line in path.read_text().splitlines() if line in kept] == kept
    assert (b"\r\n" in path.read_bytes()) == ("\r\n" in text)
    assert b"1\n" not in path.read_bytes() or "\r\n" not in text


def test_merging(both: Run, tmp_path: Path) -> None:
    path = tmp_path / "condarc"
    path.write_text("channels: [a]\nproxy_servers:\n  http: http://p:1\n")
    settings = {"channels": ["b", "a"], "proxy_servers": {"https": "http://p:2"}, "x": 1}
    both(path=str(path), settings=settings, merge=True)
    assert yaml.safe_load(path.read_text()) == {
        "channels": ["a", "b"],
        "proxy_servers": {"http": "http://p:1", "https": "http://p:2"},
        "x": 1,
    }


def test_removing_keys(both: Run, tmp_path: Path) -> None:
    path = tmp_path / "condarc"
    path.write_text("a: 1\nb:\n  - x\nc: 3\n")
    assert both(path=str(path), settings={"b": None, "none": None})["changed"]
    assert path.read_text() == "a: 1\nc: 3\n"
    assert both(path=str(path), settings={"a": "whatever"}, state="absent")["changed"]
    assert path.read_text() == "c: 3\n"


def test_absent_from_no_file(both: Run, tmp_path: Path) -> None:
    result = both(path=str(tmp_path / "none"), settings={"a": 1}, state="absent")
    assert not result["changed"]
    assert result["settings"] == {}
    assert not (tmp_path / "none").exists()


def test_a_null_for_no_file_makes_none(both: Run, tmp_path: Path) -> None:
    assert not both(path=str(tmp_path / "none"), settings={"a": None})["changed"]


def test_permissions_alone_are_a_change(both: Run, tmp_path: Path) -> None:
    path = tmp_path / "condarc"
    path.write_text("a: 1\n")
    path.chmod(0o600)
    assert both(path=str(path), settings={"a": 1}, mode="0644")["changed"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_the_scopes(both: Run, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = tmp_path / "base"
    base.mkdir()
    result = both(scope="prefix", installation=str(base), settings={"a": 1})
    assert result["path"] == str(base / ".condarc")
    assert both(scope="user", settings={"a": 1})["path"] == str(tmp_path / "home/.condarc")
    system = tmp_path / "etc" / "conda" / ".condarc"
    monkeypatch.setattr(config_cycle, "SYSTEM_CONDARC", str(system))
    assert both(scope="system", settings={"a": 1})["path"] == str(system)
    assert system.read_text() == "a: 1\n"


def test_secrets_are_masked_and_yet_written(both: Run, tmp_path: Path) -> None:
    path = tmp_path / "condarc"
    url = "https://user:hush@host/t/TOKEN/lab"
    settings = {"channels": [url], "proxy_servers": {"https": "http://u:hush2@proxy:3128"}}
    result = both(path=str(path), settings=settings)
    shown = json.dumps(result)
    for secret in ("hush", "hush2", "TOKEN"):
        assert secret not in shown
    assert yaml.safe_load(path.read_text()) == settings


def test_a_new_channel_must_be_there_before_it_is_written(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "condarc"
    path.write_text("solver: classic\n")
    options = {"path": str(path), "settings": {"channels": [str(tmp_path / "lab")]}, "probe": True}
    for check in (True, False):
        result = run(check=check, **options)
        assert result["failed"]
        assert f"{tmp_path}/lab/noarch/repodata.json" in result["msg"]
    assert path.read_text() == "solver: classic\n"

    (tmp_path / "lab" / "noarch").mkdir(parents=True)
    (tmp_path / "lab" / "noarch" / "repodata.json").write_text("{}")
    for check in (True, False):
        result = run(check=check, **options)
        assert (result["changed"], result["probed"]) == (True, [f"file://{tmp_path}/lab"])

    # A host that is as wanted asks nobody, so that a mirror may be away.
    (tmp_path / "lab" / "noarch" / "repodata.json").unlink()
    result = run(**options)
    assert (result["changed"], result["probed"]) == (False, [])
    options["settings"] = {**options["settings"], "solver": "libmamba"}
    assert (run(**options)["changed"], path.read_text().count("libmamba")) == (True, 1)


def test_without_a_probe_nobody_is_asked(both: Run, tmp_path: Path) -> None:
    options = {"path": str(tmp_path / "condarc"), "settings": {"channels": ["/nowhere/lab"]}}
    assert both(**options)["probed"] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &x 1\n", "line 1"),
        ("a: 1\nb: |\n  text\n", "line 2"),
        ("a: 1\n\ta: 2\n", "line 2"),
        ("a: [\n", "line 1"),
    ],
)
def test_what_is_not_understood_is_left_alone(
    run: Run, tmp_path: Path, text: str, words: str
) -> None:
    path = tmp_path / "condarc"
    path.write_text(text)
    for check in (True, False):
        result = run(check=check, path=str(path), settings={"c": 1})
        assert result["failed"]
        assert words in result["msg"]
        assert str(path) in result["msg"]
        assert "Nothing was changed" in result["msg"]
    assert path.read_text() == text


def test_bytes_that_are_no_text(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "condarc"
    path.write_bytes(b"a: \xff\n")
    result = run(path=str(path), settings={"c": 1})
    assert result["failed"]
    assert "cannot be read" in result["msg"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"settings": {}}, "one of the following is required: path, scope"),
        ({"path": "/x", "scope": "user", "settings": {}}, "mutually exclusive"),
        ({"scope": "prefix", "settings": {}}, "installation"),
        ({"path": "relative", "settings": {}}, "The option path must be absolute"),
        ({"path": "/x"}, "settings"),
        (
            {"path": "/x", "settings": {"channels": "lab"}},
            "channels as str, but it must be a list",
        ),
        ({"path": "/x", "settings": {"custom_channels": 5}}, "custom_channels as int"),
        ({"scope": "prefix", "installation": "/usr", "settings": {"a": 1}}, "option installation"),
        (
            {"scope": "prefix", "installation": "/nonexistent/x", "settings": {"a": 1}},
            "does not exist",
        ),
    ],
)
def test_bad_options_are_named(run: Run, options: dict[str, Any], words: str) -> None:
    result = run(**options)
    assert result["failed"]
    assert words in result["msg"]
