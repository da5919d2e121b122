"""Runs a playbook over an inventory with ansible-runner and shows how each host gets on.

    python -m scripts.play.run_playbook llmfleet.conda.site -i inventories/lab
    python -m scripts.play.run_playbook llmfleet.conda.verify -i inventories/gpu --limit gpu_new --check

All options but those listed by --help go to ansible-playbook as they are. Written are, below
build/runs or where --output says:

    events.jsonl    one JSON object for each event: time, host, task, outcome, seconds, message
    summary.json    rc, status, seconds, each host's counts, failures, every warning raised, and what
                    the checks of llmfleet.conda.verify found
    log.txt         what ansible-playbook printed
    runner/         ansible-runner's own directory, with the whole events

The exit code is ansible-playbook's: 2 when a host failed, 4 when one was unreachable. It is 1 when
no host was touched at all, 3 when --fail-on-warning was given and a warning was raised, 130 when the
run was interrupted. Passwords are not asked for: there is no terminal behind the run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shlex
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import ansible_runner

from scripts.console import duration, say, style
from scripts.layout import BUILD, ROOT, VENV_BIN, shown, tool_environment
from scripts.play.run_events import Follower, line_of, plain
from scripts.play.run_screen import Screen, check_lines, table

RUNS = BUILD / "runs"
# What the last lines of the log are for: a run that ended before any host was met.
_LOG_LINES = 12
_NO_HOST = 1
_WARNED = 3
_INTERRUPTED = 130


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """This process's environment for the time of a run: ansible-runner takes what it finds there."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def run(
    arguments: Sequence[str | Path],
    *,
    output: Path,
    env: Mapping[str, str],
    program: Sequence[str | Path] = (VENV_BIN / "ansible-playbook",),
    screen: Screen | None = None,
    timeout: int | None = None,
) -> dict[str, Any]:
    """Runs `program ARGUMENTS` and returns what `summary.json` then holds.

    Args:
        arguments: of ansible-playbook: playbook, inventory, options.
        output: the directory that is written; it is made, and readable by its owner only, since events
            hold what modules returned.
        env: the whole environment of ansible-playbook.
        program: ansible-playbook, or what stands for it.
        screen: where the hosts are shown; None to show nothing.
        timeout: seconds after which the run is ended.

    Raises:
        OSError: the directory cannot be written.
    """
    private = output / "runner"
    private.mkdir(parents=True, exist_ok=True)
    output.chmod(0o700)
    follower = Follower()
    started = time.monotonic()
    binary, *words = [str(word) for word in (*program, *arguments)]
    with (
        (output / "events.jsonl").open("w", encoding="utf-8") as events,
        (output / "log.txt").open("w", encoding="utf-8") as log,
        _environment(env),
    ):

        def handle(event: dict[str, Any]) -> bool:
            step = follower.feed(event)
            events.write(json.dumps(line_of(event, step), ensure_ascii=False) + "\n")
            events.flush()
            if text := plain(str(event.get("stdout") or "")):
                log.write(text + "\n")
                log.flush()
            if screen is not None:
                screen.update(follower.hosts, step)
            return True

        with _signals_as_before():
            done = ansible_runner.run(
                private_data_dir=str(private),
                project_dir=str(ROOT),
                binary=binary,
                cmdline=shlex.join(words),
                event_handler=handle,
                quiet=True,
                suppress_env_files=True,
                # Not pexpect: no terminal, so nothing is wrapped or coloured for one.
                settings={"runner_mode": "subprocess"},
                timeout=timeout,
            )
    summary = follower.summary(
        code=int(done.rc if done.rc is not None else 1),
        status=str(done.status),
        seconds=time.monotonic() - started,
    )
    text = json.dumps(summary, indent=2, ensure_ascii=False)
    (output / "summary.json").write_text(text + "\n", encoding="utf-8")
    return summary


@contextlib.contextmanager
def _signals_as_before() -> Iterator[None]:
    """Gives SIGINT and SIGTERM back: ansible-runner takes them to cancel its run by, and keeps them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def exit_code(summary: Mapping[str, Any], *, fail_on_warning: bool = False) -> int:
    """The exit code for a summary; the module's text says which there are."""
    if summary["status"] == "canceled":
        return _INTERRUPTED
    if summary["rc"] != 0:
        return int(summary["rc"])
    if any(host["failed"] or host["unreachable"] for host in summary["hosts"].values()):
        return 2
    if not summary["hosts"]:
        return _NO_HOST
    return _WARNED if fail_on_warning and summary["warnings"] else 0


def report(summary: Mapping[str, Any], output: Path) -> list[str]:
    """The lines that end a run: table, warnings, where everything is."""
    hosts = summary["hosts"]
    checks = summary["checks"]
    lines = ["", *table(hosts, checks)] if hosts else []
    if told := check_lines(checks):
        lines += ["", "Checks:", *(f"  {line}" for line in told)]
    if summary["warnings"]:
        lines += ["", style("Warnings:", "yellow")]
        lines += [f"  {warning}" for warning in summary["warnings"]]
    if not hosts:
        log = (output / "log.txt").read_text(encoding="utf-8").splitlines()
        lines += ["No host was touched. The end of the log:"]
        lines += [f"  {line}" for line in log[-_LOG_LINES:]]
    bad = sum(bool(host["failed"] or host["unreachable"]) for host in hosts.values())
    verdict = f"hosts {len(hosts)}, failed {bad}, warnings {len(summary['warnings'])}"
    word = summary["status"] if summary["status"] in ("canceled", "timeout") else "done"
    lines += ["", f"{word} in {duration(summary['seconds'])}: {verdict}; see {shown(output)}"]
    return lines


def default_output(playbook: str, now: float) -> Path:
    """A new directory below build/runs, named by time and playbook, for which there is none yet."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(playbook).name.removesuffix(".yml")) or "run"
    name = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime(now))}-{stem}"
    number = 1
    while (path := RUNS / (name if number == 1 else f"{name}-{number}")).exists():
        number += 1
    return path


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m scripts.play.run_playbook",
        description=__doc__.split("\n\n")[0],
        epilog="All other options go to ansible-playbook as they are (--limit, --tags, -e, --check ...).",
        allow_abbrev=False,
    )
    made.add_argument("playbook", help="a playbook's file, or its name such as llmfleet.conda.site")
    made.add_argument(
        "-i", "--inventory", action="append", required=True, help="an inventory; may be repeated"
    )
    made.add_argument(
        "--output", type=Path, help="the directory to write (build/runs/TIME-PLAYBOOK)"
    )
    made.add_argument(
        "--fail-on-warning", action="store_true", help="end with 3 when a warning was raised"
    )
    return made


def main(words: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    options, others = parser().parse_known_args(words)
    output = (options.output or default_output(options.playbook, time.time())).resolve()
    if (output / "summary.json").exists():
        say(f"{shown(output)} holds another run: give --output a directory of its own.")
        return 64
    arguments = [options.playbook]
    for inventory in options.inventory:
        arguments += ["-i", inventory]
    with Screen() as screen:
        summary = run([*arguments, *others], output=output, env=tool_environment(), screen=screen)
    for line in report(summary, output):
        say(line)
    return exit_code(summary, fail_on_warning=options.fail_on_warning)


if __name__ == "__main__":
    sys.exit(main())
