# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The private directory of an installation, and the removal of what a killed run left in a prefix."""

from __future__ import annotations

import csv
import importlib.util
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import (
    CondaModuleError,
    hint_for,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.tree import remove_made
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.linked_files import conda_files
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import PrefixState

_UNFINISHED = re.compile(r"\.tmp[A-Za-z0-9]{6}")


@contextmanager
def scratch_directory(parent: str, name: str) -> Iterator[str]:
    """A private directory `.NAME.llmfleet-pip-*` in `parent`, removed at the end.

    Raises:
        CondaModuleError: it cannot be made.
    """
    try:
        path = tempfile.mkdtemp(prefix=f".{name}.llmfleet-pip-", dir=parent)
    except OSError as error:
        raise CondaModuleError(
            f"A temporary directory cannot be created in {parent}: {error.strerror}. Nothing was changed.",
            hint=hint_for(error, "run the task as a user who may write there (become)."),
        ) from error
    try:
        yield path
    finally:
        remove_made(path)


def remove_leftovers(parent: str, name: str) -> None:
    """Remove scratch directories that a killed run left; the caller holds the lock of the prefix."""
    for entry in os.listdir(parent):
        if entry.startswith(f".{name}.llmfleet-pip-"):
            remove_made(os.path.join(parent, entry))


def scratch_parent(prefix: str) -> str:
    """The directory beside the prefix, on its volume; conda-meta if this user may not write there."""
    parent = os.path.dirname(prefix)
    if os.access(parent, os.W_OK | os.X_OK):
        return parent
    return os.path.join(prefix, "conda-meta")


def remove_metadata(path: str) -> None:
    """Remove the metadata of an interrupted installation; pip cannot remove metadata that it cannot read."""
    if os.path.isdir(path) and path.endswith((".dist-info", ".egg-info")):
        remove_made(path)


def remove_abandoned(paths: Iterable[str]) -> None:
    """Remove those dist-info directories of which pip or uv left only foreign files.

    macOS and file servers put `.DS_Store` and `._METADATA` into any directory. pip removes only the files in
    RECORD, and the rest would count as a second, damaged installation.

    Args:
        paths: dist-info directories that had metadata before the run.
    """
    for path in paths:
        own = [os.path.join(path, name) for name in ("METADATA", "RECORD")]
        if path.endswith(".dist-info") and not any(map(os.path.lexists, own)):
            remove_metadata(path)


def remove_renamed(state: PrefixState) -> None:
    """Remove `~name` entries: a killed pip had renamed distributions to these while replacing them."""
    site_packages = state.site_packages
    if site_packages is None or not os.path.isdir(site_packages):
        return
    _remove_orphans(str(site_packages), str(state.path))
    for entry in os.listdir(site_packages):
        path = os.path.join(site_packages, entry)
        if entry.startswith("~") and not os.path.islink(path):
            if os.path.isdir(path):
                remove_made(path)
            else:
                os.unlink(path)


def remove_unfinished(state: PrefixState) -> None:
    """Remove partial files of a killed pip or uv, orphaned compiled files, and empty directories.

    uv writes each file as `.tmp` and six letters or digits (the Rust crate tempfile 3). pip and uv remove
    files one by one, then their compiled files, then the directories; a directory that remains could be
    imported as a namespace package. Call this only after an interrupted run.
    """
    site_packages = state.site_packages
    if site_packages is None:
        return
    claimed = conda_files(state.records.values())
    for directory, _names, files in os.walk(str(site_packages), topdown=False):
        for name in files:
            path = os.path.join(directory, name)
            if _UNFINISHED.fullmatch(name) or (
                _has_lost_its_source(path) and os.path.relpath(path, state.path) not in claimed
            ):
                with suppress(OSError):
                    os.unlink(path)
        if directory != str(site_packages):
            # Fails, as intended, if the directory is not empty.
            with suppress(OSError):
                os.rmdir(directory)


def _has_lost_its_source(path: str) -> bool:
    """Whether a file is a compiled file without a source, which Python ignores (PEP 3147)."""
    if os.path.basename(os.path.dirname(path)) != "__pycache__" or not path.endswith(".pyc"):
        return False
    try:
        return not os.path.lexists(importlib.util.source_from_cache(path))
    except ValueError:
        return False


def _remove_orphans(site_packages: str, prefix: str) -> None:
    """Remove the files of distributions whose metadata pip had already renamed when it was killed.

    pip renames the metadata first. The next version would be installed over the remaining files, and files
    that it does not overwrite would stay and could be imported.
    """
    names = os.listdir(site_packages)
    gone = [name for name in names if name.startswith("~") and name.endswith(".dist-info")]
    if not gone:
        return
    kept = [name for name in names if name.endswith(".dist-info") and name not in gone]
    claimed = {path for name in kept for path in recorded_files(site_packages, name)}
    root = os.path.realpath(prefix)
    for path in sorted(
        {path for name in gone for path in recorded_files(site_packages, name)} - claimed
    ):
        parent = os.path.realpath(os.path.dirname(path))
        if os.path.commonpath([root, parent]) != root or not os.path.lexists(path):
            continue
        try:
            os.unlink(path)
            while parent.startswith(os.path.realpath(site_packages) + os.sep):
                os.rmdir(parent)
                parent = os.path.dirname(parent)
        except OSError:
            # Not empty, or owned by another user: pip reports it if it gets in the way.
            continue


def recorded_files(site_packages: str, metadata: str) -> set[str]:
    """The absolute paths that a distribution's RECORD lists; empty without one."""
    try:
        path = os.path.join(site_packages, metadata, "RECORD")
        with open(path, encoding="utf-8", newline="") as stream:
            rows = [row[0] for row in csv.reader(stream) if row]
    except (OSError, ValueError, csv.Error):
        return set()
    return {os.path.normpath(os.path.join(site_packages, row)) for row in rows}
