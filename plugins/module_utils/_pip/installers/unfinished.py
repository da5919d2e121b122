# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes files of a failed installation that no RECORD lists but Python could import.

pip restores the distributions that it was replacing, but leaves the new files in place; without metadata,
neither pip nor the next run knows about them.
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
# Legacy installers write no list of files.
_UNLISTED = (".egg-info", ".egg-link", ".egg")


@contextmanager
def nothing_half_installed(state: PrefixState) -> Iterator[None]:
    """If the block fails, remove the incomplete distributions that it added to site-packages and ``bin``.

    Existing entries and complete distributions stay. After an interrupted child this does nothing: the
    journal remains, and the next run repairs the environment. The caller holds the lock of the prefix.
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
            # The RECORD of the wheel itself is written early; the installer's RECORD comes last and also
            # lists the files that the installer adds.
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
    # Fails, as intended, if the directory is not empty.
    with suppress(OSError):
        os.rmdir(path)
