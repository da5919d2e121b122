"""What the callback wrote is told apart by action and host."""

from __future__ import annotations

import json
from pathlib import Path

from scripts.testing.scenarios import ModuleRuns, Scenario, table


def append(path: Path, *hosts: str) -> None:
    with path.open("a", encoding="utf-8") as stream:
        for host in hosts:
            stream.write(json.dumps({"host": host, "module": "ansible.builtin.ping"}) + "\n")


def test_runs_are_those_of_the_host_that_ran_most(tmp_path: Path) -> None:
    runs = ModuleRuns(tmp_path / "runs.jsonl")
    append(runs.path, "localhost", "one", "one", "one", "one")
    runs.ended("converge")
    append(runs.path, "one", "two", "two", "localhost", "localhost", "localhost")
    runs.ended("idempotence")
    assert runs.most("converge") == 4
    assert runs.most("idempotence") == 2
    assert runs.hosts() == 2


def test_an_action_that_did_not_come_has_no_runs(tmp_path: Path) -> None:
    runs = ModuleRuns(tmp_path / "runs.jsonl")
    runs.ended("converge")
    assert runs.most("idempotence") is None
    assert runs.most("converge") == 0
    assert runs.hosts() == 0


def test_what_an_earlier_run_wrote_does_not_count(tmp_path: Path) -> None:
    append(tmp_path / "runs.jsonl", "old")
    assert ModuleRuns(tmp_path / "runs.jsonl").hosts() == 0


def test_the_table_has_a_line_for_each_scenario() -> None:
    lines = table([Scenario("default", 2, 36, 7, 101.4), Scenario("gpu", 5, 12, None, 30.0)])
    assert lines[0].split() == ["scenario", "hosts", "checks", "runs", "seconds"]
    assert lines[1].split() == ["default", "2", "36", "7", "101"]
    assert lines[2].split() == ["gpu", "5", "12", "-", "30"]
