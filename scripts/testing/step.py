"""What all steps of the test run share: the choices from the command line, and how a step ends early."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from scripts.console import say
from scripts.layout import shown

# A step that hangs must not take the whole of a CI run.
LINTER_SECONDS = 600
SUITE_SECONDS = 2400
SCENARIO_SECONDS = 2400
LAB_SECONDS = 1800


class CannotRun(Exception):
    """A step cannot run on this machine; the text says why and what would help."""


@dataclass
class Options:
    """Choices from the command line.

    Attributes:
        scenarios: Molecule scenarios by name; empty for those of the plan.
        full: everything that a step has, not the selection of ``make test``.
        check: the selection of ``make check``, which has two minutes.
        pytest_arguments: handed to pytest as they are.
    """

    scenarios: list[str] = field(default_factory=list)
    full: bool = False
    check: bool = False
    pytest_arguments: list[str] = field(default_factory=list)


def show_failure(log: Path, lines: int = 40) -> None:
    """Print the end of a log, and where the whole of it is."""
    text = log.read_text(encoding="utf-8", errors="replace").splitlines()
    say("\n".join(f"    {line}" for line in text[-lines:]))
    say(f"    (whole log: {shown(log)})")
