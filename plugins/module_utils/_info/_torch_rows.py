# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data of torch_table. Generated from data/facts by ``make facts-data``. Do not edit."""

from __future__ import annotations

from typing import Any

DATE: str = "2026-11-30"
# For a host with an NVIDIA GPU and no driver yet.
RECOMMENDED_DRIVER: int = 580
# The arguments of torch_table.Row.
BUILDS: list[dict[str, Any]] = [
    {
        "vendor": "nvidia",
        "platforms": ("linux-64",),
        "backend": "pypi",
        "driver": 580,
        "oldest": ((7, 5), (999, 0)),
        "newest": ((0, 0), (13, 0)),
        "alternatives": ("cu130", "cu132"),
        "why": (
            "driver 580 or newer and compute capability 7.5 or higher use the wheels for CUDA 13"
        ),
    },
    {
        "vendor": "nvidia",
        "platforms": ("linux-64", "linux-aarch64"),
        "backend": "pypi",
        "driver": 580,
        "oldest": ((7, 5), (999, 0)),
        "newest": ((13, 0), (999, 0)),
        "torch_min": "2.11",
        "alternatives": ("cu130", "cu132"),
        "why": "driver 580 or newer uses the wheels for CUDA 13",
        "notice": (
            "the GPU's compute capability is newer than all that the wheels have kernels for,"
            " so torch runs only if the wheels contain PTX for it"
        ),
    },
    {
        "vendor": "nvidia",
        "platforms": ("linux-64",),
        "backend": "cu126",
        "driver": 525,
        "oldest": ((7, 5), (999, 0)),
        "newest": ((0, 0), (10, 0)),
        "torch_max": "2.14",
        "why": "drivers 525 to 579 use the wheels for CUDA 12.6, which end at torch 2.14",
    },
    {
        "vendor": "nvidia",
        "platforms": ("linux-64",),
        "backend": "cu128",
        "driver": 570,
        "oldest": ((7, 5), (999, 0)),
        "newest": ((10, 0), (13, 0)),
        "torch_max": "2.11",
        "why": (
            "Blackwell with drivers 570 to 579 uses the wheels for CUDA 12.8, which end at "
            "torch 2.11; driver 580 would allow newer ones"
        ),
    },
    {
        "vendor": "nvidia",
        "platforms": ("linux-64",),
        "backend": "cu126",
        "driver": 525,
        "oldest": ((5, 0), (7, 5)),
        "newest": ((0, 0), (10, 0)),
        "torch_max": "2.14",
        "why": (
            "only the wheels for CUDA 12.6, which end at torch 2.14, support GPUs below "
            "compute capability 7.5"
        ),
    },
    {
        "vendor": "nvidia",
        "platforms": ("linux-aarch64",),
        "backend": "pypi",
        "driver": 580,
        "oldest": ((8, 7), (8, 8)),
        "newest": ((8, 7), (8, 8)),
        "torch_min": "2.11",
        "alternatives": ("cu130", "cu132"),
        "why": "driver 580 or newer uses the wheels for CUDA 13",
        "notice": (
            "compute capability 8.7 (Jetson Orin) is not among the architectures of the "
            "wheels; torch warns about it, so run your own programs before you rely on it"
        ),
    },
    {
        "vendor": "nvidia",
        "platforms": ("linux-aarch64",),
        "backend": "",
        "oldest": ((8, 7), (8, 8)),
        "newest": ((8, 7), (8, 8)),
        "why": (
            "PyTorch's wheels for CUDA 12 have no kernels for compute capability 8.7 (Jetson "
            "Orin); driver 580 would allow those for CUDA 13"
        ),
    },
    {
        "vendor": "nvidia",
        "platforms": ("linux-aarch64",),
        "backend": "pypi",
        "driver": 580,
        "oldest": ((8, 0), (999, 0)),
        "newest": ((0, 0), (13, 0)),
        "torch_min": "2.11",
        "alternatives": ("cu130", "cu132"),
        "why": (
            "wheels for aarch64 support the GPU from torch 2.11 on; they need driver 580 and "
            "compute capability 8.0"
        ),
    },
    {
        "vendor": "nvidia",
        "platforms": ("linux-aarch64",),
        "backend": "cu126",
        "driver": 525,
        "oldest": ((8, 0), (999, 0)),
        "newest": ((0, 0), (10, 0)),
        "torch_max": "2.14",
        "why": "drivers 525 to 579 use the wheels for CUDA 12.6, which end at torch 2.14",
    },
    {
        "vendor": "nvidia",
        "platforms": ("linux-aarch64",),
        "backend": "cu128",
        "driver": 570,
        "oldest": ((8, 0), (999, 0)),
        "newest": ((10, 0), (11, 0)),
        "torch_max": "2.11",
        "why": (
            "Blackwell with drivers 570 to 579 uses the wheels for CUDA 12.8, which end at "
            "torch 2.11; driver 580 would allow newer ones"
        ),
    },
    {
        "vendor": "nvidia",
        "platforms": ("linux-aarch64",),
        "backend": "cu128",
        "driver": 570,
        "oldest": ((8, 0), (999, 0)),
        "newest": ((12, 0), (13, 0)),
        "torch_max": "2.11",
        "why": (
            "Blackwell with drivers 570 to 579 uses the wheels for CUDA 12.8, which end at "
            "torch 2.11; driver 580 would allow newer ones"
        ),
    },
    {
        "vendor": "amd",
        "platforms": ("linux-64",),
        "backend": "rocm7.2",
        "torch_max": "2.13",
        "alternatives": ("rocm7.14",),
        "why": "the wheels for ROCm 7.2, which end at torch 2.13, support the GPUs' architecture",
    },
    {
        "vendor": "apple",
        "platforms": ("osx-arm64",),
        "backend": "pypi",
        "system": (14, 999),
        "why": "wheels for macOS 14 and newer on Apple silicon use the GPU (MPS)",
    },
    {
        "vendor": "apple",
        "platforms": ("osx-arm64",),
        "backend": "pypi",
        "system": (13, 14),
        "torch_max": "2.11",
        "why": "wheels for macOS 13 end at torch 2.11",
        "notice": (
            "the GPU needs macOS 14 from torch 2.9 on, so torch uses the CPU only; torch 2.8 "
            "is the last that uses the GPU of macOS 13"
        ),
    },
    {
        "vendor": "apple",
        "platforms": ("osx-arm64",),
        "backend": "pypi",
        "system": (11, 13),
        "torch_max": "2.11",
        "why": "wheels for macOS 11 and 12 end at torch 2.11",
        "notice": "the GPU needs macOS 14 from torch 2.9 on, so torch uses the CPU only",
    },
    {
        "vendor": "none",
        "platforms": ("osx-64",),
        "backend": "pypi",
        "torch_max": "2.2.2",
        "constraints": ("numpy<2",),
        "why": "wheels for macOS on x86_64 ended with torch 2.2.2, which needs numpy below 2",
    },
    {
        "vendor": "none",
        "platforms": ("linux-64", "linux-aarch64"),
        "backend": "cpu",
        "why": "the host has no GPU, and the default wheels would install gigabytes of CUDA",
    },
]
# Architectures of AMD GPUs with kernels, by backend.
ROCM_KERNELS: dict[str, list[str]] = {
    "rocm7.2": [
        "gfx908",
        "gfx90a",
        "gfx942",
        "gfx950",
        "gfx1030",
        "gfx1100",
        "gfx1101",
        "gfx1102",
        "gfx1150",
        "gfx1151",
        "gfx1200",
        "gfx1201",
    ],
    "rocm7.14": [
        "gfx908",
        "gfx90a",
        "gfx942",
        "gfx950",
        "gfx1030",
        "gfx1100",
        "gfx1101",
        "gfx1102",
        "gfx1150",
        "gfx1151",
        "gfx1200",
        "gfx1201",
        "gfx1103",
    ],
}
# Architectures of AMD GPUs that are part of a processor.
IN_PROCESSOR: list[str] = [
    "gfx1150",
    "gfx1151",
    "gfx1103",
    "gfx902",
    "gfx909",
    "gfx90c",
    "gfx1013",
    "gfx1033",
    "gfx1035",
    "gfx1036",
    "gfx1152",
    "gfx1153",
]
# Accelerators without a build here: name, PCI vendor, beginning of the PCI class, reason.
OTHERS: list[tuple[str, str, str, str]] = [
    ("an Intel GPU", "0x8086", "0x03", "this collection does not install PyTorch's build xpu"),
    ("an Intel Gaudi", "0x1da3", "", "it needs Intel's own build of PyTorch"),
    ("a Huawei Ascend", "0x19e5", "0x12", "it needs Huawei's extension torch_npu"),
    (
        "an AMD GPU",
        "0x1002",
        "0x03",
        (
            "the kernel's compute driver (KFD) does not list it, so its driver is missing, "
            "the GPU is too old for it, or this container has no access"
        ),
    ),
    (
        "an AMD accelerator",
        "0x1002",
        "0x12",
        (
            "the kernel's compute driver (KFD) does not list it, so its driver is missing, "
            "the GPU is too old for it, or this container has no access"
        ),
    ),
]
