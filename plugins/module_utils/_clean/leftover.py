# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cache contains and nothing uses: the items that the module removes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.llmfleet.conda.plugins.module_utils._core.tree import survey

PACKAGES, ARCHIVES, INDEX, PIP, UV, HUB = "packages", "archives", "index", "pip", "uv", "hub"
OF_CONDA = (PACKAGES, ARCHIVES, INDEX)
KINDS = (*OF_CONDA, PIP, UV, HUB)


@dataclass(frozen=True, order=True)
class Leftover:
    """A file or directory that may go.

    Attributes:
        kind: the kind of cache, one of :data:`KINDS`.
        path: absolute path.
        size: bytes of disk that its removal frees.
    """

    kind: str
    path: str
    size: int

    def line(self) -> str:
        """One line of the diff."""
        return f"{self.kind}: {self.path} ({self.size} bytes)"

    def as_result(self) -> dict[str, object]:
        """The item as the module returns it."""
        return {"cache": self.kind, "path": self.path, "size": self.size}


def leftover(kind: str, path: str) -> Leftover:
    """The item for an existing path.

    Raises:
        CondaModuleError: a directory in it cannot be read.
        OSError: it is gone.
    """
    status = os.lstat(path)
    if os.path.isdir(path) and not os.path.islink(path):
        return Leftover(kind, path, survey(path).size)
    return Leftover(kind, path, status.st_blocks * 512 if status.st_nlink <= 1 else 0)


def is_old(paths: Iterable[str], min_age: int) -> bool:
    """Whether none of the existing ``paths`` was made or changed in the last ``min_age`` seconds.

    The time of the last status change counts (ctime): archives set the modification times of their files.
    """
    limit = time.time() - min_age
    for path in paths:
        try:
            if os.lstat(path).st_ctime > limit:
                return False
        except OSError:
            continue
    return True


def names(directory: str) -> list[str]:
    """The sorted entries of a directory; none if it does not exist or is no directory."""
    try:
        return sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []
