# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets aside what is damaged in a package cache, so that conda takes it anew.

conda replaces an archive of a wrong size or checksum by itself, and stumbles for ever over an unpacked
package that lost files or whose metadata is no JSON, and over an index that is no JSON (tried with conda
24.7.1). Such things are moved to ``.llmfleet-quarantine`` in the same cache, where a person can look at them.
The newest :data:`KEPT` stay, because packages for GPUs take gigabytes; conda does not look in there, and
``conda clean`` leaves it alone.

The callers hold the lock of the cache. A person's own conda knows nothing of that lock and may be unpacking
the same package: what still changes is waited for, and what is whole then stays.
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

# Seconds in which a package does not change that nobody is unpacking, and the longest wait for somebody.
_STEADY, _LONGEST = 1.0, 20.0

_ARCHIVES = (".conda", ".tar.bz2")
_SUFFIX = re.compile(r"(?:\.conda|\.tar\.bz2)?(?:\.partial)?$")
_INDEXES = "cache"
# conda's complaints that do not hold any more once _is_unpacked_well finds nothing: it tests the same.
_INCOMPLETE = re.compile(
    r"specified in the package manifest cannot be found|incorrect size\.\s+reported size:"
    r"|\[Errno 2\] No such file or directory: '[^']+/info/(?:index|paths|repodata_record)\.json'"
)
# What conda reads of an unpacked package before it links it (conda.gateways.disk.read).
_METADATA = ("index.json", "paths.json", "repodata_record.json", "link.json")


def set_aside_packages(caches: Iterable[str], said: str) -> list[str]:
    """Move damaged packages away: those that conda names, else those that are found to be damaged.

    Args:
        caches: package caches; those that this user cannot write are left alone.
        said: all that conda said; it names packages by their path in a cache.

    Returns:
        One sentence for each package, with the place where it is now, or why it stays: another conda was
        unpacking it when conda complained, and it is whole.
    """
    sentences = []
    for cache in _writable(caches):
        names = _named(cache, said)
        if not names:
            names = {name: _has_only_archive(cache, name) for name in _damaged(cache)}
        for name, with_archive in names.items():
            if not with_archive and _INCOMPLETE.search(said) and _is_whole_by_now(cache, name):
                sentences.append(_met(cache, name))
                continue
            sentences += _set_aside(cache, name, _paths(cache, name, with_archive))
    return sentences


def set_aside_linked(caches: Iterable[str], name: str) -> list[str]:
    """Like :func:`set_aside_packages`, for a package that was just linked; a whole one stays.

    conda links a file of a wrong size with no more than a warning in its log, and leaves it out of the
    package's record, so that nobody would ever miss it (conda 24.7.1, safety_checks: warn).

    Args:
        caches: as above.
        name: the package as ``numpy-1.26.4-py311_0``.
    """
    sentences = []
    for cache in _writable(caches):
        path = os.path.join(cache, name)
        if not os.path.isdir(path) or _is_unpacked_well(path):
            continue
        if _is_whole_by_now(cache, name):
            sentences.append(_met(cache, name))
        else:
            sentences += _set_aside(cache, name, _paths(cache, name, with_archive=False))
    return sentences


def set_aside_indexes(caches: Iterable[str]) -> list[str]:
    """Move the indexes of all channels away, which conda then downloads again."""
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
    """Packages that conda names by a path in ``cache``; whether it is the archive that it complains about."""
    names: dict[str, bool] = {}
    for place in dict.fromkeys((cache, os.path.realpath(cache))):
        for found in re.findall(rf"{re.escape(place)}/([^/\s'\",:;<>()\\]+)", said):
            base = found.rstrip(".")
            name = _SUFFIX.sub("", base)
            if name and name != _INDEXES and not name.startswith("."):
                names[name] = names.get(name, False) or base != name
    return names


def _paths(cache: str, name: str, with_archive: bool) -> list[str]:
    """What there is of a package. A whole archive stays, so that it need not be fetched again."""
    path = os.path.join(cache, name)
    found = [path] if os.path.isdir(path) else []
    for suffix in _ARCHIVES:
        archive = path + suffix
        if os.path.isfile(archive) and (with_archive or not _is_whole(archive)):
            found.append(archive)
    return found


