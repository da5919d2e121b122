"""A recorded run, event by event: three hosts, of which one fails, one is not reached, and one is fine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.play.run_events import Follower, Step, line_of, plain, warnings_in

# As ansible-runner 2.4.3 hands them out under ansible-core 2.19; of the results only what is read is left.
RECORDED = Path(__file__).with_name("run_events.jsonl")
EVENTS: list[dict[str, Any]] = [
    json.loads(line) for line in RECORDED.read_text(encoding="utf-8").splitlines()
]


def follow(events: list[dict[str, Any]]) -> tuple[Follower, list[Step]]:
    follower = Follower()
    steps = [follower.feed(event) for event in events]
    return follower, [step for step in steps if step is not None]


def upto(name: str) -> list[dict[str, Any]]:
    """The events before the first of this name."""
    at = next(index for index, event in enumerate(EVENTS) if event["event"] == name)
    return EVENTS[:at]


def test_each_host_s_counts_are_those_of_the_recap() -> None:
    follower, _ = follow(EVENTS)
    assert follower.ended
    counts = {
        name: [host.counts[word] for word in ("ok", "changed", "failed", "unreachable", "skipped")]
        for name, host in follower.hosts.items()
    }
    assert counts == {"one": [7, 1, 0, 0, 0], "two": [3, 1, 1, 0, 2], "far": [1, 0, 0, 1, 0]}
    assert follower.hosts["one"].counts["ignored"] == 1
    assert {name: host.state for name, host in follower.hosts.items()} == {
        "one": "changed",
        "two": "failed",
        "far": "unreachable",
    }


def test_the_counts_on_the_way_come_to_those_of_the_recap() -> None:
    before, _ = follow(upto("playbook_on_stats"))
    after, _ = follow(EVENTS)
    assert not before.ended
    for name, host in after.hosts.items():
        assert before.hosts[name].counts == host.counts


def test_a_step_for_each_task_that_ends_on_a_host() -> None:
    _, steps = follow(EVENTS)
    of_two = [(step.task, step.outcome) for step in steps if step.host == "two"]
    assert of_two == [
        ("greet: Say hello", "ok"),
        ("Write a file", "changed"),
        ("Only on one", "skipped"),
        ("Use a reserved name", "ok"),
        ("Bear a failure", "skipped"),
        ("Take several", "failed"),
    ]
    assert sum(step.seconds for step in steps if step.host == "two") == pytest.approx(
        2.811, abs=0.001
    )


def test_failures_are_told_with_the_reason_and_ignored_ones_are_none() -> None:
    follower, steps = follow(EVENTS)
    assert [(step.host, step.task, step.outcome) for step in follower.failures] == [
        ("far", "Write a file", "unreachable"),
        ("two", "Take several", "failed"),
    ]
    assert "Connection refused" in follower.failures[0].message
    # The loop's own message would be "One or more items failed".
    assert follower.failures[1].message == "non-zero return code"
    (ignored,) = [step for step in steps if step.outcome == "ignored"]
    assert (ignored.host, ignored.message) == ("one", "not that")


def test_warnings_of_the_start_and_of_a_task_are_told_once() -> None:
    follower, _ = follow([*EVENTS, *EVENTS])
    assert follower.warnings == [
        "[WARNING]: Invalid characters were found in group names but not replaced, use -vvvv to see"
        " details",
        "[WARNING]: Found variable using reserved name 'name'.",
    ]


def test_a_host_is_at_work_between_the_start_and_the_end_of_a_task() -> None:
    follower, _ = follow(upto("runner_on_ok"))
    assert follower.hosts["one"].now == "greet: Say hello"
    follower.feed(next(event for event in EVENTS if event["event"] == "runner_on_ok"))
    assert follower.hosts["one"].now == ""
    assert follower.hosts["two"].now == "greet: Say hello"


def test_the_summary() -> None:
    follower, _ = follow(EVENTS)
    summary = follower.summary(code=4, status="failed", seconds=4.13512)
    assert list(summary) == ["rc", "status", "seconds", "hosts", "failures", "warnings", "checks"]
    assert summary["seconds"] == 4.135
    assert summary["hosts"]["two"] == {
        "state": "failed",
        "ok": 3,
        "changed": 1,
        "failed": 1,
        "unreachable": 0,
        "skipped": 2,
        "rescued": 0,
        "ignored": 0,
        "seconds": 2.811,
    }
    assert [failure["host"] for failure in summary["failures"]] == ["far", "two"]
    assert json.loads(json.dumps(summary)) == summary


def test_a_run_that_was_cut_off_leaves_hosts_unfinished() -> None:
    follower, _ = follow(upto("playbook_on_stats"))
    hosts = follower.summary(code=254, status="canceled", seconds=4)["hosts"]
    assert {name: host["state"] for name, host in hosts.items()} == {
        "one": "unfinished",
        "two": "failed",
        "far": "unreachable",
    }


def test_what_the_checks_found_is_kept() -> None:
    found = {"one": {"status": "drift", "failed": [], "drift": ["drift.packages: 1 difference"]}}
    follower = Follower()
    facts = {"host": "one", "task": "Report", "res": {"hosts": found}}
    for action in ("llmfleet.conda.verify_report", "ansible.builtin.debug"):
        facts["task_action"] = action
        follower.feed({"event": "runner_on_ok", "stdout": "", "event_data": facts})
    assert follower.summary(code=0, status="successful", seconds=1)["checks"] == found


def test_a_line_for_each_event() -> None:
    follower = Follower()
    lines = [line_of(event, follower.feed(event)) for event in EVENTS]
    assert len(lines) == len(EVENTS)
    changed = next(line for line in lines if line.get("outcome") == "changed")
    assert changed == {
        "time": changed["time"],
        "event": "runner_on_ok",
        "play": "Record",
        "task": "Write a file",
        "host": "two",
        "outcome": "changed",
        "seconds": 1.458,
    }
    assert [line["warnings"] for line in lines if "warnings" in line] == [
        [warning] for warning in follower.warnings
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[WARNING]: one", ["[WARNING]: one"]),
        (
            "\x1b[1;35m[WARNING]: one\x1b[0m\r\n\x1b[1;35mmore of it\x1b[0m",
            ["[WARNING]: one more of it"],
        ),
        (
            "[DEPRECATION WARNING]: old. It goes.\nOrigin: a.yml:1\n\n1 - x\n",
            ["[DEPRECATION WARNING]: old. It goes."],
        ),
        ("[WARNING]: one\n[WARNING]: two", ["[WARNING]: one", "[WARNING]: two"]),
        ("[WARNING]: one\n[ERROR]: two", ["[WARNING]: one"]),
        ("[ERROR]: no", []),
        # What a module printed is no warning of Ansible's.
        ("ok: [one] =>\n    msg: '[WARNING]: mine'", []),
    ],
)
def test_warnings_in_a_text(text: str, found: list[str]) -> None:
    assert warnings_in(text) == found


def test_plain_text() -> None:
    assert plain("\x1b[0;32mok: [one]\x1b[0m\r\nmore") == "ok: [one]\nmore"
