"""Command lines, environment, retries and time limits, with a conda that a test has scripted."""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._conda import command as conda_command
from ansible_collections.llmfleet.conda.plugins.module_utils._conda.command import (
    Conda,
    Solution,
    solution_of,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.tests.unit.plugins.cut_short import compiled, give_python
from ansible_collections.llmfleet.conda.tests.unit.plugins.fake_prefix import FakePrefix, snapshot
from ansible_collections.llmfleet.conda.tests.unit.plugins.scripted_conda import GOOD, Scripted

NETWORK = json.dumps({"exception_name": "CondaHTTPError", "message": "HTTP 503 for url <http://x>"})
REFUSED = json.dumps({"exception_name": "CondaHTTPError", "message": "HTTP 404 for url <http://x>"})
CORRUPT = json.dumps({"exception_name": "ChecksumMismatchError", "message": "a mismatch"})
MISSING = json.dumps({"exception_name": "PackagesNotFoundError", "message": "no x"})


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scripted:
    monkeypatch.setattr(conda_command, "_RETRY_DELAYS", (0.0, 0.0))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "fake").mkdir()
    return Scripted(tmp_path / "fake")


COMMON = ["--prefix", "/opt/env", "--yes", "--quiet", "--json"]
CHANNELS = ["--override-channels", "--channel", "lab"]


def test_exact_command_lines(fake: Scripted) -> None:
    conda = fake.conda()
    conda.create("/opt/env", ["python=3.12", "numpy>=1,<2"], CHANNELS)
    conda.install("/opt/env", ["lab::six[build='*_0']"], [*CHANNELS, "--offline"])
    conda.remove("/opt/env", ["six", "tqdm"])
    assert [call["argv"] for call in fake.calls()] == [
        ["create", *COMMON, *CHANNELS, "python=3.12", "numpy>=1,<2"],
        ["install", *COMMON, *CHANNELS, "--offline", "lab::six[build='*_0']"],
        ["remove", *COMMON, "six", "tqdm"],
    ]
    assert {call["cwd"] for call in fake.calls()} == {"/"}


def test_dry_run_adds_only_its_option(fake: Scripted) -> None:
    conda = fake.conda()
    conda.create("/opt/env", ["six"], CHANNELS, dry_run=True)
    conda.install("/opt/env", ["six"], [], dry_run=True)
    conda.remove("/opt/env", ["six"], dry_run=True)
    assert [call["argv"] for call in fake.calls()] == [
        ["create", *COMMON, *CHANNELS, "--dry-run", "six"],
        ["install", *COMMON, "--dry-run", "six"],
        ["remove", *COMMON, "--dry-run", "six"],
    ]


def test_the_installations_own_python_runs_conda_without_the_users_modules(tmp_path: Path) -> None:
    scripted = Scripted(tmp_path)
    python = tmp_path / "base" / "bin" / "python"
    python.parent.mkdir(parents=True)
    scripted.executable.rename(python)
    conda = Conda(str(tmp_path / "base"))
    conda.remove("/opt/env", ["six"])
    conda.remove("/opt/env", ["six"], dry_run=True)
    assert [call["argv"][:4] for call in scripted.calls()] == [
        ["-I", "-m", "conda", "remove"],
        ["-I", "-B", "-m", "conda"],
    ]


