"""What must not stop a module: pipes and devices in the place of files, odd documents, very long texts."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llmfleet.conda.plugins.module_utils._check.probe import (
    Limits,
    _events,
    explain_death,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._conda.command import (
    Conda,
    solution_of,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._conda.dialect import dialect_of
from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.module import CondaModule
from ansible_collections.llmfleet.conda.plugins.module_utils._config import module as conda_config
from ansible_collections.llmfleet.conda.plugins.module_utils._config.terms import channel_urls
from ansible_collections.llmfleet.conda.plugins.module_utils._config.terms_download import (
    current_terms,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core import json_document
from ansible_collections.llmfleet.conda.plugins.module_utils._core.download import fetch
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.guards import check_prefix
from ansible_collections.llmfleet.conda.plugins.module_utils._core.lock import file_lock
from ansible_collections.llmfleet.conda.plugins.module_utils._core.process import Completed, run
from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import MASK, redact
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.frozen import (
    marker_lifted,
    remove_marker,
    set_marker,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._hub.download import Download, _answer
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.access import (
    AccessManager,
    access_of,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.python_packages import (
    damage_of,
    observe_packages,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import observe_prefix
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import (
    journalled,
    pending_journal,
)
from ansible_collections.llmfleet.conda.plugins.modules import accelerator_info

SECRET = "correct-horse"


def started(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> CondaModule:
    """A module with these options."""
    testing = pytest.importorskip("ansible.module_utils.testing")
    with testing.patch_module_args(options):
        spec = {"channels": {"type": "list", "elements": "str"}, "state": {"choices": ["present"]}}
        return CondaModule(argument_spec=spec)


def test_option_error_shows_no_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    channels = [f"https://ada:{SECRET}@host.invalid/t/{SECRET}/lab"]
    with pytest.raises(SystemExit):
        started({"channels": channels, "state": "prezent"}, monkeypatch)
    said = capsys.readouterr().out
    assert "value of state must be one of" in said
    assert SECRET not in said


def test_host_log_gets_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[str] = []
    monkeypatch.setattr(
        CondaModule,
        "log",
        lambda _self, msg, log_args=None: logged.append(f"{msg}{log_args}"),
    )
    started({"channels": [f"https://host.invalid/t/{SECRET}/lab"]}, monkeypatch)
    assert logged
    assert SECRET not in "".join(logged)


def test_invalid_utf8_option_does_not_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    module = started({"channels": []}, monkeypatch)
    module.params["state"] = "\udcff"
    module._log_invocation()


@pytest.mark.parametrize("options", [{"limits": 3}, {"size": float("inf")}])
def test_options_that_make_ansible_core_raise(
    options: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    testing = pytest.importorskip("ansible.module_utils.testing")
    limits = {"type": "dict", "options": {"disk": {"type": "int", "default": 1}}}
    with testing.patch_module_args(options), pytest.raises(SystemExit):
        CondaModule(argument_spec={"limits": limits, "size": {"type": "int"}})
    assert json.loads(capsys.readouterr().out)["failed"] is True


_LIMITS = {"type": "dict", "options": {"disk": {"type": "int", "default": 1}}}


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"path": "/a\0b"}, "option path contains a null"),
        ({"path": "/a\ud800"}, "option path contains bytes"),
        ({"settings": {"a": [{"b\udcff": 1}]}}, "option settings contains bytes"),
        ({"size": "1e9999999"}, "option size contains a number"),
        ({"limits": {"disk": "-1e9999999"}}, "option limits contains a number"),
        ({"sizes": [1, "1e9999999"]}, "option sizes contains a number"),
    ],
)
def test_refuses_unusable_option_values(
    options: dict[str, Any],
    named: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    testing = pytest.importorskip("ansible.module_utils.testing")
    spec = {
        "path": {"type": "path"},
        "settings": {"type": "dict"},
        "size": {"type": "int"},
        "limits": _LIMITS,
        "sizes": {"type": "list", "elements": "int"},
        "token": {"type": "str", "no_log": True},
    }
    given = {**options, "token": SECRET}
    # Beside a controller's parts in one process, ansible-core reads no such texts in the first place.
    monkeypatch.setattr(AnsibleModule, "_load_params", lambda self: setattr(self, "params", given))
    with testing.patch_module_args(), pytest.raises(SystemExit):
        CondaModule(argument_spec=spec)
    said = capsys.readouterr().out
    assert named in json.loads(said)["msg"]
    assert SECRET not in said


def test_accepts_usual_option_values() -> None:
    testing = pytest.importorskip("ansible.module_utils.testing")
    given = {"path": "/srv/\u00e9", "size": "1e3", "limits": {"disk": "12"}}
    with testing.patch_module_args(given):
        spec = {"path": {"type": "path"}, "size": {"type": "int"}, "limits": _LIMITS}
        module = CondaModule(argument_spec=spec)
    assert module.params == {"path": "/srv/\u00e9", "size": 1000, "limits": {"disk": 12}}


@pytest.mark.parametrize(
    ("main", "options"),
    [
        (accelerator_info.main, {"timeout": float("inf")}),
        (conda_config.main, {"scope": "prefix", "installation": None, "settings": {}}),
    ],
)
def test_modules_with_options_that_make_ansible_core_raise(
    main: Callable[[], None], options: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    testing = pytest.importorskip("ansible.module_utils.testing")
    with testing.patch_module_args(options), pytest.raises(SystemExit):
        main()
    assert json.loads(capsys.readouterr().out)["failed"] is True


def test_a_directory_in_the_place_of_the_marker(tmp_path: Path) -> None:
    prefix = str(tmp_path)
    with pytest.raises(CondaModuleError, match="cannot be written"):
        set_marker(prefix)
    remove_marker(prefix)
    (tmp_path / "conda-meta" / "frozen").mkdir(parents=True)
    for act in (set_marker, remove_marker):
        with pytest.raises(CondaModuleError, match="conda-meta/frozen"):
            act(prefix)
    with (
        pytest.raises(CondaModuleError, match="cannot be removed"),
        marker_lifted(prefix, put_back=True),
    ):
        pass


@pytest.mark.parametrize("files", [[["a.txt"]], "a.txt", [1]])
def test_record_whose_paths_are_not_strings(files: Any, tmp_path: Path) -> None:
    meta = tmp_path / "conda-meta"
    meta.mkdir()
    (meta / "history").touch()
    record = {"name": "odd", "version": "1", "build": "0", "files": files}
    (meta / "odd-1-0.json").write_text(json.dumps(record))
    assert "not a list of paths" in observe_prefix(str(tmp_path), thorough=True).problems[0]


def test_stray_brackets_in_an_address() -> None:
    with pytest.raises(CondaModuleError, match="reject_tos needs channel URLs"):
        channel_urls(["https://127.[31m.0.1/main"], {}, "reject_tos")


@pytest.mark.parametrize("said", ["{}", "[]", '"commit"', '{"comm": 1}', '{"commit": 1}'])
def test_hub_download_with_unexpected_output(said: str) -> None:
    wanted = Download(prefix="/nowhere", model="a/b", revision="main", cache="/nowhere")
    with pytest.raises(CondaModuleError, match="Cannot download the model"):
        _answer(wanted, f"llmfleet-hub-model:{said}", "")


def test_refuses_to_open_pipes_and_devices(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero")):
        with pytest.raises(OSError, match="not a regular file"), open(path, opener=only_regular):
            pass
    with open(os.devnull, opener=only_regular) as stream:
        assert stream.read() == ""


def test_a_pipe_among_the_records(tmp_path: Path) -> None:
    meta = tmp_path / "conda-meta"
    meta.mkdir()
    (meta / "history").touch()
    os.mkfifo(meta / "odd-1-0.json")
    assert "not a regular file" in observe_prefix(str(tmp_path)).problems[0]


def test_a_pipe_in_the_place_of_the_journal(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".env.llmfleet-journal")
    found = pending_journal(str(tmp_path / "env"))
    assert found == {"journal": str(tmp_path / ".env.llmfleet-journal")}


def test_lock_does_not_touch_a_linked_file(tmp_path: Path) -> None:
    victim, lock = tmp_path / "victim", tmp_path / "lock"
    victim.write_text("mine\n")
    victim.chmod(0o600)
    os.link(victim, lock)
    with (
        pytest.raises(CondaModuleError, match="not a regular file with a single link"),
        file_lock(str(lock), operation="x", timeout=0),
    ):
        pass
    assert victim.read_text() == "mine\n"
    assert victim.stat().st_mode & 0o777 == 0o600


def test_a_lock_that_is_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lock")
    with (
        pytest.raises(CondaModuleError, match="not a regular file with a single link"),
        file_lock(str(tmp_path / "lock"), operation="x", timeout=0),
    ):
        pass


@pytest.mark.skipif(
    os.geteuid() != 0,
    reason="making another user's link needs root: planted links are NOT tested here",
)
def test_a_link_that_another_user_has_planted(tmp_path: Path) -> None:
    place, own = tmp_path / "everybody", tmp_path / "own"
    place.mkdir()
    own.mkdir()
    for directory in (place, own):
        (directory / "link").symlink_to(tmp_path)
    place.chmod(0o777)
    os.chown(place / "link", 65534, 65534, follow_symlinks=False)
    with pytest.raises(
        CondaModuleError, match="another user created in a world-writable directory"
    ):
        check_prefix(str(place / "link" / "env"))
    assert check_prefix(str(own / "link" / "env")) == str(tmp_path / "env")


@pytest.mark.parametrize("text", ["x" * 300_000, "a.so" * 75_000, "\n" * 300_000, " " * 300_000])
def test_long_interpreter_error_is_handled_quickly(text: str) -> None:
    completed = Completed(2, "", text)
    began = time.process_time()
    said, _measured = explain_death(completed, Limits(60, 30, time.monotonic() + 60))
    # CPU seconds: an expression that tries every length again takes minutes.
    assert time.process_time() - began < 5
    assert said.startswith("The interpreter ended with exit status 2")


def test_a_directory_in_the_place_of_the_journal_stays(tmp_path: Path) -> None:
    prefix = tmp_path / "env"
    (prefix / "conda-meta").mkdir(parents=True)
    beside = tmp_path / ".env.llmfleet-journal"
    beside.mkdir()
    with journalled(str(prefix), operation="update"):
        assert pending_journal(str(prefix)) is not None
    assert beside.is_dir()
    assert pending_journal(str(prefix)) is None


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "{", ""])
def test_invalid_json_raises_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        json_document.loads(text)
    with pytest.raises(ValueError, match=r".+"):
        json_document.load(io.StringIO(text))


@pytest.mark.parametrize("item", [{}, {"name": "x"}, "x", None, []])
def test_conda_output_with_unexpected_packages(item: Any) -> None:
    with pytest.raises(CondaModuleError, match="output has an unknown format"):
        solution_of({"success": True, "actions": {"LINK": [item]}})


@pytest.mark.parametrize(
    "event",
    [
        {"event": "begin"},
        {"event": "begin", "name": [], "at": 1.0},
        {"event": "end", "name": "x", "at": 1.0},
        {"event": "end", "name": "x", "at": "1", "passed": True, "detail": "", "measured": {}},
    ],
)
def test_foreign_json_is_not_an_event(event: dict[str, Any]) -> None:
    assert list(_events(json.dumps(event))) == []


def test_a_null_character_in_an_executable() -> None:
    assert dialect_of("/opt/\0/mamba").caches() == []
    with pytest.raises(OSError, match="cannot be passed to a program"):
        run([sys.executable, "\0"])


@pytest.mark.parametrize("name", ["4294967295", "9" * 400, "\0", "\udcff", "\u0661", ""])
def test_refuses_impossible_owner(name: str) -> None:
    with pytest.raises(CondaModuleError, match="names an unknown user"):
        AccessManager("/nowhere", access_of(name, None, None, []))


def test_an_owner_by_number() -> None:
    AccessManager("/nowhere", access_of("4294967294", None, None, []))


@pytest.mark.parametrize(
    "text", ["A" * 200_000, "a1" * 100_000, "a." * 100_000, "https://a " * 20_000, "&?=" * 60_000]
)
def test_long_text_is_masked_quickly(text: str) -> None:
    started_at = time.process_time()
    assert redact(f"{text} https://u:p@host/x").endswith(f" https://{MASK}@host/x")
    assert time.process_time() - started_at < 5


@pytest.mark.parametrize("url", ["ht; touch /canary://x", "nothing", "http://[::1/x"])
def test_invalid_url(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    with pytest.raises(CondaModuleError, match="option mirror"):
        fetch(url, str(tmp_path / "file"), "0" * 64, timeout=1, option="mirror")


def test_proxies_that_are_not_a_mapping(monkeypatch: pytest.MonkeyPatch) -> None:
    for proxies in ("x", ["x"], {"http": "\0"}):
        with pytest.raises(CondaModuleError, match="terms of service"):
            current_terms("nothing://x", {"proxy_servers": proxies})


def test_a_null_character_in_a_record(tmp_path: Path) -> None:
    info = tmp_path / "x-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: x\nVersion: 1\n")
    (info / "RECORD").write_text("x/\0.py,,5\n")
    packages = observe_packages(str(tmp_path), str(tmp_path), [])
    assert damage_of(packages, ["x"]) == {"x": ("x/\0.py",)}


@pytest.mark.parametrize(("where", "attempts"), [("pkgs", 2), ("envs", 1)])
def test_retries_when_another_conda_extracts_the_same_package(
    where: str, attempts: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    calls, conda = tmp_path / "calls", tmp_path / "conda"
    moved = f"[Errno 39] Directory not empty: '{tmp_path}/{where}/six-1.17-0/info'"
    conda.write_text(
        f"#!/bin/sh\necho >> {calls}\n[ $(wc -l < {calls}) -gt 1 ] && exit 0\n"
        f'echo "OSError: {moved}" >&2\nexit 1\n'
    )
    conda.chmod(0o755)
    command = Conda(str(tmp_path), str(conda))
    if attempts == 1:
        with pytest.raises(CondaModuleError):
            command.install(str(tmp_path / "envs" / "x"), ["six"], [])
    else:
        command.install(str(tmp_path / "envs" / "x"), ["six"], [])
    assert len(calls.read_text().splitlines()) == attempts


def test_retries_when_another_users_conda_extracted_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    calls, conda = tmp_path / "calls", tmp_path / "conda"
    path = f"{tmp_path}/pkgs/six-1.17-0/info/repodata_record.json"
    conda.write_text(
        f"#!/bin/sh\necho >> {calls}\n[ $(wc -l < {calls}) -gt 1 ] && exit 0\n"
        "echo 'NotWritableError: The current user does not have write permissions to a required path.'"
        f" >&2\necho '  path: {path}' >&2\nexit 1\n"
    )
    conda.chmod(0o755)
    Conda(str(tmp_path), str(conda)).install(str(tmp_path / "envs" / "x"), ["six"], [])
    assert len(calls.read_text().splitlines()) == 2
