# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that this collection adds to a generation so that a process stays in it.

Launchers stand in the place of the links ``bin/python`` and ``bin/python3``: two-line scripts that start the
interpreter by its real path. Without them the interpreter finds its modules through the link ``envs/NAME``,
and a process that starts while the link is switched imports from two generations.
"""

from __future__ import annotations

import os
import shlex
import stat

from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular

_START = b"#!/bin/sh\nexec "
_END = b' "$@"\n'
# No launcher is longer: a prefix has at most 110 bytes.
_LONGEST = 400


def launcher_of(interpreter: str) -> bytes:
    """The launcher of the interpreter at an absolute path."""
    return _START + shlex.quote(interpreter).encode() + _END


def is_launcher(path: str) -> bool:
    """Whether the file at ``path`` is a launcher of an interpreter in its own directory."""
    try:
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LONGEST:
            return False
        with open(path, "rb", opener=only_regular) as stream:
            content = stream.read(_LONGEST + 1)
    except OSError:
        return False
    if not (content.startswith(_START) and content.endswith(_END)):
        return False
    words = content[len(_START) : -len(_END)].decode("utf-8", "replace")
    try:
        target = shlex.split(words)
    except ValueError:
        return False
    here = os.path.realpath(os.path.dirname(path))
    return len(target) == 1 and os.path.dirname(target[0]) == here and os.path.isfile(target[0])
