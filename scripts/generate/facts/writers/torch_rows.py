"""Writes plugins/module_utils/_info/_torch_rows.py: the data that accelerator_info decides with."""

from __future__ import annotations

import subprocess
import textwrap
from collections.abc import Mapping
from typing import Any

from scripts.generate.facts.writer import Fields, Rows, Writer
from scripts.layout import ROOT, VENV_BIN

_HEAD = '''\
# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data of torch_table. Generated from data/facts by ``make facts-data``. Do not edit."""

from __future__ import annotations

from typing import Any

'''
_TEXTS = ("vendor", "backend", "why", "notice", "torch_min", "torch_max")
_LISTS = ("platforms", "constraints", "alternatives")
_CAPABILITIES = ("oldest", "newest")
_TEXT_WIDTH = 80


def _capability(text: str, missing: tuple[int, int]) -> tuple[int, int]:
    if not text:
        return missing
    high, low = text.split(".")
    return int(high), int(low)


def _build(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as the keyword arguments of ``torch_table.Row``."""
    made: dict[str, Any] = {}
    for key, value in row.items():
        if key in _TEXTS:
            made[key] = " ".join(value.split())
        elif key in _LISTS or key == "system":
            made[key] = tuple(value)
        elif key in _CAPABILITIES:
            made[key] = (_capability(value[0], (0, 0)), _capability(value[1], (999, 0)))
        elif key == "driver":
            made[key] = value
    return made


def _literal(name: str, kind: str, value: Any) -> str:
    return f"{name}: {kind} = {_source(value)}\n"


def _source(value: Any) -> str:
    """A value as Python source with long texts split; `formatted` sets the line breaks."""
    if isinstance(value, str) and len(value) > _TEXT_WIDTH:
        parts = textwrap.wrap(value, _TEXT_WIDTH, drop_whitespace=False, break_on_hyphens=False)
        return f"({' '.join(map(repr, parts))})"
    if isinstance(value, dict):
        return "{" + "".join(f"{key!r}: {_source(one)}," for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + "".join(f"{_source(one)}," for one in value) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(_source, value)) + ("," if len(value) == 1 else "") + ")"
    return repr(value)


def formatted(source: str) -> str:
    """The source as the formatter of this repository writes it."""
    argv = [VENV_BIN / "ruff", "format", "--stdin-filename", "plugins/module_utils/data.py", "-"]
    done = subprocess.run(argv, input=source, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


def render(tables: Mapping[str, Rows]) -> str:
    """The file's text."""
    builds = [_build(row) for row in tables["torch_builds"]]
    (recommended,) = [row["branch"] for row in tables["nvidia_drivers"] if row["recommended"]]
    rocm = tables["rocm_architectures"]
    kernels: dict[str, list[str]] = {}
    for row in rocm:
        for backend in row["backends"]:
            kernels.setdefault(backend, []).append(row["architecture"])
    others = [
        (row["name"], row["pci_vendor"], row["pci_class"], row["why"])
        for row in tables["other_accelerators"]
    ]
    # The table is as old as the row that was compared with its source longest ago.
    oldest = min(row["seen"] for row in tables["torch_builds"]).isoformat()
    parts = [
        _HEAD,
        _literal("DATE", "str", oldest),
        "# For a host with an NVIDIA GPU and no driver yet.\n",
        _literal("RECOMMENDED_DRIVER", "int", recommended),
        "# The arguments of torch_table.Row.\n",
        _literal("BUILDS", "list[dict[str, Any]]", builds),
        "# Architectures of AMD GPUs with kernels, by backend.\n",
        _literal("ROCM_KERNELS", "dict[str, list[str]]", kernels),
        "# Architectures of AMD GPUs that are part of a processor.\n",
        _literal(
            "IN_PROCESSOR",
            "list[str]",
            [row["architecture"] for row in rocm if row["in_processor"]],
        ),
        "# Accelerators without a build here: name, PCI vendor, beginning of the PCI class, reason.\n",
        _literal("OTHERS", "list[tuple[str, str, str, str]]", others),
    ]
    return formatted("".join(parts))


WRITER = Writer(
    target="plugins/module_utils/_info/_torch_rows.py",
    tables={
        "torch_builds": Fields(
            required=("vendor", "platforms", "backend", "why"),
            optional=(
                "driver",
                "oldest",
                "newest",
                "system",
                "torch_min",
                "torch_max",
                "constraints",
                "alternatives",
                "notice",
            ),
        ),
        "nvidia_drivers": Fields(required=("branch", "end", "recommended")),
        "rocm_architectures": Fields(required=("architecture", "in_processor", "backends")),
        "other_accelerators": Fields(required=("name", "pci_vendor", "pci_class", "why")),
    },
    render=render,
)
