# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths of conda's configuration files and token files; nothing is read here."""

from __future__ import annotations

import os


def condarc_files(installation: str) -> list[str]:
    """The condarc files of an installation, the least important first.

    The list is conda's search path (``conda config --help``, 24.7) without the environment variables, which
    never reach a conda that this collection starts.
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


def token_files() -> list[str]:
    """The files in which ``anaconda login`` stores tokens, which conda adds to URLs.

    The paths are those of conda 24.7 (``gateways.anaconda_client``) on Linux and macOS.
    """
    configured = os.environ.get("BINSTAR_CONFIG_DIR")
    directories = [
        os.path.join(configured, "data") if configured else "",
        os.path.expanduser("~/.config/binstar"),
        os.path.expanduser("~/Library/Application Support/binstar"),
    ]
    found: list[str] = []
    for directory in filter(None, directories):
        try:
            names = sorted(os.listdir(directory))
        except OSError:
            continue
        found += [os.path.join(directory, name) for name in names if name.endswith(".token")]
    return found
