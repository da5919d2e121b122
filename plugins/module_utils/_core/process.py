# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starts child processes: argv lists only, a scrubbed environment, and no process left running."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.llmfleet.conda.plugins.module_utils._core.lock import held_descriptors
from ansible_collections.llmfleet.conda.plugins.module_utils._core.pipes import Pipes

# An activated environment, a foreign pip configuration or sudo's variables change what conda and pip do.
_SCRUBBED_PREFIXES = ("CONDA", "_CONDA", "_CE_", "MAMBA", "PYTHON", "PIP_", "SUDO_", "VIRTUAL_ENV")
# TLS trust and proxies of the host stay: many sites reach nothing without them.
_KEPT = frozenset({"PIP_CERT"})
# Seconds for conda to roll back after SIGTERM, and for its children to close its output.
_PATIENCE = 5.0
# Seconds for what was killed to be gone, and between two looks.
_GRACE = 1.0
_PAUSE = 0.02


CRASH_SIGNALS = frozenset(
    {signal.SIGILL, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGSEGV}
)
"""Signals that a defect of a program or of memory causes: they mean no lack of memory."""


@dataclass(frozen=True)
class Completed:
    """How a child ended: exit status (negative: the signal that killed it), output, whether it timed out."""

    rc: int
    stdout: str
    stderr: str
    timed_out: bool = False


def child_environment(
    extra: Mapping[str, str] | None = None, base: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the environment for a child: ``base`` (default ``os.environ``) without misleading variables.

    ``extra`` is added last and always wins. The output of the child is UTF-8 and English.
    """
    source = os.environ if base is None else base
    environment = {
        key: value
        for key, value in source.items()
        if key in _KEPT or not key.startswith(_SCRUBBED_PREFIXES)
    }
    environment.update({"LC_ALL": "C.UTF-8", "LANG": "C.UTF-8", "LANGUAGE": ""})
    environment.update(extra or {})
    return environment


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End the child's whole process group: conda and installers have children of their own.

    They are asked first, because conda rolls its transaction back then, and killed soon after. Then they are
    waited for: what one of them still writes would come after all that is done about the child's end.
    """
    for number, patience in ((signal.SIGTERM, _PATIENCE), (signal.SIGKILL, _GRACE)):
        deadline = time.monotonic() + patience
        try:
            os.killpg(process.pid, number)
            process.wait(patience)
        except (ProcessLookupError, PermissionError):
            # It has ended; macOS reports "not permitted" for a group of zombies.
            return
        except subprocess.TimeoutExpired:
            continue
        while _is_alive(process.pid) and time.monotonic() < deadline:
            time.sleep(_PAUSE)
        if not _is_alive(process.pid):
            return


def _is_alive(group: int) -> bool:
    """Whether a process of the group has not ended; its parent need not have noticed."""
    try:
        os.killpg(group, 0)
        numbers = [name for name in os.listdir("/proc") if name.isdigit()]
    except (ProcessLookupError, PermissionError):
        return False
    except FileNotFoundError:
        return True
    return any(_group_at_work(number) == group for number in numbers)


def _group_at_work(number: str) -> int | None:
    """The group of a process that has not ended (proc(5), stat), or None."""
    try:
        with open(f"/proc/{number}/stat", encoding="utf-8", errors="replace") as stream:
            state, _parent, group = stream.read().rpartition(")")[2].split()[:3]
    except (OSError, ValueError):
        return None
    return None if state in "ZX" else int(group)


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    timeout: float | None = None,
    stdin: bytes | None = None,
    given_up: threading.Event | None = None,
) -> Completed:
    """Run ``argv`` to its end and return its output, decoded as UTF-8 with replacement.

    Of each of stdout and stderr the last 32 MiB are kept. What the child leaves behind in its process group
    and still holds its output is ended a few seconds after the child; all of it, where the child was killed.

    Args:
        argv: program and arguments; no shell is involved.
        env: the whole environment, default :func:`child_environment`.
        cwd: working directory, default ``/`` because the caller's may be unreadable after ``become``.
        timeout: seconds after which the process group is ended and ``timed_out`` is set.
        stdin: bytes to write to standard input; default is the null device, so nothing can wait for a person.
        given_up: when another thread sets it, the process group is ended as after the timeout.

    Raises:
        OSError: the program cannot be started.
    """
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(child_environment() if env is None else env),
            cwd=cwd or "/",
            start_new_session=True,
            pass_fds=held_descriptors(),
        )
    except ValueError as error:
        # A null character, or a character that the file system encoding lacks.
        raise OSError(
            errno.EINVAL,
            f"an argument contains a character that cannot be passed to a program ({error})",
        ) from error
    pipes = Pipes(process, stdin)
    try:
        timed_out = not pipes.read(timeout, given_up)
        if timed_out:
            _end_group(process)
            pipes.read(_PATIENCE)
        elif pipes.open or process.wait() < 0:
            # Its own children hold its output: a script that started a server, for instance. Or they go on
            # although it was killed.
            _end_group(process)
        process.wait()
    except BaseException:
        # Ansible's own time limit or Ctrl-C must not leave conda writing to the prefix.
        _end_group(process)
        process.wait()
        raise
    finally:
        pipes.close()
    return Completed(
        rc=process.returncode,
        stdout=pipes.stdout.decode("utf-8", "replace"),
        stderr=pipes.stderr.decode("utf-8", "replace"),
        timed_out=timed_out,
    )
