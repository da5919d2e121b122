"""What the Molecule scenarios came to: hosts, checks, module runs of a converged host, seconds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# Molecule's second converge: what a host costs on which there is nothing to do.
CONVERGED = "idempotence"


@dataclass(frozen=True)
class Scenario:
    """One scenario's outcome.

    Attributes:
        name: of the scenario.
        hosts: how many hosts ran a module.
        checks: how many tests of its verifier ran.
        runs: the most modules that one host ran in the second converge; None when there was none.
        seconds: of its whole sequence.
    """

    name: str
    hosts: int
    checks: int
    runs: int | None
    seconds: float


class ModuleRuns:
    """Reads what the callback llmfleet_module_runs writes, and tells actions apart."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
        # A sequence may have an action several times: the hosts of each time.
        self._actions: list[tuple[str, list[str]]] = []

    def ended(self, action: str) -> None:
        """An action of Molecule's has ended: what came since the last one is its own."""
        lines = self.path.read_text(encoding="utf-8").splitlines()
        known = sum(len(found) for _action, found in self._actions)
        hosts = [json.loads(line)["host"] for line in lines[known:]]
        self._actions.append((action, hosts))

    def hosts(self) -> int:
        """How many hosts ran a module; the controller is none."""
        return len({host for _action, found in self._actions for host in found} - _CONTROLLER)

    def most(self, action: str) -> int | None:
        """The most modules that one host ran in an action at a time; None when it did not come."""
        times = [found for name, found in self._actions if name == action]
        if not times:
            return None
        counts = [Counter(host for host in found if host not in _CONTROLLER) for found in times]
        return max((count for one in counts for count in one.values()), default=0)


_CONTROLLER = {"localhost", "127.0.0.1"}


def table(found: Sequence[Scenario]) -> list[str]:
    """The lines of the table, without an end of line each."""
    lines = [f"{'scenario':20}{'hosts':>6}{'checks':>8}{'runs':>6}{'seconds':>9}"]
    for one in found:
        runs = "-" if one.runs is None else one.runs
        lines.append(f"{one.name:20}{one.hosts:6}{one.checks:8}{runs:>6}{one.seconds:9.0f}")
    lines.append("runs: modules that ran on a converged host, the most of one host")
    return lines
