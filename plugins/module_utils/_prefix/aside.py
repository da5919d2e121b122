# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves a prefix aside while another one is created in its place, and moves the users' files back.

The old prefix is kept beside the new one as ``.NAME.llmfleet-aside``. If the creation fails or is
interrupted, the old prefix is moved back.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import (
    CondaModuleError,
    hint_for,
    listed,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.room import (
    Need,
    refuse_without_room,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.tree import (
    is_mount_point,
    remove_some,
    survey,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.claim import (
    claim,
    give_up,
    is_claimed,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.collisions import is_same_file
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import (
    HISTORY,
    LEFT,
    MADE,
    observe_prefix,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.removal import (
    Contents,
    examine,
    refuse_mounts,
    remove_half_made,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import (
    add_to_journal,
    aside_of,
    moved_aside,
    pending_journal,
)

# A directory on a lower layer of an overlay file system, or a mount point, cannot be renamed.
_NOT_AS_A_WHOLE = frozenset({errno.EXDEV, errno.EBUSY})
# Locks and journals of this collection.
_OWN_IN_METADATA = "conda-meta/.llmfleet"
# Suffix of a file that was created at the prefix while the file of that name was moved aside.
_MEANWHILE = ".meanwhile"


class Aside:
    """The old contents of a prefix while new contents are created in its place.

    Args:
        prefix: the absolute prefix.
        installation: the old and the new contents are a conda installation.
        caches: package caches from which packages are linked.

    Attributes:
        warnings: messages about files that could not be moved back.
    """

    def __init__(
        self, prefix: str, *, installation: bool = False, caches: Sequence[str] = ()
    ) -> None:
        self.prefix = prefix
        self.path = aside_of(prefix)
        self.installation = installation
        self.caches = tuple(caches)
        self.warnings: list[str] = []

    @contextmanager
    def moved(self) -> Iterator[None]:
        """Keep the prefix empty for the block; move the old contents back when the block fails.

        When the block succeeds, the users' files are moved back and the rest is removed. The caller holds the
        lock of the prefix and keeps a journal.

        Raises:
            CondaModuleError: the prefix cannot be moved, because of a mounted volume or missing permissions.
        """
        refuse_mounts(self._examine(self.prefix), "moved aside")
        self.refuse()
        self._remove_unused()
        self._move_away()
        try:
            yield
            self._check_created()
        except Exception as error:
            # An interrupted child may still write: the next run moves the old contents back.
            if not getattr(error, "cut_off", False):
                self._take_back(ours=True)
            raise
        add_to_journal(self.prefix, replaced=True)
        self._bring_back()

    def refuse(self) -> None:
        """Fail if the prefix cannot be moved aside; nothing is changed.

        Raises:
            CondaModuleError: the path beside it is taken, the prefix is a mount point, or permissions are
                missing.
        """
        if os.path.lexists(self.path) and not self._is_unused():
            raise self._path_taken_error()
        if is_mount_point(self.prefix):
            raise CondaModuleError(
                f"{self.prefix} is a mount point, so it cannot be moved aside while its replacement is"
                " created. Nothing was changed.",
                prefix=self.prefix,
                hint="remove its contents first (state: absent), or move them away yourself.",
            )
        parent = os.path.dirname(self.prefix)
        if not os.access(parent, os.W_OK | os.X_OK):
            raise CondaModuleError(
                f"{self.prefix} cannot be moved aside while its replacement is created: this user may not"
                f" write the directory {parent}. Nothing was changed.",
                prefix=self.prefix,
                hint="run the task as a user who may write that directory (become).",
            )

    def recover(self) -> bool:
        """Finish an interrupted replacement: keep a complete new prefix, else move the old one back.

        Returns:
            Whether an interrupted replacement was found.

        Raises:
            CondaModuleError: another process has created something at the prefix since.
        """
        if not moved_aside(self.prefix):
            # Files that were kept there, or a directory of another user: only moved() needs the path to be
            # free.
            self._remove_unused()
            return False
        if (pending_journal(self.prefix) or {}).get("replaced") and os.path.isdir(self.prefix):
            self._bring_back()
        else:
            self._take_back(ours=False)
        return True

    def _examine(self, path: str) -> Contents:
        return examine(path, installation=self.installation, settings=False)

    def _path_taken_error(self) -> CondaModuleError:
        return CondaModuleError(
            f"{self.path} already exists; {self.prefix} would be moved there while its replacement is"
            " created. Nothing was changed.",
            prefix=self.prefix,
            hint="inspect that path, and move it away.",
        )

    def _is_unused(self) -> bool:
        """Whether it is the empty directory that an interrupted run created or emptied."""
        try:
            return not os.path.islink(self.path) and set(os.listdir(self.path)) <= {MADE}
        except OSError:
            return False

    def _remove_unused(self) -> None:
        if self._is_unused():
            give_up(self.path)
            with suppress(OSError):
                os.rmdir(self.path)

    def _check_created(self) -> None:
        if not os.path.isfile(os.path.join(self.prefix, HISTORY)):
            raise CondaModuleError(
                f"The creation of {self.prefix} reported success but created no environment; the old"
                " contents were moved back.",
                prefix=self.prefix,
                hint="run the task again; check for a full disk, or another user who writes to that"
                " directory.",
            )

    def _move_away(self) -> None:
        add_to_journal(self.prefix, aside=claim(self.prefix))
        with self._move_errors(self.prefix, self.path):
            try:
                os.rename(self.prefix, self.path)
                return
            except OSError as error:
                if error.errno not in _NOT_AS_A_WHOLE:
                    raise
            os.mkdir(self.path)
            _copy_attributes(self.prefix, self.path)
            # The copy is another directory, and for a while each of the two holds a part of the contents.
            said = claim(self.path)
            add_to_journal(self.prefix, aside={**said, "in_parts": True})
            give_up(self.prefix)
            _merge(self.prefix, self.path)
            os.rmdir(self.prefix)
            add_to_journal(self.prefix, aside=said)

    def foresee(self) -> None:
        """Fail as :meth:`recover` would; nothing is changed."""
        journal = pending_journal(self.prefix) or {}
        if journal.get("replaced") or (journal.get("aside") or {}).get("in_parts"):
            return
        if os.path.lexists(self.prefix) and not self._is_ours_or_empty(journal):
            raise self._unproved_prefix_error()

    def _take_back(self, ours: bool) -> None:
        """Move the old contents back to the prefix.

        Args:
            ours: this run created what is at the prefix now; otherwise the journal has to prove that.
        """
        journal = pending_journal(self.prefix) or {}
        said = dict(journal.get("aside") or {})
        if not said.get("in_parts") and os.path.lexists(self.prefix):
            if not ours:
                self.foresee()
            left = remove_half_made(
                self.prefix, installation=self.installation, caches=self._caches_there()
            )
            if left:
                self.warnings.append(
                    f"{self.prefix} contains files that appeared there during the run: {listed(left)}."
                )
            give_up(self.prefix)
        with self._move_errors(self.path, self.prefix):
            if not os.path.lexists(self.prefix):
                try:
                    os.rename(self.path, self.prefix)
                    give_up(self.prefix)
                    return
                except OSError as error:
                    if error.errno not in _NOT_AS_A_WHOLE:
                        raise
            if os.path.islink(self.prefix):
                # Its files would be written through the link to another directory.
                raise self._unproved_prefix_error()
            # If the run is killed from here on, both parts must be kept.
            add_to_journal(self.prefix, aside={**said, "in_parts": True})
            if not os.path.lexists(self.prefix):
                os.mkdir(self.prefix)
                _copy_attributes(self.path, self.prefix)
            _merge(self.path, self.prefix, first=True)
        self._discard_aside(
            f"files that were created at {self.prefix} meanwhile, under names of its own files"
        )

    def _caches_there(self) -> list[str]:
        own = [os.path.join(self.prefix, "pkgs")] if self.installation else []
        return [*self.caches, *own]

    def _is_ours_or_empty(self, journal: Mapping[str, Any]) -> bool:
        if is_claimed(self.prefix, journal.get("directory")):
            return True
        return observe_prefix(self.prefix).empty and not os.path.islink(self.prefix)

    def _unproved_prefix_error(self) -> CondaModuleError:
        holds = observe_prefix(self.prefix).entries
        return CondaModuleError(
            f"An interrupted run moved {self.prefix} to {self.path}, and no token proves that it created"
            f" what is at {self.prefix} now{f': it contains {listed(holds)}' if holds else ''}."
            " Nothing was changed.",
            prefix=self.prefix,
            hint="move one of the two away, then run the task again; it continues with the other one.",
        )

    def _bring_back(self) -> None:
        contents = self._examine(self.path)
        users_files = _UsersFiles(contents, self.path, self.prefix)
        with self._move_errors(self.path, self.prefix):
            users_files.bring_back()
        nested = tuple(f"{name}/" for name in contents.nested)
        stays = {path for path in users_files.files if self._is_to_be_kept(path)}

        def may_go(path: str) -> bool:
            return not path.startswith(nested) and path not in stays and path != MADE

        # Order matters if the run is killed in between: the next run must recognise the same files as the
        # users' and the directory as ours. So records go after the files that they name, the history after
        # the records, and the token last.
        remove_some(self.path, lambda path: may_go(path) and not path.startswith("conda-meta/"))
        remove_some(self.path, lambda path: may_go(path) and path != HISTORY)
        remove_some(self.path, may_go)
        self._discard_aside(f"files of the old {self.prefix} whose paths the new one uses")

    def _is_to_be_kept(self, path: str) -> bool:
        """Whether a user's file is still there, and is not also at its path in the new prefix."""
        old, new = os.path.join(self.path, path), os.path.join(self.prefix, path)
        if not os.path.lexists(old):
            return False
        parent = os.path.join(os.path.realpath(self.prefix), path).rpartition("/")[0]
        # A path through a link leads to another directory.
        leads_there = os.path.realpath(os.path.dirname(new)) == parent
        return not (leads_there and os.path.lexists(new) and is_same_file(old, new))

    def _discard_aside(self, what: str) -> None:
        if not os.path.isdir(self.path):
            return
        if left := sorted({*survey(self.path).files} - {MADE}):
            self.warnings.append(f"{self.path} contains {what}: {listed(left)}.")
            give_up(self.path)
        else:
            remove_some(self.path, lambda _path: True)

    @contextmanager
    def _move_errors(self, source: str, target: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            name = error.filename2 or error.filename
            at = f": {name}" if name and name not in (source, target) else ""
            raise CondaModuleError(
                f"{source} cannot be moved to {target}{at}: {error.strerror}.",
                prefix=self.prefix,
                hint=hint_for(
                    error, "run the task as a user who may write both directories (become)."
                ),
            ) from error


def shares_volume(directory: str, caches: Sequence[str]) -> bool:
    """Whether one of the package caches is on the volume of a directory, so that files are hard-linked."""
    with suppress(OSError):
        device = os.stat(directory).st_dev
        return any(os.path.isdir(one) and os.stat(one).st_dev == device for one in caches)
    return False


def refuse_without_room_for_both(prefix: str, size: int, caches: Sequence[str]) -> None:
    """Fail if the old and the new environment do not fit on the volume together.

    Args:
        prefix: of the environment.
        size: of the environment, in bytes.
        caches: package caches. Packages are hard-linked from one on the same volume and take little space.

    Raises:
        CondaModuleError: the free space is smaller than the environment.
    """
    if shares_volume(os.path.dirname(prefix), caches):
        return
    refuse_without_room(
        [Need(os.path.dirname(prefix), size, "for the new environment beside the old one")],
        prefix=prefix,
        instead="remove the environment first (state: absent)",
    )


def _move(source: str, target: str) -> None:
    """Rename ``source``; if that is not possible, move its contents, within one volume."""
    try:
        os.rename(source, target)
        return
    except OSError as error:
        is_directory = stat.S_ISDIR(os.lstat(source).st_mode)
        if error.errno not in _NOT_AS_A_WHOLE or not is_directory:
            raise
    os.mkdir(target)
    _copy_attributes(source, target)
    _merge(source, target)
    with suppress(OSError):
        os.rmdir(source)


def _merge(source: str, target: str, first: bool = False) -> None:
    """Move the contents of ``source`` into ``target``; of two namesakes, one stays in ``source``.

    first: the entry of ``source`` replaces the other, which is renamed to ``NAME.meanwhile``.
    """
    for name in sorted(set(os.listdir(source)) - {MADE}):
        old, new = os.path.join(source, name), os.path.join(target, name)
        if not os.path.lexists(new):
            if not (first and name.endswith(_MEANWHILE)):
                _move(old, new)
        elif _is_directory(old) and _is_directory(new):
            _merge(old, new, first)
            with suppress(OSError):
                os.rmdir(old)
        elif first and not os.path.lexists(f"{old}{_MEANWHILE}"):
            _move(new, f"{old}{_MEANWHILE}")
            _move(old, new)


def _is_directory(path: str) -> bool:
    """Whether it is a directory and not a link to one."""
    return stat.S_ISDIR(os.lstat(path).st_mode)


def _copy_attributes(source: str, target: str) -> None:
    """Copy owner, permissions and times of a directory to ``target``."""
    status = os.stat(source)
    with suppress(OSError):
        os.chown(target, status.st_uid, status.st_gid)
    with suppress(OSError):
        shutil.copystat(source, target)


class _UsersFiles:
    """The users' files in a replaced prefix; they are moved back where their paths are free."""

    def __init__(self, contents: Contents, source: str, target: str) -> None:
        self.source = source
        self.target = target
        # Without an environment, no record justifies removing a file: the leftovers of a removal or of an
        # incomplete creation are the users' files.
        known = contents.state.is_environment
        everything = contents.foreign if known else contents.found.files
        self.files = {
            path
            for path in everything
            if path not in (LEFT, MADE) and not path.startswith(_OWN_IN_METADATA)
        }
        # Environments below the prefix move as a whole.
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
                self._move_back(path)
        for path in sorted(self.files):
            if not os.path.lexists(os.path.join(self.source, path)):
                continue
            # Move the uppermost directory that holds only users' files as a whole, with its permissions.
            for parent in reversed(_parents(path)):
                if parent not in self.mixed and not os.path.lexists(
                    os.path.join(self.target, parent)
                ):
                    self._move_back(parent)
                    break
            else:
                self._move_back(path)

    def _move_back(self, path: str) -> None:
        goal = os.path.join(self.target, path)
        if os.path.lexists(goal):
            return
        for parent in reversed(_parents(path)):
            directory = os.path.join(self.target, parent)
            if not os.path.isdir(directory):
                if os.path.lexists(directory):
                    return
                os.mkdir(directory)
                _copy_attributes(os.path.join(self.source, parent), directory)
            elif os.path.islink(directory):
                # A path through a link leads to another directory.
                return
        if stat.S_ISDIR(os.lstat(os.path.join(self.source, path)).st_mode):
            _move(os.path.join(self.source, path), goal)
        else:
            os.rename(os.path.join(self.source, path), goal)


def _parents(path: str) -> list[str]:
    """The parent directories of ``path``, the innermost first."""
    found = []
    while "/" in path:
        path = path.rsplit("/", 1)[0]
        found.append(path)
    return found
