# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps accelerators to builds of torch; the first row that fits a host counts.

The data and its sources are in ``data/facts`` of the repository and on its page ``docs/facts.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.llmfleet.conda.plugins.module_utils._info._torch_rows import BUILDS

INDEX = "https://download.pytorch.org/whl"

Capability = tuple[int, int]
_NEWEST: Capability = (999, 0)


@dataclass(frozen=True)
class Row:
    """One kind of host and its build of torch.

    Attributes:
        vendor: nvidia, amd, apple or none.
        platforms: conda's platform names.
        backend: ``pypi``, or the name of an index of PyTorch; empty if such a host is refused.
        driver: oldest NVIDIA driver, its first number; 0 if none is needed.
        oldest: the oldest GPU's compute capability is in this range, its end excluded.
        newest: the same for the newest GPU.
        system: major version of macOS, its end excluded.
        torch_min, torch_max: bounds of torch, both included, empty without one.
        constraints: lines for pip's constraints that torch of these versions needs.
        alternatives: other backends that work.
        why: the reason, for the user.
        notice: what the user must know although the build is right, empty without such a thing.
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
    notice: str = ""


# Compute capability 7.5 is Turing, 9.0 Hopper, 10.0 and above Blackwell.
ROWS: tuple[Row, ...] = tuple(Row(**build) for build in BUILDS)
