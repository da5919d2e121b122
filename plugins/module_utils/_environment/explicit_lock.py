# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Explicit locks: parses an ``@EXPLICIT`` file, one package URL per line, and plans exactly those packages.

The format is that of ``conda list --explicit`` (conda, ``conda.misc.explicit``): a URL, optionally followed
by ``#`` and a digest. conda 24.7 accepts only an MD5 there. This collection itself compares ``#sha256:...``,
which ``conda list --explicit --sha256`` of later versions writes.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import redact
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.package_plan import Plan
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import PrefixState
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import (
    PackageRecord,
    canonical_channel,
    is_subdir,
)

MARK = "@EXPLICIT"
# How conda-lock renders the distributions of pip in a lock of this kind; conda reads it as a comment.
_PIP_LINE = re.compile(r"#\s*pip\s+(?P<line>[A-Za-z0-9][\w.\[\],-]*\s*(?:@|==)\s*\S.*)")
_URL = re.compile(r"(?:https?|ftp|s3|file)://\S+", re.IGNORECASE)
_ENDINGS = (".conda", ".tar.bz2")
_DIGEST = re.compile(r"(?:(?:md5:)?(?P<md5>[0-9a-f]{32})|(?:sha256:)?(?P<sha256>[0-9a-f]{64}))")
_LINUX = {
    "x86_64": "linux-64",
    "i686": "linux-32",
    "armv6l": "linux-armv6l",
    "armv7l": "linux-armv7l",
}


class LockError(ValueError):
    """The text is not an explicit lock; the message has the line number, counted from 1."""


@dataclass(frozen=True)
class LockedPackage:
    """One line of a lock. ``md5`` and ``sha256`` are lower-case hex digits, or empty if not given."""

    name: str
    version: str
    build: str
    url: str
    subdir: str
    md5: str = ""
    sha256: str = ""

    @property
    def spec(self) -> str:
        """The package as an exact match spec."""
        return f"{self.name}={self.version}={self.build}"

    @property
    def label(self) -> str:
        """``name version build channel``, as observed after it is linked."""
        return f"{self.name} {self.version} {self.build} {canonical_channel(self.url)}"

    @property
    def line(self) -> str:
        """The line for conda, with an MD5 at most: conda 24.7 accepts no other digest."""
        return f"{self.url}#{self.md5}" if self.md5 else self.url

    def same_file(self, record: PackageRecord) -> bool:
        """Whether the record has the digests that the lock gives."""
        return self.md5 in {"", record.md5.lower()} and self.sha256 in {"", record.sha256.lower()}

    def is_linked(self, records: Mapping[str, PackageRecord]) -> bool:
        """Whether exactly this package is linked."""
        record = records.get(self.name)
        return record is not None and record.label == self.label and self.same_file(record)


def parse_lock(text: str) -> tuple[LockedPackage, ...]:
    """The packages of a lock, in order. Blank lines, comments and ``@EXPLICIT`` are skipped.

    Raises:
        LockError: a line is not a package URL, or two lines name the same package.
    """
    packages: dict[str, LockedPackage] = {}
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.strip()
        if not line or line.startswith("#") or line == MARK:
            continue
        package = _parse_line(line, number)
        if package.name in packages:
            raise LockError(f"line {number}: the package {package.name} is listed twice")
        packages[package.name] = package
    return tuple(packages.values())


def pip_lines(text: str) -> tuple[str, ...]:
    """The requirement lines of a lock, from comments such as ``# pip six @ https://...#sha256=...``."""
    found = (_PIP_LINE.fullmatch(line.strip()) for line in text.split("\n"))
    return tuple(match["line"] for match in found if match)


