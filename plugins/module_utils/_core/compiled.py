# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes compiled files (``.pyc``) that a full disk cut short, so that Python compiles them anew.

Python before 3.14 does not look at how much of a compiled file was written (CPython, issue 126606), and
every import of such a file fails from then on. No record holds their sizes, so only the interpreter that
they belong to can tell a whole one: it is asked after a disk was full, or when it stumbles over one.
"""

from __future__ import annotations

import os
import re

from ansible_collections.llmfleet.conda.plugins.module_utils._core.process import (
    child_environment,
    run,
)

CUT_SHORT = re.compile(
    r"marshal data too short|bad marshal data|EOF read where (?:object|not) expected"
)
"""What Python says of such a file."""

# With so little room left, what was compiled last may not have had any.
_LITTLE_ROOM_BYTES = 16 << 20
_SECONDS = 120.0

# A compiled file begins with 16 bytes of its own (PEP 552); one that is shorter Python passes by itself.
_SWEEP = """
import marshal, os, sys
from importlib.util import MAGIC_NUMBER
for parent, _folders, names in os.walk(sys.argv[1]):
    if os.path.basename(parent) != "__pycache__":
        continue
    for name in names:
        path = os.path.join(parent, name)
        try:
            with open(path, "rb") as stream:
                content = stream.read()
            if name.endswith(".pyc") and content[:4] == MAGIC_NUMBER:
                marshal.loads(content[16:])
        except OSError:
            continue
        except (EOFError, ValueError, TypeError):
            os.unlink(path)
            print(path)
"""


def remove_cut_short(prefix: str) -> list[str]:
    """Remove the compiled files of a prefix that its Python cannot read, and return their paths.

    A prefix without a Python that starts has none. Must run under the lock of the prefix.
    """
    # A directory that is not there: no compiled file is read or written by this run itself.
    nowhere = os.path.join(prefix, "conda-meta", ".llmfleet-none")
    options = ["-I", "-S", "-B", "-X", f"pycache_prefix={nowhere}"]
    argv = [os.path.join(prefix, "bin", "python"), *options, "-c", _SWEEP]
    try:
        done = run([*argv, os.path.join(prefix, "lib")], env=child_environment(), timeout=_SECONDS)
    except OSError:
        return []
    return done.stdout.splitlines()


def is_short_of_room(prefix: str) -> bool:
    """Whether the volume of a prefix is as good as full."""
    try:
        volume = os.statvfs(prefix)
    except OSError:
        return False
    return volume.f_bavail * volume.f_frsize < _LITTLE_ROOM_BYTES
