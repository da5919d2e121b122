"""`ansible-test units` on every Python that targets may have: `python -m scripts.testing.units [X.Y ...]`.

The unit tests of the collection, as Ansible's own tool runs them: tests of modules and module_utils on
every Python from 3.9 to 3.13 that this machine has, those of action plugins and filters on the
controller's Pythons. All output is in build/logs/units-X.Y.log.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Sequence

from scripts.console import Ticker, duration, heading, say
from scripts.layout import BUILD, LOGS, ROOT, VENV_BIN, shown
from scripts.processes import run
from scripts.setup import pythons
from scripts.testing import ansible_test
from scripts.testing.results import Tally, pytest_tally, tell

COPY = BUILD / "units" / "ansible_collections" / "llmfleet" / "conda"
SECONDS = 900
# Some tests wait most of their time, for child processes and timeouts; another one can run meanwhile.
WORKERS = max(3, os.cpu_count() or 1)


def on_python(version: str) -> Tally:
    """The unit tests on one Python (``major.minor``), which must be on this machine."""
    results = COPY / "tests" / "output" / "junit"
    shutil.rmtree(results, ignore_errors=True)
    log = LOGS / f"units-{version}.log"
    with Ticker(f"ansible-test units on Python {version}"):
        code = run(
            [
                *(VENV_BIN / "ansible-test", "units", "--color", "no", "-v", "--venv"),
                *("--requirements", "--python", version, "--num-workers", str(WORKERS)),
            ],
            log=log,
            cwd=COPY,
            env=ansible_test.environment(ansible_test.UNITS_HOME),
            timeout=SECONDS,
        )
    tally = Tally()
    # One file for each kind of plugin: they run on different sets of Pythons.
    for path in sorted(results.glob("*.xml")):
        tally.add(pytest_tally(path, 0, log))
    if code == 0 and not tally.executed:
        tally.fail(f"no unit test ran on Python {version}; see {shown(log)}")
    elif code != 0 and not tally.failed:
        tally.fail(f"ansible-test units on {version}: exit code {code}; see {shown(log)}")
    tally.notes = [f"Python {version}: {note}" for note in tally.notes]
    return tally


def units(versions: Sequence[str] = pythons.TARGETS, examples: int | None = None) -> Tally:
    """The unit tests on each of the Pythons that is here; the others are counted as skipped.

    examples: that each property-based test tries; as many as tests/unit/conftest.py says without a number.
    """
    ansible_test.copy_collection(ROOT, COPY, also=("tests/unit/",))
    if examples is not None:
        # ansible-test hands on no variable of ours.
        (COPY / "tests" / "unit" / "examples.txt").write_text(f"{examples}\n")
    ansible_test.prepare_home(ansible_test.UNITS_HOME, ansible_test.UNITS_CONSTRAINTS)
    here = {pythons.minor(one) for one in pythons.targets()}
    tally = Tally()
    for version in versions:
        if version not in here:
            tally.skipped += 1
            tally.reasons[f"unit tests on Python {version}: this machine has none"] = 1
            continue
        started = time.monotonic()
        found = on_python(version)
        seconds = duration(time.monotonic() - started)
        say(f"  Python {version:5} {found.passed} passed, {found.failed} failed  {seconds}")
        tally.add(found)
    return tally


def main(arguments: list[str]) -> int:
    """Runs and counts; 0 only if some test ran and none failed."""
    heading("units: ansible-test units")
    return tell(units(tuple(arguments) or pythons.TARGETS))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
