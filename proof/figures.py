"""Figures with their targets, as `make bench` and `make faults` write them.

{"machine": ..., "date": ..., "results": [{"name", "value", "unit", "target", "met", "samples"}]}
"""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Target:
    """What a figure is held to: a bound that it may reach but not pass.

    sense: ``at most``, ``at least`` or ``exactly``.
    """

    sense: str
    bound: float

    def __post_init__(self) -> None:
        if self.sense not in _SENSES:
            raise ValueError(f"unknown sense {self.sense!r}; known: {', '.join(_SENSES)}")

    def met_by(self, value: float) -> bool:
        """Whether a figure keeps to it."""
        return bool(_SENSES[self.sense](value, self.bound))

    def __str__(self) -> str:
        return f"{self.sense} {figure(self.bound)}"


_SENSES = {
    "at most": lambda value, bound: value <= bound,
    "at least": lambda value, bound: value >= bound,
    "exactly": lambda value, bound: value == bound,
}


def at_most(bound: float) -> Target:
    """A figure that must not be larger."""
    return Target("at most", bound)


def at_least(bound: float) -> Target:
    """A figure that must not be smaller."""
    return Target("at least", bound)


def exactly(bound: float) -> Target:
    """A count that must be this one."""
    return Target("exactly", bound)


@dataclass(frozen=True)
class Result:
    """One figure.

    name: dotted, from the whole to the part: ``noop.ours.small``.
    unit: of the value and the samples: ``s``, ``MB``, ``requests``, ``times``, ``cases`` ...
    samples: what the value is the median (or the sum, or the only one) of.
    target: None for a figure that only informs.
    note: one sentence for a person: what was compared, or why a target is missed.
    """

    name: str
    value: float
    unit: str
    target: Target | None = None
    samples: list[float] = field(default_factory=list)
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is kept; None without a target."""
        return None if self.target is None else self.target.met_by(self.value)

    def as_dict(self) -> dict[str, Any]:
        """The figure as JSON types."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "target": None if self.target is None else str(self.target),
            "met": self.met,
            "samples": self.samples,
            "note": self.note,
        }


def median(
    name: str, samples: Sequence[float], unit: str, target: Target | None = None, note: str = ""
) -> Result:
    """The figure that is the median of its samples.

    Raises statistics.StatisticsError without samples.
    """
    return Result(name, statistics.median(samples), unit, target, list(samples), note)


def ratio(
    name: str,
    above: Sequence[float],
    below: Sequence[float],
    target: Target | None = None,
    note: str = "",
) -> Result:
    """How many times the one is the other: the median of the pairs taken in the same round.

    Pairs of a round saw the same machine, so their ratio is steadier than that of two medians.

    Raises ValueError when there is not one of each in every round.
    """
    pairs = [one / other for one, other in zip(above, below, strict=True)]
    return median(name, pairs, "times", target, note)


def figure(value: float) -> str:
    """A number as a person reads it: three digits that count, whole numbers whole."""
    if value == int(value) and abs(value) < 1e9:
        return f"{int(value):,}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def machine() -> str:
    """The machine in one line: cores, memory, processor, system, Python."""
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return (
        f"{os.cpu_count()} cores, {pages / 2**30:.0f} GiB, {_processor()},"
        f" {platform.system()} {platform.release()}, Python {platform.python_version()}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def document(results: Sequence[Result]) -> dict[str, Any]:
    """The whole file's content; the date is that of now, in UTC."""
    return {
        "machine": machine(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "results": [one.as_dict() for one in results],
    }


def write(path: Path, results: Sequence[Result]) -> dict[str, Any]:
    """Write the file, whole or not at all, and return its content."""
    content = document(results)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)
    return content


def grouped(results: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """The figures of a result file by the first part of their names, in the order of the file."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for one in results:
        found.setdefault(one["name"].partition(".")[0], []).append(one)
    return found


def table(results: Sequence[Result]) -> list[str]:
    """The lines of a table for the terminal: figure, unit, target, whether it is kept."""
    width = max((len(one.name) for one in results), default=4)
    lines = [f"{'figure':{width}}  {'value':>10} {'unit':10} {'target':16} kept"]
    for one in results:
        target = "" if one.target is None else str(one.target)
        kept = {None: "", True: "yes", False: "NO"}[one.met]
        lines.append(
            f"{one.name:{width}}  {figure(one.value):>10} {one.unit:10} {target:16} {kept}".rstrip()
        )
    return lines
