"""Runs the tests: `python -m scripts.run_tests [STEP...] [--full] [--scenario NAME] [-- PYTEST ARGUMENTS]`.

Steps: lint, unit, units, lab, integration, newest, controllers, proof, molecule; all of them when none is
named. With --full, molecule runs the scenarios and newest the tests that they otherwise leave out, too.
Everything that a tool says is in build/logs. The last lines say what could not be run and why, then a
table, then `N passed, N failed, N skipped`. The exit code is 0 only if nothing failed and every step
that could run executed at least one test.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from scripts import processes, steps
from scripts.console import duration, heading, say, style, width
from scripts.layout import LOGS, shown
from scripts.results import Tally


@dataclass
class Outcome:
    """What one step came to."""

    name: str
    tally: Tally
    seconds: float
    blocked: list[str] = field(default_factory=list)


def run_step(
    name: str, function: Callable[[steps.Options], Tally], options: steps.Options
) -> Outcome:
    """Runs one step and judges it: a step that executed no test has failed."""
    heading(f"{name}: {steps.describe(name)}")
    started = time.monotonic()
    blocked: list[str] = []
    try:
        tally = function(options)
    except steps.CannotRun as error:
        tally = Tally()
        blocked = [str(error)]
        # Said loudly below; one skipped test stands for the step in the counts.
        tally.skipped = 1
    except Exception as error:
        # The other steps still have something to say; this one has failed.
        traceback.print_exc()
        tally = Tally()
        tally.fail(f"{name}: the test driver itself failed: {error!r}")
    else:
        if tally.executed == 0:
            tally.fail(f"{name}: executed no test")
    seconds = time.monotonic() - started
    verdict = "failed" if tally.failed else "not run" if blocked else "passed"
    colour = {"failed": "red", "not run": "yellow", "passed": "green"}[verdict]
    counts = f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped"
    say(f"  {style(verdict, 'bold', colour)}: {counts} in {duration(seconds)}")
    return Outcome(name, tally, seconds, blocked)


def report(outcomes: Sequence[Outcome]) -> int:
    """Prints what was not run, the failures, the table and the counts; returns the exit code."""
    blocked = [(outcome.name, reason) for outcome in outcomes for reason in outcome.blocked]
    skipped = [
        (outcome.name, f"{count} x {reason}" if count > 1 else reason)
        for outcome in outcomes
        for reason, count in sorted(outcome.tally.reasons.items())
    ]
    if blocked or skipped:
        heading("NOT RUN")
        for name, reason in blocked:
            say(style(f"  {name:12} THE WHOLE STEP: {reason}", "bold", "yellow"))
        for name, reason in skipped:
            say(style(f"  {name:12} {reason}", "yellow"))
    failures = [(outcome.name, note) for outcome in outcomes for note in outcome.tally.notes]
    if failures:
        heading("FAILED")
        for name, note in failures:
            say(style(f"  {name:12} {note}", "red"))
    for outcome in outcomes:
        if outcome.tally.details:
            heading(outcome.tally.details[0])
            say("\n".join(outcome.tally.details[1:]))
    heading(f"{'step':14}{'tests':>7}{'passed':>8}{'failed':>8}{'skipped':>9}   time")
    total = Tally()
    for outcome in outcomes:
        tally = outcome.tally
        total.add(tally)
        tests = tally.executed + tally.skipped
        say(
            f"{outcome.name:14}{tests:7}{tally.passed:8}{tally.failed:8}{tally.skipped:9}"
            f"   {duration(outcome.seconds)}"
        )
    say("-" * min(60, width()))
    say(f"{'all':14}{'':31}   {duration(sum(outcome.seconds for outcome in outcomes)):>6}")
    say(f"logs: {shown(LOGS)}")
    say()
    say(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped")
    return 1 if total.failed or total.passed == 0 else 0


def clean_up() -> Tally | None:
    """Stops what this run started; a process left behind is a failure."""
    steps.stop_engine()
    processes.end_all()
    left = processes.end_left_behind()
    if not left:
        return None
    tally = Tally()
    for pid, command in left.items():
        tally.fail(f"process {pid} was still running after the tests: {command}")
    return tally


def parse(arguments: Sequence[str]) -> tuple[list[str], steps.Options]:
    """The steps asked for and their options."""
    words = list(arguments)
    extra: list[str] = []
    if "--" in words:
        cut = words.index("--")
        words, extra = words[:cut], words[cut + 1 :]
    parser = argparse.ArgumentParser(prog="run_tests", description="Runs the tests.")
    parser.add_argument("step", nargs="*", help=f"any of: {', '.join(steps.STEPS)} (default: all)")
    parser.add_argument("--scenario", action="append", default=[], help="a Molecule scenario")
    long = ", ".join(steps.FULL_SCENARIOS)
    parser.add_argument(
        "--full",
        action="store_true",
        help=f"the scenarios {long} and all tests on the newest Python as well",
    )
    options = parser.parse_args(words)
    unknown = sorted(set(options.step) - set(steps.STEPS))
    if unknown:
        parser.error(f"unknown step {', '.join(unknown)}; known: {', '.join(steps.STEPS)}")
    chosen = [name for name in steps.STEPS if not options.step or name in options.step]
    return chosen, steps.Options(
        scenarios=options.scenario, full=options.full, pytest_arguments=extra
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the chosen steps; 130 or 143 when interrupted, after cleaning up."""
    chosen, options = parse(sys.argv[1:] if arguments is None else arguments)
    processes.stop_on_signals()
    outcomes: list[Outcome] = []
    try:
        try:
            for name in chosen:
                outcomes.append(run_step(name, steps.STEPS[name], options))
        finally:
            left = clean_up()
    except processes.Interrupted as interruption:
        say(f"\ninterrupted ({interruption}); everything that this run started was stopped")
        return 128 + interruption.signum
    if left:
        outcomes.append(Outcome("cleaning up", left, 0.0))
    return report(outcomes)


if __name__ == "__main__":
    raise SystemExit(main())
