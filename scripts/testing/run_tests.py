"""Run the tests.

    python -m scripts.testing.run_tests [STEP...] [--check | --full [--part NAME]] [-- PYTEST...]

Without a step it runs the plan of `make test`, with --check that of `make check`, with --full everything, in
parts one after the other, or the part that --part names (steps.py has steps, plans and parts). Named steps
run one after the other. Everything that a tool says is in build/logs. The last lines say what could not be
run and why, then a table, then `N passed, N failed, N skipped`. The exit code is 0 only if nothing failed
and every step that could run executed at least one test.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from scripts import processes
from scripts.console import duration, heading, label, say, style, width
from scripts.layout import LOGS, shown
from scripts.testing import steps
from scripts.testing.results import Tally
from scripts.testing.step import CannotRun, Options
from scripts.testing.suites import NothingNew


@dataclass
class Outcome:
    """What one step came to."""

    name: str
    tally: Tally
    seconds: float
    blocked: list[str] = field(default_factory=list)


def run_step(name: str, function: Callable[[Options], Tally], options: Options) -> Outcome:
    """Runs one step and judges it: a step that executed no test has failed."""
    heading(f"{name}: {steps.describe(name)}")
    started = time.monotonic()
    blocked: list[str] = []
    try:
        tally = function(options)
    except CannotRun as error:
        tally = Tally()
        blocked = [str(error)]
        # Said loudly below; one skipped test stands for the step in the counts.
        tally.skipped = 1
    except NothingNew as known:
        tally = known.tally
    except Exception as error:
        # The other steps still have something to say; this one has failed.
        traceback.print_exc()
        tally = Tally()
        tally.fail(f"{name}: the test driver itself failed: {error!r}")
    else:
        if tally.executed == 0:
            tally.fail(f"{name}: executed no test")
    seconds = time.monotonic() - started
    verdict = "failed" if tally.failed else "passed" if tally.passed else "not run"
    colour = {"failed": "red", "not run": "yellow", "passed": "green"}[verdict]
    counts = f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped"
    say(f"  {style(verdict, 'bold', colour)}: {counts} in {duration(seconds)}")
    return Outcome(name, tally, seconds, blocked)


def run_lane(names: Sequence[str], options: Options, outcomes: list[Outcome]) -> None:
    """Runs steps one after the other while other lanes run; adds their outcomes to the list."""
    try:
        for name in names:
            with label(name):
                outcomes.append(run_step(name, steps.STEPS[name], options))
    except processes.Ended:
        # Interrupted: the main thread has told, and the outcomes are of no use any more.
        return


def run_plan(plan: steps.Plan, options: Options) -> list[Outcome]:
    """Runs the lanes of a plan side by side; the outcomes come in the order of the steps."""
    if len(plan) == 1:
        return [run_step(name, steps.STEPS[name], options) for name in plan[0]]
    outcomes: list[Outcome] = []
    lanes = [
        threading.Thread(target=run_lane, args=(names, options, outcomes), daemon=True)
        for names in plan
    ]
    for lane in lanes:
        lane.start()
    try:
        for lane in lanes:
            # With a time, so that a signal is heard meanwhile.
            while lane.is_alive():
                lane.join(0.5)
    except processes.Interrupted:
        # A lane may be starting a child: it ends that one itself.
        processes.end_all()
        for lane in lanes:
            lane.join(15)
        raise
    order = list(steps.STEPS)
    return sorted(outcomes, key=lambda outcome: order.index(outcome.name))


def report(outcomes: Sequence[Outcome], seconds: float | None = None) -> int:
    """Prints what was not run, the failures, the table and the counts; returns the exit code.

    seconds: of the whole run, which is less than the sum where lanes ran side by side.
    """
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
    total_seconds = sum(one.seconds for one in outcomes) if seconds is None else seconds
    say(f"{'all':14}{'':31}   {duration(total_seconds):>6}")
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


def parse(arguments: Sequence[str]) -> tuple[list[steps.Plan], Options]:
    """The plans to run one after the other, and their options."""
    words = list(arguments)
    extra: list[str] = []
    if "--" in words:
        cut = words.index("--")
        words, extra = words[:cut], words[cut + 1 :]
    parser = argparse.ArgumentParser(prog="run_tests", description="Runs the tests.")
    parser.add_argument("step", nargs="*", help=f"any of: {', '.join(steps.STEPS)} (default: all)")
    parser.add_argument("--scenario", action="append", default=[], help="a Molecule scenario")
    parser.add_argument("--check", action="store_true", help="linters and unit tests only")
    parser.add_argument("--full", action="store_true", help="everything that the steps have")
    parser.add_argument("--part", choices=list(steps.PARTS), help="with --full: this part only")
    chosen = parser.parse_args(words)
    unknown = sorted(set(chosen.step) - set(steps.STEPS))
    if unknown:
        parser.error(f"unknown step {', '.join(unknown)}; known: {', '.join(steps.STEPS)}")
    if chosen.part and not chosen.full:
        parser.error("--part goes with --full")
    options = Options(
        scenarios=chosen.scenario, full=chosen.full, check=chosen.check, pytest_arguments=extra
    )
    if chosen.step:
        return [(tuple(name for name in steps.STEPS if name in chosen.step),)], options
    if chosen.check:
        return [steps.CHECK], options
    if chosen.full:
        names = [chosen.part] if chosen.part else list(steps.PARTS)
        return [steps.PARTS[name] for name in names], options
    return [steps.TEST], options


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the chosen steps; 130 or 143 when interrupted, after cleaning up."""
    plans, options = parse(sys.argv[1:] if arguments is None else arguments)
    processes.stop_on_signals()
    started = time.monotonic()
    outcomes: list[Outcome] = []
    try:
        try:
            for plan in plans:
                outcomes += run_plan(plan, options)
        finally:
            left = clean_up()
    except processes.Interrupted as interruption:
        say(f"\ninterrupted ({interruption}); everything that this run started was stopped")
        return 128 + interruption.signum
    if left:
        outcomes.append(Outcome("cleaning up", left, 0.0))
    return report(outcomes, time.monotonic() - started)


if __name__ == "__main__":
    raise SystemExit(main())
