"""Writes vars/main/backends.yml of install_llm_stack: the backends, and torch's oldest Python versions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from scripts.generate.facts.writer import Fields, Rows, Writer

_HEAD = """\
---
# Generated from data/facts by `make facts-data`. Do not edit.
#
# The builds of torch with the newest known version of each. A build with a vendor requires a GPU of that
# vendor. For NVIDIA, driver is the oldest major version, driver_blackwell the one for compute capability 10.0
# and above, and capability is the range of supported compute capabilities (the end is excluded). For AMD,
# architectures are those with kernels. The role reports download_gb and disk_gb before it fetches the build.
"""
_WIDTH = 120
_ORDER = (
    "torch",
    "vendor",
    "driver",
    "driver_blackwell",
    "capability",
    "capability_aarch64",
    "architectures",
    "download_gb",
    "disk_gb",
)


def _backend(row: Mapping[str, Any], architectures: Rows) -> str:
    value = dict(row)
    if row.get("vendor") == "amd":
        value["architectures"] = [
            one["architecture"] for one in architectures if row["backend"] in one["backends"]
        ]
    lines = [f"  {row['backend']}:\n"]
    lines += [_line(key, value[key]) for key in _ORDER if key in value]
    return "".join(lines)


def _line(key: str, value: Any) -> str:
    line = f"    {key}: {_yaml(value)}\n"
    if len(line) <= _WIDTH:
        return line
    return f"    {key}:\n" + "".join(f"      - {_yaml(one)}\n" for one in value)


def _yaml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_yaml, value))}]"
    return json.dumps(value) if str(value)[:1].isdigit() else str(value)


def render(tables: Mapping[str, Rows]) -> str:
    """The file's text."""
    architectures = tables["rocm_architectures"]
    parts = [_HEAD, "install_llm_stack__backends:\n"]
    parts += [_backend(row, architectures) for row in tables["torch_indexes"]]
    parts.append("# The oldest Python of a release of torch and those after it, newest first.\n")
    parts.append("install_llm_stack__torch_pythons:\n")
    parts += [
        f'  - {{torch: "{row["since"]}", python: "{row["python"]}"}}\n'
        for row in tables["torch_pythons"]
    ]
    return "".join(parts)


WRITER = Writer(
    target="roles/install_llm_stack/vars/main/backends.yml",
    tables={
        "torch_indexes": Fields(
            required=("backend", "torch"),
            optional=tuple(key for key in _ORDER if key not in ("torch", "architectures")),
        ),
        "rocm_architectures": Fields(required=("architecture", "in_processor", "backends")),
        "torch_pythons": Fields(required=("python",)),
    },
    render=render,
)
