# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets damaged files of a package cache aside, so that conda downloads or extracts them again.

conda itself replaces an archive with a wrong size or checksum. It never recovers from an extracted package
with missing files or invalid JSON metadata, nor from an index that is not JSON (tried with conda 24.7.1).
Such files are moved to ``.llmfleet-quarantine`` in the same cache, where a person can inspect them. Only the
newest :data:`KEPT` are kept, because packages for GPUs take gigabytes. conda does not look there, and ``conda
clean`` leaves the directory alone.

The callers hold the lock of the cache. A user's own conda does not take that lock and may be extracting the
same package: wait for a package that still changes, and leave it if it is then complete.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tarfile
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._core import json_document
from ansible_collections.llmfleet.conda.plugins.module_utils._core.tree import remove_made

QUARANTINE = ".llmfleet-quarantine"
KEPT = 3

# Seconds without changes after which no process is extracting a package, and the longest wait for one.
_STEADY, _LONGEST = 1.0, 20.0

_ARCHIVES = (".conda", ".tar.bz2")
_SUFFIX = re.compile(r"(?:\.conda|\.tar\.bz2)?(?:\.partial)?$")
_INDEXES = "cache"
# conda's complaints that no longer apply once _is_intact finds no damage: it checks the same.
_INCOMPLETE = re.compile(
    r"specified in the package manifest cannot be found|incorrect size\.\s+reported size:"
    r"|\[Errno 2\] No such file or directory: '[^']+/info/(?:index|paths|repodata_record)\.json'"
)
# The metadata that conda reads of an extracted package before it links it (conda.gateways.disk.read).
_METADATA = ("index.json", "paths.json", "repodata_record.json", "link.json")


def set_aside_packages(caches: Iterable[str], said: str) -> list[str]:
    """Set damaged packages aside: those that conda names, else those that a check finds.

    Args:
        caches: package caches; those that this user cannot write are ignored.
        said: the whole output of conda; it names packages by their path in a cache.

    Returns:
        One sentence for each package, with the path where it is now, or why it stays: another conda was
            extracting it when conda complained, and it is complete now.
    """
    sentences = []
    for cache in _writable(caches):
        names = _named(cache, said)
        if not names:
            names = {name: _has_only_archive(cache, name) for name in _damaged(cache)}
        for name, with_archive in names.items():
            if (
                not with_archive
                and _INCOMPLETE.search(said)
                and _is_complete_after_wait(cache, name)
            ):
                sentences.append(_race_message(cache, name))
                continue
            sentences += _set_aside(cache, name, _paths(cache, name, with_archive))
    return sentences


def set_aside_linked(caches: Iterable[str], name: str) -> list[str]:
    """Like :func:`set_aside_packages`, for a package that was just linked; a complete one stays.

    conda links a file of a wrong size with only a warning in its log, and leaves it out of the package's
    record, so that no later check would miss it (conda 24.7.1, safety_checks: warn).

    Args:
        caches: package caches.
        name: the package as ``numpy-1.26.4-py311_0``.
    """
    sentences = []
    for cache in _writable(caches):
        path = os.path.join(cache, name)
        if not os.path.isdir(path) or _is_intact(path):
            continue
        if _is_complete_after_wait(cache, name):
            sentences.append(_race_message(cache, name))
        else:
            sentences += _set_aside(cache, name, _paths(cache, name, with_archive=False))
    return sentences


def set_aside_indexes(caches: Iterable[str]) -> list[str]:
    """Set the indexes of all channels aside; conda then downloads them again."""
    sentences = []
    for cache in _writable(caches):
        directory = os.path.join(cache, _INDEXES)
        if os.path.isdir(directory):
            sentences += _set_aside(cache, _INDEXES, [directory])
    return sentences


def _writable(caches: Iterable[str]) -> Iterator[str]:
    for cache in caches:
        if os.path.isdir(cache) and os.access(cache, os.W_OK | os.X_OK):
            yield cache


def _named(cache: str, said: str) -> dict[str, bool]:
    """Packages that conda names by a path in ``cache``; the value tells whether it names the archive."""
    names: dict[str, bool] = {}
    for place in dict.fromkeys((cache, os.path.realpath(cache))):
        for found in re.findall(rf"{re.escape(place)}/([^/\s'\",:;<>()\\]+)", said):
            base = found.rstrip(".")
            name = _SUFFIX.sub("", base)
            if name and name != _INDEXES and not name.startswith("."):
                names[name] = names.get(name, False) or base != name
    return names


def _paths(cache: str, name: str, with_archive: bool) -> list[str]:
    """The files of a package to set aside. An intact archive stays, to avoid another download."""
    path = os.path.join(cache, name)
    found = [path] if os.path.isdir(path) else []
    for suffix in _ARCHIVES:
        archive = path + suffix
        if os.path.isfile(archive) and (with_archive or not _is_whole(archive)):
            found.append(archive)
    return found


