"""What finding nothing to do costs, measured on an environment of more than 250 records."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._prefix import observe_prefix
from lab import many_packages
from tests.integration.lab_conda import run_conda
from tests.integration.target import CONTROLLER_PYTHON, ROOT, TARGET_PYTHON

RECORDS = 250
ROUNDS = 5

# What is promised: at most twice a ping, and a fiftieth of what conda takes to list its own records.
PINGS = 2.0
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


def seconds(action: Callable[[], object]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


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
    conda, observing = [], []
    for _ in range(ROUNDS):
        conda.append(seconds(listing))
        observing.append(seconds(lambda: observe_prefix(str(large))))
    times = min(conda) / min(observing)
    record_property("observing_ms", round(1000 * min(observing), 2))
    record_property("conda_list_ms", round(1000 * min(conda)))
    print(
        f"observing {1000 * min(observing):.1f} ms, conda list {1000 * min(conda):.0f} ms: {times:.0f} times"
    )
    assert times >= LISTING


# A plugin, because only the controller sees what a task costs from its start to its end.
CALLBACK = '''
DOCUMENTATION = """
name: seconds
type: notification
short_description: Writes the seconds of each task
description: Writes the seconds of each task.
"""
import json, os, time
from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_NAME = "seconds"

    def v2_playbook_on_task_start(self, task, is_conditional):
        self.started = time.perf_counter()

    def v2_runner_on_ok(self, result):
        line = {
            "name": result.task.get_name(),
            "seconds": time.perf_counter() - self.started,
            "changed": bool(result.result.get("changed")),
            "warnings": result.result.get("warnings") or [],
        }
        with open(os.environ["SECONDS_FILE"], "a") as stream:
            stream.write(json.dumps(line) + "\\n")
'''


def test_a_task_that_finds_nothing_to_do_costs_at_most_two_pings(
    large: Path,
    conda_installation: Path,
    home: Path,
    tmp_path: Path,
    installer_options: Callable[..., dict[str, Any]],
    record_property: Callable[[str, object], None],
) -> None:
    place = {"installation": str(conda_installation), "prefix": str(large)}
    settings = run_conda(conda_installation, home, "config", "--show", "channels", "--json")
    tasks: dict[str, dict[str, Any]] = {
        "ping": {"ansible.builtin.ping": {}},
        "conda_installation": {
            "llmfleet.conda.conda_installation": installer_options(conda_installation)
        },
        "conda_env": {
            "llmfleet.conda.conda_env": {
                **place,
                "packages": ["python=3.11", "numpy", "pandas", "matplotlib"],
            }
        },
        "conda_package": {
            "llmfleet.conda.conda_package": {**place, "packages": ["numpy", "pandas"]}
        },
        "conda_pip": {"llmfleet.conda.conda_pip": {**place, "requirements": ["numpy", "pandas"]}},
        "conda_config": {
            "llmfleet.conda.conda_config": {
                "path": str(conda_installation / ".condarc"),
                "settings": {"channels": settings["channels"]},
            }
        },
    }
    rounds = [{"name": name, **task} for _ in range(ROUNDS + 1) for name, task in tasks.items()]
    play = {"hosts": "all", "gather_facts": False, "tasks": rounds}
    (tmp_path / "play.json").write_text(json.dumps([play]))
    (tmp_path / "callbacks").mkdir()
    (tmp_path / "callbacks" / "seconds.py").write_text(CALLBACK)
    (tmp_path / "inventory.json").write_text(
        json.dumps(
            {
                "all": {
                    "hosts": {
                        "here": {
                            "ansible_connection": "local",
                            "ansible_python_interpreter": TARGET_PYTHON,
                        }
                    }
                }
            }
        )
    )
    done = subprocess.run(
        [
            *(CONTROLLER_PYTHON, "-m", "ansible", "playbook"),
            *("-i", str(tmp_path / "inventory.json"), str(tmp_path / "play.json")),
        ],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_HOME": str(tmp_path / "ansible"),
            "ANSIBLE_CALLBACK_PLUGINS": str(tmp_path / "callbacks"),
            "ANSIBLE_CALLBACKS_ENABLED": "seconds",
            "SECONDS_FILE": str(tmp_path / "seconds"),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    taken: dict[str, list[float]] = defaultdict(list)
    for line in (tmp_path / "seconds").read_text().splitlines():
        seen = json.loads(line)
        assert not seen["changed"], seen
        assert seen["warnings"] == []
        taken[seen["name"]].append(seen["seconds"])
    assert {len(values) for values in taken.values()} == {ROUNDS + 1}
    # The first round packs each module for the transfer; what comes after is what a task costs.
    best = {name: min(values[1:]) for name, values in taken.items()}
    ratios = {name: value / best["ping"] for name, value in best.items()}
    record_property("pings", {name: round(value, 2) for name, value in ratios.items()})
    print(
        {name: f"{1000 * best[name]:.0f} ms, {value:.2f} pings" for name, value in ratios.items()}
    )
    assert max(ratios.values()) <= PINGS, ratios
