# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds interrupted downloads, and revisions that no ref names, in a cache of huggingface_hub.

The layout is described in huggingface_hub's "Understand caching": ``refs/NAME`` contains a commit,
``snapshots/COMMIT`` links into ``blobs``, an interrupted download is ``blobs/ETAG.incomplete``, and
``.locks`` has a lock for each blob.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Collection, Iterator

from ansible_collections.llmfleet.conda.plugins.module_utils._clean.leftover import (
    HUB,
    Leftover,
    is_old,
    leftover,
    names,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular

_REPOSITORY = re.compile(r"(?:models|datasets|spaces)--.+")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_INCOMPLETE = ".incomplete"


def hub_cache() -> str:
    """huggingface_hub's cache directory of this user (its ``constants.py``)."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join("~", ".cache")
    home = os.environ.get("HF_HOME") or os.path.join(cache, "huggingface")
    return os.path.expanduser(os.environ.get("HF_HUB_CACHE") or os.path.join(home, "hub"))


def repositories(cache: str) -> list[str]:
    """The directories of models, data sets and spaces."""
    found = [os.path.join(cache, name) for name in names(cache) if _REPOSITORY.fullmatch(name)]
    return [path for path in found if os.path.isdir(path) and not os.path.islink(path)]


def unused(repository: str, keep: Collection[str], min_age: int) -> Iterator[Leftover]:
    """What may go from one repository.

    A repository without any ref was downloaded by commit, and all of its revisions stay.

    Args:
        repository: its directory.
        keep: commits that stay although no ref names them.
        min_age: seconds; what is newer stays.

    Raises:
        CondaModuleError: a directory cannot be read.
    """
    blobs = os.path.join(repository, "blobs")
    stored = [] if os.path.islink(blobs) else names(blobs)
    for name in stored:
        path = os.path.join(blobs, name)
        if (
            name.endswith(_INCOMPLETE)
            and is_old((path,), min_age)
            and not _is_locked(repository, name)
        ):
            yield leftover(HUB, path)
    named = _named(os.path.join(repository, "refs"))
    if not named:
        return
    snapshots = os.path.join(repository, "snapshots")
    wanted: set[str] = set()
    dropped: set[str] = set()
    for commit in names(snapshots):
        path = os.path.join(snapshots, commit)
        may_go = _COMMIT.fullmatch(commit) and commit not in named and commit not in keep
        if may_go and not os.path.islink(path) and is_old((path,), min_age):
            dropped |= _blobs(path)
            yield leftover(HUB, path)
            tree = os.path.join(repository, "trees", f"{commit}.json")
            if os.path.isfile(tree):
                yield leftover(HUB, tree)
        else:
            wanted |= _blobs(path)
    for name in stored:
        path = os.path.join(blobs, name)
        if os.path.realpath(path) in dropped - wanted:
            yield leftover(HUB, path)


def _named(refs: str) -> set[str]:
    """The commits that refs name; none if one of the refs cannot be read, so that every revision stays."""
    found: set[str] = set()
    for directory, _directories, files in os.walk(refs):
        for name in files:
            try:
                with open(
                    os.path.join(directory, name), encoding="utf-8", opener=only_regular
                ) as stream:
                    found.add(stream.read(100).strip())
            except (OSError, UnicodeDecodeError):
                return set()
    return found


def _blobs(snapshot: str) -> set[str]:
    found: set[str] = set()
    for directory, _directories, files in os.walk(snapshot):
        found |= {os.path.realpath(os.path.join(directory, name)) for name in files}
    return found


def _is_locked(repository: str, name: str) -> bool:
    """Whether a download of the blob runs: huggingface_hub holds a flock while it writes."""
    cache, own = os.path.split(repository)
    etag = name[: -len(_INCOMPLETE)].partition(".")[0]
    try:
        with open(
            os.path.join(cache, ".locks", own, f"{etag}.lock"), opener=only_regular
        ) as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False
    except OSError:
        return False
