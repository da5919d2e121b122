# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives a new generation the distributions that pip installed into the one before, by hard links.

pip copies every file, so a second environment with torch would take as much disk as the first one. A file is
linked only if its content has the hash in RECORD. Scripts that name the old prefix are written anew. A
distribution with any other file is left out: conda_pip installs it.

A hard link is safe: neither pip nor uv writes into a file that exists, they unlink it first (pip 26.3,
``operations.install.wheel.ZipBackedFile.save``).
"""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import os
import shutil
import stat
from base64 import urlsafe_b64encode
from contextlib import suppress

from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.linked_files import conda_files
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.python_packages import (
    PIP,
    Distribution,
    observe_packages,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import PrefixState

_COMPILED = (".pyc", ".pyo")
# Another volume, another owner (fs.protected_hardlinks), or too many links.
_TO_BE_COPIED = frozenset({errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP})
_SCRIPTS = "bin"


def link_distributions(source: PrefixState, target: PrefixState) -> list[str]:
    """Link the distributions of pip from one environment into another one.

    Args:
        source: the generation before.
        target: the new generation, with conda's packages and without distributions of pip.

    Returns:
        The names of the distributions that were linked. Those that conda has in the new generation are left
        out, and all if the minor version of Python differs.

    Raises:
        OSError: the new generation cannot be written.
    """
    old, new = source.site_packages, target.site_packages
    if not old or not new or source.python_version != target.python_version:
        return []
    there = observe_packages(source.path, old, conda_files(source.records.values()))
    taken = observe_packages(target.path, new, conda_files(target.records.values()))
    linked = []
    for name, one in sorted(there.by_name.items()):
        if one.owner != PIP or name in taken.by_name or name in there.doubles:
            continue
        found = _Distribution(one, source.path, target.path, old, new)
        if found.is_whole() and found.fits():
            found.link()
            linked.append(name)
    return linked


class _Distribution:
    """One distribution, and where it goes."""

    def __init__(self, one: Distribution, source: str, target: str, old: str, new: str) -> None:
        self._source = source
        self._target = target
        self._old = old
        self._new = new
        self._record = os.path.join(one.path, "RECORD")
        self._rows = _rows(self._record) if os.path.isdir(one.path) else []
        self._scripts: dict[str, bytes] = {}

    def is_whole(self) -> bool:
        """Whether every file exists and has the hash in RECORD."""
        if not self._rows or not any(self._path(row) == self._record for row in self._rows):
            return False
        for row in self._rows:
            path = self._path(row)
            if not path.startswith(f"{self._source}/"):
                return False
            if path == self._record or (path.endswith(_COMPILED) and not row[1]):
                continue
            content = self._script(path)
            digest = _digest(path)
            if not digest or (row[1] and row[1] != digest):
                return False
            if content is not None:
                self._scripts[path] = content
        return True

    def fits(self) -> bool:
        """Whether no package of conda has a file at one of its paths."""
        return not any(os.path.lexists(self._there(self._path(row))) for row in self._rows)

    def link(self) -> None:
        """Link the files; RECORD comes last, because a distribution without one is incomplete."""
        rows = []
        for row in self._rows:
            path = self._path(row)
            there = self._there(path)
            if path == self._record:
                rows.append(row)
                continue
            if path.endswith(_COMPILED) and not os.path.lexists(path):
                continue
            os.makedirs(os.path.dirname(there), exist_ok=True)
            content = self._scripts.get(path)
            if content is None:
                _link(path, there)
                rows.append(row)
                continue
            with open(there, "xb") as stream:
                stream.write(content)
            os.chmod(there, stat.S_IMODE(os.stat(path).st_mode))
            rows.append([row[0], _hash(content), str(len(content))] if row[1] else row)
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        record = self._there(self._record)
        os.makedirs(os.path.dirname(record), exist_ok=True)
        with open(record, "x", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            stream.write(text.getvalue())
        shutil.copystat(self._record, record)

    def _path(self, row: list[str]) -> str:
        return os.path.normpath(os.path.join(self._old, row[0]))

    def _there(self, path: str) -> str:
        if path.startswith(f"{self._old}/"):
            return self._new + path[len(self._old) :]
        return self._target + path[len(self._source) :]

    def _script(self, path: str) -> bytes | None:
        """The content for the new prefix of a script that names the old one; None for every other file."""
        if os.path.dirname(path) != os.path.join(self._source, _SCRIPTS):
            return None
        try:
            with open(path, "rb", opener=only_regular) as stream:
                content = stream.read(1 << 20)
        except OSError:
            return None
        old = os.fsencode(self._source) + b"/"
        if not content.startswith(b"#!") or old not in content:
            return None
        return content.replace(old, os.fsencode(self._target) + b"/")


def _rows(record: str) -> list[list[str]]:
    try:
        with open(
            record, encoding="utf-8", errors="surrogateescape", newline="", opener=only_regular
        ) as stream:
            return [row for row in csv.reader(stream) if len(row) == 3]
    except (OSError, csv.Error):
        return []


def _digest(path: str) -> str:
    """The hash of a regular file as RECORD writes it; empty if it cannot be read."""
    found = hashlib.sha256()
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return ""
        with open(path, "rb", opener=only_regular) as stream:
            for chunk in iter(lambda: stream.read(1 << 20), b""):
                found.update(chunk)
    except OSError:
        return ""
    return _as_record(found.digest())


def _hash(content: bytes) -> str:
    return _as_record(hashlib.sha256(content).digest())


def _as_record(digest: bytes) -> str:
    return f"sha256={urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _TO_BE_COPIED:
            raise
        with suppress(FileNotFoundError):
            os.unlink(target)
        shutil.copy2(source, target, follow_symlinks=False)
