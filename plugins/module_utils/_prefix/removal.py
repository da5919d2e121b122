# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes a prefix, or the leftovers of an interrupted run, but none of the users' files in it.

docs/removal.md explains which files are removed and which stay.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import (
    NAMED,
    CondaModuleError,
    hint_for,
    listed,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.tree import (
    Survey,
    remove_some,
    survey,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.claim import give_up
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.justified import Justified
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import (
    JOURNAL,
    LEFT,
    MADE,
    PrefixState,
    observe_prefix,
)

_META = "conda-meta"


@dataclass(frozen=True)
class Contents:
    """The contents of a prefix.

    Attributes:
        state: the prefix itself.
        found: all files and directories below it.
        installation: it is, or was to become, a conda installation.
        caches: package caches whose packages may have been linked without a record.
        settings: its condarc files may be removed with it.
    """

    state: PrefixState
    found: Survey
    installation: bool = False
    caches: tuple[str, ...] = ()
    settings: bool = True

    @cached_property
    def nested(self) -> tuple[str, ...]:
        """Environments below the prefix, relative to it."""
        ends = f"/{_META}"
        return tuple(path[: -len(ends)] for path in self.found.directories if path.endswith(ends))

    @cached_property
    def may_go(self) -> Callable[[str], bool]:
        """Whether a file, by its path relative to the prefix, is conda's, pip's or an installer's."""
        own = Justified(
            self.state,
            self.found.files,
            installation=self.installation,
            caches=self.caches,
            settings=self.settings,
        )
        # The innermost environment counts.
        # What a cut-off installer was linking into others has no records either.
        caches = self.caches if own.half_made else ()
        others = [
            (f"{name}/", self._judge(name, caches)) for name in sorted(self.nested, key=len)[::-1]
        ]

        def judge(path: str) -> bool:
            for start, other in others:
                if path.startswith(start):
                    return other(path[len(start) :])
            return own(path)

        return judge

    def _judge(self, name: str, caches: Sequence[str]) -> Justified:
        start = f"{name}/"
        files = [path[len(start) :] for path in self.found.files if path.startswith(start)]
        return Justified(_recorded(os.path.join(self.state.path, name)), files, caches=caches)

    @cached_property
    def foreign(self) -> tuple[str, ...]:
        """The files that no record or rule justifies removing, in environments below the prefix as well."""
        return tuple(path for path in self.found.files if not self.may_go(path))


def _recorded(prefix: str) -> PrefixState:
    """The state of ``prefix``, only with records whose file lists can be read; others justify nothing."""
    return observe_prefix(prefix, thorough=True)


def examine(
    prefix: str,
    *,
    installation: bool = False,
    caches: Iterable[str] = (),
    settings: bool = True,
) -> Contents:
    """List everything in the directory ``prefix``.

    Raises:
        CondaModuleError: a part of it cannot be read.
    """
    return Contents(_recorded(prefix), survey(prefix), installation, tuple(caches), settings)


def refuse_mounts(contents: Contents, done: str = "removed") -> None:
    """Fail if another volume is mounted within the prefix: its data do not belong to the prefix.

    Raises:
        CondaModuleError: a volume is mounted; the message names it.
    """
    if mounts := contents.found.mounts:
        paths = [os.path.join(contents.state.path, name) for name in mounts]
        raise CondaModuleError(
            f"{contents.state.path} cannot be {done}: another volume is mounted at {listed(paths)}."
            " Nothing was changed.",
            prefix=contents.state.path,
            hint="unmount it (umount) first if its data are to be kept.",
        )


def remain(prefix: str, foreign: Sequence[str]) -> str:
    """The warning of a removal that leaves files."""
    many = len(foreign) > 1
    return (
        f"{prefix} still contains {len(foreign)} file{'s' if many else ''} that neither conda nor pip"
        f" put there: {listed(foreign)}. {'They stay' if many else 'It stays'}; remove_foreign: true"
        f" removes {'them' if many else 'it'}."
    )


def remove_prefix(contents: Contents, *, remove_foreign: bool = False) -> tuple[str, ...]:
    """Remove what may be removed of a prefix, including environments below it; the records last.

    Args:
        contents: of the prefix.
        remove_foreign: remove all other files as well.

    Returns:
        The files that stay. A note in the directory explains why.

    Raises:
        CondaModuleError: a volume is mounted in it, or something cannot be removed.
    """
    refuse_mounts(contents)
    prefix = contents.state.path
    judge = (lambda _path: True) if remove_foreign else contents.may_go
    # While the records exist, the next run can continue an interrupted removal. The token proves the
    # directory.
    try:
        remove_some(prefix, lambda path: path != MADE and not _is_record(path) and judge(path))
    except CondaModuleError:
        give_up(prefix)
        raise
    # List the files again: another process may have written there meanwhile.
    there = survey(prefix).files if os.path.isdir(prefix) else []
    left = tuple(path for path in there if path != MADE and not judge(path))
    if left:
        _leave_word(prefix, left)
    kept = (MADE, LEFT) if left else (MADE,)
    remove_some(prefix, lambda path: path not in (*kept, JOURNAL) and judge(path))
    # Last: without these files, no later run could continue.
    remove_some(prefix, lambda path: path == JOURNAL)
    remove_some(prefix, lambda path: path == MADE)
    return left


def _is_record(path: str) -> bool:
    return path.startswith(f"{_META}/") or f"/{_META}/" in path


def _leave_word(prefix: str, left: Sequence[str]) -> None:
    word = {
        "note": "The conda installation or environment in this directory was removed. The remaining files"
        " did not belong to conda. Delete them and this file as you like.",
        "removed": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "files": len(left),
        "first": list(left[:NAMED]),
    }
    path = os.path.join(prefix, LEFT)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(word, stream, indent=1)
            stream.write("\n")
    except OSError as error:
        raise CondaModuleError(
            f"{path} cannot be written: {error.strerror}.",
            prefix=prefix,
            hint=hint_for(
                error, "run the task as the user who owns the prefix (become, become_user)."
            ),
        ) from error


def remove_half_made(
    prefix: str,
    *,
    installation: bool = False,
    caches: Iterable[str] = (),
    keep_token: bool = False,
) -> tuple[str, ...]:
    """Remove what a failed or interrupted creation or installation has left in ``prefix``.

    Args:
        prefix: the absolute prefix.
        installation: it was to become an installation, not an environment.
        caches: package caches from which its packages were being linked.
        keep_token: keep the directory and its token, for another attempt.

    Returns:
        The files that stay, because nothing proves that the run created them.
    """
    if not os.path.isdir(prefix) or os.path.islink(prefix):
        return ()
    contents = examine(prefix, installation=installation, caches=caches)
    refuse_mounts(contents)
    # The token stays to the end: it proves that the directory is this run's.
    remove_some(prefix, lambda path: path != MADE and contents.may_go(path))
    if not contents.foreign and not keep_token:
        remove_some(prefix, lambda path: path == MADE)
    return contents.foreign


def undo(prefix: str, *, installation: bool = False, caches: Iterable[str] = ()) -> bool:
    """Have the directory of a run that failed as it was before: not there, or empty.

    Returns:
        Whether it is. Otherwise the token stays, by which the next run knows whose the rest is.
    """
    if remove_half_made(prefix, installation=installation, caches=caches, keep_token=True):
        return False
    give_up(prefix)
    return True
