# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People's files in the place of files that packages bring: conda links over them, without a word.

Told to prevent that (its setting ``path_conflict``), it names them before it changes anything. They give way
then, as ``NAME.before-conda``.
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
# What conda says of a file that no record names (conda 24.7, exceptions.UnknownPackageClobberError). One of
# another package's is no loss: its package can bring it again.
_UNKNOWN = re.compile(
    r"path collision for '(.+)'\.\s+This path already exists in the target prefix, and it won't be removed"
    r"\s+by an uninstall action in this transaction\.\s+The path is one that conda\s+doesn't recognize"
)


def collisions(said: str) -> list[str]:
    """The paths, relative to the prefix, of which conda says that no record names what is there."""
    return list(dict.fromkeys(_UNKNOWN.findall(said)))


@contextmanager
def out_of_the_way(
    prefix: str, paths: Iterable[str], warnings: list[str], caches: Sequence[str] = ()
) -> Iterator[None]:
    """Have people's files among ``paths`` elsewhere for the block; must run under the lock of the prefix.

    What a package brings, this one or another in the cache, is no file of people's, and goes: conda does not
    know it where a record was lost. The others stay beside it, or come back where conda put nothing.

    Args:
        prefix: the environment.
        paths: relative to it.
        warnings: where to tell of those that stay.
        caches: package caches.

    Raises:
        CondaModuleError: one cannot be renamed; nothing was changed.
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
                    f"{os.path.join(prefix, path)} is in the place of a package's file and cannot be renamed:"
                    f" {error.strerror}. Nothing was changed.",
                    prefix=prefix,
                    hint=hint_for(error, "run the task as a user who may (become)."),
                ) from error
        yield
    except BaseException as error:
        # A conda that was cut off may still write: the next run goes on.
        if not getattr(error, "cut_off", False):
            _settle(prefix, pairs, caches)
        raise
    warnings.extend(_settle(prefix, pairs, caches))


def settle(prefix: str, caches: Sequence[str] = ()) -> list[str]:
    """Deal with what a run that was cut off had renamed; the warnings."""
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
            if _is_same(new, old) or _is_packages(path, old, caches):
                os.unlink(old)
                continue
        stay.append(other)
    if not stay:
        return []
    return [
        f"{prefix} held files that no package owns where a package installs its own. They were kept under"
        f" other names: {listed(stay)}."
    ]


def _is_packages(path: str, file: str, caches: Sequence[str]) -> bool:
    """Whether a package in a cache has this very file at this path."""
    status = os.lstat(file)
    if not stat.S_ISREG(status.st_mode):
        return False
    # Where a noarch package keeps what conda links there (conda.common.path).
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


def _is_same(one: str, other: str) -> bool:
    if os.path.islink(one) or os.path.islink(other):
        return (
            os.path.islink(one) and os.path.islink(other) and os.readlink(one) == os.readlink(other)
        )
    regular = all(stat.S_ISREG(os.lstat(path).st_mode) for path in (one, other))
    return regular and filecmp.cmp(one, other, shallow=False)