def test_the_environment_is_scrubbed(fake: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    misleading = {
        "CI": "true",
        "CONDA_PREFIX": "/other",
        "CONDA_DEFAULT_ENV": "other",
        "CONDA_EXE": "/other/bin/conda",
        "CONDA_CHANNELS": "evil",
        "CONDA_PKGS_DIRS": "/shared/pkgs",
        "_CONDA_ROOT": "/other",
        "_CE_M": "x",
        "MAMBA_ROOT_PREFIX": "/other",
        "PYTHONPATH": "/other",
        "PYTHONHOME": "/other",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PIP_INDEX_URL": "http://other",
        "SUDO_USER": "somebody",
        "VIRTUAL_ENV": "/other",
        "LC_ALL": "de_DE.UTF-8",
    }
    kept = {
        "https_proxy": "http://proxy:3128",
        "SSL_CERT_FILE": "/ca.pem",
        "HTTP_PROXY": "http://p",
    }
    for key, value in {**misleading, **kept}.items():
        monkeypatch.setenv(key, value)
    fake.conda().install("/opt/env", ["six"], [])
    environment = fake.calls()[0]["env"]
    assert {key: environment[key] for key in kept} == kept
    assert {key for key in misleading if key in environment} == {"LC_ALL"}
    assert environment["LC_ALL"] == "C.UTF-8"
    assert {key for key in environment if key.startswith("CONDA")} == {
        "CONDA_AUTO_UPDATE_CONDA",
        "CONDA_NUMBER_CHANNEL_NOTICES",
        "CONDA_PATH_CONFLICT",
        "CONDA_REPORT_ERRORS",
    }


def test_dry_run_uses_a_temporary_cache(
    fake: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    terms = tmp_path / "home" / ".cache" / "conda-anaconda-tos" / "abc.cache"
    terms.parent.mkdir(parents=True)
    terms.write_text("{}")
    homes = snapshot(tmp_path / "home")
    repodata = fake.path / "base" / "pkgs" / "cache" / "abc.json"
    repodata.parent.mkdir(parents=True)
    repodata.write_text("{}")
    before = snapshot(fake.path / "base")
    fake.conda().install("/opt/env", ["six"], [], dry_run=True)
    call = fake.calls()[0]
    assert call["env"]["CONDA_PKGS_DIRS"].startswith(str(scratch))
    assert call["cache"] == [
        "cache",
        "cache/abc.json",
        "users",
        "users/conda-anaconda-tos",
        "users/conda-anaconda-tos/abc.cache",
    ]
    assert list(scratch.iterdir()) == []
    assert snapshot(tmp_path / "home") == homes
    assert snapshot(fake.path / "base") == before
    fake.reply({"stdout": MISSING, "rc": 1})
    with pytest.raises(CondaModuleError):
        fake.conda().install("/opt/env", ["x"], [], dry_run=True)
    assert list(scratch.iterdir()) == []


def test_a_real_run_uses_the_shared_cache(fake: Scripted) -> None:
    fake.conda().install("/opt/env", ["six"], [])
    assert fake.calls()[0]["cache"] is None


@pytest.mark.parametrize(
    ("replies", "calls", "kind"),
    [
        ([NETWORK, GOOD], 2, None),
        ([NETWORK, NETWORK, GOOD], 3, None),
        ([NETWORK], 3, "network"),
        ([CORRUPT, GOOD], 2, None),
        ([REFUSED, GOOD], 1, "channel"),
        ([MISSING, GOOD], 1, "not_found"),
        ([NETWORK, MISSING], 2, "not_found"),
    ],
)
def test_retries_only_temporary_failures(
    fake: Scripted, replies: list[str], calls: int, kind: str | None
) -> None:
    fake.reply(*({"stdout": text, "rc": 0 if text == GOOD else 1} for text in replies))
    if kind is None:
        fake.conda().install("/opt/env", ["six"], [])
    else:
        with pytest.raises(CondaModuleError) as error:
            fake.conda().install("/opt/env", ["six"], [])
        assert error.value.facts["error_kind"] == kind
    assert len(fake.calls()) == calls


def test_failure_names_command_prefix_and_cause(fake: Scripted) -> None:
    fake.reply({"stdout": MISSING, "rc": 1})
    with pytest.raises(CondaModuleError) as error:
        fake.conda().create("/opt/env", ["x"], ["--channel", "http://user:secret@host/t/TOKEN/lab"])
    result = error.value.as_result()
    assert result["msg"].startswith("conda create failed for /opt/env")
    assert result["asked"] == ["x"]
    assert result["said"].startswith("no x")
    assert result["rc"] == 1
    assert result["command"][:3] == ["conda", "create", "--prefix"]
    assert result["hint"]
    assert "secret" not in json.dumps(result)
    assert "TOKEN" not in json.dumps(result)


@pytest.mark.parametrize(
    "reply",
    [
        {"stdout": "", "rc": 1},
        {"stdout": "", "stderr": "critical libmamba Aborting.", "rc": 1},
        {"stdout": GOOD[:-1], "rc": 1},
        {"stdout": json.dumps({"success": False, "solver_problems": ["x"]}), "rc": 0},
    ],
)
def test_no_output_with_an_error_status_is_a_failure(fake: Scripted, reply: dict[str, Any]) -> None:
    fake.reply(reply)
    with pytest.raises(CondaModuleError):
        fake.conda().install("/opt/env", ["six"], [])


def test_crash_after_reported_success_is_a_success(fake: Scripted) -> None:
    actions = {"LINK": [{"name": "six", "version": "1", "build_string": "0", "channel": "lab"}]}
    fake.reply({"stdout": json.dumps({"success": True, "actions": actions}), "rc": 134})
    assert fake.conda().install("/opt/env", ["six"], []).link == ("six 1 0 lab",)


def test_a_timeout_ends_conda_and_its_children(fake: Scripted) -> None:
    fake.reply({"sleep": 1000, "child": True})
    with pytest.raises(CondaModuleError) as error:
        fake.conda(timeout=1.5).install("/opt/env", ["six"], [])
    assert error.value.facts["error_kind"] == "timeout"
    child = int((fake.path / "child").read_text())
    assert ended(child)
    assert len(fake.calls()) == 1


def test_a_timeout_names_the_channels_without_their_secrets(fake: Scripted) -> None:
    fake.reply({"sleep": 60})
    channels = ["--channel", "https://host/t/tk-secret/lab"]
    with pytest.raises(CondaModuleError) as error:
        fake.conda(timeout=1.0).install("/opt/env", ["six"], channels)
    assert "The channels of this run are https://host/t/********/lab" in str(error.value)
    assert "tk-secret" not in str(error.value.as_result())


def ended(pid: int) -> bool:
    """Gone, or a zombie that only waits for its parent to look."""
    for _ in range(50):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as stream:
                if stream.read().rpartition(")")[2].split()[0] in {"Z", "X"}:
                    return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.1)
    return False


def test_missing_conda(tmp_path: Path) -> None:
    with pytest.raises(CondaModuleError, match="conda cannot be started") as error:
        Conda(str(tmp_path / "none")).remove("/opt/env", ["six"])
    assert "conda_installation" in (error.value.hint or "")
    (tmp_path / "text").write_text("no program")
    with pytest.raises(CondaModuleError, match="conda cannot be started"):
        Conda("/opt/x", str(tmp_path / "text")).remove("/opt/env", ["six"])


@pytest.mark.parametrize(
    ("document", "solution"),
    [
        (None, Solution((), ())),
        ({}, Solution((), ())),
        ({"actions": {}}, Solution((), ())),
        ({"actions": []}, Solution((), ())),
        ({"actions": [{"UNLINK": []}]}, Solution((), ())),
        (
            {
                "actions": {
                    "LINK": [
                        {
                            "name": "a",
                            "version": "1",
                            "build_string": "py_0",
                            "channel": "http://mirror/conda/lab/noarch",
                        }
                    ],
                    "UNLINK": [
                        {"name": "b", "version": "2", "build": "0", "base_url": "http://m/x"}
                    ],
                }
            },
            Solution(("a 1 py_0 lab",), ("b 2 0 x",)),
        ),
    ],
)
def test_solutions(document: dict[str, Any] | None, solution: Solution) -> None:
    assert solution_of(document) == solution


def test_home_directory_is_not_changed(fake: Scripted) -> None:
    fake.conda().install("/opt/env", ["six"], [], dry_run=True)
    assert not os.path.exists(os.environ["HOME"])


# -- what is damaged in the package cache --------------------------------------------------------------


def damaged_package(base: Path) -> Path:
    """An unpacked package in the cache of ``base`` that conda stumbles over."""
    unpacked = base / "pkgs" / "six-1-0"
    (unpacked / "info").mkdir(parents=True)
    (unpacked / "info" / "index.json").write_text("{")
    return unpacked


INDEX = json.dumps(
    {
        "exception_name": "JSONDecodeError",
        "error": "JSONDecodeError('Expecting value')",
        "traceback": 'File "conda/gateways/repodata/__init__.py"\njson.decoder.JSONDecodeError: x',
    }
)


def test_damaged_packages_are_set_aside_once_and_reported(fake: Scripted) -> None:
    unpacked = damaged_package(fake.path / "base")
    said = f"The package for six located at {unpacked}\nappears to be corrupted."
    bad = {"stdout": json.dumps({"exception_name": "CondaVerificationError", "error": said})}
    fake.reply({**bad, "rc": 1}, {"stdout": GOOD})
    conda = fake.conda()
    conda.install("/opt/env", ["six"], [])
    assert not unpacked.exists()
    (warning,) = conda.warnings
    assert "six-1-0" in warning
    fake.reply({**bad, "rc": 1})
    with pytest.raises(CondaModuleError) as error:
        fake.conda().install("/opt/env", ["six"], [])
    assert error.value.facts["attempts"] == 2
    assert "(tried 2 times)" in error.value.message
    assert "downloaded again and is still damaged" in (error.value.hint or "")


def test_a_dry_run_sets_nothing_aside(fake: Scripted) -> None:
    unpacked = damaged_package(fake.path / "base")
    before = snapshot(fake.path / "base")
    fake.reply({"stdout": CORRUPT, "rc": 1})
    with pytest.raises(CondaModuleError):
        fake.conda().install("/opt/env", ["six"], [], dry_run=True)
    assert unpacked.exists()
    assert snapshot(fake.path / "base") == before
    assert len(fake.calls()) == 1


def test_dry_run_ignores_a_damaged_index(fake: Scripted) -> None:
    repodata = fake.path / "base" / "pkgs" / "cache" / "abc.json"
    repodata.parent.mkdir(parents=True)
    repodata.write_text("{")
    before = snapshot(fake.path / "base")
    fake.reply({"stdout": INDEX, "rc": 1}, {"stdout": GOOD})
    fake.conda().install("/opt/env", ["six"], [], dry_run=True)
    assert [call["cache"] for call in fake.calls()] == [
        ["cache", "cache/abc.json", "users"],
        ["users"],
    ]
    assert snapshot(fake.path / "base") == before


def test_offline_dry_run_fails_with_a_damaged_index(fake: Scripted) -> None:
    fake.reply({"stdout": INDEX, "rc": 1})
    with pytest.raises(CondaModuleError, match="index of a channel"):
        fake.conda().install("/opt/env", ["six"], ["--offline"], dry_run=True)
    assert len(fake.calls()) == 1


def test_retry_of_a_creation_starts_with_an_empty_prefix(fake: Scripted, tmp_path: Path) -> None:
    prefix = tmp_path / "new"
    fake.reply({"stdout": NETWORK, "rc": 1, "make": str(prefix / "conda-meta")}, {"stdout": GOOD})
    fake.conda().create(str(prefix), ["six"], [])
    assert len(fake.calls()) == 2
    assert not prefix.exists()
    # An environment that is there is never cleared.
    prefix.mkdir()
    (prefix / "mine").write_text("")
    fake.reply({"stdout": NETWORK, "rc": 1}, {"stdout": GOOD})
    fake.conda().create(str(prefix), ["six"], [])
    assert (prefix / "mine").exists()


def test_all_attempts_share_the_timeout(fake: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conda_command, "_RETRY_DELAYS", (1000.0, 1000.0))
    fake.reply({"stdout": NETWORK, "rc": 1})
    with pytest.raises(CondaModuleError) as error:
        fake.conda(timeout=30).install("/opt/env", ["six"], [])
    assert error.value.facts["attempts"] == 1
    assert "tried" not in error.value.message


def test_messages_name_the_prefix_behind_a_stand_in(fake: Scripted) -> None:
    said = {"exception_name": "EnvironmentLocationNotFound", "message": "Not one: /tmp/x/env"}
    fake.reply({"stdout": json.dumps(said), "rc": 1})
    conda = fake.conda()
    conda.stand_ins["/tmp/x/env"] = "/opt/env"
    with pytest.raises(CondaModuleError) as error:
        conda.install("/tmp/x/env", ["six"], [], dry_run=True)
    assert error.value.prefix == "/opt/env"
    assert "/tmp/x" not in str(error.value)


def test_hint_for_package_not_found_offline(fake: Scripted) -> None:
    fake.reply({"stdout": MISSING, "rc": 1})
    with pytest.raises(CondaModuleError) as error:
        fake.conda().install("/opt/env", ["x"], ["--offline"])
    assert "offline" in (error.value.hint or "")


def test_settings_reach_every_run(fake: Scripted) -> None:
    conda = Conda("/opt/base", str(fake.executable), 30, {"CONDA_CHANNEL_PRIORITY": "strict"})
    conda.install("/opt/env", ["six"], [], dry_run=True)
    conda.install("/opt/env", ["six"], [])
    seen = [call["env"]["CONDA_CHANNEL_PRIORITY"] for call in fake.calls()]
    assert seen == ["strict", "strict"]


def test_download_only_is_a_success(fake: Scripted) -> None:
    document = json.dumps(
        {"exception_name": "CondaExitZero", "message": "Package caches prepared."}
    )
    fake.reply({"stderr": document})
    assert fake.conda().install("/opt/env", ["six"], ["--download-only"]) == Solution((), ())
    fake.reply({"stderr": document, "rc": 1})
    with pytest.raises(CondaModuleError):
        fake.conda().install("/opt/env", ["six"], ["--download-only"])


CUT = {"stderr": "EOFError: marshal data too short", "rc": 1}
FULL = {"stderr": "OSError: [Errno 28] No space left on device", "rc": 1}


def _cut_file(fake: Scripted) -> Path:
    give_python(fake.path / "base")
    path = compiled(fake.path / "base", "cut")
    os.truncate(path, path.stat().st_size // 2)
    return path


@pytest.mark.parametrize("crash", [CUT, {"rc": 1}])
def test_retries_after_removing_a_truncated_compiled_file(
    fake: Scripted, crash: dict[str, Any]
) -> None:
    cut = _cut_file(fake)
    fake.reply(crash, {"stdout": GOOD})
    conda = fake.conda()
    conda.install("/opt/env", ["six"], [])
    assert not cut.exists()
    assert conda.warnings == [f"The compiled file {cut} was truncated; it was removed."]


def test_dry_run_keeps_a_truncated_compiled_file(fake: Scripted) -> None:
    cut = _cut_file(fake)
    fake.reply(CUT)
    with pytest.raises(CondaModuleError, match="is truncated") as error:
        fake.conda().install("/opt/env", ["six"], [], dry_run=True)
    assert "not in check mode" in str(error.value)
    assert cut.exists()


def test_removes_truncated_compiled_files_after_a_full_disk(fake: Scripted) -> None:
    cut = _cut_file(fake)
    fake.reply(FULL)
    with pytest.raises(CondaModuleError, match="the disk is full"):
        fake.conda().install("/opt/env", ["six"], [])
    assert not cut.exists()


def test_removes_truncated_compiled_files_after_success_on_a_full_disk(
    fake: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = _cut_file(fake)
    monkeypatch.setattr(conda_command, "is_short_of_room", lambda _prefix: True)
    fake.conda().install("/opt/env", ["six"], [])
    assert not cut.exists()


def test_users_files_are_not_overwritten(fake: Scripted, tmp_path: Path) -> None:
    """conda is asked to prevent it, and only where it names some is it told to go on beside them."""
    prefix = FakePrefix(tmp_path / "env").path
    (prefix / "share").mkdir()
    (prefix / "share" / "notes.txt").write_text("work")
    said = (
        "The package 'lab::six' cannot be installed due to a\npath collision for 'share/notes.txt'.\n"
        "This path already exists in the target prefix, and it won't be removed\nby an uninstall action in"
        " this transaction. The path is one that conda\ndoesn't recognize. It may have been created by"
        " another package manager.\n"
    )
    error = {"exception_name": "UnknownPackageClobberError", "message": said, "error": said}
    document = {"exception_name": "CondaMultiError", "error": "Multiple", "errors": [error]}
    made = str(prefix / "share" / "notes.txt")
    fake.reply({"stdout": json.dumps(document), "rc": 1}, {"stdout": GOOD, "make": made})
    conda = fake.conda()
    conda.install(str(prefix), ["six"], [])
    told = [call["env"].get("CONDA_PATH_CONFLICT") for call in fake.calls()]
    assert told == ["prevent", None]
    assert (prefix / "share" / "notes.txt.before-conda").read_text() == "work"
    assert conda.warnings == [
        f"{prefix} contained files that no package owns at paths where a package installs its own."
        " They were kept under other names: share/notes.txt.before-conda."
    ]
