# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Platform, C library, disk space, inodes and memory of a host."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass

from ansible_collections.llmfleet.conda.plugins.module_utils._host.glibc import host_glibc

MIB = 1024 * 1024


# conda's platform names by system and machine of uname (conda.base.constants.KNOWN_SUBDIRS).
CONDA_PLATFORMS = {
    ("Linux", "x86_64"): "linux-64",
    ("Linux", "aarch64"): "linux-aarch64",
    ("Linux", "ppc64le"): "linux-ppc64le",
    ("Linux", "s390x"): "linux-s390x",
    ("Darwin", "x86_64"): "osx-64",
    ("Darwin", "arm64"): "osx-arm64",
}


# Platforms for which PyTorch publishes wheels; macOS on x86_64 ended with torch 2.2.
TORCH_PLATFORMS = frozenset({"linux-64", "linux-aarch64", "osx-arm64", "osx-64"})


# torch wheels are manylinux_2_28, conda packages are built against glibc 2.17.
TORCH_GLIBC = "2.28"


CONDA_GLIBC = "2.17"


_CGROUP_LIMITS = (
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)


@dataclass(frozen=True)
class HostReadings:
    """Properties of the host. Sizes are bytes; None means unknown."""

    system: str
    machine: str
    glibc: str | None
    disk_path: str
    disk_free: int
    inodes_free: int | None
    memory: int | None
    memory_is_limited: bool = False

    @property
    def conda_platform(self) -> str | None:
        return CONDA_PLATFORMS.get((self.system, self.machine))


def existing_ancestor(path: str) -> str:
    """``path``, or its nearest existing parent directory."""
    while not os.path.exists(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return path


def _memory() -> tuple[int | None, bool]:
    """Bytes of memory that processes may use, and whether a container limits them."""
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return None, False
    for path in _CGROUP_LIMITS:
        try:
            with open(path, encoding="ascii") as stream:
                limit = int(stream.read())
        except (OSError, ValueError):
            continue  # not a container, or "max"
        if 0 < limit < total:
            return limit, True
    return total, False


def read_host(prefix: str) -> HostReadings:
    """Read the host's properties; the disk is the one of ``prefix``.

    Raises:
        OSError: the file system of the prefix cannot be inspected.
    """
    path = existing_ancestor(prefix)
    disk = os.statvfs(path)
    memory, limited = _memory()
    return HostReadings(
        system=platform.system(),
        machine=platform.machine(),
        glibc=host_glibc(),
        disk_path=path,
        disk_free=disk.f_bavail * disk.f_frsize,
        # btrfs and some network file systems create inodes on demand and report 0 of 0.
        inodes_free=disk.f_favail if disk.f_files else None,
        memory=memory,
        memory_is_limited=limited,
    )
