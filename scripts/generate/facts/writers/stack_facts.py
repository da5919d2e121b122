"""Writes the facts that the role install_llm_stack compares its requirements with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from scripts.generate.facts.writer import Fields, Rows, Writer

_HEAD = """\
---
# Generated from data/facts, which names the source of each fact. Do not edit. Run: make facts-data
#
# Patterns are for the beginning of a requirement line and ignore case.
"""
# No further letter of a name: `tensorflow` is not `tensorflow-text`.
_END = r"(?![\w.-])"
_START = r"(?<![\w.-])"

Row = Mapping[str, Any]


class _Dumper(yaml.SafeDumper):
    """Indents lists, as the other files of the role do."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Never without an indent."""
        super().increase_indent(flow, False)


def name_pattern(name: str) -> str:
    """A regular expression for a distribution's name in every spelling (PEP 503)."""
    return "[-_.]+".join(re.escape(part) for part in name.split("-"))


def _line_pattern(row: Row) -> str:
    """A regular expression for a requirement of a distribution, with the row's extra if it names one."""
    name = name_pattern(row["name"])
    if not row.get("extra"):
        return name + _END
    return rf"{name}\s*\[[^\]]*{_START}{name_pattern(row['extra'])}{_END}"


def cuda_patterns(requirements: Iterable[Row], shared: Iterable[Row]) -> dict[str, list[str]]:
    """By major version of CUDA: patterns for lines that bring NVIDIA's libraries for it."""
    found: dict[str, list[str]] = {}
    for row in requirements:
        if row["cuda"]:
            found.setdefault(row["cuda"], []).append(_line_pattern(row))
    for row in shared:
        for cuda, package in row["packages"].items():
            found.setdefault(cuda, []).append(name_pattern(package) + _END)
    return {cuda: found[cuda] for cuda in sorted(found)}


def torch_patterns(dependents: Iterable[Row]) -> list[str]:
    """Patterns for lines that bring torch."""
    return [_line_pattern(row) for row in ({"name": "torch"}, *dependents)]


def _only(row: Row, *fields: str) -> dict[str, Any]:
    return {name: row[name] for name in fields if name in row}


def facts(tables: Mapping[str, Rows]) -> dict[str, Any]:
    """The variables of the role, by name."""
    shared, needs = tables["cuda_shared_files"], tables["cuda_requirements"]
    floors = [row for row in tables["profile_floors"] if row["system"] == "macos"]
    return {
        "install_llm_stack__cuda_patterns": cuda_patterns(needs, shared),
        "install_llm_stack__cuda_users": sorted({row["name"] for row in needs}),
        "install_llm_stack__cuda_shared": [_only(row, "packages", "path") for row in shared],
        "install_llm_stack__torch_patterns": torch_patterns(tables["torch_dependents"]),
        "install_llm_stack__torch_cuda_on_pypi": [
            _only(row, "cuda", "since", "until") for row in tables["torch_cuda_on_pypi"]
        ],
        "install_llm_stack__macos_floors": [
            _only(row, "profile", "package", "floor") for row in floors
        ],
        "install_llm_stack__profile_gaps": [
            _only(row, "profile", "platform", "package") for row in tables["profile_gaps"]
        ],
    }


def render(tables: Mapping[str, Rows]) -> str:
    """The text of the role's file."""
    return _HEAD + yaml.dump(facts(tables), Dumper=_Dumper, sort_keys=False, width=4096)


WRITER = Writer(
    target="roles/install_llm_stack/vars/main/facts.yml",
    tables={
        "cuda_requirements": Fields(required=("name", "extra", "cuda")),
        "cuda_shared_files": Fields(required=("library", "packages", "path")),
        "profile_floors": Fields(required=("profile", "system", "machine", "floor", "package")),
        "profile_gaps": Fields(required=("profile", "platform", "package")),
        "torch_cuda_on_pypi": Fields(required=("cuda",)),
        "torch_dependents": Fields(required=("name",), optional=("extra",)),
    },
    render=render,
)
