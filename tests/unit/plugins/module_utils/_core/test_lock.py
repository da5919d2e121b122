"""Locks between real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.lock import (
    file_lock,
    held_descriptors,
    remove_if_free,
)

HOLDER = """
import sys, time
from ansible_collections.llmfleet.conda.plugins.module_utils._core.lock import file_lock
with file_lock(sys.argv[1], operation="holding on", timeout=30):
    print("held", flush=True)
    sys.stdin.read()
"""
# A module whose conda works on when the module is killed; it holds the lock as its child inherits it.
PARENT = """
import sys, time
from ansible_collections.llmfleet.conda.plugins.module_utils._core.process import run
from ansible_collections.llmfleet.conda.plugins.module_utils._core.lock import file_lock
code = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"
with file_lock(sys.argv[1], operation="installing", timeout=30):
    print("held", flush=True)
    run([sys.executable, "-c", code, sys.argv[2]])
"""
COUNTER = """
import sys
from ansible_collections.llmfleet.conda.plugins.module_utils._core import lock
lock._POLL_SECONDS = 0.001
for _ in range(int(sys.argv[3])):
    with lock.file_lock(sys.argv[1], operation="counting", timeout=60):
        with open(sys.argv[2], "r+") as stream:
            value = int(stream.read())
            stream.seek(0)
            stream.write(str(value + 1))
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start Python code in a process of its own; what still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def begin(code: str, *arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def hold(start: Start, path: Path) -> subprocess.Popen[str]:
    """A process that holds the lock now."""
    process = start(HOLDER, path)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_lock_file_exists_only_while_held(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with file_lock(str(path), operation="x", timeout=0):
        assert path.exists()
    assert list(tmp_path.iterdir()) == []


def test_lock_is_released_when_the_block_fails(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with pytest.raises(ZeroDivisionError), file_lock(str(path), operation="x", timeout=0):
        raise ZeroDivisionError
    with file_lock(str(path), operation="y", timeout=0):
        pass


def test_lock_timeout_names_holder(tmp_path: Path, start: Start) -> None:
    path = tmp_path / "lock"
    holder = hold(start, path)
    began = time.monotonic()
    with (
        pytest.raises(CondaModuleError) as error,
        file_lock(str(path), operation="mine", timeout=0.5),
    ):
        pytest.fail("two processes hold one lock")
    assert time.monotonic() - began > 0.4
    assert f"locked by process {holder.pid} (holding on, since 20" in str(error.value)
    assert "waited 0.5 seconds" in str(error.value)
    assert path.exists()


def test_waiter_gets_the_released_lock(tmp_path: Path, start: Start) -> None:
    path = tmp_path / "lock"
    holder = hold(start, path)
    assert holder.stdin is not None
    timer = threading.Timer(0.5, holder.stdin.close)
    timer.start()
    with file_lock(str(path), operation="mine", timeout=30):
        assert holder.wait(timeout=10) == 0
    assert not path.exists()


def test_killed_holder_releases_the_lock(tmp_path: Path, start: Start) -> None:
    path = tmp_path / "lock"
    holder = hold(start, path)
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert path.exists()
    with file_lock(str(path), operation="mine", timeout=5):
        pass
    assert not path.exists()


def test_only_one_process_holds_the_lock(tmp_path: Path, start: Start) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    processes = [start(COUNTER, tmp_path / "lock", counter, 60) for _ in range(4)]
    for process in processes:
        process.communicate(timeout=120)
        assert process.returncode == 0
    assert counter.read_text() == "240"
    assert not (tmp_path / "lock").exists()


def test_lock_does_not_follow_links(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "lock").symlink_to(victim)
    with (
        pytest.raises(CondaModuleError, match=r"Cannot create the lock file .*"),
        file_lock(str(tmp_path / "lock"), operation="x", timeout=0),
    ):
        pytest.fail("a link was followed")
    assert victim.read_text() == "precious"


def test_lock_in_a_missing_directory_fails(tmp_path: Path) -> None:
    with (
        pytest.raises(CondaModuleError, match=r"No such file or directory"),
        file_lock(str(tmp_path / "none" / "lock"), operation="x", timeout=0),
    ):
        pytest.fail("there is no place for the file")


def test_invalid_holder_note_is_ignored(tmp_path: Path, start: Start) -> None:
    path = tmp_path / "lock"
    hold(start, path)
    path.write_text("[]")
    with (
        pytest.raises(CondaModuleError, match=r"locked by another process"),
        file_lock(str(path), operation="x", timeout=0),
    ):
        pytest.fail("two processes hold one lock")


def test_descriptors_of_the_locks_that_are_held(tmp_path: Path) -> None:
    assert held_descriptors() == ()
    one, two = tmp_path / "one", tmp_path / "two"
    with file_lock(str(one), operation="x", timeout=0):
        (first,) = held_descriptors()
        assert os.path.samestat(os.fstat(first), one.stat())
        with file_lock(str(two), operation="x", timeout=0):
            (second,) = set(held_descriptors()) - {first}
            assert os.path.samestat(os.fstat(second), two.stat())
        assert held_descriptors() == (first,)
    assert held_descriptors() == ()


def test_child_of_a_killed_holder_keeps_the_lock(tmp_path: Path, start: Start) -> None:
    path, note = tmp_path / "lock", tmp_path / "note"
    holder = start(PARENT, path, note)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    deadline = time.monotonic() + 30
    while not (note.exists() and note.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    child = int(note.read_text())
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with (
        pytest.raises(CondaModuleError) as error,
        file_lock(str(path), operation="mine", timeout=0.3),
    ):
        pytest.fail("conda works on, and the lock was given away")
    assert (
        f"is locked by a child process that the killed process {holder.pid} left running"
        " (installing, since 20" in str(error.value)
    )
    assert "What to do: wait until that process has finished" in str(error.value)
    os.kill(child, signal.SIGKILL)
    with file_lock(str(path), operation="mine", timeout=10):
        pass
    assert not path.exists()


def test_lock_file_of_a_dead_process_is_free(tmp_path: Path, start: Start) -> None:
    path = tmp_path / "lock"
    dead = hold(start, path)
    os.kill(dead.pid, signal.SIGKILL)
    dead.wait()
    assert str(dead.pid) in path.read_text()
    with file_lock(str(path), operation="mine", timeout=0):
        assert str(os.getpid()) in path.read_text()
        assert str(dead.pid) not in path.read_text()


@pytest.mark.parametrize("jump", [-86400.0, 86400.0])
def test_wait_ignores_clock_changes(
    jump: float, tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lock"
    hold(start, path)
    real = time.time
    asked: list[float] = []

    def jumping() -> float:
        asked.append(jump)
        return real() + jump * len(asked)

    monkeypatch.setattr(time, "time", jumping)
    began = time.monotonic()
    with (
        pytest.raises(CondaModuleError, match=r"waited 0\.5 seconds"),
        file_lock(str(path), operation="mine", timeout=0.5),
    ):
        pytest.fail("two processes hold one lock")
    assert time.monotonic() - began > 0.4


def test_removes_only_free_lock_files(tmp_path: Path, start: Start) -> None:
    path = tmp_path / "lock"
    holder = hold(start, path)
    remove_if_free(str(path))
    assert path.exists()
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert path.exists()
    remove_if_free(str(path))
    assert list(tmp_path.iterdir()) == []
    remove_if_free(str(path))
    path.symlink_to(tmp_path / "elsewhere")
    remove_if_free(str(path))
    assert path.is_symlink()
    assert not (tmp_path / "elsewhere").exists()
