# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that conda linked into a prefix, and which of them are missing or truncated."""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Optional

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import (
    CondaModuleError,
    listed,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.launchers import is_launcher
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import PrefixState
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import PackageRecord

# Compiled when linked or by any run of the interpreter: a missing or shorter file is not damage.
_REGENERATED = (".pyc", ".pyo")

# The paths at which a noarch Python package keeps its modules and scripts. conda links them into the
# environment's own directories and records the sizes under these names
# (conda.common.path.get_python_noarch_target_path).
_NOARCH_MODULES = "site-packages/"
_NOARCH_SCRIPTS = "python-scripts/"


See = Callable[[Optional[os.stat_result]], None]
"""Is told the status of every file and directory that a check inspects, None for a missing one."""


def conda_files(records: Iterable[PackageRecord]) -> set[str]:
    """All paths, relative to the prefix, that the packages of ``records`` installed."""
    return {path for record in records for path in record.paths.files}


def damaged_files(state: PrefixState, see: See | None = None) -> dict[str, list[str]]:
    """Files of linked packages that are missing or shorter than recorded, by package name.

    A full disk or a power cut leaves shorter files. A longer file is not damage: post-link scripts and users
    append to files. Paths that two packages claim are only checked for existence, because their size depends
    on which package was linked last.

    Args:
        state: the prefix, read thoroughly.
        see: called for each directory and each file, in an order that depends on the records only.
    """
    claims = _by_directory(state)
    found: dict[str, list[str]] = defaultdict(list)
    for directory, files in claims.items():
        # Looking up names in an open directory costs far less than walking each path from the root.
        try:
            opened = os.open(os.path.join(state.path, directory), os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            if see is not None:
                see(None)
            for name, owners in files.items():
                for package, _size in owners:
                    found[package].append(os.path.join(directory, name))
            continue
        try:
            if see is not None:
                see(os.fstat(opened))
            for name, owners in files.items():
                actual = _size_of(name, opened, see)
                for package, size in owners:
                    if actual is None or (len(owners) == 1 and actual < size):
                        found[package].append(os.path.join(directory, name))
        finally:
            os.close(opened)
    # A launcher of a generation is shorter than the interpreter that the record of its link means.
    damaged = {
        package: sorted(path for path in paths if not is_launcher(os.path.join(state.path, path)))
        for package, paths in found.items()
    }
    return {package: paths for package, paths in damaged.items() if paths}


def refuse_directories(state: PrefixState) -> None:
    """Fail if a non-empty directory is at the path of a package's file.

    conda would rename it without a warning when it links or unlinks the package.

    Raises:
        CondaModuleError: such a directory exists; nothing was changed.
    """
    for record in state.records.values():
        for path in record.paths.files:
            full = os.path.join(state.path, path)
            try:
                taken = stat.S_ISDIR(os.lstat(full).st_mode) and os.listdir(full)
            except (OSError, ValueError):
                continue
            if taken:
                raise CondaModuleError(
                    f"{full} is a directory, but the package {record.name} has a file at that path; the"
                    f" directory contains {listed(sorted(taken))}. Nothing was changed.",
                    prefix=state.path,
                    hint="move that directory away, then run the task again.",
                )


# By directory and file name: the packages that claim the file, each with its minimum size.
_Claims = dict[str, dict[str, list[tuple[str, int]]]]


def _by_directory(state: PrefixState) -> _Claims:
    claims: _Claims = {}
    for record in state.records.values():
        for path, size in _sized(record, state):
            directory, _slash, name = path.rpartition("/")
            files = claims.get(directory)
            if files is None:
                files = claims[directory] = {}
            owners = files.get(name)
            if owners is None:
                files[name] = [(record.name, size)]
            else:
                owners.append((record.name, size))
    return claims


def _sized(record: PackageRecord, state: PrefixState) -> Iterator[tuple[str, int]]:
    """The files of a package that must exist, each with its minimum size in bytes."""
    sizes = record.paths.sizes
    modules = f"lib/python{state.python_version}/site-packages/"
    for path in record.paths.files:
        if path.endswith(_REGENERATED):
            continue
        size = sizes.get(path)
        if size is None and path.startswith(modules):
            size = sizes.get(_NOARCH_MODULES + path[len(modules) :])
        elif size is None and path.startswith("bin/"):
            size = sizes.get(_NOARCH_SCRIPTS + path[len("bin/") :])
        yield path, size or 0


def _size_of(name: str, directory: int, see: See | None = None) -> int | None:
    """Size in bytes of ``name`` in an open directory, None when it is missing.

    Hard links into the package cache are plain files. For a symbolic link the target counts; a broken one
    still exists. No package owns a directory, so a directory counts as missing.
    """
    try:
        found = os.stat(name, dir_fd=directory)
        if see is not None:
            see(found)
        if not stat.S_ISDIR(found.st_mode):
            return found.st_size
    except OSError:
        if see is not None:
            see(None)
    try:
        link = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except OSError:
        return None
    return 0 if stat.S_ISLNK(link.st_mode) else None
