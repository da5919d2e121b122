# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves a prefix aside while another one is made in its place, and brings back what is people's.

It waits beside the prefix, as ``.NAME.llmfleet-aside``. What fails, or is cut off, is taken back.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from ansible_collections.llmfleet.conda.plugins.module_utils._claim import (
    claim,
    give_up,
    is_claimed,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._errors import (
    CondaModuleError,
    hint_for,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix import LEFT
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix_removal import (
    Contents,
    examine,
    refuse_mounts,
    remove_half_made,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._transaction import (
    add_to_journal,
    beside,
    pending_journal,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._tree import listed, remove_some

# A directory on another layer of an overlay file system, or a mount point, cannot be renamed as a whole.
_NOT_AS_A_WHOLE = frozenset({errno.EXDEV, errno.EBUSY})


class Aside:
    """What is at a prefix, while something else takes its place.

    Args:
        prefix: the absolute prefix.
        installation: what is there, and what takes its place, is a conda installation.
        caches: package caches from which packages are linked.

    Attributes:
        warnings: what a person should know of files that could not go back where they were.
    """

    def __init__(
        self, prefix: str, *, installation: bool = False, caches: Sequence[str] = ()
    ) -> None:
        self.prefix = prefix
        self.path = beside(prefix, "-aside")
        self.installation = installation
        self.caches = tuple(caches)
        self.warnings: list[str] = []

    @contextmanager
    def moved(self) -> Iterator[None]:
        """Have nothing at the prefix for the block; what was there comes back when it fails.

        When the block succeeds, people's files go back to their places and the rest is removed. Must run
        under the lock of the prefix, with a journal.

        Raises:
            CondaModuleError: it cannot be moved, because a volume is mounted in it or for its permissions.
        """
        refuse_mounts(self._examine(self.prefix), "moved aside")
        if os.path.lexists(self.path):
            raise self._in_the_way()
        add_to_journal(self.prefix, aside=claim(self.prefix))
        self._move(self.prefix, self.path)
        try:
            yield
        except Exception as error:
            # A child that was cut off may still write: the next run takes it back.
            if not getattr(error, "cut_off", False):
                self._take_back()
            raise
        add_to_journal(self.prefix, replaced=True)
        self._bring_back()

    def recover(self) -> bool:
        """Go on where a run was cut off: with a finished prefix as when it succeeds, else as when it fails.

        Returns:
            Whether something was to do.
        """
        if not os.path.lexists(self.path):
            return False
        journal = pending_journal(self.prefix) or {}
        if not is_claimed(self.path, journal.get("aside")):
            raise self._in_the_way()
        if journal.get("replaced"):
            self._bring_back()
        else:
            self._take_back()
        return True

    def _caches_at(self, path: str) -> list[str]:
        return [*self.caches, *([os.path.join(path, "pkgs")] if self.installation else [])]

    def _examine(self, path: str) -> Contents:
        return examine(
            path, installation=self.installation, caches=self._caches_at(path), settings=False
        )

    def _in_the_way(self) -> CondaModuleError:
        return CondaModuleError(
            f"{self.path} is in the way: what is at {self.prefix} would be moved there for as long as another"
            " one is made. Nothing was changed.",
            prefix=self.prefix,
            hint="look at what it is, and move it away.",
        )

    def _take_back(self) -> None:
        left = remove_half_made(
            self.prefix, installation=self.installation, caches=self._caches_at(self.prefix)
        )
        if left:
            self.warnings.append(
                f"{self.prefix} holds files that came there meanwhile: {listed(left)}."
            )
        give_up(self.prefix)
        self._move(self.path, self.prefix)
        give_up(self.prefix)

    def _bring_back(self) -> None:
        contents = self._examine(self.path)
        _People(contents, self.path, self.prefix).bring_back()
        nested = tuple(f"{name}/" for name in contents.nested)
        stays = {
            path for path in contents.foreign if os.path.lexists(os.path.join(self.path, path))
        }
        remove_some(
            self.path,
            lambda path: not path.startswith(nested) and path not in stays,
        )
        if os.path.isdir(self.path):
            self.warnings.append(
                f"{self.path} holds files of the former {self.prefix} whose places are taken now:"
                f" {listed(sorted(stays))}."
            )

    def _move(self, source: str, target: str) -> None:
        try:
            _move(source, target)
        except OSError as error:
            raise CondaModuleError(
                f"{source} cannot be moved to {target}: {error.filename or ''}: {error.strerror}.",
                prefix=self.prefix,
                hint=hint_for(
                    error, "run the task as a user who may write both directories (become)."
                ),
            ) from error


def refuse_without_room(prefix: str, size: int, caches: Sequence[str]) -> None:
    """Fail where an environment and its successor do not fit on the volume together.

    Args:
        prefix: the environment's.
        size: what it takes, in bytes.
        caches: package caches. From one on the same volume packages are linked and take little.

    Raises:
        CondaModuleError: the volume has less room than the environment takes.
    """
    volume = os.path.dirname(prefix)
    try:
        device = os.stat(volume).st_dev
        if any(os.path.isdir(one) and os.stat(one).st_dev == device for one in caches):
            return
        found = os.statvfs(volume)
    except OSError:
        return
    free = found.f_bavail * found.f_frsize
    if free < size:
        raise CondaModuleError(
            f"{prefix} takes {size >> 20} MB and its volume has {free >> 20} MB free: it and the one that is"
            " to take its place do not fit beside each other. Nothing was changed.",
            prefix=prefix,
            hint="make room on that volume, or remove the environment first (state: absent).",
        )


def _move(source: str, target: str) -> None:
    """Rename ``source``, or where that cannot be, move what is in it, within one volume."""
    if not os.path.isdir(target) or os.path.islink(source) or not os.path.isdir(source):
        try:
            os.rename(source, target)
            return
        except OSError as error:
            if error.errno not in _NOT_AS_A_WHOLE or not os.path.isdir(source):
                raise
        os.mkdir(target)
        _like(source, target)
    for name in sorted(os.listdir(source)):
        if not os.path.lexists(os.path.join(target, name)) or os.path.isdir(
            os.path.join(source, name)
        ):
            _move(os.path.join(source, name), os.path.join(target, name))
    with suppress(OSError):
        os.rmdir(source)


def _like(source: str, target: str) -> None:
    """Give the directory ``target`` the owner, the permissions and the times of another one."""
    status = os.stat(source)
    with suppress(OSError):
        os.chown(target, status.st_uid, status.st_gid)
    with suppress(OSError):
        shutil.copystat(source, target)


class _People:
    """Files of people's in a prefix that was replaced; they go back to their places, where these are free."""

    def __init__(self, contents: Contents, source: str, target: str) -> None:
        self.source = source
        self.target = target
        self.files = {path for path in contents.foreign if path != LEFT}
        # Below these, something is not people's; environments below the prefix move as they are.
        self.whole = set(contents.nested)
        inside = tuple(f"{name}/" for name in contents.nested)
        self.files = {path for path in self.files if not path.startswith(inside)}
        self.mixed = {
            parent
            for path in contents.found.files
            if path not in self.files and not path.startswith(inside)
            for parent in _parents(path)
        }

    def bring_back(self) -> None:
        for path in sorted(self.whole, key=len):
            if os.path.lexists(os.path.join(self.source, path)):
                self._back(path)
        for path in sorted(self.files):
            if not os.path.lexists(os.path.join(self.source, path)):
                continue
            # The uppermost directory in which everything is people's moves as it is, with its permissions.
            for parent in reversed(_parents(path)):
                if parent not in self.mixed and not os.path.lexists(
                    os.path.join(self.target, parent)
                ):
                    self._back(parent)
                    break
            else:
                self._back(path)

    def _back(self, path: str) -> None:
        goal = os.path.join(self.target, path)
        if os.path.lexists(goal):
            return
        for parent in reversed(_parents(path)):
            directory = os.path.join(self.target, parent)
            if not os.path.isdir(directory):
                if os.path.lexists(directory):
                    return
                os.mkdir(directory)
                _like(os.path.join(self.source, parent), directory)
            elif os.path.islink(directory):
                # A way through a link is another place.
                return
        if stat.S_ISDIR(os.lstat(os.path.join(self.source, path)).st_mode):
            _move(os.path.join(self.source, path), goal)
        else:
            os.rename(os.path.join(self.source, path), goal)


def _parents(path: str) -> list[str]:
    """The directories on the way to ``path``, the innermost first."""
    found = []
    while "/" in path:
        path = path.rsplit("/", 1)[0]
        found.append(path)
    return found
