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

    Send SIGTERM first, because conda then rolls its transaction back, and SIGKILL soon after.
    """
    for number, patience in ((signal.SIGTERM, _PATIENCE), (signal.SIGKILL, 0.0)):
        try:
            os.killpg(process.pid, number)
        except (ProcessLookupError, PermissionError):
            # It has ended; macOS reports "not permitted" for a group of zombies.
            return
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
        # Do not wait for its children: their output no longer matters.


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

    Keeps the last 32 MiB of stdout and of stderr. Processes of the child's group that still hold its output
    are ended a few seconds after the child.

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
        elif pipes.open:
            # Children of the process hold its output: for instance a server that a script started.
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
