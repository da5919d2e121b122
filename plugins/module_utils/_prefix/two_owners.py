# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds Python distributions that both conda and pip have installed in one environment. Reads only.

pip replaces a distribution of conda's without changing conda's record (pip 26.3, ``req_uninstall``). conda
links a package over a distribution of pip's without removing that (conda 24.7, ``core.link``).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import PrefixState
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_marker import (
    normalize_name,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import PackageRecord

# Lists the packages that a task let pip replace. Its name does not end with .json, because conda reads every
# such file in conda-meta as a package record.
NOTE = os.path.join("conda-meta", "replaced-by-pip")
_HEADER = (
    "# Packages of conda that pip replaced, because a task of llmfleet.conda.conda_pip said so with"
    " replace_conda_packages: true.\n# PACKAGE=VERSION=BUILD DISTRIBUTION\n"
)
_METADATA = (".dist-info/METADATA", ".egg-info/PKG-INFO", ".egg-info")


@dataclass(frozen=True)
class PipCopy:
    """The metadata that pip has for one distribution.

    Attributes:
        name: normal form of the name.
        version: as the name of the directory spells it.
        path: absolute path of its dist-info.
    """

    name: str
    version: str
    path: str

    @property
    def is_by_conda(self) -> bool:
        """Whether conda installed it: its record was lost, or an interrupted conda left it."""
        return _is_by_conda(self.path)

    @property
    def label(self) -> str:
        """The line of a diff."""
        return f"{self.name} {self.version} (pip)"


def copies(site_packages: str | None) -> dict[str, tuple[PipCopy, ...]]:
    """All metadata in ``site_packages`` that Python would find, conda's or pip's, by normal name."""
    found: dict[str, tuple[PipCopy, ...]] = {}
    entries: list[str] = []
    if site_packages is not None:
        with suppress(OSError):
            entries = sorted(os.listdir(site_packages))
    for entry in entries:
        stem, end = os.path.splitext(entry)
        if end not in (".dist-info", ".egg-info") or entry.startswith(("~", ".", "-")):
            continue
        name, _dash, version = stem.partition("-")
        one = PipCopy(normalize_name(name), version, os.path.join(str(site_packages), entry))
        found[one.name] = (*found.get(one.name, ()), one)
    return found


def holders(state: PrefixState) -> dict[str, PackageRecord]:
    """The packages whose records list metadata of a distribution, by the path of that metadata.

    Args:
        state: the prefix; reads the file lists of its records.
    """
    site_packages = state.site_packages
    if site_packages is None:
        return {}
    start = os.path.relpath(site_packages, state.path).replace(os.sep, "/") + "/"
    found = {}
    for record in state.records.values():
        for path in record.paths.files:
            if path.endswith(_METADATA) and path.startswith(start):
                entry, _slash, rest = path[len(start) :].partition("/")
                # Other metadata are those that a package carries inside its modules.
                if "/" not in rest and entry.endswith((".dist-info", ".egg-info")):
                    found[os.path.join(site_packages, entry)] = record
    return found


def package_names(state: PrefixState) -> dict[str, str]:
    """The names of the packages that hold distributions, by normal name of the distribution."""
    return {_key(path): record.name for path, record in holders(state).items()}


def doubled(state: PrefixState) -> dict[str, tuple[PipCopy, ...]]:
    """The copies that pip has of distributions of conda's packages, by package name.

    The files of such a package may be a mixture. Packages that a task let pip replace are left out.

    Args:
        state: the prefix, read thoroughly.
    """
    held = holders(state)
    packages = package_names(state)
    told = replaced_by_pip(state)
    found: dict[str, tuple[PipCopy, ...]] = {}
    for name, there in copies(state.site_packages).items():
        package = packages.get(name)
        if package is None or package in told:
            continue
        others = [one for one in there if one.path not in held and _is_complete(one.path)]
        if others:
            found[package] = (*found.get(package, ()), *others)
    return found


def named_in(files: Mapping[str, list[str]], state: PrefixState) -> dict[str, list[str]]:
    """The damage of packages, with pip's copies of their distributions.

    Args:
        files: damaged files by package name.
        state: the prefix, read thoroughly.
    """
    told = replaced_by_pip(state)
    found = {name: list(paths) for name, paths in files.items() if name not in told}
    for package, others in doubled(state).items():
        shown = [f"{os.path.relpath(one.path, state.path)} (a second one)" for one in others]
        found[package] = [*found.get(package, ()), *shown]
    return found


def replaced_by_pip(state: PrefixState) -> dict[str, PipCopy]:
    """The packages that a task let pip replace, each with the distribution that pip installed instead.

    A line of the note counts no longer when conda has linked another version of the package since, or pip's
    distribution is gone, or conda's metadata are back beside it.
    """
    lines = _read(state.path)
    if not lines:
        return {}
    there = copies(state.site_packages)
    found = {}
    for label, name in lines:
        package = label.partition("=")[0]
        record = state.records.get(package)
        of_name = there.get(name, ())
        if record is None or _exactly(record) != label or len(of_name) != 1:
            continue
        if _is_complete(of_name[0].path) and not of_name[0].is_by_conda:
            found[package] = of_name[0]
    return found


def note_replaced(state: PrefixState, distributions: Iterable[str]) -> None:
    """Write down the packages whose distributions pip has replaced.

    Args:
        state: the prefix after that, read thoroughly.
        distributions: normal names.

    Raises:
        OSError: the note cannot be written.
    """
    packages = {_key(path): record for path, record in holders(state).items()}
    kept = replaced_by_pip(state)
    lines = {f"{_exactly(state.records[name])} {one.name}" for name, one in kept.items()}
    lines |= {f"{_exactly(packages[name])} {name}" for name in distributions if name in packages}
    path = os.path.join(state.path, NOTE)
    if not lines:
        with suppress(FileNotFoundError):
            os.unlink(path)
        return
    fresh = f"{path}.new"
    with open(fresh, "w", encoding="utf-8") as stream:
        stream.write(_HEADER + "".join(f"{line}\n" for line in sorted(lines)))
    os.replace(fresh, path)


def _read(prefix: str) -> list[tuple[str, str]]:
    try:
        with open(os.path.join(prefix, NOTE), encoding="utf-8", opener=only_regular) as stream:
            rows = [line.split() for line in stream if not line.startswith("#")]
    except (OSError, ValueError):
        return []
    return [(row[0], row[1]) for row in rows if len(row) == 2]


def _exactly(record: PackageRecord) -> str:
    return f"{record.name}={record.version}={record.build}"


def _key(path: str) -> str:
    """The normal name of a distribution from the path of its metadata."""
    return normalize_name(os.path.splitext(os.path.basename(path))[0].partition("-")[0])


def _is_complete(path: str) -> bool:
    """Whether Python finds the distribution: macOS and file servers leave directories with other files."""
    return os.path.isfile(path) or any(
        os.path.isfile(os.path.join(path, name)) for name in ("METADATA", "PKG-INFO")
    )


def _is_by_conda(path: str) -> bool:
    try:
        with open(
            os.path.join(path, "INSTALLER"), encoding="utf-8", errors="replace", opener=only_regular
        ) as stream:
            return stream.read(64).strip().lower() == "conda"
    except OSError:
        return False
