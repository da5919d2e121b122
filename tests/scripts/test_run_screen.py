"""What a person sees of a run, on a terminal and elsewhere."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from pathlib import Path

import pytest

from scripts.play import run_screen
from scripts.play.run_events import Follower, Host, Step
from scripts.play.run_screen import Screen, check_lines, host_line, step_line, table

EVENTS = [
    json.loads(line)
    for line in Path(__file__).with_name("run_events.jsonl").read_text().splitlines()
]


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    follower = Follower()
    with Screen() as screen:
        for event in EVENTS:
            screen.update(follower.hosts, follower.feed(event))
    return capsys.readouterr().out


def test_plain_lines_off_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys).splitlines()
    assert [line.split(" (")[0].strip() for line in lines] == [
        "far: UNREACHABLE: Write a file",
        "two: changed: Write a file",
        "one: changed: Write a file",
        "one: ignored: Bear a failure",
        "two: FAILED: Take several",
    ]
    assert "\x1b" not in "".join(lines)


def test_one_line_for_each_host_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(run_screen, "is_live", lambda: True)
    monkeypatch.setattr(run_screen, "width", lambda: 100)
    hosts = {"one": Host("one", now="greet: Say hello"), "two": Host("two")}
    screen = Screen()
    screen.update(hosts, None)
    screen.draw()
    screen.update(hosts, Step("two", "Write a file", "failed", 1.0, "no room"))
    screen.draw()
    # The two lines go before a failure is told above them.
    first, then = out.getvalue().split("\x1b[2A\x1b[J")
    line = r"  one  +ok  +ok 0   changed 0    +greet: Say hello \d\.\d s\n  two  +ok  +ok 0   changed 0\n"
    assert re.fullmatch(line, first)
    assert re.fullmatch(r"  two: FAILED: Write a file \(1\.0 s\): no room\n" + line, then)


def test_more_hosts_than_lines_show_those_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(run_screen, "is_live", lambda: True)
    monkeypatch.setattr(run_screen, "width", lambda: 100)
    monkeypatch.setattr(
        run_screen.shutil, "get_terminal_size", lambda *_: os.terminal_size((80, 8))
    )
    hosts = {f"host{number}": Host(f"host{number}") for number in range(20)}
    hosts["host19"].now = "Install"
    screen = Screen()
    screen.update(hosts, None)
    screen.draw()
    first = out.getvalue().splitlines()
    assert len(first) == 5
    assert any("host19" in line and "Install" in line for line in first)
    assert first[-1] == "  and 16 more hosts"


def test_a_host_s_line_fits_the_terminal() -> None:
    host = Host("gpu-node-with-a-long-name.example.com", now="install_llm_stack: " + "x" * 200)
    host.counts.update(ok=12, changed=3)
    line = host_line(host, 3.4, 80)
    assert len(line) <= 80
    assert "changed     ok 12  changed 3" in line
    assert line.endswith("3.4 s")


def test_a_step_s_line_is_one_line() -> None:
    step = Step("gpu1", "install: Fetch", "failed", 61.0, "no\n  room\nleft")
    assert step_line(step) == "gpu1: FAILED: install: Fetch (61 s): no room left"


def test_the_table_holds_every_host() -> None:
    follower = Follower()
    for event in EVENTS:
        follower.feed(event)
    lines = table(follower.summary(code=4, status="failed", seconds=1)["hosts"], {})
    assert [line.split() for line in lines] == [
        ["host", "state", "ok", "changed", "failed", "unreachable", "skipped", "seconds"],
        ["one", "changed", "7", "1", "0", "0", "0", "2.9"],
        ["two", "failed", "3", "1", "1", "0", "2", "2.8"],
        ["far", "unreachable", "1", "0", "0", "1", "0", "0.1"],
    ]


def test_the_table_and_the_lines_below_tell_what_the_checks_found() -> None:
    counts = dict.fromkeys(("ok", "changed", "failed", "unreachable", "skipped"), 0)
    hosts = {name: {"state": "ok", **counts, "seconds": 1.0} for name in ("one", "two")}
    checks = {"one": {"status": "drift", "failed": [], "drift": ["drift.packages: numpy<2"]}}
    lines = table(hosts, checks)
    assert [line.split()[-1] for line in lines] == ["checks", "drift", "-"]
    assert check_lines(checks) == ["one: drift: drift.packages: numpy<2"]
