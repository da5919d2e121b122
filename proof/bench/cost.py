"""What a run of a program on the controller costs: wall time, processor time, memory."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from lab.errors import LabError
from scripts.layout import ROOT


@dataclass(frozen=True)
class Run:
    """What one run of a program on the controller cost.

    seconds: wall time. cpu: seconds of user and system time of the program and of all its children.
    memory: the most that the program and its children held at once, in MiB (proportional set size).
    module_runs: modules started, by host. recap: Ansible's own counts, by host.
    """

    seconds: float
    cpu: float
    memory: float
    output: str
    module_runs: Mapping[str, int] = field(default_factory=dict)
    recap: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def count(self, key: str) -> int:
        """The sum over all hosts of a count of the recap: ``ok``, ``changed``, ``failures`` ..."""
        return sum(counts.get(key, 0) for counts in self.recap.values())


# Containers are new each time and have no name that could be known.
_SSH = ("UserKnownHostsFile=/dev/null", "StrictHostKeyChecking=no", "LogLevel=ERROR")


def timed(
    argv: Sequence[str], env: Mapping[str, str], timeout: float = 1200, *, check: bool = True
) -> Run:
    """Run a program of the controller and say what it cost; its children count.

    Raises LabError when it fails and ``check`` is set, or takes more than ``timeout`` seconds.
    """
    started = time.perf_counter()
    before = os.times()
    process = subprocess.Popen(
        argv, env=dict(env), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace",
    )  # fmt: skip
    with _Memory(process.pid) as memory:
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise LabError(f"{' '.join(argv)} took more than {timeout:.0f} s") from None
    seconds = time.perf_counter() - started
    after = os.times()
    cpu = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    if check and process.returncode:
        raise LabError(f"{' '.join(argv)} ended with {process.returncode}:\n{output[-3000:]}")
    return Run(seconds, cpu, memory.most, output)


class _Memory:
    """Looks every so often at what a process and its children hold; reading it costs milliseconds."""

    EVERY = 0.25

    def __init__(self, pid: int) -> None:
        self.most = 0.0
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> _Memory:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(self.EVERY):
            self.most = max(self.most, sum(proportional(pid) for pid in family(self._pid)))


def family(pid: int) -> list[int]:
    """A process and all that descend from it (Linux: proc(5), ``task/TID/children``)."""
    found = [pid]
    for one in found:
        try:
            tasks = list(Path(f"/proc/{one}/task").iterdir())
        except OSError:
            # It ended since it was found.
            continue
        for task in tasks:
            with suppress(OSError):
                found += [int(word) for word in (task / "children").read_text().split()]
    return found


def proportional(pid: int) -> float:
    """MiB of a process, shared pages divided among those who share them; 0 when it has ended."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except (OSError, ValueError):
        pass
    return 0.0
