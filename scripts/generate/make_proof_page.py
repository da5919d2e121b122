"""Writes docs/proof.md from build/bench.json and build/faults.json: figures, machine and date."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from proof.figures import figure, grouped
from proof.runner import sentences
from scripts.layout import BUILD, ROOT, shown

PAGE = ROOT / "docs" / "proof.md"

_INTRODUCTION = """\
# Measured: how fast it is, and what it survives

Written by `make proof-page` from the last whole runs of `make bench` and `make faults`.
"""

_ABOUT = {
    "bench": (
        "## Speed: `make bench`",
        "Medians of interleaved rounds on the same hosts, with the same lab and the same conda. A ratio"
        " is the median of the ratios of each round.",
    ),
    "faults": (
        "## Faults: `make faults`",
        "A case counts when its fault happened and the host ended as before or as asked, by the word of"
        " the real conda and by comparison of files.",
    ),
}


def section(package: str, content: Mapping[str, Any], told: Mapping[str, str]) -> str:
    """One half of the page.

    content: of the result file. told: a sentence on a part, by its name.
    """
    results = content["results"]
    held = [one for one in results if one["met"] is not None]
    kept = [one for one in held if one["met"]]
    title, about = _ABOUT[package]
    lines = [title, "", about, ""]
    lines += [
        f"{content['machine']}; {content['date']}. {len(kept)} of {len(held)} targets kept.",
        "",
    ]
    for name, figures in grouped(results).items():
        lines += [f"### {name.replace('_', ' ')}", ""]
        if name in told:
            lines += [f"{told[name]}.", ""]
        lines += [*_table(name, figures), ""]
    missed = [one for one in held if not one["met"]]
    if missed:
        lines += ["### Missed, and why", ""]
        lines += [
            f"- `{one['name']}` is {_amount(one)}, target {one['target']}. {one['note']}".rstrip()
            for one in missed
        ]
        lines.append("")
    return "\n".join(lines)


def _sentences(package: str, content: Mapping[str, Any]) -> dict[str, str]:
    """Of the parts that gave figures; a group of figures with another name has none."""
    parts = importlib.import_module(f"proof.{package}.__main__").PARTS
    groups = grouped(content["results"])
    return sentences(package, [name for name in parts if name in groups])


def _table(group: str, figures: Sequence[Mapping[str, Any]]) -> list[str]:
    kept = {None: "", True: "kept", False: "**missed**"}
    lines = ["| figure | value | target | | |", "|---|---|---|---|---|"]
    for one in figures:
        name = one["name"].removeprefix(f"{group}.")
        # The cause of a missed target has a place of its own.
        note = "" if one["met"] is False else _cell(one["note"])
        cells = [f"`{name}`", _amount(one), one["target"] or "", kept[one["met"]], note]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _amount(one: Mapping[str, Any]) -> str:
    return f"{figure(one['value'])} {_cell(one['unit'])}"


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")


def render(contents: Mapping[str, Mapping[str, Any]]) -> str:
    """The whole page, from the contents of the result files by package."""
    halves = [
        section(package, content, _sentences(package, content))
        for package, content in contents.items()
    ]
    return "\n".join([_INTRODUCTION, *halves]).rstrip() + "\n"


def main(build: Path = BUILD, page: Path = PAGE) -> int:
    """Writes the page; 1, and nothing written, when a result file is missing."""
    contents = {}
    for package in _ABOUT:
        file = build / f"{package}.json"
        if not file.exists():
            sys.stderr.write(f"no {shown(file)}: run `make {package}` first, without ARGS\n")
            return 1
        contents[package] = json.loads(file.read_text(encoding="utf-8"))
    page.parent.mkdir(exist_ok=True)
    page.write_text(render(contents), encoding="utf-8")
    sys.stdout.write(f"{shown(page)} written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
