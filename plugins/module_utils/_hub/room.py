# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuses a model for which the volume of the cache lacks room.

The size of an import is that of its files. The size of a download is known from the list of files in the
cache; without one, the download asks the hub for it first, which check mode never does.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from ansible_collections.llmfleet.conda.plugins.module_utils._core.room import (
    Need,
    refuse_without_room,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._hub.cache import CachedModel
from ansible_collections.llmfleet.conda.plugins.module_utils._hub.store import Source
from ansible_collections.llmfleet.conda.plugins.module_utils._hub.subject import Look, Plan

# A file is a blob and a link to it. Besides: the list of files and the revision.
_INODES_EACH = 2


def refuse_import_without_room(cached: CachedModel, source: Source) -> None:
    """Fail if the files of a directory do not fit into the cache.

    Files of a size that the cache already has are taken for the same; each is nevertheless copied first.

    Raises:
        CondaModuleError: nothing was changed.
    """
    there = _sizes_of_blobs(cached)
    sizes = [size for size, _time in source.files.values()]
    new = [size for size in sizes if size not in there]
    refuse_model_without_room(cached, max([sum(new), *sizes]), len(new))


def refuse_known_download_without_room(cached: CachedModel, plan: Plan, observed: Look) -> None:
    """Fail if the missing files do not fit into the cache, as far as a list in the cache names them.

    Raises:
        CondaModuleError: nothing was changed.
    """
    seen = observed.at_commit if observed.at_commit.commit == plan.commit else observed.now
    if plan.commit and seen.commit == plan.commit and seen.files is not None:
        missing = _missing(cached, plan.commit, seen.files, plan.broken)
        # What is kept of an interrupted download is part of the files.
        refuse_model_without_room(cached, max(0, sum(missing) - _begun(cached)), len(missing))


def refuse_model_without_room(cached: CachedModel, size: int, files: int) -> None:
    """Fail if ``size`` bytes in so many files do not fit into the cache.

    Raises:
        CondaModuleError: nothing was changed.
    """
    what = f"for {files} file{'' if files == 1 else 's'} of the model {cached.model}"
    refuse_without_room(
        [Need(cached.directory, size, what, _INODES_EACH * files)],
        asked=cached.model,
        instead="set cache_dir to a directory on another volume",
    )


def _missing(
    cached: CachedModel, commit: str, files: Mapping[str, int], broken: tuple[str, ...]
) -> list[int]:
    """Bytes that each of the broken files lacks; a broken file is removed before it is downloaded."""
    found = []
    for name in broken:
        try:
            there = os.stat(os.path.join(cached.snapshot(commit), name)).st_size
        except OSError:
            there = 0
        found.append(max(0, files[name] - there))
    return found


def _sizes_of_blobs(cached: CachedModel) -> set[int]:
    try:
        with os.scandir(os.path.dirname(cached.blob("any"))) as entries:
            return {entry.stat(follow_symlinks=False).st_size for entry in entries}
    except OSError:
        return set()


def _begun(cached: CachedModel) -> int:
    try:
        with os.scandir(os.path.dirname(cached.blob("any"))) as entries:
            return sum(
                entry.stat(follow_symlinks=False).st_size
                for entry in entries
                if entry.name.endswith(".incomplete")
            )
    except OSError:
        return 0