def _parse_line(line: str, number: int) -> LockedPackage:
    shown = redact(line)
    url, _hash, digest = line.partition("#")
    found = _DIGEST.fullmatch(digest.lower()) if digest else None
    if digest and found is None:
        raise LockError(f"line {number}: expected an MD5 or sha256:DIGITS after '#': {shown}")
    if url.startswith("/"):
        url = f"file://{url}"
    words = url.split("/")
    stem = next((words[-1][: -len(end)] for end in _ENDINGS if words[-1].endswith(end)), None)
    if not _URL.fullmatch(url) or stem is None:
        raise LockError(
            f"line {number}: expected the URL of a package (.conda or .tar.bz2): {shown}"
        )
    parts = unquote(stem).rsplit("-", 2)
    if len(parts) != 3 or not all(parts):
        raise LockError(f"line {number}: expected a file named name-version-build: {shown}")
    if not is_subdir(words[-2]):
        raise LockError(
            f"line {number}: the directory above the file must be a platform, such as linux-64 or noarch:"
            f" {shown}"
        )
    name, version, build = parts
    return LockedPackage(
        name=name.lower(),
        version=version,
        build=build,
        url=url,
        subdir=words[-2],
        md5=(found["md5"] if found else None) or "",
        sha256=(found["sha256"] if found else None) or "",
    )


def foreign_platforms(
    packages: Iterable[LockedPackage], system: str = "", machine: str = ""
) -> list[str]:
    """The platforms of ``packages`` that this host cannot run; conda would link them without a warning.

    Args:
        packages: of a lock.
        system, machine: default :func:`platform.system` and :func:`platform.machine`. A Mac runs packages
            of both of its architectures.
    """
    system = system or platform.system()
    machine = machine or platform.machine()
    fitting = _LINUX.get(machine, f"linux-{machine}") if system == "Linux" else "osx-"
    found = {package.subdir for package in packages}
    return sorted(item for item in found if item != "noarch" and not item.startswith(fitting))


def other_files(locked: Sequence[LockedPackage], observed: PrefixState) -> set[str]:
    """Names of linked packages with the name, version and build of the lock, but another digest."""
    return {
        package.name
        for package in locked
        if package.name in observed.records
        and observed.records[package.name].label == package.label
        and not package.same_file(observed.records[package.name])
    }


def wrong_archives(locked: Sequence[LockedPackage], caches: Sequence[str]) -> list[str]:
    """Names of packages whose archive in a package cache has another SHA-256 than the lock gives.

    A missing archive is skipped: the cache may hold only the extracted package.
    """
    wrong = []
    for package in locked:
        if not package.sha256:
            continue
        file_name = unquote(package.url.rsplit("/", 1)[1])
        found = {_sha256(os.path.join(cache, file_name)) for cache in caches} - {""}
        if found and package.sha256 not in found:
            wrong.append(package.name)
    return wrong


def _sha256(path: str) -> str:
    """The hex digits of the file's SHA-256; empty if it cannot be read."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb", opener=only_regular) as stream:
            for block in iter(lambda: stream.read(1 << 20), b""):
                digest.update(block)
    except OSError:
        return ""
    return digest.hexdigest()


def plan_lock(
    locked: Sequence[LockedPackage],
    observed: PrefixState,
    damaged: Mapping[str, Sequence[str]],
) -> Plan:
    """Plan the changes after which the existing environment holds exactly ``locked``.

    Args:
        locked: the packages of the lock.
        observed: the environment, which exists.
        damaged: files that differ from what conda linked, by package name.
    """
    records = observed.records
    reasons: list[str] = []
    others = other_files(locked, observed)
    install: list[str] = []
    reinstall: list[str] = []
    for package in locked:
        if package.name in others:
            reinstall.append(package.name)
            reasons.append(f"{package.name} was linked from a different file than the lock names")
        elif not package.is_linked(records):
            install.append(package.spec)
            linked = records.get(package.name)
            found = f"{linked.label} is installed" if linked else "not installed"
            reasons.append(f"{package.label} is in the lock, but {found}")
        elif package.name in damaged:
            reinstall.append(package.name)
            reasons.append(f"{package.name} is damaged: {damaged[package.name][0]}")
    remove = sorted(set(records) - {package.name for package in locked})
    reasons.extend(f"{name} is not in the lock" for name in remove)
    return Plan(
        remove=tuple(remove),
        reinstall=tuple(reinstall),
        install=tuple(install),
        quarantine=tuple(observed.bad_records),
        reasons=(*reasons, *observed.problems),
    )


def unlike_lock(
    locked: Sequence[LockedPackage],
    observed: PrefixState,
    damaged: Mapping[str, Sequence[str]],
) -> list[str]:
    """The differences between the lock and the disk, for the check after a change."""
    return list(plan_lock(locked, observed, damaged).reasons)
