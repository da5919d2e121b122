"""What test runs came to: counts read from JUnit files, never from a tool's last line."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from scripts.console import say


@dataclass
class Tally:
    """Counts of one step.

    `notes` are failures in words, `reasons` why tests were skipped, `details` lines that are shown
    above the table of steps.
    """

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    notes: list[str] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    details: list[str] = field(default_factory=list)

    @property
    def executed(self) -> int:
        """Tests that really ran."""
        return self.passed + self.failed

    def add(self, other: Tally) -> None:
        """Adds another run's counts."""
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.notes += other.notes
        self.reasons.update(other.reasons)

    def fail(self, note: str) -> None:
        """Counts one failure that no JUnit file knows."""
        self.failed += 1
        self.notes.append(note)


def tell(tally: Tally) -> int:
    """Prints what was skipped, what failed and the counts; returns the exit code: 0 if something passed."""
    for reason in sorted(tally.reasons):
        say(f"  NOT RUN: {reason}")
    for note in tally.notes:
        say(f"  FAILED: {note}")
    say(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped")
    return 0 if tally.passed and not tally.failed else 1


def _skip_reason(element: ElementTree.Element) -> str:
    message = element.get("message") or (element.text or "").strip() or "no reason given"
    return message.removeprefix("Skipped: ")


def _count(tally: Tally, outcome: str) -> None:
    """Adds one to the count named by the outcome."""
    if outcome == "passed":
        tally.passed += 1
    elif outcome == "failed":
        tally.failed += 1
    else:
        tally.skipped += 1


def read_junit(path: Path) -> Tally:
    """Counts the test cases of a JUnit XML file.

    A case with both a failure and an error (its teardown failed too) is one failed test; an
    expected failure, which pytest writes as skipped, counts as skipped.
    Raises OSError or xml.etree.ElementTree.ParseError when the file is missing or cut.
    """
    tally = Tally()
    seen: dict[tuple[str, str], str] = {}
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = (case.get("classname") or "", case.get("name") or "")
        outcome = "passed"
        for child in case:
            if child.tag in ("failure", "error"):
                outcome = "failed"
            elif child.tag == "skipped" and outcome == "passed":
                outcome = "skipped"
                tally.reasons[_skip_reason(child)] += 1
        # pytest writes a second case of the same name when the teardown fails after the call.
        if seen.get(name) != "failed":
            seen[name] = outcome
    for (where, case_name), outcome in seen.items():
        _count(tally, outcome)
        if outcome == "failed":
            tally.notes.append(f"{where}::{case_name}")
    return tally


def measured(path: Path, code: int, log: Path) -> Tally:
    """The counts of a run of measurements: each figure with a target is one test.

    Made to fail when the run's exit code and its file disagree.
    """
    tally = Tally()
    try:
        results = json.loads(path.read_text(encoding="utf-8"))["results"]
    except (OSError, ValueError, KeyError) as error:
        tally.fail(f"no readable result file ({error!r}); see {log}")
        return tally
    for one in results:
        if one["met"] is False:
            tally.fail(
                f"{one['name']}: {one['value']} {one['unit']}, target: {one['target']}; see {log}"
            )
        elif one["met"]:
            tally.passed += 1
    if code != 0 and not tally.failed:
        tally.fail(f"{path.name}: the run ended with exit code {code}; see {log}")
    return tally


def pytest_tally(path: Path, code: int, log: Path) -> Tally:
    """The counts of a pytest run, made to fail when its exit code and its file disagree."""
    try:
        tally = read_junit(path)
    except (OSError, ElementTree.ParseError) as error:
        tally = Tally()
        tally.fail(f"no readable result file ({error}); see {log}")
        return tally
    if code == 124:
        tally.fail(f"ran past its time limit; see {log}")
    elif code not in (0, 1, 5) or (code == 1 and tally.failed == 0):
        tally.fail(f"pytest ended with exit code {code}; see {log}")
    return tally
