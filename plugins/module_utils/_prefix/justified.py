# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides which files may be removed with a prefix: those that conda, pip or an installer put there.

All other files are users' work: notebooks, data, scripts, files copied into ``site-packages`` by hand.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from functools import cached_property

from ansible_collections.llmfleet.conda.plugins.module_utils._core import json_document
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.linked_files import conda_files
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import (
    BUILDING,
    HISTORY,
    LEFT,
    MADE,
    PrefixState,
)

# conda's own directory, and the files that conda and this collection leave beside it.
_OWN = re.compile(
    r"conda-meta/(?:tos/[^/]+/)?[^/]+|\.condatmp/.*|\.nonadmin|\.messages\.txt|envs/\.conda_envs_dir_test"
    r"|\.tmp[a-z0-9_]{8}|\.tmp\.index\.json(?:\.[0-9a-f]{8})?"
    r"|(?:.*/)?\.[^/]+\.llmfleet(?:\.lock|-journal|-journal-unfinished)"
    rf"|{re.escape(MADE)}|{re.escape(BUILDING)}|{re.escape(LEFT)}"
)
# Settings of this prefix only: a removal removes them, a replacement keeps them.
_SETTINGS = re.compile(r"\.condarc|condarc|condarc\.d/[^/]+")
# Of an installation only: what the shell scripts of constructor 3.0 to 3.16 put beside the packages, for good
# or until they have ended (header.sh, shar.py, preconda.py), and the files of a package cache beside the
# packages (conda 24.7, core.package_cache_data and gateways.disk.lock).
_OF_INSTALLERS = re.compile(
    r"_conda(?:\.exe)?|conda\.exe|LICENSE\.txt|\.installer\.info|preconda\.messages\.txt|install\.log"
    r"|(?:pre|post)conda\.tar\.bz2|install_tmp/.*"
    r"|pkgs/(?:\.constructor-build\.info|(?:pre|post)_install\.sh|envs/[^/]+/(?:env|channels|shortcuts)\.txt)"
    r"|pkgs/(?:urls|urls\.txt|env\.txt|[^/]+\.lock|\.llmfleet[^/]*|cache/.*|\.trash/.*|\.llmfleet-[^/]*/.*"
    r"|[^/]+\.(?:conda|tar\.bz2)(?:\.part|\.partial|\.c~)?)"
    # conda-package-handling before 1.8 unpacks there first.
    r"|pkgs/(?P<package>[^/]+)[a-z0-9_]{8}/(?:info|pkg)-(?P=package)\.tar\.\w+"
)
# Names that people use as well: they count as an installer's where more than the name shows it.
_MICROMAMBA = "micromamba"
_PROGRAM_PARTS = "_internal/"
# micromamba's copy of what it unpacks (constructor.cpp).
_COPY = "_tmp.tar.bz2"
# Python, numba and conda make these again, wherever their source stays.
_GENERATED = re.compile(r"(?:.*/)?__pycache__/[^/]+\.(?:pyc|pyo|pyc\.\d+|nbi|nbc)|.+\.c~")
_METADATA = re.compile(
    r"lib(?:64)?/python\d+(?:\.\d+)?t?/site-packages/[^/]+\.(?:dist-info|egg-info)/.+"
)
_SITE_PACKAGES = re.compile(
    r"(?P<site>lib(?:64)?/python\d+(?:\.\d+)?t?/site-packages)/[^/]+\.dist-info/RECORD"
)
# The path at which a noarch Python package keeps its modules
# (conda.common.path.get_python_noarch_target_path).
_NOARCH = re.compile(r"lib/python\d+(?:\.\d+)?t?/(?P<rest>site-packages/.+)")


class Justified:
    """Judges the files of one prefix, by paths relative to it.

    Args:
        state: the prefix; its records must have been read thoroughly, or be left unread without harm.
        files: all that is there.
        installation: it is, or was to be, a conda installation with a package cache of its own.
        caches: package caches from which packages were being linked when their records were not written yet.
        settings: its condarc files may go as well.

    Attributes:
        half_made: an installer was at work there, in a directory that was empty when this collection put its
            token into it: it had not come to the history of the installation. (A removal ends with the
            history, and says before that what is people's.)
    """

    half_made = False

    def __init__(
        self,
        state: PrefixState,
        files: Iterable[str],
        *,
        installation: bool = False,
        caches: Iterable[str] = (),
        settings: bool = True,
    ) -> None:
        self._settings = settings
        self._installation = installation
        there = set(files)
        self._known = set(conda_files(state.records.values()))
        if installation:
            token = MADE in there and LEFT not in there
            self.half_made = token and not _has_history(state.path)
            self._known.update(_program(state.path, there, self.half_made))
        self._known |= recorded_in(state.path, there)
        self._caches = tuple(caches)
        self._packages = set(_unpacked(state.path)) if installation else set()

    def __call__(self, path: str) -> bool:
        """Whether the file may be removed."""
        if path in self._known or self._is_own(path):
            return True
        return bool(self._caches) and _is_in(self._packaged, path)

    @cached_property
    def _packaged(self) -> set[str]:
        """The files of all packages in the caches; read only for files that nothing else justifies."""
        return {path for cache in self._caches for path in _packaged(cache)}

    def _is_own(self, path: str) -> bool:
        if _OWN.fullmatch(path) or _GENERATED.fullmatch(path):
            return True
        if _METADATA.fullmatch(path) or (self._settings and _SETTINGS.fullmatch(path)):
            return True
        if not self._installation:
            return False
        if _OF_INSTALLERS.fullmatch(path):
            return True
        parts = path.split("/", 2)
        return parts[0] == "pkgs" and len(parts) > 2 and parts[1] in self._packages


