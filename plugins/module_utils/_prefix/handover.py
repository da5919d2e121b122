# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves the files of pip's distributions out of the way while conda links or unlinks packages.

A package that conda links takes over from pip's distribution: pip's files go, all of them, because those that
conda does not overwrite could still be imported. If conda fails, they return.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import (
    CondaModuleError,
    hint_for,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular
from ansible_collections.llmfleet.conda.plugins.module_utils._core.tree import remove_made
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.linked_files import conda_files
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import (
    PrefixState,
    observe_prefix,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.two_owners import (
    PipCopy,
    copies,
    holders,
)

# In conda-meta: on the volume of the files, and conda reads only files that end with .json there.
_ASIDE = os.path.join("conda-meta", ".llmfleet-of-pip")


def recorded(prefix: str, metadata: str) -> list[str]:
    """The files of a distribution from its RECORD, relative to the prefix; without one, its metadata.

    Paths outside the prefix are left out. Compiled files of its modules are added: uv does not record them.
    """
    site = os.path.dirname(metadata)
    rows: list[str] = []
    with (
        suppress(OSError, csv.Error),
        open(
            os.path.join(metadata, "RECORD"),
            encoding="utf-8", errors="surrogateescape", newline="", opener=only_regular,
        ) as stream,
    ):  # fmt: skip
        rows = [row[0] for row in csv.reader(stream) if row]
    found = {os.path.normpath(os.path.join(site, row)) for row in rows}
    for directory, _names, files in os.walk(metadata):
        found.update(os.path.join(directory, name) for name in files)
    if os.path.isfile(metadata):
        found.add(metadata)
    for path in [one for one in found if one.endswith(".py")]:
        found.update(_compiled(path))
    start = f"{prefix}/"
    return sorted(path[len(start) :] for path in found if path.startswith(start))


def _compiled(source: str) -> Iterator[str]:
    directory, name = os.path.split(source)
    cache = os.path.join(directory, "__pycache__")
    with suppress(OSError):
        for entry in os.listdir(cache):
            if entry.startswith(f"{name[:-2]}") and entry.endswith(".pyc"):
                yield os.path.join(cache, entry)


def at_these_paths(prefix: str, paths: Iterable[str]) -> list[PipCopy]:
    """The distributions of pip's that have a file at one of ``paths``, which are relative to the prefix."""
    wanted = set(paths)
    state = observe_prefix(prefix, thorough=True)
    held = holders(state)
    return [
        one
        for there in copies(state.site_packages).values()
        for one in there
        if one.path not in held
        and not one.is_by_conda
        and wanted.intersection(recorded(prefix, one.path))
    ]


@contextmanager
def moved(
    prefix: str, distributions: Sequence[PipCopy], *, of: Iterable[str] = (), back: bool = False
) -> Iterator[None]:
    """Move the files of pip's distributions aside for the block; the caller holds the lock of the prefix.

    Afterwards they are removed. If the block fails they return, unless conda was interrupted: it may still
    write, and :func:`put_back` of the next run decides.

    Args:
        prefix: the environment.
        distributions: of pip's.
        of: names of conda's packages that hold the same distributions; files of all others stay in place.
        back: put them back after the block in any case, where conda left room.

    Raises:
        CondaModuleError: a file cannot be moved; nothing was changed.
    """
    if not distributions:
        yield
        return
    state = observe_prefix(prefix, thorough=True)
    paths = _files_of(state, distributions, frozenset(of))
    aside = _new_directory(prefix)
    try:
        for path in paths:
            _rename(prefix, path, os.path.join(aside, path))
    except OSError as error:
        _put_back(prefix, aside)
        raise CondaModuleError(
            f"{os.path.join(prefix, path)} was installed by pip and cannot be moved out of conda's way:"
            f" {error.strerror}. Nothing was changed.",
            prefix=prefix,
            hint=hint_for(error, "run the task as a user who may rename it (become)."),
        ) from error
    try:
        yield
    except BaseException as error:
        if not getattr(error, "cut_off", False):
            _put_back(prefix, aside)
        raise
    if back:
        _put_back(prefix, aside)
    else:
        _remove(prefix, aside)
        _remove_empty(prefix, paths)


def put_back(prefix: str) -> None:
    """Put back what an interrupted run had moved aside, where nothing is now, and remove the rest.

    This may leave both conda's and pip's metadata of a distribution; the plan that follows repairs that.
    """
    with suppress(OSError):
        for name in sorted(os.listdir(os.path.join(prefix, _ASIDE)), reverse=True):
            _put_back(prefix, os.path.join(_ASIDE, name))


def _new_directory(prefix: str) -> str:
    number = 0
    while os.path.lexists(os.path.join(prefix, name := os.path.join(_ASIDE, str(number)))):
        number += 1
    return name


def _put_back(prefix: str, aside: str) -> None:
    root = os.path.join(prefix, aside)
    for directory, _names, files in os.walk(root):
        for name in files:
            path = os.path.relpath(os.path.join(directory, name), root)
            if not os.path.lexists(os.path.join(prefix, path)):
                with suppress(OSError):
                    _rename(prefix, os.path.join(aside, path), path)
    _remove(prefix, aside)


def _remove(prefix: str, aside: str) -> None:
    remove_made(os.path.join(prefix, aside))
    with suppress(OSError):
        os.rmdir(os.path.join(prefix, _ASIDE))


def _files_of(
    state: PrefixState, distributions: Iterable[PipCopy], of: frozenset[str]
) -> list[str]:
    others = [record for name, record in state.records.items() if name not in of]
    kept = conda_files(others)
    root = os.path.realpath(state.path)
    return [
        path
        for path in sorted(
            {path for one in distributions for path in recorded(state.path, one.path)}
        )
        if path not in kept and _is_inside(root, os.path.join(state.path, path))
    ]


def _is_inside(root: str, path: str) -> bool:
    """Whether the file exists and no link leads out of the prefix on the way to it."""
    parent = os.path.realpath(os.path.dirname(path))
    is_file = os.path.lexists(path) and (os.path.islink(path) or not os.path.isdir(path))
    return is_file and (parent == root or parent.startswith(root + os.sep))


def _rename(prefix: str, path: str, to: str) -> None:
    target = os.path.join(prefix, to)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    os.rename(os.path.join(prefix, path), target)


def _remove_empty(prefix: str, paths: Iterable[str]) -> None:
    """Remove directories that became empty: Python would import them as namespace packages."""
    parents = set()
    for path in paths:
        parent = os.path.dirname(path)
        while parent.partition("site-packages/")[2]:
            parents.add(parent)
            parent = os.path.dirname(parent)
    for parent in sorted(parents, key=len, reverse=True):
        with suppress(OSError):
            os.rmdir(os.path.join(prefix, parent))
