# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds packages, archives and indexes in conda's package caches that no environment uses.

The layout is that of conda 4.4 to 26 (``conda.core.package_cache_data``): an extracted package is the
directory ``NAME-VERSION-BUILD`` with ``info/index.json``, its archive the file of that name with ``.conda``
or ``.tar.bz2``, and ``cache`` has the indexes of channels. An environment has a record of each of its
packages, ``conda-meta/NAME-VERSION-BUILD.json``.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterator

from ansible_collections.llmfleet.conda.plugins.module_utils._clean.leftover import (
    ARCHIVES,
    INDEX,
    PACKAGES,
    Leftover,
    is_old,
    leftover,
    names,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.package_cache import (
    environment_directories,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import (
    CondaModuleError,
    hint_for_reading,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import HISTORY
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.registry import (
    environments_of_all,
)

_ARCHIVE = re.compile(r"(.+-[^-]+-[^-]+)(\.conda|\.tar\.bz2)")
# The names that conda and mamba give to the index of a channel: a hash, and what belongs to it.
_INDEX = re.compile(
    r"[0-9a-f]{8,64}(?:\.info|\.state)?\.(?:json|q|solv|csh|msgpack\.zst|shards\.json)"
)


def environments(installation: str) -> list[str]:
    """The base environment, those in the directories of environments, and those that users' lists name."""
    found = [installation]
    for directory in environment_directories(installation):
        found += [os.path.join(directory, name) for name in names(directory)]
    found += environments_of_all()
    return [path for path in dict.fromkeys(found) if os.path.lexists(os.path.join(path, HISTORY))]


def used_packages(installation: str) -> set[str]:
    """The packages of all environments, as ``NAME-VERSION-BUILD``.

    Raises:
        CondaModuleError: an environment cannot be read, so its packages are unknown.
    """
    used: set[str] = set()
    for prefix in environments(installation):
        try:
            entries = os.listdir(os.path.join(prefix, "conda-meta"))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise CondaModuleError(
                f"It is unknown which packages {prefix} uses: {error.strerror}. Nothing was changed.",
                prefix=prefix,
                hint=hint_for_reading(error),
            ) from error
        used |= {name[: -len(".json")] for name in entries if name.endswith(".json")}
    return used


def unused(
    cache: str, kinds: Collection[str], used: Collection[str], min_age: int
) -> Iterator[Leftover]:
    """What may go from one package cache.

    Args:
        cache: a directory of packages.
        kinds: of the caches to clean.
        used: packages that environments use; they stay extracted.
        min_age: seconds; what is newer stays, because a conda may be about to link it.

    Raises:
        CondaModuleError: a directory cannot be read.
    """
    going: set[str] = set()
    extracted: set[str] = set()
    entries = names(cache)
    for name in entries:
        path = os.path.join(cache, name)
        if not _is_extracted(path):
            continue
        extracted.add(name)
        markers = (path, os.path.join(path, "info", "index.json"))
        if (
            PACKAGES in kinds
            and name not in used
            and is_old(markers, min_age)
            and not _is_linked(path)
        ):
            going.add(name)
            yield leftover(PACKAGES, path)
    for name in entries if ARCHIVES in kinds else ():
        found = _ARCHIVE.fullmatch(name)
        path = os.path.join(cache, name)
        # The archive of a package that an environment uses is its only copy unless it is extracted as well.
        if (
            found
            and stat.S_ISREG(os.lstat(path).st_mode)
            and (found[1] not in used or found[1] in extracted - going)
            and is_old((path,), min_age)
        ):
            yield leftover(ARCHIVES, path)
    directory = os.path.join(cache, "cache")
    for name in names(directory) if INDEX in kinds and not os.path.islink(directory) else ():
        path = os.path.join(directory, name)
        if _INDEX.fullmatch(name) and is_old((path,), min_age):
            yield leftover(INDEX, path)


def _is_extracted(path: str) -> bool:
    return not os.path.islink(path) and os.path.isfile(os.path.join(path, "info", "index.json"))


def _is_linked(path: str) -> bool:
    """Whether a file of the package has another hard link: in an environment that no list names."""
    for directory, _directories, files in os.walk(path):
        for name in files:
            status = os.lstat(os.path.join(directory, name))
            if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
                return True
    return False
