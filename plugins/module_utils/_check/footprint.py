# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Digests the status of many files: another digest means that one of them has changed.

The status of a file has its inode, size and two times. The kernel sets the time of the last change of status
(``st_ctime``) whenever content, owner, mode or links of a file change, and no program can set it, so that a
file with its old size and time of modification is noticed as well.
"""

from __future__ import annotations

import hashlib
import os
import sys
from array import array
from collections.abc import Iterable

# Some file systems have inode numbers of 64 bits; the array holds signed ones.
_MASK = (1 << 63) - 1


class Footprint:
    """The status of files in the order in which they were seen.

    Attributes:
        newest: the newest time of change in nanoseconds, on the clock of the file system; 0 without files.
    """

    def __init__(self) -> None:
        self._numbers = array("q")
        self.newest = 0

    def see(self, found: os.stat_result | None) -> None:
        """Add the status of a file, None for a missing one."""
        if found is None:
            self._numbers.extend((0, 0, 0, 0))
            return
        changed = found.st_ctime_ns
        if changed > self.newest:
            self.newest = changed
        self._numbers.extend(
            (found.st_ino & _MASK, found.st_size & _MASK, found.st_mtime_ns, changed)
        )

    def see_paths(self, paths: Iterable[str]) -> None:
        """Add the status of files by their paths; symbolic links are followed."""
        for path in paths:
            try:
                self.see(os.stat(path))
            except (OSError, ValueError):
                self.see(None)

    def digest(self) -> str:
        """The digest of what was seen so far, as hexadecimal digits."""
        numbers = self._numbers
        if sys.byteorder != "little":
            numbers = array("q", numbers)
            numbers.byteswap()
        return hashlib.sha256(numbers.tobytes()).hexdigest()
