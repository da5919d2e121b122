# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which channels are covered by Anaconda's terms of service.

A file of its own: the controller asks this in each check of a role's variables, and needs nothing else.
"""

from __future__ import annotations

from ansible_collections.llmfleet.conda.plugins.module_utils._prefix import PackageRecord

# The channels that Anaconda's terms of service cover: the parts of ``defaults`` under their canonical
# names, wherever they are mirrored (conda.base.constants.DEFAULT_CHANNELS, and the older ones).
_DEFAULTS = frozenset(
    {"defaults"}
    | {f"pkgs/{part}" for part in ("main", "r", "msys2", "free", "pro", "mro", "mro-archive")}
)
_DEFAULTS_HOSTS = ("repo.anaconda.com", "repo.continuum.io")
# The same on anaconda.org. Elsewhere a channel of such a name is somebody's own.
_COPIES = frozenset({"anaconda", "main", "r", "msys2"})
_COPIES_HOST = "anaconda.org"


def from_defaults(record: PackageRecord) -> bool:
    """Whether a package comes from Anaconda's ``defaults``, directly or by a mirror of it."""
    source = f"{record.channel} {record.url}"
    if any(host in source for host in _DEFAULTS_HOSTS) or record.channel_name in _DEFAULTS:
        return True
    at_home = _COPIES_HOST in source or "://" not in source
    return at_home and record.channel_name in _COPIES
