# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starts child processes: argv lists only, a scrubbed environment, and never a process left behind."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.llmfleet.conda.plugins.module_utils._lock import held_descriptors

# An activated environment, a foreign pip configuration or sudo's traces change what conda and pip do.
_SCRUBBED_PREFIXES = ("CONDA", "_CONDA", "_CE_", "MAMBA", "PYTHON", "PIP_", "SUDO_", "VIRTUAL_ENV")
# TLS trust and proxies of the host stay: without them conda and pip reach nothing on many sites.
_KEPT = frozenset({"PIP_CERT"})


@dataclass(frozen=True)
class Completed:
    """How a child ended: exit status (negative: ended by that signal), stdout, stderr, timed out or not."""

    rc: int
    stdout: str
    stderr: str
    timed_out: bool = False


def child_environment(
    extra: Mapping[str, str] | None = None, base: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The environment for a child: ``base`` (default ``os.environ``) without what would mislead it.

    ``extra`` is laid on top and always wins. Output is made predictable: UTF-8 and English.
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
    """Kill the child's whole process group: conda and installers have children of their own."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    timeout: float | None = None,
    stdin: bytes | None = None,
) -> Completed:
    """Run ``argv`` to its end and return its output, decoded as UTF-8 with replacement.

    Args:
        argv: program and arguments; no shell is involved.
        env: the whole environment, default :func:`child_environment`.
        cwd: working directory, default ``/`` because the caller's may be unreadable after ``become``.
        timeout: seconds; when they have passed, the process group is killed and ``timed_out`` is set.
        stdin: bytes to feed; default is the null device, so nothing can wait for a person.

    Raises:
        OSError: the program cannot be started.
    """
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
    timed_out = False
    try:
        try:
            stdout, stderr = process.communicate(input=stdin, timeout=timeout)
        except subprocess.TimeoutExpired:
            timed_out = True
            _end_group(process)
            stdout, stderr = process.communicate()
    except BaseException:
        # Ansible's own time limit or Ctrl-C must not leave conda writing to the prefix.
        _end_group(process)
        process.wait()
        raise
    return Completed(
        rc=process.returncode,
        stdout=stdout.decode("utf-8", "replace"),
        stderr=stderr.decode("utf-8", "replace"),
        timed_out=timed_out,
    )