def _is_whole(archive: str) -> bool:
    """Whether every byte of an archive can be read; its checksum is for conda to compare."""
    try:
        if archive.endswith(".conda"):
            with zipfile.ZipFile(archive) as opened:
                return opened.testzip() is None
        with tarfile.open(archive) as tar:
            for member in tar:
                del member
        return True
    except tarfile.CompressionError:
        # A Python without bz2 cannot tell.
        return True
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, tarfile.TarError, zlib.error):
        return False


def _damaged(cache: str) -> list[str]:
    """Packages whose unpacked files are not what they should be, and archives that are no archives."""
    found = []
    for name in sorted(os.listdir(cache)):
        path = os.path.join(cache, name)
        if os.path.isfile(os.path.join(path, "info", "index.json")):
            if not _is_unpacked_well(path):
                found.append(name)
        elif name.endswith(_ARCHIVES):
            package = _SUFFIX.sub("", name)
            if not os.path.isdir(os.path.join(cache, package, "info")) and not _is_whole(path):
                found.append(package)
    return found


def _has_only_archive(cache: str, name: str) -> bool:
    """Whether only the archive is there, which then is what is damaged."""
    return not os.path.isdir(os.path.join(cache, name))


def _is_unpacked_well(path: str) -> bool:
    """Whether conda can read the metadata, and every file is there with the size that they give.

    That is what conda's own LinkPathAction.verify tests (conda.core.path_actions).
    """
    sizes: dict[str, int] = {}
    for name in _METADATA:
        try:
            with open(os.path.join(path, "info", name), encoding="utf-8") as stream:
                content = json_document.load(stream)
            if name == "paths.json":
                sizes = {str(item["_path"]): _size(item) for item in content["paths"]}
        except FileNotFoundError:
            # Old packages have fewer of them.
            continue
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
            return False
    try:
        found = {name: os.lstat(os.path.join(path, name)).st_size for name in sizes}
    except OSError:
        return False
    return all(found[name] == size for name, size in sizes.items() if size)


def _is_whole_by_now(cache: str, name: str) -> bool:
    """Whether an unpacked package is whole, once nobody is at it any more."""
    path = os.path.join(cache, name)
    until = time.monotonic() + _LONGEST
    seen = _look(path)
    while time.monotonic() < until:
        time.sleep(_STEADY)
        before, seen = seen, _look(path)
        if seen == before:
            break
    return os.path.isfile(os.path.join(path, "info", "index.json")) and _is_unpacked_well(path)


def _look(path: str) -> dict[str, tuple[int, int, int]]:
    """What would not stay the same while somebody unpacks or removes a package."""
    found = {}
    for folder, _folders, files in os.walk(path):
        for name in (".", *files):
            with contextlib.suppress(OSError):
                status = os.lstat(os.path.join(folder, name))
                known = (status.st_ino, status.st_size, status.st_mtime_ns)
                found[os.path.join(folder, name)] = known
    return found


def _met(cache: str, name: str) -> str:
    return (
        f"The package {name} in the package cache {cache} was incomplete while another conda unpacked it;"
        " it is whole now and was linked again."
    )


def _size(item: Mapping[str, Any]) -> int:
    """The listed size of a plain file; 0 where there is none to compare."""
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
                # Twice within one second: the second is as good a witness.
                remove_made(target)
            # Not os.replace: an overlay file system renames no directory of a lower layer (EXDEV).
            shutil.move(path, target)
    except OSError:
        # Somebody else's file, or a full disk: conda's own message stays what the user gets.
        return []
    _forget_old(home, keep=place)
    what = "The index of the channels" if name == _INDEXES else f"The package {name}"
    return [f"{what} in the package cache {cache} was damaged; it was set aside in {place}."]


def _forget_old(home: str, keep: str) -> None:
    """Keep the newest of what was set aside; the names begin with the time."""
    entries = sorted(os.listdir(home), reverse=True)
    for name in entries[KEPT:]:
        path = os.path.join(home, name)
        if path != keep:
            remove_made(path)
