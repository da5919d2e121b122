# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chooses the build of torch that fits a host's accelerator; pure."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._host.readings import (
    CONDA_PLATFORMS,
    TORCH_GLIBC,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._info._torch_rows import (
    DATE,
    IN_PROCESSOR,
    RECOMMENDED_DRIVER,
    ROCM_KERNELS,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._info.torch_table import (
    INDEX,
    ROWS,
    Capability,
    Row,
)

NVIDIA, AMD, APPLE, NONE = "nvidia", "amd", "apple", "none"


@dataclass(frozen=True)
class Gpu:
    """One GPU. ``memory_mib`` is None and texts are empty if unknown."""

    index: int
    name: str = ""
    memory_mib: int | None = None
    compute_capability: str = ""
    uuid: str = ""
    architecture: str = ""


@dataclass(frozen=True)
class AcceleratorFacts:
    """Properties of a host's accelerator.

    Attributes:
        system, machine: as uname spells them.
        system_version: version of macOS, empty elsewhere.
        glibc: version of the GNU C library, None without one.
        vendor: nvidia, amd, apple or none.
        driver_version: version of the loaded kernel driver, empty without one.
        driver_library_mismatch: the loaded driver and the installed library differ.
        problem: why the vendor's tools do not answer, empty if they do.
        unused: accelerators that no build here can use, each as a noun with its reason.
    """

    system: str
    machine: str
    system_version: str = ""
    glibc: str | None = None
    vendor: str = NONE
    gpus: tuple[Gpu, ...] = ()
    driver_version: str = ""
    driver_library_mismatch: bool = False
    problem: str = ""
    unused: tuple[str, ...] = ()

    @property
    def platform(self) -> str | None:
        """conda's platform name."""
        return CONDA_PLATFORMS.get((self.system, self.machine))


@dataclass(frozen=True)
class Backend:
    """The build of torch for a host; without one, ``name`` is empty and ``supported`` False.

    ``notice`` is what users must know although the build is right, such as a GPU that stays unused.
    """

    name: str
    reason: str
    supported: bool = True
    index_url: str = ""
    torch_min: str = ""
    torch_max: str = ""
    constraints: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()
    driver_needed: str = ""
    notice: str = ""
    table_date: str = DATE

    def as_result(self) -> dict[str, Any]:
        """The dictionary for a module's result."""
        result = asdict(self)
        return {
            key: list(item) if isinstance(item, tuple) else item for key, item in result.items()
        }


def _refused(reason: str, driver: int = 0) -> Backend:
    return Backend(
        name="", reason=reason, supported=False, driver_needed=str(driver) if driver else ""
    )


def _capabilities(facts: AcceleratorFacts) -> list[Capability] | None:
    """Compute capabilities in ascending order, None if that of a GPU is unknown."""
    found = []
    for gpu in facts.gpus:
        words = re.fullmatch(r"(\d+)\.(\d+)", gpu.compute_capability)
        if not words:
            return None
        found.append((int(words[1]), int(words[2])))
    return sorted(found)


def major(version: str) -> int:
    """The first number of a version, 0 without one."""
    found = re.match(r"\d+", version)
    return int(found.group()) if found else 0


def _glibc_is_old(glibc: str) -> bool:
    words = [int(word) for word in re.findall(r"\d+", glibc)]
    return words[:2] < [int(word) for word in TORCH_GLIBC.split(".")]


def choose_backend(facts: AcceleratorFacts) -> Backend:
    """The backend for a host, or a refusal with its reason and, if one would help, the driver needed."""
    here = f"{facts.system} on {facts.machine}"
    known = {platform for row in ROWS for platform in row.platforms}
    if facts.platform not in known:
        return _refused(f"PyTorch has no wheels for {here}")
    if facts.system == "Linux":
        if facts.glibc is None:
            return _refused(
                "PyTorch's wheels need the GNU C library, which this host does not have"
            )
        if _glibc_is_old(facts.glibc):
            return _refused(
                f"PyTorch's wheels need glibc {TORCH_GLIBC}; this host has {facts.glibc}"
            )
    rows = [row for row in ROWS if row.vendor == facts.vendor and facts.platform in row.platforms]
    if facts.vendor == NVIDIA:
        return _with_unused(_for_nvidia(facts, rows), facts)
    if facts.vendor == AMD:
        return _with_unused(_for_amd(facts, rows), facts)
    return _without_driver(facts, rows)


def _with_unused(backend: Backend, facts: AcceleratorFacts) -> Backend:
    """Also name the accelerators that this build leaves unused."""
    if not (backend.supported and facts.unused):
        return backend
    told = f"this build does not use {'; '.join(facts.unused)}"
    return replace(backend, notice="; ".join(filter(None, (backend.notice, told))))


def _without_driver(facts: AcceleratorFacts, rows: list[Row]) -> Backend:
    """For Macs, and for hosts without a GPU that torch can use."""
    version = major(facts.system_version)
    fitting = [row for row in rows if row.system[0] <= version < row.system[1]]
    if not fitting and not facts.system_version:
        return _refused("the version of macOS is unknown, because sw_vers does not answer")
    if not fitting:
        oldest = min((row.system[0] for row in rows), default=0)
        return _refused(
            f"PyTorch's wheels need macOS {oldest}; this host has {facts.system_version}"
        )
    if not facts.unused:
        return _backend(fitting[0])
    return _on_cpu(fitting[0], "; ".join(facts.unused))


def _on_cpu(row: Row, unused: str, alternatives: tuple[str, ...] = ()) -> Backend:
    reason = f"torch uses the CPU, because the host has no GPU that it can use: {unused}"
    return replace(_backend(row), reason=reason, notice=reason, alternatives=alternatives)


def _for_nvidia(facts: AcceleratorFacts, rows: list[Row]) -> Backend:
    if facts.driver_library_mismatch:
        return _refused(
            "the loaded NVIDIA driver and its library have different versions: reboot the"
            " host first"
        )
    if not facts.driver_version and any(gpu.compute_capability for gpu in facts.gpus):
        return _refused(
            "the version of the NVIDIA driver is unknown, because neither the kernel nor nvidia-smi"
            " reports it"
        )
    if not facts.driver_version:
        # The kernel's log says of newer ones: "The 595.71.05 NVIDIA driver will ignore this GPU".
        return _refused(
            "the host has an NVIDIA GPU, but no NVIDIA driver is loaded (580 is the last for"
            " Maxwell, Pascal and Volta, so that a newer one does not load for them)",
            RECOMMENDED_DRIVER,
        )
    driver = major(facts.driver_version)
    lowest = min((row.driver for row in rows if row.backend), default=RECOMMENDED_DRIVER)
    if driver < lowest:
        return _refused(
            f"driver {facts.driver_version} is too old for the wheels that this collection knows;"
            f" {lowest} is the oldest",
            lowest,
        )
    capabilities = _capabilities(facts)
    if not capabilities:
        return _refused(
            "the compute capability of the GPUs is unknown, because "
            + (facts.problem or "nvidia-smi does not report it")
        )
    oldest, newest = capabilities[0], capabilities[-1]
    fitting = [
        row
        for row in rows
        if row.oldest[0] <= oldest < row.oldest[1] and row.newest[0] <= newest < row.newest[1]
    ]
    spread = " to ".join(dict.fromkeys(f"{high}.{low}" for high, low in (oldest, newest)))
    if not fitting:
        return _refused(f"no wheel has kernels for compute capability {spread} on {facts.platform}")
    for number, row in enumerate(fitting):
        if driver >= row.driver and row.backend:
            return _backend(row)
        if driver >= row.driver:
            return _refused(row.why, min((one.driver for one in fitting[:number]), default=0))
    needed = min(row.driver for row in fitting)
    return _refused(
        f"driver {facts.driver_version} is too old for compute capability {spread}"
        f" on {facts.platform}",
        needed,
    )


def _for_amd(facts: AcceleratorFacts, rows: list[Row]) -> Backend:
    """Only the GPUs with kernels count: nearly every Ryzen has a small GPU without them."""
    if not rows:
        return _refused(f"there are no wheels for ROCm on {facts.platform}")
    row = rows[0]
    kernels = ROCM_KERNELS[row.backend]
    usable = [gpu for gpu in facts.gpus if gpu.architecture in kernels]
    others = [gpu for gpu in facts.gpus if gpu.architecture not in kernels]
    missing = ", ".join(sorted({gpu.architecture or "unknown" for gpu in others}))
    if usable:
        chosen = _backend(row)
        if not others:
            return chosen
        visible = ",".join(str(gpu.index) for gpu in usable)
        notice = (
            f"the wheels have no kernels for the GPUs with the architecture {missing}; set"
            f" HIP_VISIBLE_DEVICES={visible} for programs that use torch, so that they leave these alone"
        )
        return replace(chosen, notice=notice)
    lacking = f"the wheels for ROCm have no kernels for the architecture {missing or 'unknown'}"
    # Another build that has kernels for every GPU, but is not chosen by itself.
    found = {gpu.architecture for gpu in facts.gpus}
    better = tuple(name for name in row.alternatives if found <= set(ROCM_KERNELS.get(name, ())))
    if better and found:
        lacking += f" (those of the backend {better[0]} have)"
    if not found or not found <= set(IN_PROCESSOR):
        return _refused(lacking)
    (on_cpu,) = (one for one in ROWS if one.vendor == NONE and facts.platform in one.platforms)
    return _on_cpu(on_cpu, f"{lacking}, which is a part of the processor", better)


def _backend(row: Row) -> Backend:
    return Backend(
        name=row.backend,
        reason=row.why,
        index_url="" if row.backend == "pypi" else f"{INDEX}/{row.backend}",
        torch_min=row.torch_min,
        torch_max=row.torch_max,
        constraints=row.constraints,
        alternatives=row.alternatives,
        notice=row.notice,
    )
