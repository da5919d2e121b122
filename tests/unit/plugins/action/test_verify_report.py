"""The fleet's report: its shape, who is in it, and what is said of a host that never got there."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.action.verify_report import (
    drift_lines,
    failed_lines,
    host_entry,
    host_file,
    table,
    totals,
    write_json,
)

PASSED = {
    "name": "prefix",
    "layer": "environment",
    "status": "pass",
    "detail": "42 packages",
    "seconds": 0.5,
}
FAILED = {
    "name": "numpy",
    "layer": "imports",
    "status": "fail",
    "detail": "\nno module\nmore",
    "seconds": 1,
}
DRIFTED = {
    "name": "drift.packages",
    "layer": "drift",
    "status": "drift",
    "detail": "1 difference from the declaration: numpy<2 is declared.",
    "seconds": 0.1,
}
SKIPPED = {"name": "gpu", "layer": "kernel", "status": "skip", "detail": "no GPU", "seconds": 0.0}


def test_a_check_has_four_keys_and_no_more() -> None:
    entry = host_entry({"status": "pass", "checks": [PASSED], "facts": {}}, running=True)
    assert entry == {
        "status": "pass",
        "checks": [{"name": "prefix", "status": "pass", "detail": "42 packages", "seconds": 0.5}],
    }


def test_a_host_that_failed_before_its_checks_is_a_failed_one() -> None:
    entry = host_entry(None, running=False)
    assert entry["status"] == "fail"
    assert failed_lines(entry) == ["reached: the host failed before its checks ran"]


def test_a_host_whose_turn_is_to_come_is_skipped() -> None:
    assert host_entry(None, running=True)["status"] == "skip"


def test_a_module_that_could_not_run_is_a_failed_host_with_its_message() -> None:
    entry = host_entry({"failed": True, "msg": "model must be an absolute path"}, running=True)
    assert entry["status"] == "fail"
    assert failed_lines(entry) == ["llm_check: model must be an absolute path"]


@pytest.mark.parametrize("checks", [[], None])
def test_no_check_is_no_proof(checks: list[object] | None) -> None:
    assert host_entry({"status": "pass", "checks": checks}, running=True)["status"] == "fail"


def test_failed_lines_take_the_first_line_that_says_something() -> None:
    entry = host_entry({"status": "fail", "checks": [PASSED, FAILED, SKIPPED]}, running=True)
    assert failed_lines(entry) == ["numpy: no module"]


def test_failed_lines_are_short_and_cut_between_words() -> None:
    path = f"/srv/{'directory/' * 20}envs/llm"
    detail = f"The file {path}/bin/python is missing. " + "It is gone. " * 90
    entry = host_entry({"status": "fail", "checks": [{**FAILED, "detail": detail}]}, running=True)
    (line,) = failed_lines(entry)
    assert f"{path}/bin/python is missing." in line
    assert line.endswith(" ...")
    assert len(line) < 340


def test_a_failed_host_without_a_failed_check_still_says_so() -> None:
    entry = host_entry({"status": "fail", "checks": [PASSED]}, running=True)
    assert failed_lines(entry) == ["a check failed"]


def test_the_table_counts_checks_that_ran_and_lines_up() -> None:
    lines = table(
        {
            "a": host_entry({"status": "pass", "checks": [PASSED, SKIPPED]}, running=True),
            "a-long-name": host_entry({"status": "fail", "checks": [PASSED, FAILED]}, running=True),
        }
    )
    assert lines == [
        "host         status  checks  seconds",
        "a            pass    1 of 1  0.5",
        "a-long-name  fail    1 of 2  1.5",
        "  failed: numpy: no module",
    ]


@pytest.mark.parametrize(
    ("host", "expected"),
    [("gpu1", "r/fleet.d/gpu1.json"), ("../../etc/x", "r/fleet.d/.._.._etc_x.json")],
)
def test_a_host_s_file_lies_beside_the_fleet_s(host: str, expected: str) -> None:
    assert host_file("r/fleet.json", host) == expected


def test_a_report_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.json"
    write_json(str(path), {"hosts": {}})
    with pytest.raises(TypeError):
        write_json(str(path), {"hosts": object()})
    assert json.loads(path.read_text()) == {"hosts": {}}
    assert os.listdir(path.parent) == ["report.json"]


def test_a_report_can_be_read_by_others(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    before = os.umask(0o022)
    try:
        write_json(str(path), {})
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o644


def test_drift_is_neither_passed_nor_failed() -> None:
    entry = host_entry({"status": "drift", "checks": [PASSED, DRIFTED]}, running=True)
    assert entry["status"] == "drift"
    assert failed_lines(entry) == []
    assert drift_lines(entry) == [
        "drift.packages: 1 difference from the declaration: numpy<2 is declared."
    ]
    lines = table({"gpu1": entry})
    assert lines[1].split() == ["gpu1", "drift", "1", "of", "2", "0.6"]
    assert lines[2] == f"  drift: {drift_lines(entry)[0]}"


def test_the_drift_of_a_failed_host_is_told_too() -> None:
    entry = host_entry({"status": "fail", "checks": [DRIFTED, FAILED]}, running=True)
    assert [line.split(":")[0] for line in table({"gpu1": entry})[2:]] == ["  failed", "  drift"]


def test_the_totals_count_each_status_that_occurs() -> None:
    statuses = ["pass", "drift", "fail", "pass", "skip"]
    entries = {str(at): {"status": name, "checks": []} for at, name in enumerate(statuses)}
    assert totals(entries) == "5 hosts: 2 pass, 1 drift, 1 fail, 1 skip"
    assert totals({"a": entries["0"]}) == "1 host: 1 pass"


TOOLS = {**FAILED, "environment": "tools"}
OF_LLM = {**PASSED, "environment": "llm"}


def test_several_environments_are_told_apart_by_name() -> None:
    result = {
        "status": "fail",
        "checks": [PASSED, OF_LLM, TOOLS, {**DRIFTED, "environment": "llm"}],
    }
    entry = host_entry(result, running=True)
    assert [check.get("environment") for check in entry["checks"]] == [None, "llm", "tools", "llm"]
    assert failed_lines(entry) == ["tools: numpy: no module"]
    assert drift_lines(entry) == [f"llm: drift.packages: {DRIFTED['detail']}"]


def test_a_single_environment_needs_no_name() -> None:
    entry = host_entry({"status": "fail", "checks": [PASSED, TOOLS]}, running=True)
    assert failed_lines(entry) == ["numpy: no module"]


def test_what_is_not_there_yet_is_no_failure() -> None:
    absent = {**FAILED, "name": "installation.exists", "status": "absent", "detail": "Not there."}
    entry = host_entry({"status": "absent", "checks": [absent]}, running=True)
    assert entry["status"] == "absent"
    assert failed_lines(entry) == []
    assert totals({"a": entry, "b": entry, "c": entry}) == "3 hosts: 3 not there yet"
    lines = table({"a": entry})
    assert lines[1].startswith("a     not there yet  0 of 1")
    assert lines[2] == "  not there yet: installation.exists: Not there."


def test_a_pass_that_still_stands_is_told_with_its_date() -> None:
    passes = [
        {"environment": "llm", "reused": True, "since": "2026-11-30 04:12 UTC", "reason": ""},
        {"environment": "tools", "reused": False, "since": "2026-11-29", "reason": "other checks"},
    ]
    result = {"status": "pass", "checks": [OF_LLM], "last_passes": passes}
    entry = host_entry(result, running=True)
    assert entry["last_passes"] == [{"environment": "llm", "since": "2026-11-30 04:12 UTC"}]
    assert table({"a": entry})[2:] == [
        "  not run again: llm: nothing changed since 2026-11-30 04:12 UTC"
    ]
