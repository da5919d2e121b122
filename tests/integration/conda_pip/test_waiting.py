"""conda_pip beside other runs in the same environment: what it waits for, and what it does not touch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conda_pip.environment import installed
from tests.integration.snapshot import changes, snapshot

# Only in make test-full: these tests wait.
pytestmark = pytest.mark.full

ROOT = Path(__file__).resolve().parents[3]
RunModule = Callable[..., dict[str, Any]]
JOURNAL = Path("conda-meta", ".llmfleet-journal")

# Another task of the collection at work: it holds the lock, and keeps a journal when told.
HOLDER = """
import sys, time
from contextlib import nullcontext
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import journalled, locked
prefix, seconds, journal = sys.argv[1], float(sys.argv[2]), sys.argv[3] == "journal"
with locked(prefix, operation="change"):
    with journalled(prefix, operation="change") if journal else nullcontext():
        print("at work", flush=True)
        time.sleep(seconds)
"""


@contextmanager
def _another_run(prefix: Path, seconds: float, *, journal: bool) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(prefix), str(seconds), "journal" if journal else "none"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "build" / "collections")},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "at work\n"
    try:
        yield
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("journal", [True, False])
def test_a_run_at_work_is_waited_for(
    journal: bool, prefix: Path, run_module: RunModule, options: Any
) -> None:
    clock = time.monotonic()
    with _another_run(prefix, 4, journal=journal):
        result = run_module("conda_pip", options("t-lib"))
    assert (result["rc"], result["changed"]) == (0, True), result
    assert time.monotonic() - clock > 4
    assert installed(prefix)["t-lib"] == "2.0"


def test_the_wait_is_bounded_and_names_the_holder(
    prefix: Path, run_module: RunModule, options: Any
) -> None:
    with _another_run(prefix, 60, journal=True):
        result = run_module("conda_pip", options("t-lib", timeout=2))
    assert result["rc"] == 1
    assert "is locked by process" in result["msg"]
    assert "(change, since" in result["msg"]
    (prefix / JOURNAL).unlink()


def test_with_nothing_to_do_nobody_waits(prefix: Path, run_module: RunModule, options: Any) -> None:
    run_module("conda_pip", options("t-lib"))
    with _another_run(prefix, 60, journal=False):
        before = snapshot(prefix, prefix.parent)
        result = run_module("conda_pip", options("t-lib", timeout=2))
        assert (result["rc"], result["changed"]) == (0, False), result
        assert changes(before, snapshot(prefix, prefix.parent)) == []


@pytest.mark.parametrize("operation", ["create", "change", "remove"])
def test_the_journal_of_a_cut_off_conda_survives(
    operation: str, prefix: Path, run_module: RunModule, options: Any
) -> None:
    journal = prefix / JOURNAL
    text = json.dumps({"operation": operation})
    journal.write_text(text)
    try:
        for check in (True, False):
            result = run_module("conda_pip", options("t-app"), check=check)
            assert result["rc"] == 1
            assert f"A conda run in {prefix} ({operation}) was interrupted" in result["msg"]
            assert "llmfleet.conda.conda_env" in result["hint"]
            assert "t-app" not in installed(prefix)
            # What is there already may be used.
            result = run_module("conda_pip", options("six"), check=check)
            assert (result["rc"], result["changed"]) == (0, False), result
            assert journal.read_text() == text
    finally:
        journal.unlink()


def test_a_real_conda_at_work(
    prefix: Path, conda_installation: Path, run_module: RunModule, options: Any
) -> None:
    more = {
        "installation": str(conda_installation),
        "prefix": str(prefix),
        "packages": ["python=3.11", "pip", "six=1.16", "lab-upgrade=1.0"],
    }
    found: list[dict[str, Any]] = []
    conda = threading.Thread(target=lambda: found.append(run_module("conda_env", more)))
    conda.start()
    while conda.is_alive() and not (prefix / JOURNAL).exists():
        time.sleep(0.02)
    assert (prefix / JOURNAL).exists(), found
    result = run_module("conda_pip", options("t-app==1.0"))
    conda.join()
    assert [(one["rc"], one["changed"]) for one in (*found, result)] == [(0, True), (0, True)]
    assert installed(prefix)["t-app"] == "1.0"
    assert list((prefix / "conda-meta").glob("lab-upgrade-1.0-*.json"))
    assert not (prefix / JOURNAL).exists()
    again = {**more, "packages": ["lab-upgrade"], "state": "absent"}
    assert run_module("conda_package", again)["changed"]
