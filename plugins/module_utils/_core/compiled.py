# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes truncated compiled files (``.pyc``), as a full disk leaves them, so that Python compiles anew.

Python before 3.14 does not check whether a compiled file was written completely (CPython issue 126606): every
import of a truncated one fails. No conda record holds the size of a compiled file, so only the interpreter
that wrote it can tell. The collection asks it after the disk was full, or when an import fails on such a
file.
"""

from __future__ import annotations

import os
import re

from ansible_collections.llmfleet.conda.plugins.module_utils._core.process import (
    child_environment,
    run,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.room import free_bytes

CUT_SHORT = re.compile(
    r"marshal data too short|bad marshal data|EOF read where (?:object|not) expected"
)
"""Error texts of Python about a truncated compiled file."""

# Below this much free space, the last compiled files may be truncated.
_LITTLE_ROOM_BYTES = 16 << 20
_SECONDS = 120.0

# A compiled file begins with a header of 16 bytes (PEP 552). Python itself ignores a file that is shorter.
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

    If the prefix has no Python that starts, nothing is removed. The caller holds the lock of the prefix.
    """
    # A directory that does not exist, so that this Python neither reads nor writes compiled files itself.
    nowhere = os.path.join(prefix, "conda-meta", ".llmfleet-none")
    options = ["-I", "-S", "-B", "-X", f"pycache_prefix={nowhere}"]
    argv = [os.path.join(prefix, "bin", "python"), *options, "-c", _SWEEP]
    try:
        done = run([*argv, os.path.join(prefix, "lib")], env=child_environment(), timeout=_SECONDS)
    except OSError:
        return []
    return done.stdout.splitlines()


def is_short_of_room(prefix: str) -> bool:
    """Whether the volume of a prefix is nearly full."""
    try:
        return free_bytes(prefix) < _LITTLE_ROOM_BYTES
    except OSError:
        return False
