# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chooses the installer: from the catalogue rows that the controller sends, or the one that the task names.

Pure functions; nothing here touches the host.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError

DISTRIBUTIONS = ("miniconda", "miniforge", "anaconda")
PUBLISHER = "publisher"
"""Stands for the publisher's own address in a list of mirrors."""

_VERSION = re.compile(r"(?:py(?P<major>\d)(?P<minor>\d+)_)?(?P<conda>\d+(?:\.\d+)*)(?:-\w+)?")
_CHECKSUM = re.compile(r"(?:sha256:)?(?P<digest>[0-9a-fA-F]{64})")


@dataclass(frozen=True)
class Installer:
    """One installer file.

    Attributes:
        file_name: ends in ``.sh``: the installers refuse to run under another name.
        source: a URL, or an absolute path on the managed host.
        others: URLs of the same file at other mirrors, in the order in which they are tried.
        sha256: the expected checksum, lower case hexadecimal.
    """

    file_name: str
    source: str
    sha256: str
    others: tuple[str, ...] = ()

    @property
    def is_url(self) -> bool:
        """Whether it has to be downloaded."""
        return "://" in self.source


@dataclass(frozen=True)
class InstallerVersion:
    """The base's Python and conda in a version such as ``py312_24.11.1-0``, if it names them."""

    python: str | None
    conda: str | None


def parse_installer_version(distribution: str, version: str | None) -> InstallerVersion:
    """Read the installer version; Anaconda's (``2024.10-1``) names neither conda nor Python."""
    found = _VERSION.fullmatch(version or "")
    if not found:
        return InstallerVersion(None, None)
    python = f"{found['major']}.{found['minor']}" if found["major"] else None
    # Miniconda's old versions (4.7.12) and Miniforge's (26.1.1-3) start with conda's version as well.
    return InstallerVersion(python, None if distribution == "anaconda" else found["conda"])


@dataclass(frozen=True)
class CatalogueEntry:
    """One published installer."""

    version: str
    os: str
    arch: str
    sha256: str
    file_name: str
    base_url: str

    @property
    def row(self) -> str:
        """The entry as one line, for the option ``catalogue``."""
        return " ".join(
            (self.version, self.os, self.arch, self.sha256, self.file_name, self.base_url)
        )


def parse_catalogue(rows: Iterable[str]) -> list[CatalogueEntry]:
    """The entries of rows written by :attr:`CatalogueEntry.row`, in the same order.

    Raises:
        CondaModuleError: a row has another format.
    """
    entries = []
    for row in rows:
        words = str(row).split(" ")
        if len(words) != len(fields(CatalogueEntry)):
            raise CondaModuleError(
                f"The option catalogue has a row in an unknown format: {row}. Nothing was changed.",
                hint="leave the option out: the collection sets it.",
            )
        entries.append(CatalogueEntry(*words))
    return entries


def installer_name(distribution: str, version: str, system: str, arch: str) -> str:
    """The file name under which an installer is published."""
    return f"{distribution.capitalize()}3-{version}-{system}-{arch}.sh"


def choose_installer(
    *,
    distribution: str,
    version: str | None,
    system: str,
    arch: str,
    url: str | None = None,
    path: str | None = None,
    checksum: str | None = None,
    mirrors: Sequence[str] = (),
    catalogue: Sequence[CatalogueEntry] = (),
) -> Installer:
    """The installer that the task names.

    Args:
        distribution: one of :data:`DISTRIBUTIONS`.
        version: as published, for example ``py312_24.11.1-0``; needed unless ``url`` or ``path`` is given.
        system, arch: of the host, as in the file names (``Linux``, ``MacOSX``; ``x86_64``, ``arm64``).
        url, path: an installer that the user chose.
        checksum: ``sha256:HEX``, required for files that are not in the catalogue.
        mirrors: base URLs to download from instead of the publisher's, in order, or :data:`PUBLISHER`; with
            ``checksum``, also for a version that is not in the catalogue, under the publisher's file name.
        catalogue: published installers of the version; the newest ones if the version is unknown.

    Raises:
        CondaModuleError: an option is missing or wrong; the message names it.
    """
    digest = _digest(checksum)
    own = path or url
    if own:
        file_name = own.split("?", maxsplit=1)[0].rstrip("/").rpartition("/")[2]
        if not file_name.endswith(".sh"):
            option = "installer_path" if path else "installer_url"
            raise CondaModuleError(
                f"The option {option} must name a file that ends in .sh: {own}. Nothing was changed."
            )
        known = {entry.file_name: entry.sha256 for entry in catalogue}
        digest = digest or known.get(file_name)
        if digest is None:
            raise CondaModuleError(
                f"The installer {file_name} is not in the catalogue, so the option checksum is required."
                " Nothing was changed.",
                asked=own,
                hint="set checksum to sha256: followed by the sum that the publisher lists.",
            )
        return Installer(file_name, own, digest)
    # Mirrors of one task may be one mirror, or a variable without a value.
    mirrors = list(dict.fromkeys(base for one in mirrors if (base := one.strip().rstrip("/"))))
    bases = [base for base in mirrors if base != PUBLISHER]
    if (
        bases
        and digest
        and version not in {entry.version for entry in catalogue}
        and _VERSION.fullmatch(version or "")
    ):
        file_name = installer_name(distribution, version or "", system, arch)
        return _at(bases, file_name, digest)
    entry = _catalogued(catalogue, distribution, version, system, arch)
    bases = [entry.base_url if base == PUBLISHER else base for base in mirrors or [PUBLISHER]]
    return _at(bases, entry.file_name, digest or entry.sha256)


def _at(bases: Sequence[str], file_name: str, digest: str) -> Installer:
    first, *others = [f"{base.rstrip('/')}/{file_name}" for base in bases]
    return Installer(file_name, first, digest, tuple(others))


def _digest(checksum: str | None) -> str | None:
    if not checksum:
        return None
    found = _CHECKSUM.fullmatch(checksum.strip())
    if not found:
        raise CondaModuleError(
            f"The option checksum is not a SHA-256 sum: {checksum!r}. Nothing was changed.",
            hint="write sha256: followed by 64 hexadecimal digits.",
        )
    return found["digest"].lower()


def _catalogued(
    entries: Sequence[CatalogueEntry],
    distribution: str,
    version: str | None,
    system: str,
    arch: str,
) -> CatalogueEntry:
    if not version:
        raise CondaModuleError(
            "The option version is required, so that hosts installed later get the same version. Nothing"
            " was changed.",
            hint="set version, for example py312_25.3.1-1, or set installer_url and checksum.",
        )
    for entry in entries:
        if (entry.version, entry.os, entry.arch) == (version, system, arch):
            return entry
    elsewhere = sorted(
        {f"{entry.os} {entry.arch}" for entry in entries if entry.version == version}
    )
    if elsewhere:
        raise CondaModuleError(
            f"{distribution} {version} was not published for {system} {arch}, only for"
            f" {', '.join(elsewhere)}. Nothing was changed.",
            hint="choose another version or distribution for this host.",
        )
    newest = [entry.version for entry in entries if (entry.os, entry.arch) == (system, arch)][-3:]
    raise CondaModuleError(
        f"The option version is not in the catalogue of {distribution}: {version!r}. Nothing was changed.",
        hint=f"use one of its versions (the newest for {system} {arch}: {', '.join(newest) or 'none'}), or"
        " set checksum with installer_url, or with the mirror that has it.",
    )
