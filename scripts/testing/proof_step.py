"""The step that runs the quick cases of ``make bench`` and ``make faults``."""

from __future__ import annotations

from proof.runner import CANNOT_RUN
from scripts.console import Ticker
from scripts.layout import BUILD, LOGS, PYTHON, ROOT, tool_environment
from scripts.processes import run
from scripts.testing.results import Tally, measured
from scripts.testing.step import SUITE_SECONDS, CannotRun, Options


def proof(options: Options) -> Tally:
    """a few of the measurements and of the faults: `make bench` and `make faults` have them all."""
    tally = Tally()
    for package in ("bench", "faults"):
        tally.add(_quick(package))
    return tally


def faults(options: Options) -> Tally:
    """a few removals that must not happen and secrets that must not show: `make faults` has them all."""
    return _quick("faults", "removal", "secrets")


def _quick(package: str, *parts: str) -> Tally:
    log = LOGS / f"{package}-quick.log"
    found = BUILD / f"{package}-quick.json"
    with Ticker(f"{package}: starting") as ticker:
        code = run(
            [PYTHON, "-m", f"proof.{package}", "--quick", *parts],
            log=log,
            cwd=ROOT,
            env=tool_environment(),
            timeout=SUITE_SECONDS,
            on_line=lambda line: ticker.line(f"  {line}"),
        )
    if code == CANNOT_RUN:
        raise CannotRun(log.read_text(encoding="utf-8").strip().splitlines()[-1])
    return measured(found, code, log)
