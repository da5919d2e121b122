# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a conda that crashed had begun to change a prefix."""

from __future__ import annotations

import os


def traces(prefix: str) -> frozenset[tuple[str, int, int]]:
    """What a change of the prefix alters: paths with their inodes and times of change in nanoseconds.

    The records, the entries directly below the prefix, and ``site-packages``: every package of conda adds a
    file to one of these, or to a directory below the prefix that did not exist.
    """
    library = os.path.join(prefix, "lib")
    places = [prefix, os.path.join(prefix, "conda-meta"), library]
    places += [os.path.join(library, name, "site-packages") for name in _names(library, "python")]
    found = set()
    for place in places:
        for path in [place, *(os.path.join(place, name) for name in _names(place))]:
            try:
                status = os.lstat(path)
            except OSError:
                continue
            found.add((path, status.st_ino, status.st_ctime_ns))
    return frozenset(found)


def _names(directory: str, beginning: str = "") -> list[str]:
    try:
        return [name for name in os.listdir(directory) if name.startswith(beginning)]
    except OSError:
        return []
