# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes away what a failed pip or uv has begun to install: files that no list names, and Python could import.

pip puts back what it was replacing and leaves the new files where they are; without metadata neither pip nor
the next run knows of them.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress

from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.scratch import (
    recorded_files,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.linked_files import conda_files
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import PrefixState

_METADATA = ".dist-info"
# What installers of old put there comes without a list of files.
_UNLISTED = (".egg-info", ".egg-link", ".egg")


@contextmanager
def nothing_half_installed(state: PrefixState) -> Iterator[None]:
    """Remove what the block has put into site-packages and ``bin`` and not finished, when it fails.

    Entries that were there before are left alone, and so are distributions that are complete. After a child
    that was cut off nothing is done: it has left a journal, and the next run goes on from there. Must run
    under the lock of the prefix.
    """
    site_packages = str(state.site_packages)
    places = (site_packages, os.path.join(state.path, "bin"))
    before = {place: _names(place) for place in places}
    try:
        yield
    except Exception as error:
        if not getattr(error, "cut_off", False):
            _remove_begun(state, site_packages, before)
        raise


def _names(directory: str) -> frozenset[str]:
    try:
        return frozenset(os.listdir(directory))
    except OSError:
        return frozenset()


def _remove_begun(
    state: PrefixState, site_packages: str, before: Mapping[str, frozenset[str]]
) -> None:
    new = {place: _names(place) - names for place, names in before.items()}
    if not any(new.values()) or any(name.endswith(_UNLISTED) for name in new[site_packages]):
        return
    claimed = {os.path.join(state.path, path) for path in conda_files(state.records.values())}
    for name in _names(site_packages):
        if name.endswith(_METADATA):
            listed = recorded_files(site_packages, name)
            # The list of the wheel itself is there from the start; the installer's own comes last, and has
            # what the installer adds.
            if name in before[site_packages] or _installer(site_packages, name) in listed:
                claimed |= listed
    for place, names in new.items():
        for name in names:
            _remove_unclaimed(os.path.join(place, name), claimed)


def _installer(site_packages: str, metadata: str) -> str:
    return os.path.join(site_packages, metadata, "INSTALLER")


def _remove_unclaimed(path: str, claimed: Collection[str]) -> None:
    if os.path.islink(path) or not os.path.isdir(path):
        if path not in claimed:
            with suppress(OSError):
                os.unlink(path)
        return
    for name in _names(path):
        _remove_unclaimed(os.path.join(path, name), claimed)
    # Refused where anything is in it.
    with suppress(OSError):
        os.rmdir(path)
