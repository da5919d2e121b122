"""Packages that a change had unlinked when it was killed come back; the real conda solves and links."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.target import module_command, module_environment

# Only in make test-full: each test changes the Python of an environment.
pytestmark = pytest.mark.full

BEFORE = ("python=3.11", "tqdm=4.66.5", "lab-upgrade=1.0", "wheel")
AFTER = ("python=3.12", "tqdm", "lab-upgrade")


def asked_of(installation: Path, prefix: Path, *packages: str) -> dict[str, Any]:
    """Options of conda_env."""
    return {
        "installation": str(installation),
        "prefix": str(prefix),
        "packages": list(packages),
    }


def wishes(prefix: Path) -> list[str]:
    """What was asked for, line by line."""
    lines = (prefix / "conda-meta" / "history").read_text().splitlines()
    return [line for line in lines if line.startswith("# update specs:")]


def run_killed(home: Path, options: dict[str, Any], moment: Callable[[], bool]) -> None:
    """Run conda_env and kill its conda at a moment; it is an error if it ended before."""
    process = subprocess.Popen(
        module_command("conda_env", options),
        env=module_environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while process.poll() is None:
        if moment() and (found := children.read_text().split()):
            for pid in map(int, found):
                os.kill(pid, signal.SIGKILL)
            process.communicate()
            return
        time.sleep(0.005)
    pytest.fail(f"conda_env ended before the moment came: {process.communicate()[0]!r}")


def converges(run_module: Any, options: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Check mode foretells the run, after which nothing is to do; the result of the run."""
    check = run_module("conda_env", options, check=True, **more)
    done = run_module("conda_env", options, **more)
    again = run_module("conda_env", options)
    assert (check["rc"], done["rc"], again["rc"]) == (0, 0, 0), (check, done, again)
    assert (check["changed"], again["changed"]) == (done["changed"], False)
    assert check["diff"] == done["diff"]
    return dict(done)


@pytest.mark.parametrize("there", [False, True], ids=["wheel unlinked", "the other Python linked"])
def test_another_python_loses_nothing(
    there: bool, make_env: Any, run_module: Any, home: Path, conda_installation: Path, versions: Any
) -> None:
    prefix = make_env(*BEFORE)
    before, asked = versions(prefix), wishes(prefix)
    meta = prefix / "conda-meta"
    options = asked_of(conda_installation, prefix, *AFTER)

    def moment() -> bool:
        return not any(meta.glob("wheel-*.json")) and (not there or any(meta.glob("python-3.12*")))

    run_killed(home, options, moment)
    journal = json.loads((meta / ".llmfleet-journal").read_text())
    assert {name for name, _version, _build in journal["held"]} == set(before)
    converges(run_module, options)
    after = versions(prefix)
    assert after.pop("python").startswith("3.12")
    del before["python"]
    assert after == before
    assert wishes(prefix) == [*asked, "# update specs: ['python=3.12']"]
    assert not [*meta.glob(".llmfleet*")]


def test_what_the_channel_has_no_more(
    make_env: Any, run_module: Any, conda_installation: Path, versions: Any
) -> None:
    prefix = make_env("lab-rebuilt")
    journal = prefix / "conda-meta" / ".llmfleet-journal"
    options = asked_of(conda_installation, prefix, "lab-rebuilt")
    held = [["lab-upgrade", "0.1", "lab_0"]]
    journal.write_text(json.dumps({"operation": "change", "held": held}))
    result = converges(run_module, options)
    # Not as it was, so in another version.
    assert versions(prefix) == {
        "lab-rebuilt": versions(prefix)["lab-rebuilt"],
        "lab-upgrade": "2.0",
    }
    assert not result.get("warnings")
    held = [["lab-gone", "1.0", "lab_0"]]
    journal.write_text(json.dumps({"operation": "change", "held": held}))
    result = converges(run_module, options, warns=True)
    assert not result["changed"]
    assert [text for text in result["warnings"] if "lab-gone==1.0" in text]
    assert not [*journal.parent.glob(".llmfleet*")]
