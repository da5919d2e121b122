# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What packages take on the volumes of the package cache and of the prefix.

All figures are lower bounds, so that a change that fits is not refused. A package that a cache has
extracted is only linked: on the volume of that cache this takes only the files that conda rewrites for the
prefix; on another volume conda copies the package. Any other package is downloaded to the first cache that
can be written and is extracted there; conda keeps both (conda, ``core.package_cache_data``).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.llmfleet.conda.plugins.module_utils._conda.command import ToLink
from ansible_collections.llmfleet.conda.plugins.module_utils._core import json_document
from ansible_collections.llmfleet.conda.plugins.module_utils._core.room import (
    Need,
    Volume,
    volume_of,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular

# An extracted package has at least twice the bytes of its archive: 3.2 times for Python, 5.5 for pip.
_EXTRACTED = 2
# A dozen files of metadata in info/, each at least a block of 4 KiB (conda-build).
_METADATA_BYTES = 24 << 10
_METADATA_FILES = 6
# The record in conda-meta.
_RECORD_BYTES = 4 << 10


@dataclass
class _Sum:
    size: int = 0
    inodes: int = 0
    count: int = 0

    def add(self, size: int, inodes: int = 0) -> None:
        self.size += size
        self.inodes += inodes
        self.count += 1


def first_writable(caches: Sequence[str]) -> str:
    """The cache that conda downloads to: the first that exists or can be made and written."""
    for cache in caches:
        place = cache
        while not os.path.lexists(place) and place != os.path.dirname(place):
            place = os.path.dirname(place)
        if os.path.isdir(place) and os.access(place, os.W_OK | os.X_OK):
            return cache
    return caches[0]


def unknown(packages: Sequence[ToLink], caches: Sequence[str]) -> list[ToLink]:
    """The packages whose size nothing on this host tells."""
    return [one for one in packages if not one.size and _extracted(one, caches) is None]


def needs_of(
    packages: Sequence[ToLink], prefix: str, caches: Sequence[str], copies: bool = False
) -> list[Need]:
    """What linking ``packages`` takes, at least; packages of unknown size count as small.

    Args:
        packages: the packages.
        prefix: where they are linked.
        caches: package caches, in conda's order.
        copies: conda copies instead of linking (``always_copy``).
    """
    target = first_writable(caches)
    volumes: dict[str, Volume | None] = {}

    def shares(cache: str) -> bool:
        for path in (cache, prefix):
            if path not in volumes:
                volumes[path] = volume_of(path)
        one, two = volumes[cache], volumes[prefix]
        return one is not None and two is not None and one.device == two.device

    download, extraction, linking = _Sum(), _Sum(), _Sum()
    for package in packages:
        cache = _extracted(package, caches)
        if cache is None:
            if not _has_archive(package, caches):
                download.add(package.size, 1)
            whole, rewritten, count = max(_EXTRACTED * package.size, _METADATA_BYTES), 0, 1
            extraction.add(whole, _METADATA_FILES)
        else:
            whole, rewritten, count = _sizes(os.path.join(cache, package.stem))
        if copies or not shares(cache or target):
            linking.add(whole + _RECORD_BYTES, count + 1)
        else:
            linking.add(rewritten + _RECORD_BYTES, 1)
    return [
        Need(target, download.size, f"to download {_packages(download)}", download.inodes),
        Need(target, extraction.size, f"to extract {_packages(extraction)}", extraction.inodes),
        Need(prefix, linking.size, f"to link {_packages(linking)}", linking.inodes),
    ]


def _packages(part: _Sum) -> str:
    return f"{part.count} package{'' if part.count == 1 else 's'}"


def _extracted(package: ToLink, caches: Sequence[str]) -> str | None:
    """The cache that has the package extracted, from the same archive as far as that is known."""
    for cache in caches:
        record = _load(os.path.join(cache, package.stem, "info", "repodata_record.json"))
        if record is not None and all(
            mine in {"", str(record.get(key) or mine).lower()}
            for key, mine in (("md5", package.md5.lower()), ("sha256", package.sha256.lower()))
        ):
            return cache
    return None


def _has_archive(package: ToLink, caches: Sequence[str]) -> bool:
    if not package.file_name:
        return False
    for cache in caches:
        try:
            if os.stat(os.path.join(cache, package.file_name)).st_size == package.size:
                return True
        except OSError:
            continue
    return False


def _sizes(extracted: str) -> tuple[int, int, int]:
    """Bytes of an extracted package, bytes of its files that conda rewrites, and the number of its files."""
    whole = rewritten = count = 0
    listed = (_load(os.path.join(extracted, "info", "paths.json")) or {}).get("paths")
    for item in listed if isinstance(listed, list) else ():
        size = item.get("size_in_bytes") if isinstance(item, dict) else None
        if isinstance(size, int) and item.get("path_type") != "softlink":
            whole += size
            count += 1
            rewritten += size if item.get("prefix_placeholder") else 0
    return whole, rewritten, count


def _load(path: str) -> dict[str, object] | None:
    try:
        with open(path, "rb", opener=only_regular) as stream:
            found = json_document.loads(stream.read())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
