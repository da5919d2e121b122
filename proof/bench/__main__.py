"""`make bench`: every figure of build/bench.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from proof import page, runner
from proof.figures import grouped
from scripts.console import say
from scripts.layout import shown

PARTS = ("noop", "converge", "observing", "one_package", "pip_phase", "many_hosts")
"""In this order; each is a module of this package with a function ``run``."""


def write_page(path: Path, content: dict[str, Any]) -> None:
    """Make the page of a result file, beside it."""
    groups = grouped(content["results"])
    told = runner.sentences("proof.bench", [name for name in PARTS if name in groups])
    say(f"\n  {shown(page.write(path, content, told))} shows the figures")


if __name__ == "__main__":
    raise SystemExit(runner.main("bench", PARTS, strict=False, finish=write_page))
