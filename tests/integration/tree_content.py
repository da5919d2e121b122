"""What the files below a directory hold and who owns them: for comparing a host before and after a run."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

TreeContent = dict[str, tuple[int, int, int, int | None, str]]
"""Path -> mode, owner, group, modification time (ns; None for directories), digest or link target."""


def tree_content(*roots: Path) -> TreeContent:
    """Describe everything below ``roots``, by path from the parent of each.

    Left out are compiled files, which Python writes whenever it imports, and the times of directories,
    which change when a lock or a compiled file comes and goes.
    """
    found: TreeContent = {}
    digests: dict[tuple[int, int], str] = {}
    walked = ((root, step) for root in roots for step in os.walk(root))
    for root, (directory, folders, files) in walked:
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in (*folders, *files):
            path = os.path.join(directory, name)
            seen = os.lstat(path)
            kind = stat.S_IFMT(seen.st_mode)
            time = None if kind == stat.S_IFDIR else seen.st_mtime_ns
            content = ""
            if kind == stat.S_IFLNK:
                content = os.readlink(path)
            elif kind == stat.S_IFREG:
                # Most files are hard links to those of the package cache: read each once.
                identity = (seen.st_dev, seen.st_ino)
                if identity not in digests:
                    with open(path, "rb") as stream:
                        digests[identity] = hashlib.file_digest(stream, "sha256").hexdigest()
                content = digests[identity]
            shown = os.path.relpath(path, root.parent)
            found[shown] = (seen.st_mode, seen.st_uid, seen.st_gid, time, content)
    return found


def differences(before: TreeContent, after: TreeContent) -> list[str]:
    """Paths that came, went or are not the same any more."""
    return sorted(
        path for path in before.keys() | after.keys() if before.get(path) != after.get(path)
    )
