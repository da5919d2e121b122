# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host layer of llm_check: architecture, C library, disk, inodes and memory.

The checks judge values that another file reads, so that tests can check every verdict without such a host.
"""

from __future__ import annotations

from ansible_collections.llmfleet.conda.plugins.module_utils._check.request import (
    Finding,
    Request,
    skipped,
    verdict,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._host.readings import (
    CONDA_GLIBC,
    CONDA_PLATFORMS,
    MIB,
    TORCH_GLIBC,
    TORCH_PLATFORMS,
    HostReadings,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_version import (
    InvalidVersion,
    Version,
)


def check_architecture(host: HostReadings, request: Request) -> Finding:
    """Check that conda has packages for this platform, and torch has wheels if torch is requested."""
    here = f"{host.system} on {host.machine}"
    name = host.conda_platform
    measured = {"system": host.system, "machine": host.machine, "conda_platform": name}
    if name is None:
        known = ", ".join(sorted(CONDA_PLATFORMS.values()))
        return verdict(False, f"conda does not support {here}, only {known}.", measured)
    if request.wants_package("torch") and name not in TORCH_PLATFORMS:
        known = ", ".join(sorted(TORCH_PLATFORMS))
        return verdict(False, f"{here} is {name}; torch has wheels for {known} only.", measured)
    return verdict(True, f"{here} is conda's platform {name}.", measured)


def check_glibc(host: HostReadings, request: Request) -> Finding:
    """Check that glibc is not older than the packages require."""
    if host.system != "Linux":
        return skipped(f"{host.system} has no GNU C library.")
    wants_torch = request.wants_package("torch")
    floor = request.thresholds.min_glibc or (TORCH_GLIBC if wants_torch else CONDA_GLIBC)
    whose = "torch's wheels" if wants_torch else "conda's packages"
    bound = f"at least {floor} is needed" + (
        "" if request.thresholds.min_glibc else f" for {whose}"
    )
    if host.glibc is None:
        return verdict(False, f"The C library is not glibc; {bound}.", {"glibc": None})
    try:
        passed = Version(host.glibc) >= Version(floor)
    except InvalidVersion as error:
        return verdict(False, f"glibc cannot be compared: {error}.", {"glibc": host.glibc})
    return verdict(passed, f"glibc is {host.glibc}; {bound}.", {"glibc": host.glibc})


def check_disk(host: HostReadings, request: Request) -> Finding:
    """Check the free space on the file system of the prefix."""
    free, floor = host.disk_free // MIB, request.thresholds.min_free_disk_mb
    return verdict(
        free >= floor,
        f"{free} MiB are free for this user at {host.disk_path} (at least {floor}).",
        {"free_mb": free, "path": host.disk_path},
    )


def check_inodes(host: HostReadings, request: Request) -> Finding:
    """Check the free inodes on the file system of the prefix; an environment uses tens of thousands."""
    floor = request.thresholds.min_free_inodes
    if host.inodes_free is None:
        return skipped(f"The file system at {host.disk_path} does not count inodes.")
    return verdict(
        host.inodes_free >= floor,
        f"{host.inodes_free} inodes are free at {host.disk_path} (at least {floor}).",
        {"free_inodes": host.inodes_free, "path": host.disk_path},
    )


def check_memory(host: HostReadings, request: Request) -> Finding:
    """Check that the host, or the container's limit, provides the minimum memory for a model."""
    floor = request.thresholds.min_memory_mb
    if host.memory is None:
        return verdict(False, f"The memory size cannot be read (at least {floor} MiB).")
    size = host.memory // MIB
    limited = " by the container's limit" if host.memory_is_limited else ""
    return verdict(
        size >= floor,
        f"{size} MiB of memory{limited} (at least {floor}).",
        {"memory_mb": size},
    )


HOST_CHECKS = {
    "host.architecture": check_architecture,
    "host.glibc": check_glibc,
    "host.disk": check_disk,
    "host.inodes": check_inodes,
    "host.memory": check_memory,
}
