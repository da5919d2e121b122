# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares what a change needs with the free bytes and inodes of the volumes it writes to.

Free is what ``df`` calls available: without the blocks that are reserved for root. No system call tells
what a quota leaves, so a quota is not seen. A volume that counts no inodes (btrfs) is asked for bytes only.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError

AMPLE = 16 << 30
"""Bytes: more than the largest environment of the roles takes, so that the exact need does not matter."""

AMPLE_INODES = 500_000
"""As many files as some fifty times an environment with Python has."""

CLEAN = "the playbook llmfleet.conda.clean removes packages, wheels and models that nothing uses"
"""For hints."""


@dataclass(frozen=True)
class Need:
    """What one part of a change takes on one volume.

    Attributes:
        path: where it is written; the path need not exist yet.
        size: bytes.
        what: the part, as in "12 MB to ...".
        inodes: files and directories.
    """

    path: str
    size: int
    what: str
    inodes: int = 0


@dataclass(frozen=True)
class Volume:
    """A volume: its number, where it is mounted, and its free bytes and inodes (None: it counts none)."""

    device: int
    path: str
    free: int
    inodes: int | None

    @property
    def is_ample(self) -> bool:
        """Whether no single change can fill it."""
        return self.free >= AMPLE and (self.inodes is None or self.inodes >= AMPLE_INODES)


def volume_of(path: str) -> Volume | None:
    """The volume on which an absolute path is or would be created; None if that cannot be told."""
    place = existing(path)
    try:
        device = os.stat(place).st_dev
        found = os.statvfs(place)
        return Volume(
            device,
            _mount_point(place, device),
            found.f_bavail * found.f_frsize,
            found.f_favail if found.f_files else None,
        )
    except OSError:
        return None


def free_bytes(path: str) -> int:
    """Free bytes for this user on the volume of an existing path; 0 on a volume without free inodes.

    Raises:
        OSError: the volume cannot be inspected.
    """
    found = os.statvfs(path)
    if found.f_files and not found.f_favail:
        return 0
    return found.f_bavail * found.f_frsize


def existing(path: str) -> str:
    """The path, or the nearest directory above it that exists."""
    while not os.path.exists(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return path


def are_ample(paths: Iterable[str]) -> bool:
    """Whether the volumes of all these paths have so much room that no change can fill them."""
    volumes = [volume_of(path) for path in paths]
    return all(volume is None or volume.is_ample for volume in volumes)


def refuse_without_room(
    needs: Sequence[Need],
    *,
    prefix: str | None = None,
    asked: str | list[str] | None = None,
    instead: str = "",
) -> None:
    """Fail if a volume has less room than all needs on it together; nothing is changed.

    Args:
        needs: lower bounds: a change that fits must not be refused.
        prefix, asked: as in :class:`CondaModuleError`.
        instead: what helps besides making room, as an imperative clause.

    Raises:
        CondaModuleError: a volume has too little room; the message says how much is needed and free, on which
            volume, and for what.
    """
    volumes: dict[int, Volume] = {}
    on: dict[int, list[Need]] = {}
    for need in needs:
        volume = volume_of(need.path) if need.size or need.inodes else None
        if volume is not None:
            volumes[volume.device] = volume
            on.setdefault(volume.device, []).append(need)
    short = [
        text for device, parts in on.items() if (text := _shortage(volumes[device], parts)) != ""
    ]
    if short:
        raise CondaModuleError(
            f"Not enough free space{f' for {prefix}' if prefix else ''}: {'; '.join(short)}."
            " Nothing was changed.",
            prefix=prefix,
            asked=asked,
            hint=f"make room on that volume ({CLEAN}){f', or {instead}' if instead else ''}; df shows its"
            " bytes, df -i its inodes.",
            error_kind="disk_full",
            kind="disk_full",
        )


def _shortage(volume: Volume, needs: Sequence[Need]) -> str:
    """What the volume lacks, as a clause; empty if the needs fit."""
    size = sum(need.size for need in needs)
    inodes = sum(need.inodes for need in needs)
    parts = []
    if volume.free < size:
        each = ", ".join(f"{_shown(need.size)} {need.what}" for need in needs if need.size)
        parts.append(f"at least {_shown(size)} ({each}) and has {_shown(volume.free)} free")
    if volume.inodes is not None and volume.inodes < inodes:
        parts.append(f"at least {inodes} inodes (files) and has {volume.inodes} free")
    return f"the change needs on the volume {volume.path} " + ", and ".join(parts) if parts else ""


def _shown(size: int) -> str:
    return f"{size / (1 << 20):.0f} MB" if size >= 10 << 20 else f"{size / (1 << 10):.0f} kB"


def _mount_point(path: str, device: int) -> str:
    path = os.path.realpath(path)
    while True:
        parent = os.path.dirname(path)
        if parent == path or os.stat(parent).st_dev != device:
            return path
        path = parent
