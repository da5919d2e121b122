"""What observing costs, in CPU seconds, on an environment of more than 250 records.

``make bench ARGS="noop observing"`` measures what a whole task takes beside a ping.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import observe_prefix
from lab import many_packages
from tests.integration.lab_conda import run_conda

# Only in make test-full: making the large environment takes long.
pytestmark = pytest.mark.full

RECORDS = 250
ROUNDS = 5

# What is promised: a fiftieth of what conda takes to list its own records.
LISTING = 50.0


@pytest.fixture(scope="module")
def large(conda_installation: Path, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python and the scientific packages, and small ones until there are more than 250 records."""
    prefix = conda_installation / "envs" / f"large-{os.getpid()}"
    wanted = ["python=3.11", "numpy", "pandas", "matplotlib"]
    run_conda(conda_installation, home, "create", "-y", "-q", "-p", str(prefix), *wanted)
    many = many_packages.make(tmp_path_factory.mktemp("many"), RECORDS)
    lock = tmp_path_factory.mktemp("lock") / "explicit.txt"
    lock.write_text("@EXPLICIT\n" + "".join(f"{path.as_uri()}\n" for path in many))
    run_conda(
        conda_installation, home, "install", "-y", "-q", "-p", str(prefix), "--file", str(lock)
    )
    assert len(list((prefix / "conda-meta").glob("*.json"))) > RECORDS
    return prefix


def cpu_seconds(action: Callable[[], object]) -> float:
    """CPU time of one call, with that of its children: other work on the machine makes it no longer."""
    before = os.times()
    action()
    after = os.times()
    return sum(after[:4]) - sum(before[:4])


def test_observing_costs_a_fiftieth_of_what_conda_takes_to_list(
    large: Path,
    conda_installation: Path,
    home: Path,
    record_property: Callable[[str, object], None],
) -> None:
    def listing() -> Any:
        return run_conda(conda_installation, home, "list", "-p", str(large), "--json")

    # They tell the same, and conda's bytecode is compiled by the time it counts.
    ours = {record.name: record.version for record in observe_prefix(str(large)).records.values()}
    assert ours == {
        item["name"]: item["version"] for item in listing() if item["channel"] != "pypi"
    }
    conda = min(cpu_seconds(listing) for _ in range(2))
    # Clock ticks are too coarse for one look.
    began = time.process_time()
    for _ in range(ROUNDS):
        observe_prefix(str(large))
    observing = (time.process_time() - began) / ROUNDS
    times = conda / observing
    record_property("observing_ms", round(1000 * observing, 2))
    record_property("conda_list_ms", round(1000 * conda))
    print(
        f"observing {1000 * observing:.1f} ms, conda list {1000 * conda:.0f} ms: {times:.0f} times"
    )
    assert times >= LISTING
