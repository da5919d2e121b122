"""Processes of a lab host, seen and killed from this machine: at once, and known to have been alive."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from proof.faults.cases import NotInjected

_PATIENCE = 2.0
"""Seconds for the kernel to stop or to end a process that was told to."""


@dataclass(frozen=True)
class Process:
    """A process by its number on this machine, its parent's, and its command line."""

    pid: int
    parent: int
    words: tuple[str, ...]


Choice = Callable[[Sequence[Process]], list[Process]]
"""Which of a host's processes a fault is about."""


def of_host(first: int) -> list[Process]:
    """All processes of the host whose first process has the number ``first``, but it and its own child.

    The two are Docker's init and the command that keeps the host running; what ``docker exec`` starts
    is a child of neither, but lives in the same process namespace.
    """
    found = []
    for pid in _numbers(first):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace")
            state, parent = _status(pid)
        except OSError:
            continue
        # Docker's init (--init) reaps orphans, so its only command is told by what it is.
        if pid != first and state not in "ZX" and words != "sleep\0infinity\0":
            found.append(Process(pid, parent, tuple(words.split("\0")[:-1])))
    return found


def _numbers(first: int) -> list[int]:
    """The numbers of a host's processes: those in its control group (cgroups(7), of either version)."""
    for line in Path(f"/proc/{first}/cgroup").read_text(encoding="utf-8").splitlines():
        _number, names, path = line.split(":", 2)
        controller = names.split(",")[0].removeprefix("name=")
        for folder in (f"/sys/fs/cgroup/{controller}", "/sys/fs/cgroup"):
            try:
                text = Path(f"{folder}{path}/cgroup.procs").read_text(encoding="utf-8")
            except OSError:
                continue
            numbers = [int(word) for word in text.split()]
            if first in numbers:
                return numbers
    raise NotInjected(f"the control group of process {first} is nowhere below /sys/fs/cgroup")


def module(processes: Sequence[Process]) -> list[Process]:
    """The module's own process."""
    return [one for one in processes if any(word.endswith("/run_module.py") for word in one.words)]


def conda(processes: Sequence[Process]) -> list[Process]:
    """The conda that a module started."""
    return [one for one in processes if _runs(one, "conda")]


def pip(processes: Sequence[Process]) -> list[Process]:
    """The pip or uv that a module started."""
    return [
        one
        for one in processes
        if _runs(one, "pip") or (one.words and one.words[0].endswith("/uv"))
    ]


def installer(processes: Sequence[Process]) -> list[Process]:
    """The shell that runs an installer."""
    mine = {one.pid for one in module(processes)}
    return [one for one in processes if one.parent in mine and one.words[:1] == ("bash",)]


def below_installer(processes: Sequence[Process]) -> list[Process]:
    """What an installer's shell has started, at any depth."""
    found: list[Process] = []
    known = {one.pid for one in installer(processes)}
    while more := [one for one in processes if one.parent in known and one not in found]:
        found += more
        known |= {one.pid for one in more}
    return found


def kill(victim: Process) -> None:
    """End a process by SIGKILL, which it was alive to receive.

    It is stopped before: what is seen stopped cannot have ended by itself, nor can it still do so.

    Raises:
        NotInjected: it had ended before, or does not end.
    """
    _stop([victim])
    _end([victim])


def kill_all(first: int) -> list[Process]:
    """End everything at work in a host at one moment, as a power cut does; returns what it was.

    Raises:
        NotInjected: the module had ended before.
    """
    stopped: list[Process] = []
    # What was started while the others were being stopped.
    while more := [one for one in of_host(first) if one not in stopped]:
        for one in more:
            try:
                os.kill(one.pid, signal.SIGSTOP)
            except ProcessLookupError:
                continue
        stopped += more
    _stop(module(stopped))
    if not module(stopped):
        _end(stopped)
        raise NotInjected("the module had ended before the moment came")
    _end(stopped)
    return stopped


def _stop(victims: Iterable[Process]) -> None:
    for victim in victims:
        try:
            os.kill(victim.pid, signal.SIGSTOP)
            _wait(victim, "T")
        except OSError:
            raise NotInjected(f"process {victim.pid} had ended before the moment came") from None


def _end(victims: Iterable[Process]) -> None:
    for victim in victims:
        try:
            os.kill(victim.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    for victim in victims:
        try:
            _wait(victim, "ZX")
        except OSError:
            continue


def _wait(victim: Process, states: str) -> None:
    """Wait for a process to be in one of the states of proc(5); raises OSError when it is gone."""
    deadline = time.monotonic() + _PATIENCE
    while (state := _status(victim.pid)[0]) not in states:
        if state in "ZX":
            raise ProcessLookupError
        if time.monotonic() > deadline:
            raise NotInjected(f"process {victim.pid} does not take a signal (state {state})")
        time.sleep(0.0005)


def _status(pid: int) -> tuple[str, int]:
    """State and parent of a process (proc(5), stat); raises OSError when it is gone."""
    text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    state, parent = text.rpartition(")")[2].split()[:2]
    return state, int(parent)


def _runs(process: Process, name: str) -> bool:
    words = process.words
    return any(words[index : index + 2] == ("-m", name) for index in range(len(words)))
