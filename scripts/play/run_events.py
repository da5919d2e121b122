"""What ansible-runner's events mean: how each host stands, which warnings were raised, how it ended.

Pure: events go in one by one, in the order in which ansible-runner hands them out (its `job_events`;
the names and fields are those of its callback plugin `awx_display`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_WARNING = re.compile(r"^\[(?:DEPRECATION )?WARNING\]: ")
# What Ansible writes below a warning: where it comes from, with the lines around.
_ORIGIN = re.compile(r"^(Origin: |\[|$)")

# The end of a task on one host, and the words for it.
_ENDS = {
    "runner_on_ok": "ok",
    "runner_on_failed": "failed",
    "runner_on_unreachable": "unreachable",
    "runner_on_skipped": "skipped",
    # Ansible's name for an asynchronous task that failed.
    "runner_on_async_failed": "failed",
}

# The keys of the recap by the names that people read.
_RECAP = {
    "ok": "ok",
    "changed": "changed",
    "failures": "failed",
    "dark": "unreachable",
    "skipped": "skipped",
    "rescued": "rescued",
    "ignored": "ignored",
}


@dataclass
class Host:
    """How one host stands; `seconds` is the sum over its tasks, `now` the task that runs there."""

    name: str
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_RECAP.values(), 0))
    seconds: float = 0.0
    now: str = ""

    @property
    def state(self) -> str:
        """`unreachable`, `failed`, `changed` or `ok`: the worst that happened."""
        for state in ("unreachable", "failed", "changed"):
            if self.counts[state]:
                return state
        return "ok"


@dataclass(frozen=True)
class Step:
    """A task that ended on one host.

    `outcome` is `ok`, `changed`, `failed`, `ignored`, `unreachable` or `skipped`.
    """

    host: str
    task: str
    outcome: str
    seconds: float
    message: str = ""


def plain(text: str) -> str:
    """The text without colours, with plain ends of lines."""
    return _COLOUR.sub("", text).replace("\r\n", "\n").replace("\r", "\n")


def warnings_in(text: str) -> list[str]:
    """The warnings that Ansible printed in this text, each on one line."""
    found: list[str] = []
    inside = False
    for line in plain(text).split("\n"):
        if _WARNING.match(line):
            found.append(line.strip())
            inside = True
        elif inside and not _ORIGIN.match(line):
            found[-1] = f"{found[-1]} {line.strip()}"
        else:
            inside = False
    return found


class Follower:
    """Follows a run.

    Attributes:
        hosts: the hosts met so far, in the order in which they were met.
        warnings: what Ansible warned of, each once.
        failures: the steps that failed or did not reach their host and were not ignored.
        ended: whether the recap has come, without which a run was cut off.
        checks: what llmfleet.conda.verify_report said of each host, where the run had one: `status`, and
            lines for what `failed` and for `drift`.
    """

    def __init__(self) -> None:
        self.hosts: dict[str, Host] = {}
        self.warnings: list[str] = []
        self.failures: list[Step] = []
        self.ended = False
        self.checks: dict[str, dict[str, Any]] = {}

    def feed(self, event: Mapping[str, Any]) -> Step | None:
        """Takes one event; returns the step when it ends one."""
        for warning in warnings_in(str(event.get("stdout") or "")):
            if warning not in self.warnings:
                self.warnings.append(warning)
        kind = event["event"]
        facts = event.get("event_data") or {}
        if kind == "runner_on_start":
            self._host(facts["host"]).now = task_name(facts)
        elif kind in _ENDS:
            return self._end(_ENDS[kind], facts)
        elif kind == "playbook_on_stats":
            self._recap(facts)
        return None

    def _host(self, name: str) -> Host:
        return self.hosts.setdefault(name, Host(name))

    def _end(self, outcome: str, facts: Mapping[str, Any]) -> Step:
        result = facts.get("res") or {}
        if str(facts.get("task_action")).rpartition(".")[2] == "verify_report":
            self.checks = dict(result.get("hosts") or {})
        if outcome == "failed" and facts.get("ignore_errors"):
            outcome = "ignored"
        host = self._host(facts["host"])
        host.now = ""
        seconds = float(facts.get("duration") or 0.0)
        host.seconds += seconds
        host.counts["ok" if outcome == "ignored" else outcome] += 1
        if outcome == "ignored":
            host.counts["ignored"] += 1
        if outcome == "ok" and result.get("changed"):
            host.counts["changed"] += 1
            outcome = "changed"
        message = ""
        if outcome in ("failed", "ignored", "unreachable"):
            message = _message(result)
        step = Step(host.name, task_name(facts), outcome, seconds, message)
        if outcome in ("failed", "unreachable"):
            self.failures.append(step)
        return step

    def _recap(self, facts: Mapping[str, Any]) -> None:
        """Ansible's own counts, which know what a rescue has made good."""
        self.ended = True
        for name in facts.get("processed") or {}:
            host = self._host(name)
            host.now = ""
            host.counts = {
                word: int((facts.get(key) or {}).get(name, 0)) for key, word in _RECAP.items()
            }

    def summary(self, *, code: int, status: str, seconds: float) -> dict[str, Any]:
        """What a run came to, for `summary.json`.

        Args:
            code: the exit code of ansible-playbook.
            status: ansible-runner's word for the end: successful, failed, canceled or timeout.
            seconds: how long the run took.
        """
        # Without a recap the run was cut off, and who had not failed had not finished either.
        bad = ("failed", "unreachable")
        states = {
            host.name: host.state if self.ended or host.state in bad else "unfinished"
            for host in self.hosts.values()
        }
        return {
            "rc": code,
            "status": status,
            "seconds": round(seconds, 3),
            "hosts": {
                host.name: {
                    "state": states[host.name],
                    **host.counts,
                    "seconds": round(host.seconds, 3),
                }
                for host in self.hosts.values()
            },
            "failures": [
                {"host": step.host, "task": step.task, "message": step.message}
                for step in self.failures
            ],
            "warnings": list(self.warnings),
            "checks": self.checks,
        }


def task_name(facts: Mapping[str, Any]) -> str:
    """The task as a person reads it: the role without its namespace, then the name."""
    role = str(facts.get("role") or "").rpartition(".")[2]
    task = str(facts.get("task") or "")
    return f"{role}: {task}" if role else task


def _message(result: Mapping[str, Any]) -> str:
    """Why it failed. A loop's own message says nothing; those of its items do."""
    items = [
        str(item.get("msg"))
        for item in result.get("results") or ()
        if isinstance(item, Mapping) and item.get("failed") and item.get("msg")
    ]
    return "; ".join(items) or str(result.get("msg") or "no reason was given").strip()


def line_of(event: Mapping[str, Any], step: Step | None) -> dict[str, Any]:
    """One line of `events.jsonl`: what happened, without the results' many fields.

    The whole events are ansible-runner's own, in `runner/artifacts`.
    """
    facts = event.get("event_data") or {}
    line: dict[str, Any] = {"time": event.get("created", ""), "event": event["event"]}
    if facts.get("play"):
        line["play"] = str(facts["play"])
    if facts.get("task"):
        line["task"] = task_name(facts)
    if facts.get("host"):
        line["host"] = str(facts["host"])
    if step is not None:
        line["outcome"] = step.outcome
        line["seconds"] = round(step.seconds, 3)
        if step.message:
            line["message"] = step.message
    if warnings := warnings_in(str(event.get("stdout") or "")):
        line["warnings"] = warnings
    return line
