"""A conda that a signal ends, a damaged base, a run offline: what is tried again and what is said."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._conda import command as conda_command
from ansible_collections.llmfleet.conda.plugins.module_utils._conda.traces import traces
from ansible_collections.llmfleet.conda.plugins.module_utils._core import scratch
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.tests.unit.plugins.fake_prefix import FakePrefix
from ansible_collections.llmfleet.conda.tests.unit.plugins.scripted_conda import GOOD, Scripted


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scripted:
    monkeypatch.setattr(conda_command, "_RETRY_DELAYS", (0.0, 0.0))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "fake").mkdir()
    return Scripted(tmp_path / "fake")


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("number", [4, 6, 7, 8, 11])
def test_a_crash_before_any_change_is_tried_once_more(
    fake: Scripted, tmp_path: Path, number: int, dry_run: bool
) -> None:
    prefix = str(FakePrefix(tmp_path / "env").path)
    fake.reply({"rc": -number}, {"stdout": GOOD})
    conda = fake.conda()
    conda.install(prefix, ["six"], [], dry_run=dry_run)
    assert len(fake.calls()) == 2
    assert conda.warnings == [
        f"Signal {number} ended conda before it changed anything; it was started again."
    ]


def test_a_second_crash_is_the_failure(fake: Scripted, tmp_path: Path) -> None:
    prefix = str(FakePrefix(tmp_path / "env").path)
    fake.reply({"rc": -11})
    with pytest.raises(CondaModuleError, match=r"it crashed \(tried 2 times\)") as error:
        fake.conda().install(prefix, ["six"], [])
    assert error.value.facts["error_kind"] == "crash"
    assert error.value.cut_off
    assert len(fake.calls()) == 2
    assert "memory" not in str(error.value)


@pytest.mark.parametrize("place", ["lib/python3.11/site-packages/six", "conda-meta/x", "share"])
def test_a_crash_after_a_change_is_not_tried_again(
    fake: Scripted, tmp_path: Path, place: str
) -> None:
    prefix = FakePrefix(tmp_path / "env").path
    (prefix / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    fake.reply({"rc": -11, "make": str(prefix / place)}, {"stdout": GOOD})
    with pytest.raises(CondaModuleError, match="it crashed"):
        fake.conda().install(str(prefix), ["six"], [])
    assert len(fake.calls()) == 1


def test_a_killed_conda_is_not_tried_again(fake: Scripted, tmp_path: Path) -> None:
    prefix = str(FakePrefix(tmp_path / "env").path)
    fake.reply({"rc": -9}, {"stdout": GOOD})
    with pytest.raises(CondaModuleError, match="killed it") as error:
        fake.conda().install(prefix, ["six"], [])
    assert error.value.facts["error_kind"] == "killed"
    assert "more memory" in (error.value.hint or "")
    assert len(fake.calls()) == 1


def test_a_shell_script_around_conda_reports_the_signal_as_a_status(
    fake: Scripted, tmp_path: Path
) -> None:
    wrapper = tmp_path / "conda"
    wrapper.write_text(f'#!/bin/sh\n{fake.executable} "$@"\nexit $?\n')
    wrapper.chmod(0o755)
    fake.reply({"rc": -11}, {"stdout": GOOD})
    conda = conda_command.Conda(str(tmp_path / "base"), str(wrapper))
    conda.install(str(FakePrefix(tmp_path / "env").path), ["six"], [])
    assert len(fake.calls()) == 2


def test_traces_of_a_prefix_that_does_not_exist(tmp_path: Path) -> None:
    assert traces(str(tmp_path / "none")) == frozenset()
    (tmp_path / "none").mkdir()
    assert traces(str(tmp_path / "none")) != frozenset()


def test_a_bad_record_in_base_is_not_told_of_the_environment(
    fake: Scripted, tmp_path: Path
) -> None:
    bad = fake.path / "base" / "conda-meta" / "zz-1-0.json"
    said = f"The target environment has been corrupted.\n  corrupted file: {bad}\n"
    document = {"exception_name": "CorruptedEnvironmentError", "message": said, "error": said}
    fake.reply({"stdout": json.dumps(document), "rc": 1})
    with pytest.raises(CondaModuleError, match="conda's own installation is damaged") as error:
        fake.conda().create(str(tmp_path / "env"), ["six"], [])
    assert error.value.facts["error_kind"] == "base_damaged"
    assert "conda_installation" in (error.value.hint or "")
    assert "recreate" not in (error.value.hint or "")
    # In the environment itself, the advice is to repair that one.
    document["message"] = said.replace(
        str(bad), str(tmp_path / "env" / "conda-meta" / "zz-1-0.json")
    )
    document["error"] = document["message"]
    fake.reply({"stdout": json.dumps(document), "rc": 1})
    with pytest.raises(CondaModuleError, match="records of the environment") as error:
        fake.conda().install(str(tmp_path / "env"), ["six"], [])
    assert error.value.facts["error_kind"] == "environment_damaged"


@pytest.mark.parametrize("missing", ["six", "a-dependency-of-six"])
def test_offline_is_said_to_be_the_cause(fake: Scripted, missing: str) -> None:
    document = {
        "exception_name": "PackagesNotFoundError",
        "message": f"not available from current channels: - {missing}",
        "packages": [missing],
    }
    fake.reply({"stdout": json.dumps(document), "rc": 1})
    with pytest.raises(CondaModuleError, match="offline") as error:
        fake.conda().install("/opt/env", ["six"], ["--offline"], dry_run=True)
    assert "offline to false" in (error.value.hint or "")


def test_too_many_open_files_do_not_blame_the_installation(
    fake: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_argv: object, **_how: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(conda_command, "run", fails)
    with pytest.raises(CondaModuleError, match="cannot be started") as error:
        fake.conda().install("/opt/env", ["six"], [])
    assert "ulimit -n" in (error.value.hint or "")


def test_check_mode_with_a_full_temporary_directory_uses_the_volume_of_the_cache(
    fake: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = tmp_path / "full"
    full.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(full))
    monkeypatch.setattr(scratch, "_free", lambda path: 0 if path == str(full) else 1 << 40)
    base = fake.path / "base"
    (base / "pkgs").mkdir(parents=True)
    before = base.stat().st_mtime_ns
    fake.conda().install("/opt/env", ["six"], [], dry_run=True)
    (call,) = fake.calls()
    assert call["env"]["CONDA_PKGS_DIRS"].startswith(f"{base}/llmfleet-conda-")
    assert call["env"]["TMPDIR"] == call["env"]["CONDA_PKGS_DIRS"]
    # Nothing stays, not even a time stamp.
    assert sorted(path.name for path in base.iterdir()) == ["pkgs"]
    assert base.stat().st_mtime_ns == before
    assert list(full.iterdir()) == []
