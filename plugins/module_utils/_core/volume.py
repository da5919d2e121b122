# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory that belongs to a volume and not to the prefix on it."""

from __future__ import annotations

import os
from collections.abc import Collection

# mke2fs creates it in the root of every ext2, ext3 and ext4 volume, and fsck again (mklost+found(8)).
_LOST_AND_FOUND = "lost+found"


def without_volumes_own(root: str, entries: Collection[str]) -> list[str]:
    """The names in ``entries`` without ``lost+found``, if ``root`` is the mount point of a volume.

    Args:
        root: absolute path of a directory.
        entries: names of what is directly in it.
    """
    if _LOST_AND_FOUND not in entries or not os.path.ismount(root):
        return list(entries)
    return [name for name in entries if name != _LOST_AND_FOUND]
