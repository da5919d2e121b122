"""What a directory tree is made of, so that two moments can be compared without trusting any module."""

from __future__ import annotations

import os
from pathlib import Path

from lab import counter

# The lab's own device for counting conda's starts; a dry run starts conda and so writes a line there.
_LAB_FILES = frozenset({counter.LOG})

Snapshot = dict[str, tuple[int, int, int, int]]


def snapshot(*roots: Path) -> Snapshot:
    """Mode, size, modification time (ns) and inode of everything below ``roots``, by path.

    The lab's counter file is left out, and with it the size and time of the directory that holds it.
    """
    found: Snapshot = {}
    for root in roots:
        if not os.path.lexists(root):
            continue
        found[str(root)] = _entry(root)
        for directory, names, files in os.walk(root):
            for name in (*names, *files):
                if name not in _LAB_FILES:
                    path = Path(directory, name)
                    found[str(path)] = _entry(path)
            if not _LAB_FILES.isdisjoint(files):
                found[directory] = (found[directory][0], 0, 0, found[directory][3])
    return found


def _entry(path: Path) -> tuple[int, int, int, int]:
    stat = path.lstat()
    return stat.st_mode, stat.st_size, stat.st_mtime_ns, stat.st_ino


def changes(before: Snapshot, after: Snapshot) -> list[str]:
    """Paths that came, went or are not the same any more."""
    return sorted(
        path for path in before.keys() | after.keys() if before.get(path) != after.get(path)
    )
