# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads from disk which files of a model revision are in a cache of huggingface_hub.

The layout is that of huggingface_hub ("Understand caching"): below ``models--ORG--NAME``, the file
``refs/REVISION`` contains a commit, ``snapshots/COMMIT`` has the files, as links into ``blobs``, and
``trees/COMMIT.json`` lists the files of the commit with their sizes (format 1 of its ``_tree_cache.py``;
older releases do not write that list, so this collection writes it for them). Files that match the list by
name and size are complete; an ``.incomplete`` blob is left by an interrupted download.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._core import json_document
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular

TREE_FORMAT = 1
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Choice:
    """The wanted files of a model, by the patterns of snapshot_download; no pattern means all files."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def wants(self, name: str) -> bool:
        """Whether the file with this relative path is wanted."""
        if self.include and not any(_matches(name, pattern) for pattern in self.include):
            return False
        return not any(_matches(name, pattern) for pattern in self.exclude)


def _matches(name: str, pattern: str) -> bool:
    # A directory matches everything in it (huggingface_hub, filter_repo_objects).
    return fnmatch(name, f"{pattern}*" if pattern.endswith("/") else pattern)


@dataclass(frozen=True)
class CachedModel:
    """The paths of one model in the cache.

    Attributes:
        cache: directory of the cache, absolute.
        model: name at the hub, ``ORG/NAME`` or ``NAME``.
    """

    cache: str
    model: str

    @property
    def directory(self) -> str:
        """The directory of the model in the cache."""
        return os.path.join(self.cache, "--".join(["models", *self.model.split("/")]))

    def ref(self, revision: str) -> str:
        """The file that contains the commit of a branch or tag."""
        return os.path.join(self.directory, "refs", *revision.split("/"))

    def snapshot(self, commit: str) -> str:
        """The directory with the files of a commit."""
        return os.path.join(self.directory, "snapshots", commit)

    def blob(self, name: str) -> str:
        """The file that holds a content, by the hub's name for it."""
        return os.path.join(self.directory, "blobs", name)

    def tree(self, commit: str) -> str:
        """The list of the files of a commit."""
        return os.path.join(self.directory, "trees", f"{commit}.json")


@dataclass(frozen=True)
class Observed:
    """The state of a revision on disk.

    Attributes:
        exists: the cache has any entry for the model.
        commit: the commit of the revision, empty if unknown.
        files: sizes in bytes of the wanted files by relative path; None if unknown.
        broken: those of them that are missing or have another size.
    """

    exists: bool = False
    commit: str = ""
    files: Mapping[str, int] | None = None
    broken: tuple[str, ...] = field(default=())

    @property
    def whole(self) -> bool:
        """Whether all wanted files are complete."""
        return bool(self.commit) and self.files is not None and not self.broken

    @property
    def size(self) -> int:
        """Bytes of all wanted files."""
        return sum((self.files or {}).values())


def observe(cached: CachedModel, revision: str, choice: Choice, commit: str = "") -> Observed:
    """Read the state of a revision, or of ``commit`` instead; starts no process, and does not ask the hub."""
    exists = os.path.lexists(cached.directory)
    commit = commit or commit_of(cached, revision)
    files = _listed(cached.tree(commit), choice) if commit else None
    if files is None:
        return Observed(exists, commit)
    snapshot = cached.snapshot(commit)
    broken = tuple(name for name in files if _size(os.path.join(snapshot, name)) != files[name])
    return Observed(exists, commit, files, broken)


def commit_of(cached: CachedModel, revision: str) -> str:
    """The commit of a revision in the cache, empty if unknown."""
    if COMMIT.fullmatch(revision):
        return revision
    try:
        with open(cached.ref(revision), encoding="utf-8", opener=only_regular) as stream:
            found = stream.read(64).strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return found if COMMIT.fullmatch(found) else ""


def _listed(path: str, choice: Choice) -> dict[str, int] | None:
    try:
        with open(path, encoding="utf-8", opener=only_regular) as stream:
            listed = json_document.load(stream)
        if listed["format_version"] != TREE_FORMAT:
            return None
        sizes = {str(name): int(entry["size"]) for name, entry in listed["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
        # The download, too, ignores a list that cannot be read, and writes it again.
        return None
    if any(name.startswith("/") or ".." in name.split("/") for name in sizes):
        return None
    return {name: size for name, size in sorted(sizes.items()) if choice.wants(name)}


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return -1


def tree_text(files: Mapping[str, Mapping[str, Any]]) -> str:
    """The JSON text of a list of files; each entry has at least ``size`` and ``blob_id``."""
    listed = {name: dict(files[name]) for name in sorted(files)}
    return json.dumps({"format_version": TREE_FORMAT, "files": listed}, indent=1)


def parse_choice(include: Sequence[str], exclude: Sequence[str]) -> Choice:
    """The choice of files from a task's patterns."""
    return Choice(tuple(include), tuple(exclude))
