# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Select the rows of the installer catalogue that a task may need. The catalogue stays on the controller."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._installation.installers import (
    CatalogueEntry,
    installer_name,
)
from ansible_collections.llmfleet.conda.plugins.plugin_utils._installer_catalogue import INSTALLERS

# For an unknown version, the message suggests this many of the newest versions for each platform.
_NEWEST = 3


def published(distribution: str) -> Iterator[CatalogueEntry]:
    """Yield the published installers of ``distribution``, oldest first."""
    for (owner, base), lines in INSTALLERS.items():
        if owner == distribution:
            for line in lines.splitlines():
                version, system, arch, sha256 = line.split()
                file_name = installer_name(distribution, version, system, arch)
                address = base.replace("{version}", version)
                yield CatalogueEntry(version, system, arch, sha256, file_name, address)


def rows_for(options: Mapping[str, Any]) -> list[str]:
    """Return the rows for the option ``catalogue`` of a conda_installation task with these options.

    The rows are those of the version or file that the task names, for all platforms, because only the host
    knows its platform. For an unknown version they are the newest of each platform, which the error message
    lists.
    """
    entries = list(published(str(options.get("distribution") or "miniconda")))
    own = str(options.get("installer_path") or options.get("installer_url") or "")
    if own:
        name = own.split("?", maxsplit=1)[0].rstrip("/").rpartition("/")[2]
        return [entry.row for entry in entries if entry.file_name == name]
    rows = [entry.row for entry in entries if entry.version == options.get("version")]
    if rows:
        return rows
    platforms = {(entry.os, entry.arch) for entry in entries}
    newest = {
        entry
        for platform in platforms
        for entry in [one for one in entries if (one.os, one.arch) == platform][-_NEWEST:]
    }
    return [entry.row for entry in entries if entry in newest]
