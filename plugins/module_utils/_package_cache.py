# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the package caches that a conda installation uses, from its condarc files."""

from __future__ import annotations

import os

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc import Condarc, CondarcError
from ansible_collections.llmfleet.conda.plugins.module_utils._regular_file import only_regular


def condarc_files(installation: str) -> list[str]:
    """The condarc files that count for an installation, least important first.

    The list is conda's search path (``conda config --help``, 24.7) without the environment variables,
    which never reach a conda that this collection starts.
    """
    directories = (
        "/etc/conda",
        "/var/lib/conda",
        installation,
        os.path.expanduser("~/.config/conda"),
        os.path.expanduser("~/.conda"),
    )
    places: list[str] = []
    for directory in directories:
        places += [os.path.join(directory, name) for name in (".condarc", "condarc")]
        places += _parts(os.path.join(directory, "condarc.d"))
    places.append(os.path.expanduser("~/.condarc"))
    return [path for path in places if os.path.isfile(path)]


def _parts(directory: str) -> list[str]:
    """The files of a ``condarc.d`` that conda reads, in its order."""
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return []
    return [os.path.join(directory, name) for name in names if name.endswith((".yml", ".yaml"))]


def package_caches(installation: str) -> list[str]:
    """Directories that conda may take packages from or put them into (``pkgs_dirs``)."""
    caches: list[str] = []
    for path in condarc_files(installation):
        try:
            with open(path, encoding="utf-8", opener=only_regular) as stream:
                named = Condarc(stream.read()).values.get("pkgs_dirs")
        except (OSError, UnicodeDecodeError, CondarcError):
            # conda itself will say what is wrong with it; the defaults are locked in any case.
            continue
        if isinstance(named, list):
            caches.extend(os.path.expanduser(os.path.expandvars(str(item))) for item in named)
    caches.append(os.path.join(installation, "pkgs"))
    caches.append(os.path.expanduser("~/.conda/pkgs"))
    return list(dict.fromkeys(path for path in caches if path.startswith("/")))
