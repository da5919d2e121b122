"""Every verdict of the host layer on fake hosts, and the readings of this host."""

from __future__ import annotations

import dataclasses
import os
import platform
import shutil
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._check.host import HOST_CHECKS
from ansible_collections.llmfleet.conda.plugins.module_utils._check.request import (
    Finding,
    Request,
    Thresholds,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._host.readings import (
    MIB,
    HostReadings,
    read_host,
)

GOOD = HostReadings(
    system="Linux",
    machine="x86_64",
    glibc="2.36",
    disk_path="/opt",
    disk_free=20000 * MIB,
    inodes_free=1000000,
    memory=16000 * MIB,
)
TORCH = {"torch": ""}


def look(name: str, request: Request | None = None, **readings: Any) -> Finding:
    host = dataclasses.replace(GOOD, **readings)
    return HOST_CHECKS[name](host, request or Request(prefix="/opt/env"))


@pytest.mark.parametrize("name", HOST_CHECKS)
def test_a_good_host_passes(name: str) -> None:
    finding = look(name, Request(prefix="/opt/env", imports=TORCH))
    assert finding.status == "pass"
    assert finding.detail.endswith(".")


@pytest.mark.parametrize(
    ("glibc", "imports", "status", "bound"),
    [
        ("2.28", TORCH, "pass", "2.28"),
        ("2.27", TORCH, "fail", "2.28"),
        ("2.9", TORCH, "fail", "2.28"),
        ("2.27", {}, "pass", "2.17"),
        ("2.12", {}, "fail", "2.17"),
        (None, {}, "fail", "2.17"),
        ("unknown", {}, "fail", "unknown"),
    ],
)
def test_glibc(glibc: str | None, imports: dict[str, str], status: str, bound: str) -> None:
    finding = look("host.glibc", Request(prefix="/e", imports=imports), glibc=glibc)
    assert finding.status == status
    assert bound in finding.detail
    assert (glibc or "not glibc") in finding.detail


def test_the_floor_of_glibc_can_be_set() -> None:
    request = Request(prefix="/e", thresholds=Thresholds(min_glibc="2.34"))
    assert look("host.glibc", request, glibc="2.31").status == "fail"
    assert look("host.glibc", request, glibc="2.34").status == "pass"


def test_macos_has_no_glibc_to_check() -> None:
    finding = look("host.glibc", system="Darwin", machine="arm64", glibc=None)
    assert finding.status == "skip"
    assert "Darwin" in finding.detail


@pytest.mark.parametrize(
    ("system", "machine", "imports", "status"),
    [
        ("Linux", "x86_64", TORCH, "pass"),
        ("Linux", "aarch64", TORCH, "pass"),
        ("Darwin", "arm64", TORCH, "pass"),
        ("Linux", "s390x", {}, "pass"),
        ("Linux", "s390x", TORCH, "fail"),
        ("Linux", "armv7l", {}, "fail"),
        ("FreeBSD", "amd64", {}, "fail"),
    ],
)
def test_architecture(system: str, machine: str, imports: dict[str, str], status: str) -> None:
    request = Request(prefix="/e", imports=imports)
    finding = look("host.architecture", request, system=system, machine=machine)
    assert finding.status == status
    assert machine in finding.detail


def test_disk() -> None:
    finding = look("host.disk", disk_free=511 * MIB)
    assert finding.status == "fail"
    assert "511 MiB" in finding.detail
    assert "at least 512" in finding.detail
    assert look("host.disk", disk_free=512 * MIB).status == "pass"


def test_inodes() -> None:
    finding = look("host.inodes", inodes_free=9999)
    assert finding.status == "fail"
    assert "9999 inodes" in finding.detail
    assert look("host.inodes", inodes_free=10000).status == "pass"
    uncounted = look("host.inodes", inodes_free=None)
    assert uncounted.status == "skip"
    assert "does not count" in uncounted.detail


def test_memory() -> None:
    limited = look("host.memory", memory=512 * MIB, memory_is_limited=True)
    assert limited.status == "fail"
    assert "512 MiB" in limited.detail
    assert "container" in limited.detail
    assert "1024" in limited.detail
    assert look("host.memory", memory=None).status == "fail"


def test_readings_of_this_host(tmp_path: Path) -> None:
    host = read_host(str(tmp_path / "not" / "there"))
    assert host.disk_path == str(tmp_path)
    assert abs(host.disk_free - shutil.disk_usage(tmp_path).free) < 1024 * MIB
    assert (host.system, host.machine) == (platform.system(), platform.machine())
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert host.memory is not None
    assert 64 * MIB < host.memory <= total
    if host.system == "Linux" and platform.libc_ver()[0] == "glibc":
        assert host.glibc == platform.libc_ver()[1]
