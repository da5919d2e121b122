# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Walks and removes directory trees: the only file of the collection that removes one.

Everything goes by directory descriptors, so that no link is followed, not even one that is put in place of
a directory meanwhile. Nothing on another device and nothing below a mount point is entered.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from ansible_collections.llmfleet.conda.plugins.module_utils._errors import (
    CondaModuleError,
    hint_for,
)

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MOUNTS = "/proc/self/mountinfo"
# So many names are shown of what is in a directory.
NAMED = 10
_ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass
class Survey:
    """What a directory holds, as paths relative to it.

    Attributes:
        files: everything that is no directory; links are not followed.
        directories: all directories below.
        mounts: directories below where another volume begins; they were not entered.
        size: bytes of disk that the files take; a file with several names counts once.
    """

    files: list[str] = field(default_factory=list)
    directories: list[str] = field(default_factory=list)
    mounts: list[str] = field(default_factory=list)
    size: int = 0


def listed(names: Sequence[str]) -> str:
    """The first ten of ``names``, and how many more there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def survey(root: str) -> Survey:
    """Look through the directory ``root``.

    Raises:
        CondaModuleError: a directory of it cannot be read; what it holds is then not known.
    """
    if os.path.islink(root):
        raise CondaModuleError(
            f"{root} is a link to {os.path.realpath(root)}. Nothing was changed.",
            prefix=root,
            hint="name the directory itself.",
        )
    found = Survey()
    known = set(mounts_below(root))
    inodes: set[tuple[int, int]] = set()
    try:
        with _opened(root) as descriptor:
            _look(descriptor, "", os.fstat(descriptor).st_dev, known, found, inodes)
    except OSError as error:
        raise _unreadable(root, error) from error
    except RecursionError as error:
        raise _unreadable(root, OSError(errno.ELOOP, "it is nested too deeply", root)) from error
    return found


def _look(
    directory: int,
    path: str,
    device: int,
    known: set[str],
    found: Survey,
    inodes: set[tuple[int, int]],
) -> None:
    try:
        with os.scandir(directory) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path or ".") from error
    for entry in listed:
        below = f"{path}/{entry.name}" if path else entry.name
        status = entry.stat(follow_symlinks=False)
        if below in known or status.st_dev != device:
            found.mounts.append(below)
        elif stat.S_ISDIR(status.st_mode):
            found.directories.append(below)
            with _opened(entry.name, directory) as inner:
                _look(inner, below, device, known, found, inodes)
        else:
            found.files.append(below)
            if (status.st_dev, status.st_ino) not in inodes:
                inodes.add((status.st_dev, status.st_ino))
                found.size += status.st_blocks * 512


def mounts_below(root: str) -> list[str]:
    """Mount points below ``root``, relative to it: also of a bind mount, which has the same device.

    Linux lists them (``proc_pid_mountinfo(5)``: the fifth field, blanks and the like as octal numbers);
    elsewhere :func:`survey` knows them by their device alone.
    """
    try:
        with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as stream:
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
    """Remove a file or a whole directory that this collection itself has made.

    Args:
        path: for instance a temporary directory.
        quiet: what cannot be removed stays, without a word.

    Raises:
        CondaModuleError: something of it cannot be removed and ``quiet`` is not set; it is named.
    """
    _remove(path, lambda _path: True, quiet)


def remove_some(root: str, may_go: Callable[[str], bool]) -> None:
    """Remove files of the directory ``root``, and the directories that are empty then, ``root`` as well.

    Args:
        root: absolute path of a directory.
        may_go: asked of each file, with its path relative to ``root``.

    Raises:
        CondaModuleError: something cannot be removed; it is named.
    """
    _remove(root, may_go, quiet=False)


def _remove(path: str, may_go: Callable[[str], bool], quiet: bool) -> None:
    parent, name = os.path.split(path.rstrip("/"))
    try:
        # The way to it may lead through links; from here on none is followed.
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
        """Remove one entry of an open directory; whether it is gone."""
        try:
            status = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if path in self.mounts or device not in (None, status.st_dev):
                return False
            if not stat.S_ISDIR(status.st_mode):
                if not self.may_go(path):
                    return False
                os.unlink(name, dir_fd=parent)
                return True
            with _opened(name, parent) as inner:
                kept = [
                    entry
                    for entry in sorted(os.listdir(inner))
                    if not self.remove(
                        inner, entry, f"{path}/{entry}" if path else entry, status.st_dev
                    )
                ]
            if kept:
                return False
            os.rmdir(name, dir_fd=parent)
        except FileNotFoundError:
            return True
        except OSError as error:
            if self.quiet or (not path and error.errno == errno.EBUSY):
                # A directory that is itself a mount point can only be emptied.
                return False
            shown = os.path.join(self.root, path) if path else self.root
            raise CondaModuleError(
                f"{self.root} cannot be removed: {shown}: {error.strerror}.",
                prefix=self.root,
                hint=hint_for(error, "run the task as the user who owns it (become, become_user)."),
            ) from error
        return True


def _unreadable(root: str, error: OSError) -> CondaModuleError:
    return CondaModuleError(
        f"The directory {root} cannot be looked through: {error.filename or root}: {error.strerror}."
        " Nothing was changed.",
        prefix=root,
        hint=hint_for(error, "run the task as the user who owns it (become, become_user)."),
    )
