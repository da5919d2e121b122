# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Detects GPUs: reads the kernel's files first, then runs the vendor's tool.

Sources: NVIDIA's driver README ("The /proc Filesystem Interface") and ``nvidia-smi --help-query-gpu``; the
kernel's KFD topology (``drivers/gpu/drm/amd/amdkfd/kfd_topology.c``) for AMD; ``sysctl`` on macOS.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from ansible_collections.llmfleet.conda.plugins.module_utils._core.process import Completed, run
from ansible_collections.llmfleet.conda.plugins.module_utils._host.readings import MIB, HostReadings
from ansible_collections.llmfleet.conda.plugins.module_utils._info._torch_rows import (
    IN_PROCESSOR,
    OTHERS,
    ROCM_KERNELS,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._info.torch_build import (
    AMD,
    APPLE,
    NONE,
    NVIDIA,
    AcceleratorFacts,
    Gpu,
)

Runner = Callable[[Sequence[str]], "Completed | None"]

TOOL_TIMEOUT = 60
_MISMATCH = "driver/library version mismatch"
_NOT_INSTALLED = "nvidia-smi is not installed"
_FIELDS = ("name", "uuid", "driver_version", "memory.total", "compute_cap")
# Drivers before 510 refuse compute_cap. NVIDIA announces the end of "Driver Version" for CUDA 14.
_OPTIONAL_FIELDS = ("compute_cap", "driver_version")
_NVIDIA_SMI = ("nvidia-smi", "/usr/bin/nvidia-smi", "/usr/lib/wsl/lib/nvidia-smi")
_ROCMINFO = ("rocminfo", "/opt/rocm/bin/rocminfo")
_KFD_NODES = "/sys/class/kfd/kfd/topology/nodes"
_NVIDIA_GPUS = "/proc/driver/nvidia/gpus"
_NVIDIA_PCI_VENDOR = "0x10de"
_AMD_PCI_VENDOR = "0x1002"
_DISPLAY_CLASS = "0x03"
# Types of memory on the GPU: HSA_MEM_HEAP_TYPE_FB_PUBLIC and _PRIVATE.
_GPU_HEAPS = (1, 2)


class Files:
    """The host's file system below ``root``; unreadable files count as missing."""

    def __init__(self, root: str = "/") -> None:
        self._root = root

    def _path(self, path: str) -> str:
        return os.path.join(self._root, path.lstrip("/"))

    def read(self, path: str) -> str | None:
        """The file's text without surrounding white space, or None."""
        try:
            with open(self._path(path), encoding="utf-8", errors="replace") as stream:
                return stream.read().strip()
        except OSError:
            return None

    def names(self, path: str) -> list[str]:
        """The names in a directory; numbers in numerical order."""
        try:
            found = os.listdir(self._path(path))
        except OSError:
            return []
        return sorted(found, key=lambda name: (int(name) if name.isdigit() else 0, name))


def run_tool(argv: Sequence[str], timeout: float = TOOL_TIMEOUT) -> Completed | None:
    """Run a tool for at most ``timeout`` seconds; None if it is not installed."""
    try:
        return run(argv, timeout=timeout)
    except OSError:
        return None


def _first(runner: Runner, programs: Sequence[str], options: Sequence[str]) -> Completed | None:
    for program in programs:
        done = runner([program, *options])
        if done is not None:
            return done
    return None


def observe_accelerator(
    host: HostReadings,
    files: Files | None = None,
    runner: Runner | None = None,
    timeout: float = TOOL_TIMEOUT,
) -> AcceleratorFacts:
    """Detect the host's accelerator; an NVIDIA GPU takes precedence over an AMD GPU.

    ``timeout`` is the time limit in seconds for each of the vendors' tools.
    """
    files = files or Files()
    runner = runner or partial(run_tool, timeout=timeout)
    if host.system == "Darwin":
        return _apple(host, runner)
    unused: list[str] = []
    nvidia = _nvidia(host, files, runner, timeout)
    if nvidia is not None and _is_withheld(nvidia, files):
        nvidia = None
        unused.append(_WITHHELD.format("NVIDIA GPU (no /dev/nvidia*)"))
    elif nvidia is not None and _has_amd_card(files):
        if nvidia.driver_version or nvidia.gpus or nvidia.driver_library_mismatch:
            unused.append("an AMD GPU (torch for CUDA does not use it)")
        else:
            # Often a small card for a screen, beside those that compute.
            nvidia = None
            unused.append("an NVIDIA GPU (no NVIDIA driver is loaded)")
    found = nvidia or _amd(host, files, runner)
    if found is not None and found.vendor == AMD and _lacks_kfd(files):
        found = None
        unused.append(_WITHHELD.format("AMD GPU (no /dev/kfd)"))
        unused += _other_accelerators(files, _AMD_PCI_VENDOR)
    elif found is None:
        unused += _other_accelerators(files)
    found = found or AcceleratorFacts(host.system, host.machine, glibc=host.glibc)
    return replace(found, unused=tuple(unused))


# -- containers, and accelerators without a build -------------------------------------------------

_WITHHELD = "this container has no access to the host's {}"
_CONTAINER_FILES = ("/.dockerenv", "/run/.containerenv", "/run/systemd/container")
_CONTAINER_GROUPS = re.compile(r"docker|kubepods|containerd|libpod|crio|lxc")
# Mount point and, after the dash, type (proc_pid_mountinfo(5)).
_OVERLAY_ROOT = re.compile(r"^\S+ \S+ \S+ \S+ / .* - overlay ", re.MULTILINE)
_INIT = ("systemd", "init")


def _in_container(files: Files) -> bool:
    """Whether this system is a container.

    Docker and Podman make a file, systemd-nspawn and LXC set a variable. containerd and CRI-O with cgroups of
    version 2 leave neither, but an overlay as root and no init. A diskless host has both.
    """
    if any(files.read(name) is not None for name in _CONTAINER_FILES):
        return True
    environment = (files.read("/proc/1/environ") or "").split("\0")
    if any(entry.startswith("container=") for entry in environment):
        return True
    if _CONTAINER_GROUPS.search(files.read("/proc/1/cgroup") or ""):
        return True
    overlay = _OVERLAY_ROOT.search(files.read("/proc/self/mountinfo") or "")
    return overlay is not None and files.read("/proc/1/comm") not in (*_INIT, None)


def _is_withheld(facts: AcceleratorFacts, files: Files) -> bool:
    """Whether a container got no GPU: /sys and /proc show the host's driver and cards there.

    A container with a GPU has a device, and without a working driver it is refused like a host. Its image may
    have a nvidia-smi of its own, which fails without a device. A driver that refuses the version of its
    library was reached, so the container has a device.
    """
    return (
        bool(facts.problem)
        and not facts.driver_library_mismatch
        and not any(name.startswith("nvidia") for name in files.names("/dev"))
        and _in_container(files)
    )


def _lacks_kfd(files: Files) -> bool:
    """Whether a container got no AMD GPU: every process that computes opens /dev/kfd.

    On WSL2 there is no KFD at all, and rocminfo answers all the same.
    """
    return "kfd" not in files.names("/dev") and bool(_gpus_of_kfd(files)) and _in_container(files)


def _other_accelerators(files: Files, known: str = "") -> list[str]:
    """The accelerators on the PCI bus that no build here can use, each with the reason.

    ``known`` is a PCI vendor whose devices are told elsewhere.
    """
    kinds = [("an NVIDIA GPU", _NVIDIA_PCI_VENDOR, _DISPLAY_CLASS, ""), *OTHERS]
    devices = _pci_devices(files)
    found = [
        f"{name} ({_VIRTUAL if reserved else why})"
        for name, vendor, kind, why in kinds
        for reserved in (False, True)
        if vendor != known
        and (reserved or why)
        and any(
            one.vendor == vendor and one.kind.startswith(kind) and one.reserved == reserved
            for one in devices
        )
    ]
    return found + ([_JETSON] if files.read("/etc/nv_tegra_release") else [])


_VIRTUAL = "the driver vfio-pci reserves it for virtual machines"
# NVIDIA's system for them has this file; from JetPack 6 on they have the driver and nvidia-smi of other GPUs.
_JETSON = "an NVIDIA Jetson before JetPack 6 (it needs NVIDIA's own build of PyTorch)"


class _PciDevice(NamedTuple):
    """A device: vendor and class as in sysfs, and whether it belongs to a virtual machine."""

    vendor: str
    kind: str
    reserved: bool


def _pci_devices(files: Files) -> list[_PciDevice]:
    devices = "/sys/bus/pci/devices"
    return [
        _PciDevice(
            files.read(f"{devices}/{name}/vendor") or "",
            files.read(f"{devices}/{name}/class") or "",
            "DRIVER=vfio-pci" in (files.read(f"{devices}/{name}/uevent") or ""),
        )
        for name in files.names(devices)
    ]


# -- NVIDIA ---------------------------------------------------------------------------------------


def _nvidia(
    host: HostReadings, files: Files, runner: Runner, timeout: float
) -> AcceleratorFacts | None:
    driver = files.read("/sys/module/nvidia/version") or _version_in(
        files.read("/proc/driver/nvidia/version") or ""
    )
    present = bool(driver) or _has_nvidia_card(files)
    gpus, problem, mismatch, told = _ask_nvidia_smi(runner, timeout)
    if not present and not gpus and not mismatch:
        return None
    return AcceleratorFacts(
        host.system,
        host.machine,
        glibc=host.glibc,
        vendor=NVIDIA,
        gpus=gpus or _gpus_of_driver(files),
        driver_version=driver or (told if told[:1].isdigit() else ""),
        driver_library_mismatch=mismatch,
        problem=problem,
    )


def _version_in(text: str) -> str:
    """The version in ``NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun Jul ...``."""
    found = re.search(r"Kernel Module.*?\s(\d+(?:\.\d+)*)\s", text)
    return found[1] if found else ""


def _has_nvidia_card(files: Files) -> bool:
    """Whether an NVIDIA display or 3D controller is on the PCI bus, with or without a driver."""
    return any(
        one.vendor == _NVIDIA_PCI_VENDOR
        and one.kind.startswith(_DISPLAY_CLASS)
        and not one.reserved
        for one in _pci_devices(files)
    )


def _query(runner: Runner, fields: Sequence[str]) -> Completed | None:
    options = [f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]
    return _first(runner, _NVIDIA_SMI, options)


def _ask_nvidia_smi(runner: Runner, timeout: float) -> tuple[tuple[Gpu, ...], str, bool, str]:
    """GPUs, the problem, whether driver and library differ, and the driver's version."""
    fields: tuple[str, ...] = _FIELDS
    done = _query(runner, fields)
    for _again in _OPTIONAL_FIELDS:
        # It names the field that it does not know.
        said = done.stdout + done.stderr if done is not None and done.rc != 0 else ""
        known = tuple(one for one in fields if one not in _OPTIONAL_FIELDS or one not in said)
        if known == fields:
            break
        fields = known
        done = _query(runner, fields)
    if done is None:
        return (), _NOT_INSTALLED, False, ""
    if done.rc == 0:
        return _parse_nvidia_smi(done.stdout, fields)
    said = " ".join((done.stdout + " " + done.stderr).split())
    if done.timed_out:
        said = f"it did not answer within {timeout:g} seconds"
    return (), f"nvidia-smi failed: {said}", _MISMATCH in said.lower(), ""


def _parse_nvidia_smi(text: str, fields: Sequence[str]) -> tuple[tuple[Gpu, ...], str, bool, str]:
    gpus: list[Gpu] = []
    driver = ""
    for line in text.splitlines():
        # From the right: a name may contain a comma.
        words = [word.strip() for word in line.rsplit(",", len(fields) - 1)]
        if len(words) != len(fields):
            continue
        found = dict(zip(fields, words))
        memory, capability = found["memory.total"], found.get("compute_cap", "")
        driver = found.get("driver_version", "")
        gpus.append(
            Gpu(
                index=len(gpus),
                name=found["name"],
                # GPUs that share the host's memory report [N/A].
                memory_mib=int(memory) if memory.isdigit() else None,
                compute_capability=capability if re.fullmatch(r"\d+\.\d+", capability) else "",
                uuid=found["uuid"],
            )
        )
    return tuple(gpus), "" if gpus else "nvidia-smi lists no GPU", False, driver


def _gpus_of_driver(files: Files) -> tuple[Gpu, ...]:
    """Names and UUIDs from the loaded driver, if nvidia-smi does not answer."""
    gpus: list[Gpu] = []
    for name in files.names(_NVIDIA_GPUS):
        text = files.read(f"{_NVIDIA_GPUS}/{name}/information")
        if text is not None:
            fields = {
                key.strip(): value.strip()
                for key, _colon, value in (line.partition(":") for line in text.splitlines())
            }
            gpus.append(
                Gpu(len(gpus), name=fields.get("Model", ""), uuid=fields.get("GPU UUID", ""))
            )
    return tuple(gpus)


# -- AMD ------------------------------------------------------------------------------------------


def _amd(host: HostReadings, files: Files, runner: Runner) -> AcceleratorFacts | None:
    gpus = _gpus_of_kfd(files)
    driver = files.read("/sys/module/amdgpu/version") or ""
    if not gpus:
        done = _first(runner, _ROCMINFO, [])
        gpus = _parse_rocminfo(done.stdout) if done is not None and done.rc == 0 else ()
    if not gpus:
        return None
    return AcceleratorFacts(
        host.system,
        host.machine,
        glibc=host.glibc,
        vendor=AMD,
        gpus=gpus,
        driver_version=driver,
    )


def _has_amd_card(files: Files) -> bool:
    """Whether the kernel's driver has an AMD GPU with kernels that is not a part of the processor."""
    known = {one for kernels in ROCM_KERNELS.values() for one in kernels}.difference(IN_PROCESSOR)
    return any(gpu.architecture in known for gpu in _gpus_of_kfd(files))


def _properties(text: str | None) -> dict[str, int]:
    pairs = (line.split() for line in (text or "").splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def gfx_name(version: int) -> str:
    """``gfx90a`` for 90010: two digits each for minor and stepping, written in hexadecimal in the name."""
    return f"gfx{version // 10000}{version // 100 % 100:x}{version % 100:x}"


def _gpus_of_kfd(files: Files) -> tuple[Gpu, ...]:
    gpus: list[Gpu] = []
    for node in files.names(_KFD_NODES):
        properties = _properties(files.read(f"{_KFD_NODES}/{node}/properties"))
        version = properties.get("gfx_target_version", 0)
        if not version:
            continue  # a CPU
        banks = [
            _properties(files.read(f"{_KFD_NODES}/{node}/mem_banks/{bank}/properties"))
            for bank in files.names(f"{_KFD_NODES}/{node}/mem_banks")
        ]
        size = sum(
            bank.get("size_in_bytes", 0) for bank in banks if bank.get("heap_type") in _GPU_HEAPS
        )
        unique = properties.get("unique_id", 0)
        gpus.append(
            Gpu(
                index=len(gpus),
                name=files.read(f"{_KFD_NODES}/{node}/name") or gfx_name(version),
                memory_mib=size // MIB if size else None,
                uuid=f"GPU-{unique:016x}" if unique else "",
                architecture=gfx_name(version),
            )
        )
    return tuple(gpus)


def _parse_rocminfo(text: str) -> tuple[Gpu, ...]:
    gpus: list[Gpu] = []
    for part in re.split(r"^Agent \d+\s*$", text, flags=re.MULTILINE)[1:]:
        # The first occurrence of a field is the agent's own; pools and ISAs have fields of the same name.
        fields: dict[str, str] = {}
        for line in part.splitlines():
            key, _colon, value = line.partition(":")
            fields.setdefault(key.strip(), value.strip())
        if fields.get("Device Type") == "GPU":
            gpus.append(
                Gpu(
                    index=len(gpus),
                    name=fields.get("Marketing Name", ""),
                    uuid=fields.get("Uuid", ""),
                    architecture=fields.get("Name", "").partition(":")[0],
                )
            )
    return tuple(gpus)


# -- Apple ----------------------------------------------------------------------------------------


def _apple(host: HostReadings, runner: Runner) -> AcceleratorFacts:
    version = _said(runner, ["/usr/bin/sw_vers", "-productVersion"])
    # Under Rosetta, a Python for x86_64 reports x86_64; this shows the actual processor.
    arm = _sysctl(runner, "hw.optional.arm64") == "1"
    if not arm and host.machine != "arm64":
        return AcceleratorFacts(host.system, host.machine, system_version=version, vendor=NONE)
    memory = _sysctl(runner, "hw.memsize")
    gpu = Gpu(
        index=0,
        name=_sysctl(runner, "machdep.cpu.brand_string"),
        memory_mib=int(memory) // MIB if memory.isdigit() else None,
    )
    return AcceleratorFacts(host.system, "arm64", system_version=version, vendor=APPLE, gpus=(gpu,))


def _sysctl(runner: Runner, name: str) -> str:
    return _said(runner, ["/usr/sbin/sysctl", "-n", name])


def _said(runner: Runner, argv: Sequence[str]) -> str:
    done = runner(argv)
    return done.stdout.strip() if done is not None and done.rc == 0 else ""
