# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Explicit locks: the packages of an ``@EXPLICIT`` file, one URL each, and the plan to hold exactly these.

The form is that of ``conda list --explicit`` (conda, ``conda.misc.explicit``): a URL, optionally followed
by ``#`` and a digest. conda 24.7 understands an MD5 there and refuses anything else; ``#sha256:...``, as
``conda list --explicit --sha256`` of later versions writes it, is compared by this collection itself.
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
    """The text is no explicit lock; the message has the number of the line, counted from 1."""


@dataclass(frozen=True)
class LockedPackage:
    """One line of a lock. ``md5`` and ``sha256`` are lower-case hex digits, or empty where not given."""

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
        """``name version build channel``, as it will be observed once it is linked."""
        return f"{self.name} {self.version} {self.build} {canonical_channel(self.url)}"

    @property
    def line(self) -> str:
        """The line for conda, with the one kind of digest that it knows."""
        return f"{self.url}#{self.md5}" if self.md5 else self.url

    def same_file(self, record: PackageRecord) -> bool:
        """Whether the record's digests are those of the lock, as far as the lock gives any."""
        return self.md5 in {"", record.md5.lower()} and self.sha256 in {"", record.sha256.lower()}

    def is_linked(self, records: Mapping[str, PackageRecord]) -> bool:
        """Whether this very package is linked."""
        record = records.get(self.name)
        return record is not None and record.label == self.label and self.same_file(record)


def parse_lock(text: str) -> tuple[LockedPackage, ...]:
    """The packages of a lock, in its order. Blank lines, comments and the mark are passed over.

    Raises:
        LockError: a line is no package URL, or two lines name one package.
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
    """Those platforms of ``packages`` that this host cannot run; conda links them without a word.

    Args:
        packages: of a lock.
        system, machine: as :func:`platform.system` and :func:`platform.machine` tell, which are asked
            when these are empty. A Mac runs the packages of both of its architectures.
    """
    system = system or platform.system()
    machine = machine or platform.machine()
    fitting = _LINUX.get(machine, f"linux-{machine}") if system == "Linux" else "osx-"
    found = {package.subdir for package in packages}
    return sorted(item for item in found if item != "noarch" and not item.startswith(fitting))


def other_files(locked: Sequence[LockedPackage], observed: PrefixState) -> set[str]:
    """Names of linked packages that are called as in the lock and yet come from another file."""
    return {
        package.name
        for package in locked
        if package.name in observed.records
        and observed.records[package.name].label == package.label
        and not package.same_file(observed.records[package.name])
    }


def wrong_archives(locked: Sequence[LockedPackage], caches: Sequence[str]) -> list[str]:
    """Names of packages whose archive in a package cache has another SHA-256 than the lock gives.

    Archives that are not there, because only their unpacked form was kept, are passed over.
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
    """The hex digits of the file's SHA-256, nothing when it cannot be read."""
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
    """What must be done so that the existing environment holds exactly ``locked``.

    Args:
        locked: the packages of the lock.
        observed: the environment, which exists.
        damaged: files that are not as linked, by package name.
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
    """What of the lock the disk does not show, for the check after a change."""
    return list(plan_lock(locked, observed, damaged).reasons)
