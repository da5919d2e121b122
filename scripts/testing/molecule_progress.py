"""Reads Molecule's output line by line: which action runs, how it ended, what was missing."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from scripts.console import Ticker, duration, style

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
# "INFO     default ➜ converge: Executing"
# "WARNING  default ➜ prepare: Executed: Missing playbook (Remove from ...)"
_ACTION = re.compile(r"^\S+\s+(?P<scenario>\S+) ➜ (?P<action>\w+): (?P<text>Execut(?:ing|ed).*)$")
_TASK = re.compile(r"(?:TASK|RUNNING HANDLER) \[(?P<name>[^\]]+)")
# Ansible's own, wherever Molecule's frame puts it.
_WARNING = re.compile(r"\[(?:DEPRECATION )?WARNING\]: (?P<text>.*)")
_COUNTED = re.compile(r"^=* ?(?P<counts>\d+ (?:passed|failed|skipped|error).*?) in [\d.]+s")


class MoleculeProgress:
    """Turns Molecule's lines into one finished line per action; collects what was missing, and warnings."""

    def __init__(self, scenario: str, ended: Callable[[str], None] = lambda action: None) -> None:
        """`ended` is called with the name of each action that has ended."""
        self.scenario = scenario
        self.missing: list[str] = []
        self.warnings: list[str] = []
        self._ended = ended
        self._action = ""
        self._since = time.monotonic()
        self._counts = ""

    def see(self, raw: str, ticker: Ticker) -> None:
        """Takes the next line of the output."""
        line = _COLOURS.sub("", raw)
        if found := _ACTION.match(line):
            self._see_action(found["action"], found["text"], ticker)
        elif found := _WARNING.search(line):
            self.warnings.append(found["text"])
        elif found := _TASK.search(line):
            ticker.update(f"{self.scenario}: {self._action}: {found['name']}")
        elif found := _COUNTED.match(line.strip(" │")):
            self._counts = found["counts"]

    def _see_action(self, action: str, text: str, ticker: Ticker) -> None:
        if text.startswith("Executing "):
            # "Executing Testinfra tests found in ...": still the same action.
            return
        if text == "Executing":
            self._action, self._since, self._counts = action, time.monotonic(), ""
            ticker.update(f"{self.scenario}: {action}")
            return
        if "Missing playbook" in text:
            if action not in self.missing:
                self.missing.append(action)
            outcome = style("MISSING", "bold", "red")
        elif "Failed" in text:
            outcome = style("FAILED", "bold", "red")
        else:
            outcome = text.removeprefix("Executed: ").lower()
        if action == self._action:
            spent = duration(time.monotonic() - self._since)
            counts = f"  ({self._counts})" if self._counts else ""
            ticker.line(f"  {self.scenario + ': ' + action:30} {outcome}  {spent}{counts}")
            self._ended(action)
            self._action = ""

    def close(self, ticker: Ticker) -> None:
        """Ends the last action where Molecule stopped in the middle of it."""
        if self._action:
            spent = duration(time.monotonic() - self._since)
            ticker.line(f"  {self.scenario + ': ' + self._action:30} ended  {spent}")
