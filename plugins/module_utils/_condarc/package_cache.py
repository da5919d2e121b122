# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the package caches that a conda installation uses, from its condarc files."""

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
    caches: list[str] = []
    for path in condarc_files(installation):
        try:
            with open(path, encoding="utf-8", opener=only_regular) as stream:
                named = Condarc(stream.read()).values.get("pkgs_dirs")
        except (OSError, UnicodeDecodeError, CondarcError):
            # conda itself reports the error; the default caches are locked in any case.
            continue
        if isinstance(named, list):
            caches.extend(os.path.expanduser(os.path.expandvars(str(item))) for item in named)
    caches.append(os.path.join(installation, "pkgs"))
    caches.append(os.path.expanduser("~/.conda/pkgs"))
    return list(dict.fromkeys(path for path in caches if path.startswith("/")))