def _has_history(prefix: str) -> bool:
    """Whether the history tells of anything: installers first make one with nothing in it."""
    try:
        return os.path.getsize(os.path.join(prefix, HISTORY)) > 0
    except OSError:
        return False


def _program(prefix: str, files: Collection[str], half_made: bool) -> Iterator[str]:
    """The files of an installer's own program that have names of their own.

    Where that is micromamba, ``_conda`` is a link to it (constructor 3.13). PyInstaller puts the parts of a
    program, if they are no single file, into one directory with its ``base_library.zip``.
    """
    link = ""
    with suppress(OSError):
        link = os.readlink(os.path.join(prefix, "_conda"))
    if half_made or os.path.basename(link) == _MICROMAMBA:
        yield _MICROMAMBA
    if half_made or f"{_PROGRAM_PARTS}base_library.zip" in files:
        yield from (path for path in files if path.startswith(_PROGRAM_PARTS))
    if half_made:
        yield _COPY


def _is_in(packaged: Collection[str], path: str) -> bool:
    """Whether a package in the caches links one of its files as ``path``."""
    found = _NOARCH.fullmatch(path)
    return (
        path in packaged
        or (found is not None and found["rest"] in packaged)
        or (path.startswith("bin/") and f"python-scripts/{path[4:]}" in packaged)
    )


def recorded_in(prefix: str, files: Iterable[str]) -> set[str]:
    """The files of all distributions whose RECORD is among ``files``; paths are relative to the prefix."""
    return {
        path
        for record in files
        if (found := _SITE_PACKAGES.fullmatch(record))
        for path in _recorded(prefix, found["site"], record)
    }


def _recorded(prefix: str, site: str, record: str) -> Iterator[str]:
    """The files of one distribution from pip's RECORD: paths are relative to site-packages."""
    try:
        with open(
            os.path.join(prefix, record),
            encoding="utf-8", errors="surrogateescape", newline="", opener=only_regular,
        ) as stream:  # fmt: skip
            rows = [row[0] for row in csv.reader(stream) if row]
    except (OSError, csv.Error):
        return
    for row in rows:
        path = os.path.normpath(row if os.path.isabs(row) else os.path.join(prefix, site, row))
        if path.startswith(f"{prefix}/"):
            yield path[len(prefix) + 1 :]


def _unpacked(prefix: str) -> Iterator[str]:
    """Names of the directories in ``pkgs`` that hold an extracted package, complete or not."""
    cache = os.path.join(prefix, "pkgs")
    try:
        names = os.listdir(cache)
    except OSError:
        return
    archives = {
        name[: -len(end)] for name in names for end in (".conda", ".tar.bz2") if name.endswith(end)
    }
    listed = _listed(cache)
    for name in names:
        index = os.path.join(cache, name, "info", "index.json")
        if name in archives or name in listed or os.path.isfile(index):
            yield name


def _listed(cache: str) -> set[str]:
    """Names of the packages that conda or an installer has ever put into the cache."""
    names: set[str] = set()
    for name in ("urls.txt", "urls", "env.txt"):
        with (
            suppress(OSError),
            open(
                os.path.join(cache, name), encoding="utf-8", errors="replace", opener=only_regular
            ) as stream,
        ):
            for line in stream:
                base = line.split("#", 1)[0].strip().rsplit("/", 1)[-1]
                names.update(
                    base[: -len(end)] for end in (".conda", ".tar.bz2") if base.endswith(end)
                )
    return names


def _packaged(cache: str) -> Iterator[str]:
    """The files that the extracted packages of a cache install into a prefix, as their metadata list them."""
    try:
        names = os.listdir(cache)
    except OSError:
        return
    for name in names:
        info = os.path.join(cache, name, "info")
        with (
            suppress(OSError, ValueError, KeyError, TypeError, AttributeError),
            open(os.path.join(info, "paths.json"), encoding="utf-8", opener=only_regular) as stream,
        ):
            for item in json_document.load(stream)["paths"]:
                yield str(item["_path"])
        with (
            suppress(OSError, ValueError, KeyError, TypeError, AttributeError),
            open(os.path.join(info, "link.json"), encoding="utf-8", opener=only_regular) as stream,
        ):
            for entry in json_document.load(stream)["noarch"]["entry_points"]:
                yield f"bin/{entry.split('=', 1)[0].strip()}"
