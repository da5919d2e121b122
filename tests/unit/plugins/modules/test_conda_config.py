"""The module conda_config as Ansible runs it, on real files; PyYAML is the oracle."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args

from ansible_collections.llmfleet.conda.plugins.module_utils._config import change, subject
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
    monkeypatch.setattr(subject, "SYSTEM_CONDARC", str(system))
    assert both(scope="system", settings={"a": 1})["path"] == str(system)
    assert system.read_text() == "a: 1\n"


def test_a_link_stays_and_its_file_is_changed(both: Run, tmp_path: Path) -> None:
    file, link, other = tmp_path / "dotfiles" / "condarc", tmp_path / ".condarc", tmp_path / "other"
    file.parent.mkdir()
    file.write_text("# mine\na: 1\n")
    file.chmod(0o640)
    link.symlink_to("other")
    other.symlink_to(file)
    result = both(path=str(link), settings={"b": 2})
    assert (result["changed"], result["path"]) == (True, str(link))
    assert file.read_text() == "# mine\na: 1\nb: 2\n"
    assert both(path=str(link), settings={"b": 2}, mode="0600")["changed"]
    assert file.stat().st_mode & 0o777 == 0o600
    assert (os.readlink(link), os.readlink(other)) == ("other", str(file))


def test_a_link_to_a_file_that_is_not_there_yet(both: Run, tmp_path: Path) -> None:
    link, file = tmp_path / ".condarc", tmp_path / "dotfiles" / "condarc"
    file.parent.mkdir()
    link.symlink_to(file)
    assert both(path=str(link), settings={"a": 1})["changed"]
    assert link.is_symlink()
    assert file.read_text() == "a: 1\n"


def test_a_link_that_leads_nowhere(run: Run, tmp_path: Path) -> None:
    link, around = tmp_path / ".condarc", tmp_path / "around"
    link.symlink_to(tmp_path / "none" / "condarc")
    around.symlink_to("around")
    for check in (True, False):
        result = run(check=check, path=str(link), settings={"a": 1})
        assert result["failed"]
        assert (
            f"Cannot write the condarc {link}: the directory {tmp_path}/none does not exist"
            in result["msg"]
        )
        result = run(check=check, path=str(around), settings={"a": 1})
        assert f"{around} cannot be read" in result["msg"]
    assert link.is_symlink()
    assert around.is_symlink()


def test_a_condarc_that_was_emptied_for_good_stays_so(run: Run, tmp_path: Path) -> None:
    link = tmp_path / ".condarc"
    link.symlink_to(os.devnull)
    before = os.stat(os.devnull)
    assert not run(path=str(link), settings={"a": None})["changed"]
    for check in (True, False):
        for options in ({"settings": {"a": 1}}, {"settings": {"a": None}, "mode": "0600"}):
            result = run(check=check, path=str(link), **options)
            assert f"{os.devnull} is no regular file" in result["msg"]
    after = os.stat(os.devnull)
    assert os.path.samestat(before, after)
    assert before.st_mode == after.st_mode


def test_another_users_link_leads_no_further_than_to_that_users_files(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, own = tmp_path / ".condarc", tmp_path / "own"
    link.symlink_to("/etc/passwd")
    user = os.geteuid() or 12345
    if not os.geteuid():
        os.chown(link, user, -1, follow_symlinks=False)
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    for name in (link, own):
        if name == own:
            own.symlink_to(link)
        for check in (True, False):
            result = run(check=check, path=str(name), settings={"a": 1})
            assert f"through the link {link} of another user (user id {user})" in result["msg"]
            assert "Nothing was changed" in result["msg"]
    file = tmp_path / "file"
    file.write_text("a: 2\n")
    os.chown(file, user, -1)
    link.unlink()
    link.symlink_to(file)
    assert not run(path=str(link), settings={"a": 2})["changed"]


def test_to_ask_for_newer_terms_takes_no_lock(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the answer or another task makes necessary is done under the lock, after another look."""
    locks: list[str] = []
    versions = ["2025-07-15T00:00:00Z"]
    meanwhile: list[Callable[[], Any]] = []

    def terms(*_words: Any) -> dict[str, Any]:
        return {"version": versions[-1], "text": "Be good.", "support": ""}

    @contextmanager
    def lock(path: str, **_how: Any) -> Iterator[None]:
        locks.append(path)
        yield

    def observe(subject: subject.ConfigSubject) -> subject.Observed:
        seen = looked(subject)
        while meanwhile:
            meanwhile.pop()()
        return seen

    looked = subject.ConfigSubject.observe
    monkeypatch.setattr(subject.ConfigSubject, "observe", observe)
    monkeypatch.setattr(change, "current_terms", terms)
    monkeypatch.setattr(change, "file_lock", lock)
    path = tmp_path / "home" / ".condarc"
    options = {
        "scope": "user",
        "settings": {"a": 1},
        "accept_tos": ["https://repo.anaconda.com/pkgs/main"],
        "newer_tos": True,
    }
    assert run(**options)["changed"]
    assert locks == [str(path.with_name(".condarc.llmfleet.lock"))]
    locks.clear()
    assert not run(**options)["changed"]
    assert locks == []
    versions.append("2026-07-15T00:00:00Z")
    result = run(**options)
    assert (result["changed"], result["tos"][0]["version"]) == (True, versions[-1])
    assert len(locks) == 1
    meanwhile.append(lambda: path.write_text("b: 2\n"))
    assert run(**options)["changed"]
    assert len(locks) == 2
    assert yaml.safe_load(path.read_text()) == {"a": 1, "b": 2}


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
