# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the Python distributions of an environment from its files; starts no process.

Sources: "Recording installed projects" of the Python Packaging User Guide (`*.dist-info` with METADATA,
RECORD, INSTALLER and direct_url.json), and the `*.egg-info` of older conda packages.
"""

from __future__ import annotations

import csv
import hashlib
import os
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._core import json_document
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.linked_files import See
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_marker import (
    normalize_name,
)

CONDA = "conda"
PIP = "pip"

# The headers of METADATA come first; the description after them can be long and is not needed.
_HEADER_CHUNK = 16384


@dataclass(frozen=True)
class Distribution:
    """One installed distribution.

    Attributes:
        name: normal form of the name.
        version: the version as its metadata spell it.
        path: absolute path of its dist-info or egg-info.
        owner: "conda" or "pip", which stands for pip and everything else that is not conda.
        requires: its Requires-Dist lines.
        extras: normal forms of the extras that it provides.
        direct_url: the content of direct_url.json for an install by URL, else None.
        metadata: False when METADATA is missing, as after an interrupted installation.
    """

    name: str
    version: str
    path: str
    owner: str = PIP
    requires: tuple[str, ...] = ()
    extras: frozenset[str] = frozenset()
    direct_url: Mapping[str, Any] | None = field(default=None, compare=False)
    metadata: bool = True

    @property
    def label(self) -> str:
        """`name==version (owner)`, as diffs show a distribution."""
        return f"{self.name}=={self.version} ({self.owner})"


@dataclass(frozen=True)
class Packages:
    """All distributions of one environment.

    Attributes:
        by_name: the distribution that Python would import, by normal name.
        doubles: paths of further dist-info directories of the same name.
        of_conda: normal name and version of each dist-info that conda's records hold.
    """

    by_name: Mapping[str, Distribution] = field(default_factory=dict)
    doubles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    of_conda: frozenset[tuple[str, str]] = frozenset()

    def owned_by_conda(self) -> list[Distribution]:
        """The distributions that conda installed, sorted by name."""
        return [one for _name, one in sorted(self.by_name.items()) if one.owner == CONDA]

    def versions(self) -> list[dict[str, str]]:
        """Name and version of every distribution, sorted by name, for a module's result."""
        return [
            {"name": one.name, "version": one.version}
            for _name, one in sorted(self.by_name.items())
        ]


def observe_packages(prefix: str, site_packages: str, conda_files: Iterable[str]) -> Packages:
    """Read the metadata of every distribution in a `site-packages` directory.

    Args:
        prefix: absolute path of the environment.
        site_packages: absolute path of the directory, below the prefix.
        conda_files: paths relative to the prefix that conda's records list.

    Raises:
        CondaModuleError: the directory cannot be read.
    """
    relative = os.path.relpath(site_packages, prefix).replace(os.sep, "/") + "/"
    owned = {
        path[len(relative) :].split("/", 1)[0]
        for path in conda_files
        if path.endswith((".dist-info/METADATA", ".egg-info/PKG-INFO", ".egg-info"))
        and path.startswith(relative)
    }
    try:
        entries = sorted(os.listdir(site_packages))
    except FileNotFoundError:
        entries = []
    except OSError as error:
        raise CondaModuleError(
            f"The directory {site_packages} cannot be read: {error.strerror}.",
            prefix=prefix,
            hint="run the task as the user who owns the environment (become, become_user).",
        ) from error
    by_name: dict[str, Distribution] = {}
    doubles: dict[str, tuple[str, ...]] = {}
    for entry in entries:
        # pip renames a distribution that it is about to remove to ~name, and ignores such a directory itself.
        if entry.startswith(("~", ".", "-")) or not entry.endswith((".dist-info", ".egg-info")):
            continue
        found = _read_distribution(os.path.join(site_packages, entry), entry in owned)
        known = by_name.get(found.name)
        if known is None:
            by_name[found.name] = found
            continue
        # Python does not find a distribution without METADATA.
        first, second = (known, found) if known.metadata or not found.metadata else (found, known)
        by_name[found.name] = first
        doubles[found.name] = (*doubles.get(found.name, ()), second.path)
    return Packages(by_name, doubles, frozenset(map(dist_info_key, owned)))


def dist_info_key(path: str) -> tuple[str, str]:
    """Normal name and version of a dist-info or egg-info, from its path."""
    name, _dash, version = os.path.splitext(os.path.basename(path))[0].partition("-")
    return normalize_name(name), version


def _read_distribution(path: str, owned: bool) -> Distribution:
    stem, kind = os.path.splitext(os.path.basename(path))
    guess = stem.split("-")
    text = _read_headers(path, "METADATA" if kind == ".dist-info" else "PKG-INFO")
    headers = _parse_headers(text or "")
    installer = CONDA if owned else _installer(path)
    name = headers.get("name", [guess[0]])[0]
    version = headers.get("version", [guess[1] if len(guess) > 1 else "0"])[0]
    return Distribution(
        name=normalize_name(name),
        version=version,
        path=path,
        owner=CONDA if installer == CONDA else PIP,
        requires=tuple(headers.get("requires-dist", ())),
        extras=frozenset(map(normalize_name, headers.get("provides-extra", ()))),
        direct_url=_read_direct_url(path),
        metadata="name" in headers,
    )


def _installer(path: str) -> str:
    return (_read_text(os.path.join(path, "INSTALLER")) or "").strip().lower()


