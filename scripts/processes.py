"""Child processes of the drivers: each in a group of its own, logged, ended with its children."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

# Every child inherits this variable, so that what a run left behind can be found by it.
MARKER = "LLMFLEET_DRIVER_RUN"

_running: set[subprocess.Popen[str]] = set()
_ended = threading.Event()


class Ended(BaseException):
    """`end_all` was called: a thread that runs one child after the other starts no more of them."""


class Interrupted(BaseException):
    """A signal asked this run to stop; `signum` is its number.

    Like KeyboardInterrupt it is no Exception: nothing may take it for a failure and go on.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


def stop_on_signals() -> None:
    """Turns SIGINT, SIGTERM and SIGHUP into `Interrupted`, so that cleaning up happens once."""

    def handler(signum: int, _frame: object) -> None:
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, signal.SIG_IGN)
        raise Interrupted(signum)

    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, handler)


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment for a child, less what would change what the child does.

    PYTHONDONTWRITEBYTECODE makes every conda start compile conda anew (3 s instead of 0.5 s);
    CONDA_* and VIRTUAL_ENV of an activated shell would point children at the wrong installation.
    """
    dropped = ("PYTHONDONTWRITEBYTECODE", "PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV")
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in dropped and not name.startswith(("CONDA_", "MAMBA_", "_CE_", "ANSIBLE_"))
    }
    environment[MARKER] = str(os.getpid())
    environment.update(extra or {})
    return environment


def end_group(process: subprocess.Popen[str], grace: float = 10.0) -> None:
    """Ends a child and all of its group: SIGTERM, then SIGKILL after `grace` seconds."""
    for signum in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signum)
        try:
            process.wait(timeout=grace)
        except subprocess.TimeoutExpired:
            continue
        break
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def end_all() -> None:
    """Ends every child that still runs; threads that wait for one, or would start another, get `Ended`."""
    _ended.set()
    for process in list(_running):
        end_group(process)


def run(
    argv: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
    on_line: Callable[[str], None] | None = None,
    append: bool = False,
) -> int:
    """Runs a command with its output in `log`, each line also given to `on_line`.

    Returns the exit code; 124 when it ran past `timeout` seconds (its whole group is ended then).
    Raises Ended once `end_all` was called.
    """
    if _ended.is_set():
        raise Ended
    log.parent.mkdir(parents=True, exist_ok=True)
    words = [str(word) for word in argv]
    late = threading.Event()
    with log.open("a" if append else "w", encoding="utf-8") as sink:
        sink.write(f"$ {' '.join(words)}\n")
        sink.flush()
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            env=clean_environment() if env is None else dict(env),
            cwd=cwd,
            start_new_session=True,
        )
        _running.add(process)

        def give_up() -> None:
            late.set()
            end_group(process)

        timer = threading.Timer(timeout, give_up) if timeout else None
        try:
            if _ended.is_set():
                # Set while the child started, so `end_all` may not have seen it; ended below.
                raise Ended
            if timer:
                timer.daemon = True
                timer.start()
            assert process.stdout is not None
            for line in process.stdout:
                sink.write(line)
                sink.flush()
                if on_line:
                    on_line(line.rstrip("\n"))
            code = process.wait()
            if _ended.is_set():
                raise Ended
            if late.is_set():
                sink.write(f"-- ended after {timeout:.0f} s, the time limit\n")
                return 124
            return code
        except BaseException:
            end_group(process)
            raise
        finally:
            if timer:
                timer.cancel()
            _running.discard(process)
            process.stdout and process.stdout.close()


def left_behind() -> dict[int, str]:
    """Processes other than this one that carry this run's marker: {pid: command line} (Linux)."""
    found: dict[int, str] = {}
    wanted = f"{MARKER}={os.getpid()}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        pid = int(entry.name)
        if pid == os.getpid():
            continue
        try:
            if wanted not in entry.joinpath("environ").read_bytes().split(b"\0"):
                continue
            if entry.joinpath("stat").read_text().rpartition(")")[2].split()[0] == "Z":
                continue
            words = entry.joinpath("cmdline").read_bytes().replace(b"\0", b" ")
        except OSError:
            continue
        found[pid] = words.decode(errors="replace").strip()
    return found


def end_left_behind(grace: float = 5.0) -> dict[int, str]:
    """Waits `grace` seconds for stragglers, then kills and returns those that stayed."""
    # A child that was just starting when a signal came is known by its variables once it runs its program.
    time.sleep(0.5)
    deadline = time.monotonic() + grace
    while (found := left_behind()) and time.monotonic() < deadline:
        time.sleep(0.2)
    for pid in found:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    return found
