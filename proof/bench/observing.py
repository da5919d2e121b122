"""Observing environments of 50, 250 and 1,000 records, beside conda listing them.

What conda is held against is its own program with its own start-up, since that is what a module that asks
conda has to pay; ours is one call in a process that runs already, since that is where a module makes it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.errors import LabError
from proof.bench import sample_environments
from proof.bench.sample_environments import SampleEnvironments
from proof.figures import Result, at_least, at_most, median, ratio
from proof.runner import Lab
from scripts.layout import COLLECTIONS, ROOT

SIZES = (50, 250, 1000)
TARGET_SIZE = 250
SCIENTIFIC = f"{TARGET_SIZE}_scientific"
"""The name of the environment that holds Python and what goes with it; the others hold small ones only."""

ROUNDS = 7
QUICK_ROUNDS = 3

TIMES_FASTER = 50.0
LINEAR = 1.25
"""A record among 1,000 may cost this many times one among 50: n log n would make it 1.8, a quadratic one 20.
The quarter is for the clock and for memory that no longer fits the processor's cache."""

_CALLS = 5
"""Of ours in a process, of which the median counts: a single one takes a few milliseconds."""

_OBSERVE = """
import json, statistics, sys, time
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import observe_prefix
taken = []
for _ in range(int(sys.argv[2])):
    started = time.perf_counter()
    state = observe_prefix(sys.argv[1])
    taken.append(time.perf_counter() - started)
names = {record.name: record.version for record in state.records.values()}
json.dump({"seconds": statistics.median(taken), "packages": names}, sys.stdout)
"""


@dataclass
class Samples:
    """Seconds for one environment; the lists have an item a round."""

    ours: list[float] = field(default_factory=list)
    conda: list[float] = field(default_factory=list)
    module: list[float] = field(default_factory=list)


def run(lab: Lab) -> list[Result]:
    """Observing an environment's packages, beside `conda list --json`.

    Raises LabError when ours and conda do not tell the same packages.
    """
    with sample_environments.opened() as environments:
        if lab.quick:
            prefixes = {f"{TARGET_SIZE}": environments.alike(TARGET_SIZE)}
            return figures(measure(environments, prefixes, QUICK_ROUNDS))
        # The largest first, since its packages serve the others.
        made = {size: environments.alike(size) for size in sorted(SIZES, reverse=True)}
        prefixes = {f"{size}": made[size] for size in SIZES}
        prefixes[SCIENTIFIC] = environments.scientific(TARGET_SIZE)
        return figures(measure(environments, prefixes, ROUNDS))


def measure(
    environments: SampleEnvironments, prefixes: Mapping[str, Path], rounds: int
) -> dict[str, Samples]:
    """The seconds of every contender for every environment, taken in turn in each round.

    Raises LabError when ours and conda do not tell the same packages, or one of them fails.
    """
    samples = {name: Samples() for name in prefixes}
    collection = {**environments.variables(), "PYTHONPATH": str(COLLECTIONS)}
    for number in range(rounds + 1):
        for name, prefix in prefixes.items():
            listed, conda = _json(
                environments.conda("list", "-p", prefix, "--json"), environments.variables()
            )
            observed, _ = _json(
                [sys.executable, "-c", _OBSERVE, str(prefix), f"{_CALLS}"], collection
            )
            facts, module = _json(_module(prefix), collection)
            compare(prefix, listed, observed["packages"], facts)
            # What the first round compiles and reads from the disk is not what is measured.
            if number:
                samples[name].conda.append(conda)
                samples[name].ours.append(observed["seconds"])
                samples[name].module.append(module)
    return samples


def figures(samples: Mapping[str, Samples]) -> list[Result]:
    """The figures of each environment, and how the cost of a record grows from the first size to the last."""
    results = []
    for name, taken in samples.items():
        target = at_least(TIMES_FASTER) if name in (f"{TARGET_SIZE}", SCIENTIFIC) else None
        results += [
            median(f"observing.{name}.ours", [1000 * one for one in taken.ours], "ms"),
            median(f"observing.{name}.conda_list", [1000 * one for one in taken.conda], "ms"),
            median(
                f"observing.{name}.conda_info", [1000 * one for one in taken.module], "ms",
                note="The whole process of our module conda_info, Python's start included.",
            ),
            ratio(
                f"observing.{name}.times_faster", taken.conda, taken.ours, target,
                "One call of ours in a running process beside `conda list --json`, a process of its own.",
            ),
        ]  # fmt: skip
    if all(f"{size}" in samples for size in SIZES):
        results.append(growth(samples))
    return results


def growth(samples: Mapping[str, Samples]) -> Result:
    """How many times a record costs in the largest environment what it costs in the smallest."""
    few, many = SIZES[0], SIZES[-1]
    return ratio(
        "observing.growth",
        [seconds / many for seconds in samples[f"{many}"].ours],
        [seconds / few for seconds in samples[f"{few}"].ours],
        at_most(LINEAR),
        f"Seconds a record among {many} beside one among {few}, of packages that are all alike;"
        " 1 is linear, and a quarter is left to the clock.",
    )


def _module(prefix: Path) -> list[str]:
    options = {"prefix": str(prefix), "gather": ["packages"]}
    return [sys.executable, str(ROOT / "tests/run_module.py"), "conda_info", json.dumps(options)]


def compare(prefix: Path, listed: Any, ours: Mapping[str, str], facts: Any) -> None:
    """Raises LabError unless all three tell the same names and versions."""
    conda = {one["name"]: one["version"] for one in listed if one["channel"] != "pypi"}
    module = {one["name"]: one["version"] for one in facts["packages"]}
    for name, told in (("observe_prefix", ours), ("conda_info", module)):
        if conda != told:
            differing = sorted({*conda.items()} ^ {*told.items()})[:5]
            raise LabError(f"{prefix}: {name} and conda list differ: {differing}")


def _json(argv: Sequence[str], variables: Mapping[str, str]) -> tuple[Any, float]:
    """What a program prints, and the seconds that it took."""
    started = time.perf_counter()
    done = subprocess.run(argv, env=variables, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode:
        said = (done.stdout + done.stderr).strip()[-800:]
        raise LabError(f"{' '.join(argv)[:200]} ended with {done.returncode}: {said}")
    return json.loads(done.stdout), seconds