def _read_headers(path: str, name: str) -> str | None:
    """The text up to the first empty line, or None if the file does not exist."""
    file = path if os.path.isfile(path) else os.path.join(path, name)
    try:
        with open(file, "rb", opener=only_regular) as stream:
            data = b""
            while b"\n\n" not in data and b"\r\n\r\n" not in data:
                chunk = stream.read(_HEADER_CHUNK)
                if not chunk:
                    break
                data += chunk
    except OSError:
        return None
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    return text.split("\n\n", 1)[0] + "\n\n"


def _parse_headers(text: str) -> dict[str, list[str]]:
    """Values by lower-case name; importing the standard library's parser takes 20 ms."""
    headers: dict[str, list[str]] = {}
    values: list[str] = []
    for line in text.splitlines():
        if line[:1] in (" ", "\t") and values:
            values[-1] += " " + line.strip()
            continue
        name, colon, value = line.partition(":")
        if colon and value.strip():
            values = headers.setdefault(name.lower(), [])
            values.append(value.strip())
    return headers


def _read_text(path: str) -> str | None:
    try:
        with open(
            path, encoding="utf-8", errors="replace", newline="", opener=only_regular
        ) as stream:
            return stream.read()
    except OSError:
        return None


def _read_direct_url(path: str) -> Mapping[str, Any] | None:
    text = _read_text(os.path.join(path, "direct_url.json"))
    if text is None:
        return None
    try:
        data = json_document.loads(text)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def is_cut_short(one: Distribution) -> bool:
    """Whether METADATA is missing, or RECORD is empty, as it is while uv writes it."""
    try:
        return not one.metadata or os.path.getsize(os.path.join(one.path, "RECORD")) == 0
    except OSError:
        return False


def damage_of(
    packages: Packages, names: Iterable[str], see: See | None = None
) -> dict[str, tuple[str, ...]]:
    """Damaged files of those of `names` that pip owns; undamaged distributions are left out.

    A file is damaged when it is missing, or has another size than RECORD lists and another hash. Compiled
    files (`.pyc`) never count. conda's distributions are left out: conda's records list their files, and
    conda rewrites some of them.

    ``see`` is called for each directory and each file, in an order that depends on the RECORD files only.
    """
    damage: dict[str, tuple[str, ...]] = {}
    for name in sorted(set(names)):
        one = packages.by_name.get(name)
        if one is None or one.owner == CONDA:
            continue
        found = _damage_of_one(one, see)
        if name in packages.doubles:
            found += [f"{os.path.basename(path)} (a second one)" for path in packages.doubles[name]]
        if found:
            damage[name] = tuple(found)
    return damage


def _damage_of_one(one: Distribution, see: See | None = None) -> list[str]:
    if one.path.endswith(".egg-info"):
        return []
    if not one.metadata:
        return [f"{os.path.basename(one.path)}/METADATA"]
    record = _read_text(os.path.join(one.path, "RECORD"))
    if not record:
        return [f"{os.path.basename(one.path)}/RECORD"]
    root = os.path.dirname(one.path)
    found = []
    with _Sizes(root, see) as sizes:
        for path, digest, size in _record_rows(record):
            if path.endswith(".pyc"):
                continue
            actual = sizes.of(path)
            if actual is None or (
                size.isdigit()
                and actual != int(size)
                and not _has_digest(os.path.join(root, path), digest)
            ):
                found.append(path)
    return found


class _Sizes:
    """Sizes of files below a root; RECORD is sorted, so it lists files of one directory together.

    Looking up names in an open directory takes a third of the time of walking each path from the root, and
    torch has more than ten thousand files.
    """

    def __init__(self, root: str, see: See | None = None) -> None:
        self._root = root
        self._see = see
        self._directory: str | None = None
        self._opened = -1

    def __enter__(self) -> _Sizes:
        return self

    def __exit__(self, *_error: object) -> None:
        self._close()

    def of(self, path: str) -> int | None:
        """Bytes of the file, links followed; None when it is missing or its name is not possible."""
        directory, _slash, name = path.rpartition("/")
        try:
            if directory != self._directory:
                self._close()
                self._opened = os.open(
                    os.path.join(self._root, directory), os.O_RDONLY | os.O_DIRECTORY
                )
                self._directory = directory
                if self._see is not None:
                    self._see(os.fstat(self._opened))
            found = os.stat(name or ".", dir_fd=self._opened)
        except (OSError, ValueError):
            if self._see is not None:
                self._see(None)
            return None
        if self._see is not None:
            self._see(found)
        return found.st_size

    def _close(self) -> None:
        if self._directory is not None:
            os.close(self._opened)
            self._directory = None


def _record_rows(text: str) -> list[tuple[str, str, str]]:
    """Path, hash and size of each line; RECORD is CSV, but seldom needs a CSV parser."""
    if '"' not in text:
        rows = [line.split(",") for line in text.splitlines() if line]
    else:
        rows = [row for row in csv.reader(text.splitlines()) if row]
    return [(row[0], row[1], row[2]) for row in rows if len(row) == 3]


def _has_digest(path: str, digest: str) -> bool:
    """Whether the file has the hash in RECORD: some build tools write a wrong size only."""
    algorithm, _equals, wanted = digest.partition("=")
    if algorithm != "sha256":
        return False
    try:
        with open(path, "rb", opener=only_regular) as stream:
            actual = hashlib.sha256()
            for chunk in iter(lambda: stream.read(1 << 20), b""):
                actual.update(chunk)
    except OSError:
        return False
    return urlsafe_b64encode(actual.digest()).rstrip(b"=").decode() == wanted.rstrip("=")
