"""Runs a playbook, shows its tasks with their seconds, and returns what happened."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.console import Ticker, clip, duration, style, width
from scripts.layout import ROOT, VENV_BIN, shown
from scripts.processes import run

CALLBACKS = Path(__file__).with_name("callbacks")

# Tasks that change nothing get a line of their own only from this many seconds on.
LONG = 1.0


@dataclass
class Task:
    """A task of a run: how long it took over all hosts and how it ended."""

    name: str
    started: float
    seconds: float = 0.0
    outcomes: set[str] = field(default_factory=set)
    changed: bool = False

    @property
    def ran(self) -> bool:
        """Whether it did something on any host."""
        return bool(self.outcomes - {"skipped"})


@dataclass
class PlaybookRun:
    """What a run came to. `recap` is Ansible's own: host -> counts."""

    code: int
    seconds: float
    log: Path
    tasks: list[Task]
    recap: dict[str, dict[str, int]]
    failures: list[str]

    def count(self, key: str) -> int:
        """The sum of one count of the recap over all hosts: ok, changed, failures, ..."""
        return sum(counts.get(key, 0) for counts in self.recap.values())

    @property
    def changed_tasks(self) -> list[str]:
        """Names of the tasks that changed something."""
        return [task.name for task in self.tasks if task.changed]


class _Reader:
    """Follows the events file and keeps the list of tasks."""

    def __init__(self, path: Path, ticker: Ticker, quiet: bool, verb: str) -> None:
        self.tasks: list[Task] = []
        self.recap: dict[str, dict[str, int]] = {}
        self.failures: list[str] = []
        self._path = path
        self._offset = 0
        self._ticker = ticker
        self._quiet = quiet
        self._verb = verb
        self._lock = threading.Lock()
        self._done = threading.Event()

    def poll(self) -> None:
        """Takes the whole lines that are new."""
        with self._lock, self._path.open("rb") as stream:
            stream.seek(self._offset)
            data = stream.read()
            end = data.rfind(b"\n") + 1
            self._offset += end
            for line in data[:end].splitlines():
                self._see(json.loads(line))

    def __enter__(self) -> _Reader:
        """Begins to follow the file."""
        threading.Thread(target=self._follow, daemon=True).start()
        return self

    def __exit__(self, *_exc: object) -> None:
        """Takes what is left and ends."""
        self._done.set()
        self.poll()

    def _follow(self) -> None:
        while not self._done.wait(0.2):
            self.poll()

    def _see(self, event: Mapping[str, Any]) -> None:
        kind = event["event"]
        if kind == "recap":
            self._close(event["time"])
            self.recap = event["hosts"]
            return
        if kind == "task":
            self._close(event["time"])
            self.tasks.append(Task(name=event["task"], started=event["time"]))
            self._ticker.update(" ".join(readable(event["task"]).split()))
            return
        task = self.tasks[-1]
        task.outcomes.add(event["outcome"])
        task.changed = task.changed or (event["changed"] and event["outcome"] == "ok")
        if event["outcome"] == "failed":
            task_name = " ".join(readable(event["task"]).split())
            self.failures.append(f"{task_name} ({event['host']}):\n{event['message']}")

    def _close(self, now: float) -> None:
        if not self.tasks:
            return
        task = self.tasks[-1]
        task.seconds = now - task.started
        told = task.changed or "failed" in task.outcomes
        if told or (task.ran and not self._quiet and task.seconds >= LONG):
            self._ticker.line(task_line(task, self._verb))


def readable(name: str) -> str:
    """A task's name as a person reads it: the role without its namespace, then the task."""
    role, separator, task = name.partition(" : ")
    if not separator:
        return name
    return f"{role.removeprefix('llmfleet.conda.'):18} {task}"


def task_line(task: Task, verb: str = "changed") -> str:
    """A finished task on one line: name, how it ended, seconds."""
    room = width() - 27
    if "failed" in task.outcomes:
        outcome = style(f"{'FAILED':12}", "bold", "red")
    elif task.changed:
        outcome = style(f"{verb:12}", "yellow")
    else:
        outcome = style(f"{'ok':12}", "green")
    return f"  {clip(readable(task.name), room):{room}} {outcome} {duration(task.seconds):>9}"


def run_playbook(
    arguments: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str],
    quiet: bool = False,
    verb: str = "changed",
    timeout: float = 3600,
) -> PlaybookRun:
    """Runs `ansible-playbook ARGUMENTS`; its output goes to `log`, its tasks to the terminal.

    A task gets a line when it changed something, failed, or (unless `quiet`) took long. `verb` is
    the word for those that changed something.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    events = log.with_suffix(".events")
    events.write_text("")
    environment = {
        **env,
        "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
        "ANSIBLE_CALLBACKS_ENABLED": "llmfleet_events",
        "ANSIBLE_NOCOLOR": "1",
        "LLMFLEET_EVENTS": str(events),
    }
    started = time.monotonic()
    with (
        Ticker("starting Ansible") as ticker,
        _Reader(events, ticker, quiet, verb) as reader,
    ):
        code = run(
            [VENV_BIN / "ansible-playbook", *arguments],
            log=log,
            env=environment,
            cwd=ROOT,
            timeout=timeout,
        )
    return PlaybookRun(
        code=code,
        seconds=time.monotonic() - started,
        log=log,
        tasks=reader.tasks,
        recap=reader.recap,
        failures=reader.failures,
    )


def explain(done: PlaybookRun) -> list[str]:
    """Why a run failed, in a few lines: the failed tasks, else the end of its log."""
    lines = []
    for failure in done.failures:
        head, *rest = failure.splitlines()
        lines += [head, *(f"  {line.strip()}" for line in rest[:12])]
    if not lines:
        text = done.log.read_text(encoding="utf-8", errors="replace").splitlines()
        lines = text[-15:]
    return [*lines, f"the whole log: {shown(done.log)}"]
