# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps accelerators to builds of torch: data only, valid on the day of :data:`DATE`.

The first row that fits a host counts. Sources: the CUDA versions and architectures of PyTorch's wheels on
that day, NVIDIA's minimum drivers for them, and the platforms that have wheels.
"""

from __future__ import annotations

from dataclasses import dataclass

DATE = "2026-11-22"
INDEX = "https://download.pytorch.org/whl"
LINUX = ("linux-64", "linux-aarch64")

Capability = tuple[int, int]
_NEWEST: Capability = (999, 0)


@dataclass(frozen=True)
class Row:
    """One kind of host and its build of torch.

    Attributes:
        vendor: nvidia, amd, apple or none.
        platforms: conda's platform names.
        backend: ``pypi``, or the name of an index of PyTorch.
        driver: oldest NVIDIA driver, its first number; 0 if none is needed.
        oldest: the oldest GPU's compute capability is in this range, its end excluded.
        newest: the same for the newest GPU.
        system: major version of macOS, its end excluded.
        torch_min, torch_max: bounds of torch, both included, empty without one.
        constraints: lines for pip's constraints that torch of these versions needs.
        alternatives: other backends that work.
        why: the reason, for the user.
    """

    vendor: str
    platforms: tuple[str, ...]
    backend: str
    why: str
    driver: int = 0
    oldest: tuple[Capability, Capability] = ((0, 0), _NEWEST)
    newest: tuple[Capability, Capability] = ((0, 0), _NEWEST)
    system: tuple[int, int] = (0, 999)
    torch_min: str = ""
    torch_max: str = ""
    constraints: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()


# Compute capability 7.5 is Turing, 9.0 Hopper, 10.0 and above Blackwell.
ROWS: tuple[Row, ...] = (
    Row(
        vendor="nvidia",
        platforms=("linux-64",),
        backend="pypi",
        driver=580,
        oldest=((7, 5), _NEWEST),
        alternatives=("cu130", "cu132"),
        why="driver 580 or newer and compute capability 7.5 or higher use the wheels for CUDA 13",
    ),
    Row(
        vendor="nvidia",
        platforms=("linux-aarch64",),
        backend="pypi",
        driver=580,
        oldest=((7, 5), _NEWEST),
        torch_min="2.15",
        why="wheels for aarch64 support the GPU from torch 2.15 on, which needs driver 580 or newer",
    ),
    Row(
        vendor="nvidia",
        platforms=("linux-64",),
        backend="cu126",
        driver=525,
        oldest=((7, 5), _NEWEST),
        newest=((0, 0), (10, 0)),
        torch_max="2.14",
        why="drivers 525 to 579 use the wheels for CUDA 12.6, which end at torch 2.14",
    ),
    Row(
        vendor="nvidia",
        platforms=("linux-64",),
        backend="cu128",
        driver=570,
        oldest=((7, 5), _NEWEST),
        newest=((10, 0), _NEWEST),
        torch_max="2.11",
        why="Blackwell with drivers 570 to 579 uses the wheels for CUDA 12.8, which end at torch 2.11;"
        " driver 580 would allow newer ones",
    ),
    Row(
        vendor="nvidia",
        platforms=("linux-64",),
        backend="cu126",
        driver=525,
        oldest=((0, 0), (7, 5)),
        newest=((0, 0), (10, 0)),
        torch_max="2.14",
        alternatives=("conda-forge",),
        why="only the wheels for CUDA 12.6, which end at torch 2.14, support GPUs below compute"
        " capability 7.5; conda-forge's builds for CUDA 12.9 support them too",
    ),
    Row(
        vendor="amd",
        platforms=("linux-64",),
        backend="rocm7.2",
        why="the wheels for ROCm 7.2 support the GPUs' architecture",
    ),
    Row(
        vendor="apple",
        platforms=("osx-arm64",),
        backend="pypi",
        system=(14, 999),
        why="wheels for macOS 14 and newer on Apple silicon use the GPU (MPS)",
    ),
    Row(
        vendor="apple",
        platforms=("osx-arm64",),
        backend="pypi",
        system=(13, 14),
        torch_max="2.11",
        why="wheels for macOS 13 end at torch 2.11",
    ),
    Row(
        vendor="none",
        platforms=("osx-64",),
        backend="pypi",
        torch_max="2.2.2",
        constraints=("numpy<2",),
        why="wheels for macOS on x86_64 ended with torch 2.2.2, which needs numpy below 2",
    ),
    Row(
        vendor="none",
        platforms=LINUX,
        backend="cpu",
        why="the host has no GPU, and the default wheels would install gigabytes of CUDA",
    ),
)

# For a host with an NVIDIA GPU and no driver yet: the driver that satisfies every row.
RECOMMENDED_DRIVER = 580

# Instinct MI100 to MI355, Radeon RX 6800 to RX 9070 and Ryzen AI. Other GPUs are refused, because torch
# without kernels for a GPU fails at the first operation.
ROCM_ARCHITECTURES = frozenset(
    {
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
    }
)
