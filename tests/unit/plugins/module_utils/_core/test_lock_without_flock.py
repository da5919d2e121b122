"""Locks on a volume without flock, as NFS without its lock service."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core import lock
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.lock import (
    file_lock,
    remove_if_free,
)


@pytest.fixture(params=[errno.ENOLCK, errno.EOPNOTSUPP], ids=["ENOLCK", "EOPNOTSUPP"])
def path(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    def fails(_descriptor: int, _operation: int) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(lock.fcntl, "flock", fails)
    return str(tmp_path / "lock")


def ended_process() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def leave(path: str, pid: int, host: str | None = None) -> None:
    note = {"pid": pid, "operation": "create", "since": "now", "host": host or os.uname().nodename}
    Path(path).write_text(json.dumps(note))


def test_the_file_is_the_lock(path: str) -> None:
    with file_lock(path, operation="create", timeout=0):
        held = pytest.raises(CondaModuleError, match=rf"locked by process {os.getpid()} \(create")
        with held, file_lock(path, operation="change", timeout=0):
            pass
        assert os.path.exists(path)
    assert not os.path.exists(path)
    with file_lock(path, operation="change", timeout=0):
        pass


def test_the_file_of_a_killed_run_is_removed(path: str) -> None:
    leave(path, ended_process())
    with file_lock(path, operation="create", timeout=5):
        assert json.loads(Path(path).read_text())["pid"] == os.getpid()
    assert os.listdir(os.path.dirname(path)) == []


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_a_child_of_a_killed_run_still_holds_the_lock(path: str) -> None:
    leave(path, ended_process())
    with (
        open(path, encoding="utf-8") as stream,
        subprocess.Popen(
            [sys.executable, "-c", "input()"],
            stdin=subprocess.PIPE,
            pass_fds=[stream.fileno()],
        ) as child,
    ):
        told = pytest.raises(CondaModuleError, match="a child process that the killed process")
        with told, file_lock(path, operation="create", timeout=0):
            pass
        child.kill()
    with file_lock(path, operation="create", timeout=5):
        pass


def test_the_lock_of_another_host_is_never_stale(path: str) -> None:
    leave(path, ended_process(), host="other-host")
    told = pytest.raises(CondaModuleError, match="of the host other-host")
    with told, file_lock(path, operation="create", timeout=0):
        pass
    remove_if_free(path)
    assert os.path.exists(path)


def test_a_file_without_a_note_is_stale_after_a_minute(path: str) -> None:
    Path(path).touch()
    with pytest.raises(CondaModuleError), file_lock(path, operation="create", timeout=0):
        pass
    long_ago = time.time() - 120
    os.utime(path, (long_ago, long_ago))
    with file_lock(path, operation="create", timeout=5):
        pass


def test_another_failure_is_told_for_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(lock.fcntl, "flock", fails)
    told = pytest.raises(CondaModuleError, match="Input/output error")
    with told as error, file_lock(str(tmp_path / "lock"), operation="create", timeout=0):
        pass
    assert "system log" in (error.value.hint or "")
    assert "become" not in (error.value.hint or "")
