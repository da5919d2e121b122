"""What a person sees of a run: on a terminal one line per host, rewritten; elsewhere plain lines."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

from scripts.console import clip, duration, is_live, say, style, width
from scripts.play.run_events import Host, Step

_COLOURS = {"failed": "red", "unreachable": "red", "changed": "yellow", "ok": "green"}
# Off a terminal, a run that says nothing for this long gets a line that it still runs.
_QUIET_SECONDS = 30.0
_TOLD = ("changed", "failed", "ignored", "unreachable")


def host_line(host: Host, since: float | None, columns: int) -> str:
    """A host on one line: name, state, counts, and what runs there for how many seconds."""
    name = clip(host.name, 24)
    counts = f"ok {host.counts['ok']:<3} changed {host.counts['changed']:<3}"
    head = f"  {name:24} {host.state:11} {counts} "
    doing = host.now
    if doing and since is not None:
        doing = f"{clip(doing, max(0, columns - len(head) - 10))} {duration(since)}"
    return clip(f"{head} {doing}".rstrip(), columns)


def step_line(step: Step) -> str:
    """A finished step on one plain line; a failure's message goes along."""
    word = step.outcome.upper() if step.outcome in ("failed", "unreachable") else step.outcome
    text = f"{step.host}: {word}: {step.task} ({duration(step.seconds)})"
    return f"{text}: {' '.join(step.message.split())}" if step.message else text


def table(
    hosts: Mapping[str, Mapping[str, Any]], checks: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """The summary's hosts as the lines of a table, with what the checks said where there were any."""
    columns = ("ok", "changed", "failed", "unreachable", "skipped")
    rows: list[tuple[str, ...]] = [("host", "state", *columns, "seconds", "checks")]
    for name, host in hosts.items():
        numbers = (*(str(host[key]) for key in columns), f"{host['seconds']:.1f}")
        rows.append((name, host["state"], *numbers, checks.get(name, {}).get("status", "-")))
    if not checks:
        rows = [row[:-1] for row in rows]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = []
    for row in rows:
        texts = [
            cell.rjust(size) if 2 <= at < 8 else cell.ljust(size)
            for at, (cell, size) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(texts).rstrip())
    return lines


def check_lines(checks: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """One line for each check that failed on a host or found drift there."""
    return [
        f"{name}: {word}: {line}"
        for name, found in checks.items()
        for word in ("failed", "drift")
        for line in found[word]
    ]


class Screen:
    """Shows the hosts of a run while it goes on. A context manager; thread safe."""

    def __init__(self) -> None:
        self._live = is_live()
        self._hosts: dict[str, Host] = {}
        self._began: dict[str, tuple[str, float]] = {}
        self._drawn = 0
        self._said = time.monotonic()
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Screen:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._done.set()
        self._thread.join()
        with self._lock:
            self._erase()

    def update(self, hosts: Mapping[str, Host], step: Step | None) -> None:
        """Takes the hosts as they stand, and the step that has just ended."""
        with self._lock:
            self._hosts = dict(hosts)
            for name, host in hosts.items():
                if self._began.get(name, ("", 0.0))[0] != host.now:
                    self._began[name] = (host.now, time.monotonic())
            bad = step is not None and step.outcome in ("failed", "unreachable")
            # On a terminal the hosts' own lines tell the rest.
            if step is not None and (bad or (step.outcome in _TOLD and not self._live)):
                self._erase()
                say(style(f"  {step_line(step)}", "red") if bad else f"  {step_line(step)}")
                self._said = time.monotonic()

    def _tick(self) -> None:
        while not self._done.wait(0.25):
            if self._live:
                self.draw()
                continue
            with self._lock:
                if time.monotonic() - self._said >= _QUIET_SECONDS:
                    busy = [host for host in self._hosts.values() if host.now]
                    if busy:
                        say(f"  … {busy[0].now} on {_names(host.name for host in busy)}")
                    self._said = time.monotonic()

    def _erase(self) -> None:
        if self._drawn:
            sys.stdout.write(f"\033[{self._drawn}A\033[J")
            sys.stdout.flush()
            self._drawn = 0

    def draw(self) -> None:
        """Draws the hosts anew, in place of what was drawn before."""
        with self._lock:
            self._erase()
            self._draw()

    def _draw(self) -> None:
        now = time.monotonic()
        room = max(1, shutil.get_terminal_size((100, 24)).lines - 3)
        # Those at work are worth a line first where not all have room.
        order = sorted(self._hosts.values(), key=lambda host: not host.now)
        shown = order if len(order) <= room else order[: room - 1]
        kept = {host.name for host in shown}
        for host in self._hosts.values():
            if host.name not in kept:
                continue
            began = self._began.get(host.name)
            line = host_line(host, now - began[1] if began else None, width())
            sys.stdout.write(style(line, _COLOURS[host.state]) + "\n")
            self._drawn += 1
        if len(shown) < len(order):
            sys.stdout.write(f"  and {len(order) - len(shown)} more hosts\n")
            self._drawn += 1
        sys.stdout.flush()


def _names(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - 3} more" if len(listed) > 3 else ""
    return ", ".join(listed[:3]) + more
