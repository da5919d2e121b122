"""What a directory tree is made of, so that two moments can be compared without trusting any module."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

Snapshot = dict[str, tuple[int, int, int, int]]


def snapshot(*roots: Path, left_out: Collection[str] = ()) -> Snapshot:
    """Mode, size, modification time (ns) and inode of everything below ``roots``, by path.

    Files named in ``left_out`` do not count, nor do the size and time of the directory that holds one.
    """
    found: Snapshot = {}
    for root in roots:
        if os.path.lexists(root):
            found[str(root)] = _entry(os.lstat(root))
        if os.path.isdir(root):
            _walk(str(root), found, left_out)
    return found


def _walk(directory: str, found: Snapshot, left_out: Collection[str]) -> None:
    # Strings and scandir: a conda prefix has ten thousand files, and every test looks at it twice.
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.name in left_out:
                mode, _, _, inode = found[directory]
                found[directory] = mode, 0, 0, inode
                continue
            found[entry.path] = _entry(entry.stat(follow_symlinks=False))
            if entry.is_dir(follow_symlinks=False):
                _walk(entry.path, found, left_out)


def _entry(stat: os.stat_result) -> tuple[int, int, int, int]:
    return stat.st_mode, stat.st_size, stat.st_mtime_ns, stat.st_ino


def changes(before: Snapshot, after: Snapshot) -> list[str]:
    """Paths that came, went or are not the same any more."""
    return sorted(
        path for path in before.keys() | after.keys() if before.get(path) != after.get(path)
    )