def _is_whole(archive: str) -> bool:
    """Whether every byte of an archive can be read; conda compares its checksum."""
    try:
        if archive.endswith(".conda"):
            with zipfile.ZipFile(archive) as opened:
                return opened.testzip() is None
        with tarfile.open(archive) as tar:
            for member in tar:
                del member
        return True
    except tarfile.CompressionError:
        # This Python has no bz2 and cannot check.
        return True
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, tarfile.TarError, zlib.error):
        return False


def _damaged(cache: str) -> list[str]:
    """Packages whose extracted files differ from their metadata, and files that are not valid archives."""
    found = []
    for name in sorted(os.listdir(cache)):
        path = os.path.join(cache, name)
        if os.path.isfile(os.path.join(path, "info", "index.json")):
            if not _is_intact(path):
                found.append(name)
        elif name.endswith(_ARCHIVES):
            package = _SUFFIX.sub("", name)
            if not os.path.isdir(os.path.join(cache, package, "info")) and not _is_whole(path):
                found.append(package)
    return found


def _has_only_archive(cache: str, name: str) -> bool:
    """Whether the cache has only the archive, which then is the damaged file."""
    return not os.path.isdir(os.path.join(cache, name))


def _is_intact(path: str) -> bool:
    """Whether conda can read the metadata, and every file exists with the size listed there.

    conda's own LinkPathAction.verify checks the same (conda.core.path_actions).
    """
    sizes: dict[str, int] = {}
    for name in _METADATA:
        try:
            with open(os.path.join(path, "info", name), encoding="utf-8") as stream:
                content = json_document.load(stream)
            if name == "paths.json":
                sizes = {str(item["_path"]): _size(item) for item in content["paths"]}
        except FileNotFoundError:
            # Old packages have fewer of these files.
            continue
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
            return False
    try:
        found = {name: os.lstat(os.path.join(path, name)).st_size for name in sizes}
    except OSError:
        return False
    return all(found[name] == size for name, size in sizes.items() if size)


def _is_complete_after_wait(cache: str, name: str) -> bool:
    """Whether an extracted package is complete, once no process changes it any more."""
    path = os.path.join(cache, name)
    until = time.monotonic() + _LONGEST
    seen = _file_states(path)
    while time.monotonic() < until:
        time.sleep(_STEADY)
        before, seen = seen, _file_states(path)
        if seen == before:
            break
    return os.path.isfile(os.path.join(path, "info", "index.json")) and _is_intact(path)


def _file_states(path: str) -> dict[str, tuple[int, int, int]]:
    """Inode, size and time of every file, which change while a process extracts or removes a package."""
    found = {}
    for folder, _folders, files in os.walk(path):
        for name in (".", *files):
            with contextlib.suppress(OSError):
                status = os.lstat(os.path.join(folder, name))
                known = (status.st_ino, status.st_size, status.st_mtime_ns)
                found[os.path.join(folder, name)] = known
    return found


def _race_message(cache: str, name: str) -> str:
    return (
        f"The package {name} in the package cache {cache} was incomplete while another conda"
        " extracted it; it is complete now and was linked again."
    )


def _size(item: Mapping[str, Any]) -> int:
    """The listed size of a regular file; 0 if there is none to compare."""
    return int(item.get("size_in_bytes") or 0) if item.get("path_type") == "hardlink" else 0


def _set_aside(cache: str, name: str, paths: Sequence[str]) -> list[str]:
    if not paths:
        return []
    home = os.path.join(cache, QUARANTINE)
    stamp = time.strftime("%Y%m%dT%H%M%S")
    place = os.path.join(home, f"{stamp}-{name}")
    try:
        os.makedirs(place, exist_ok=True)
        for path in paths:
            target = os.path.join(place, os.path.basename(path))
            if os.path.lexists(target):
                # Second time within one second: the newer copy is as good.
                remove_made(target)
            # Not os.replace: an overlay file system cannot rename a directory of a lower layer (EXDEV).
            shutil.move(path, target)
    except OSError:
        # The file belongs to another user, or the disk is full: conda's own message is reported.
        return []
    _remove_old(home, keep=place)
    what = "The index of the channels" if name == _INDEXES else f"The package {name}"
    return [f"{what} in the package cache {cache} was damaged; it was set aside in {place}."]


def _remove_old(home: str, keep: str) -> None:
    """Remove all but the newest entries of the quarantine; their names begin with the time."""
    entries = sorted(os.listdir(home), reverse=True)
    for name in entries[KEPT:]:
        path = os.path.join(home, name)
        if path != keep:
            remove_made(path)
