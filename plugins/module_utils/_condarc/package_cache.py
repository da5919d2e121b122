# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds an installation's package caches and directories of environments, from its condarc files."""

from __future__ import annotations

import os

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.document import (
    Condarc,
    CondarcError,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.places import condarc_files
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular


def package_caches(installation: str) -> list[str]:
    """Directories that conda may read packages from or write them to (``pkgs_dirs``)."""
    return _directories(installation, "pkgs_dirs", "pkgs")


def environment_directories(installation: str) -> list[str]:
    """Directories in which conda looks for environments by name (``envs_dirs``)."""
    return _directories(installation, "envs_dirs", "envs")


def _directories(installation: str, key: str, name: str) -> list[str]:
    found: list[str] = []
    for path in condarc_files(installation):
        try:
            with open(path, encoding="utf-8", opener=only_regular) as stream:
                named = Condarc(stream.read()).values.get(key)
        except (OSError, UnicodeDecodeError, CondarcError):
            # conda itself reports the error; the default caches are locked in any case.
            continue
        if isinstance(named, list):
            found.extend(os.path.expanduser(os.path.expandvars(str(item))) for item in named)
    found.append(os.path.join(installation, name))
    found.append(os.path.expanduser(f"~/.conda/{name}"))
    return list(dict.fromkeys(path for path in found if path.startswith("/")))
