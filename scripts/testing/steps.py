"""The steps of the test run by name, and the plans: what runs beside what, in ``make test`` and elsewhere.

A plan is a list of lanes that run side by side, a lane a list of steps that run one after the other. Two
lanes keep two cores busy: while one waits, for containers or a mirror, the other computes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from scripts.console import say
from scripts.setup import engine
from scripts.testing.galaxy_importer import galaxy_importer
from scripts.testing.linters import lint, run_sanity
from scripts.testing.molecule_step import molecule
from scripts.testing.proof_step import faults, proof
from scripts.testing.results import Tally
from scripts.testing.step import Options
from scripts.testing.suites import controllers, integration, lab, newest, roles, unit, units
from scripts.testing.suites import scripts as scripts_step

Step = Callable[[Options], Tally]
Plan = tuple[tuple[str, ...], ...]


def importer(options: Options) -> Tally:
    """Galaxy's importer on the built artifact."""
    return galaxy_importer()


STEPS: dict[str, Step] = {
    "lint": lint,
    "sanity": run_sanity,
    "importer": importer,
    "unit": unit,
    "scripts": scripts_step,
    "roles": roles,
    "units": units,
    "lab": lab,
    "integration": integration,
    "newest": newest,
    "controllers": controllers,
    "molecule": molecule,
    "faults": faults,
    "proof": proof,
}

# No lab, no engine, one Python: what a person runs after every change.
CHECK: Plan = (("lint",), ("unit",))

TEST: Plan = (
    ("lint", "sanity", "units", "scripts", "roles", "integration"),
    ("molecule", "faults", "controllers", "newest", "lab"),
)

# Everything. Each part can run alone and takes at most 40 minutes. Nothing runs beside the measurements.
PARTS: Mapping[str, Plan] = {
    "code": (("lint", "sanity", "importer"), ("scripts", "roles", "units")),
    "oldest": (("integration",),),
    "newest": (("newest",),),
    "hosts": (("molecule",), ("lab", "controllers")),
    "proof": (("proof",),),
}


def describe(name: str) -> str:
    """One line on a step."""
    return (STEPS[name].__doc__ or "").strip().splitlines()[0].rstrip(".")


def stop_engine() -> None:
    """Stops the Docker engine if this run started it."""
    engine.release(lambda line: say(f"  {line}"))
