# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Walks and removes directory trees; no other file of the collection removes one.

All access goes through directory descriptors, so no link is followed, not even one that replaces a directory
meanwhile. Other devices and mount points are never entered.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import (
    CondaModuleError,
    hint_for,
    hint_for_reading,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.volume import (
    without_volumes_own,
)

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MOUNTS = "/proc/self/mountinfo"
_ESCAPED = re.compile(r"\\([0-7]{3})")
# Directories nested more deeply are not entered: each level holds a descriptor open, of which a process may
# have 1024, and Python limits recursion to a thousand calls.
_DEEPEST = 400
# The directory is itself a mount point, or this user may not write its parent.
_ONLY_TO_BE_EMPTIED = frozenset({errno.EBUSY, errno.EACCES, errno.EPERM})


@dataclass
class Survey:
    """The contents of a directory, as paths relative to it.

    Attributes:
        files: everything that is not a directory; links are not followed.
        directories: all directories below.
        mounts: directories below where another volume is mounted; they were not entered.
        size: bytes of disk that the files take; a file with several hard links counts once.
    """

    files: list[str] = field(default_factory=list)
    directories: list[str] = field(default_factory=list)
    mounts: list[str] = field(default_factory=list)
    size: int = 0


def survey(root: str) -> Survey:
    """List the contents of the directory ``root``.

    Raises:
        CondaModuleError: a directory in it cannot be read, so its contents are unknown.
    """
    if os.path.islink(root):
        raise CondaModuleError(
            f"{root} is a symbolic link to {os.path.realpath(root)}. Nothing was changed.",
            prefix=root,
            hint="name the target directory instead of the link.",
        )
    found = Survey()
    known = set(mounts_below(root))
    inodes: set[tuple[int, int]] = set()
    try:
        with _opened(root) as descriptor:
            _look(root, descriptor, "", os.fstat(descriptor).st_dev, known, found, inodes)
    except OSError as error:
        raise _unreadable(root, error) from error
    return found


def _look(
    root: str,
    directory: int,
    path: str,
    device: int,
    known: set[str],
    found: Survey,
    inodes: set[tuple[int, int]],
) -> None:
    try:
        with os.scandir(directory) as entries:
            there = {entry.name: entry for entry in entries}
    except OSError as error:
        raise OSError(error.errno, error.strerror, path or ".") from error
    for name in sorted(there if path else without_volumes_own(root, there)):
        entry = there[name]
        below = f"{path}/{entry.name}" if path else entry.name
        status = entry.stat(follow_symlinks=False)
        if below in known or _is_on_another(status, device):
            found.mounts.append(below)
        elif stat.S_ISDIR(status.st_mode):
            if below.count("/") >= _DEEPEST:
                raise OSError(errno.ELOOP, "it is nested too deeply", f"{below[:200]}...")
            found.directories.append(below)
            with _opened(entry.name, directory) as inner:
                _look(root, inner, below, device, known, found, inodes)
        else:
            found.files.append(below)
            if (status.st_dev, status.st_ino) not in inodes:
                inodes.add((status.st_dev, status.st_ino))
                found.size += status.st_blocks * 512


def _is_on_another(status: os.stat_result, device: int) -> bool:
    """Whether another volume that mountinfo does not list begins at an entry of a directory on ``device``.

    An overlay file system reports other devices for files of its lower layers than for its directories.
    """
    if status.st_dev == device:
        return False
    return stat.S_ISDIR(status.st_mode) or not os.path.exists(_MOUNTS)


def is_mount_point(path: str) -> bool:
    """Whether a volume is mounted at ``path``; unlike ``os.path.ismount``, recognises all bind mounts."""
    parent, name = os.path.split(path)
    return os.path.ismount(path) or name in mounts_below(parent)


def mounts_below(root: str) -> list[str]:
    """Return the mount points below ``root``, relative to it, including bind mounts of the same device.

    Linux lists them (``proc_pid_mountinfo(5)``: the fifth field, with blanks and similar characters as octal
    numbers). Elsewhere :func:`survey` recognises mounts by their device alone.
    """
    try:
        # A carriage return is part of a name and does not end a line.
        with open(_MOUNTS, encoding="utf-8", errors="surrogateescape", newline="\n") as stream:
            lines = stream.readlines()
    except OSError:
        return []
    start = os.path.realpath(root).rstrip("/") + "/"
    points = (_ESCAPED.sub(_character, line.split(" ")[4]) for line in lines if line.count(" ") > 4)
    return sorted({point[len(start) :] for point in points if point.startswith(start)})


def _character(found: re.Match[str]) -> str:
    return chr(int(found.group(1), 8))


@contextmanager
def _opened(name: str, parent: int | None = None) -> Iterator[int]:
    descriptor = os.open(name, _DIRECTORY, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def remove_made(path: str, *, quiet: bool = True) -> None:
    """Remove a file or a whole directory that this collection itself created.

    Args:
        path: for instance a temporary directory.
        quiet: leave what cannot be removed, without an error.

    Raises:
        CondaModuleError: something in it cannot be removed and ``quiet`` is not set; the message names it.
    """
    _remove(path, lambda _path: True, quiet)


def remove_some(root: str, may_go: Callable[[str], bool]) -> None:
    """Remove files of the directory ``root``, and the directories that become empty, including ``root``.

    Args:
        root: absolute path of a directory.
        may_go: called with the path of each file relative to ``root``; returns whether to remove it.

    Raises:
        CondaModuleError: something cannot be removed; the message names it.
    """
    _remove(root, may_go, quiet=False)


def _remove(path: str, may_go: Callable[[str], bool], quiet: bool) -> None:
    parent, name = os.path.split(path.rstrip("/"))
    try:
        # The path may lead through links; from here on no link is followed.
        descriptor = os.open(parent or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        _Remover(path, may_go, quiet).remove(descriptor, name, "", None)
    finally:
        os.close(descriptor)


class _Remover:
    def __init__(self, root: str, may_go: Callable[[str], bool], quiet: bool) -> None:
        self.root = root
        self.may_go = may_go
        self.quiet = quiet
        self.mounts = set(mounts_below(root))

    def remove(self, parent: int, name: str, path: str, device: int | None) -> bool:
        """Remove one entry of an open directory; return whether it is gone."""
        try:
            status = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if path in self.mounts or (device is not None and _is_on_another(status, device)):
                return False
            if not stat.S_ISDIR(status.st_mode):
                if not self.may_go(path):
                    return False
                os.unlink(name, dir_fd=parent)
                return True
            with _opened(name, parent) as inner:
                there = os.listdir(inner)
                entries = there if path else without_volumes_own(self.root, there)
                kept = len(entries) < len(there)
                for entry in sorted(entries):
                    below = f"{path}/{entry}" if path else entry
                    kept |= not self.remove(inner, entry, below, status.st_dev)
            if kept:
                return False
            return self._remove_empty(parent, name, path)
        except FileNotFoundError:
            return True
        except OSError as error:
            if self.quiet:
                return False
            shown = os.path.join(self.root, path) if path else self.root
            raise CondaModuleError(
                f"Cannot remove {self.root}: {shown}: {error.strerror}.",
                prefix=self.root,
                hint=hint_for(error, "run the task as the user who owns it (become, become_user)."),
            ) from error
        return True

    def _remove_empty(self, parent: int, name: str, path: str) -> bool:
        try:
            os.rmdir(name, dir_fd=parent)
        except OSError as error:
            if not path and error.errno in _ONLY_TO_BE_EMPTIED:
                return False
            raise
        return True


def _unreadable(root: str, error: OSError) -> CondaModuleError:
    return CondaModuleError(
        f"Cannot list the directory {root}: {error.filename or root}: {error.strerror}. Nothing was"
        " changed.",
        prefix=root,
        hint=hint_for_reading(error),
    )
