# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handles users' files at paths where packages install theirs: conda would overwrite them without a warning.

With its setting ``path_conflict: prevent``, conda lists such files before it changes anything. They are
renamed to ``NAME.before-conda``.
"""

from __future__ import annotations

import filecmp
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import (
    CondaModuleError,
    hint_for,
    listed,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.removal import examine
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import (
    add_to_journal,
    pending_journal,
)

PREVENTED = {"CONDA_PATH_CONFLICT": "prevent"}
_SUFFIX = ".before-conda"
# conda's message about a file that no record names (conda 24.7, exceptions.UnknownPackageClobberError). A
# file of another package is no loss: that package can be linked again.
_UNKNOWN = re.compile(
    r"path collision for '(.+)'\.\s+This path already exists in the target prefix, and it won't be removed"
    r"\s+by an uninstall action in this transaction\.\s+The path is one that conda\s+doesn't recognize"
)


def collisions(said: str) -> list[str]:
    """The paths, relative to the prefix, that conda reports as present and named by no record."""
    return list(dict.fromkeys(_UNKNOWN.findall(said)))


@contextmanager
def out_of_the_way(
    prefix: str, paths: Iterable[str], warnings: list[str], caches: Sequence[str] = ()
) -> Iterator[None]:
    """Rename the users' files among ``paths`` for the block; the caller holds the lock of the prefix.

    A file that is identical to one of a package in the cache is not a user's file and is removed: conda does
    not know it when a record was lost. Other files keep the new name, or get their old one back where conda
    put nothing.

    Args:
        prefix: the environment.
        paths: relative to it.
        warnings: list that receives a message about the files that keep the new name.
        caches: package caches.

    Raises:
        CondaModuleError: a file cannot be renamed; nothing was changed.
    """
    may_go = examine(prefix).may_go
    pairs = [(path, _free(prefix, path)) for path in paths if not may_go(path)]
    add_to_journal(prefix, out_of_the_way=pairs)
    try:
        for path, other in pairs:
            try:
                os.rename(os.path.join(prefix, path), os.path.join(prefix, other))
            except OSError as error:
                raise CondaModuleError(
                    f"{os.path.join(prefix, path)} is where a package installs a file, and cannot be"
                    f" renamed: {error.strerror}. Nothing was changed.",
                    prefix=prefix,
                    hint=hint_for(error, "run the task as a user who may rename it (become)."),
                ) from error
        yield
    except BaseException as error:
        # An interrupted conda may still write: the next run continues.
        if not getattr(error, "cut_off", False):
            _settle(prefix, pairs, caches)
        raise
    warnings.extend(_settle(prefix, pairs, caches))


def settle(prefix: str, caches: Sequence[str] = ()) -> list[str]:
    """Settle the files that an interrupted run had renamed; returns the warnings."""
    pairs = (pending_journal(prefix) or {}).get("out_of_the_way")
    if not isinstance(pairs, list):
        return []
    known = [
        (pair[0], pair[1])
        for pair in pairs
        if isinstance(pair, list) and len(pair) == 2 and all(isinstance(one, str) for one in pair)
    ]
    inside = [pair for pair in known if ".." not in "/".join(pair).split("/")]
    return _settle(prefix, inside, caches)


def _free(prefix: str, path: str) -> str:
    number = 0
    while os.path.lexists(os.path.join(prefix, name := f"{path}{_SUFFIX}{number or ''}")):
        number += 1
    return name


def _settle(prefix: str, pairs: Sequence[tuple[str, str]], caches: Sequence[str]) -> list[str]:
    stay = []
    for path, other in pairs:
        new, old = os.path.join(prefix, path), os.path.join(prefix, other)
        if not os.path.lexists(old):
            continue
        with suppress(OSError):
            if not os.path.lexists(new):
                os.rename(old, new)
                continue
            if is_same_file(new, old) or _is_from_package(path, old, caches):
                os.unlink(old)
                continue
        stay.append(other)
    if not stay:
        return []
    return [
        f"{prefix} contained files that no package owns at paths where a package installs its own. They"
        f" were kept under other names: {listed(stay)}."
    ]


def _is_from_package(path: str, file: str, caches: Sequence[str]) -> bool:
    """Whether a package in a cache has an identical file for this path."""
    status = os.lstat(file)
    if not stat.S_ISREG(status.st_mode):
        return False
    # The path of the same file in a noarch package (conda.common.path).
    forms = [path, re.sub(r"^lib/python[\d.]+/(?=site-packages/)", "", path)]
    forms.append(re.sub(r"^bin/", "python-scripts/", path))
    for cache in caches:
        with suppress(OSError):
            for name in os.listdir(cache):
                for form in dict.fromkeys(forms):
                    known = os.path.join(cache, name, form)
                    if os.path.isfile(known) and filecmp.cmp(known, file, shallow=False):
                        return True
    return False


def is_same_file(one: str, other: str) -> bool:
    """Whether both are files with the same content, or links to the same target."""
    if os.path.islink(one) or os.path.islink(other):
        return (
            os.path.islink(one) and os.path.islink(other) and os.readlink(one) == os.readlink(other)
        )
    regular = all(stat.S_ISREG(os.lstat(path).st_mode) for path in (one, other))
    return regular and filecmp.cmp(one, other, shallow=False)
