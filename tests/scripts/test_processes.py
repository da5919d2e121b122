"""Children end with all their children, and what stays behind is found."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts import processes


def gone(pid: int, within: float = 5.0) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


def test_output_goes_to_log_and_listener(tmp_path: Path) -> None:
    log = tmp_path / "deep" / "run.log"
    seen: list[str] = []
    code = processes.run(
        ["sh", "-c", "echo one; echo two >&2; exit 3"], log=log, on_line=seen.append
    )
    assert code == 3
    assert seen == ["one", "two"]
    assert log.read_text() == "$ sh -c echo one; echo two >&2; exit 3\none\ntwo\n"


def test_append_keeps_what_was_there(tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    processes.run(["echo", "one"], log=log)
    processes.run(["echo", "two"], log=log, append=True)
    assert log.read_text() == "$ echo one\none\n$ echo two\ntwo\n"


def test_time_limit_ends_the_whole_group(tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    code = processes.run(["sh", "-c", "sleep 1000 & echo $!; wait"], log=log, timeout=0.5)
    assert code == 124
    grandchild = int(log.read_text().splitlines()[1])
    assert gone(grandchild)
    assert "time limit" in log.read_text()


def test_standard_input_is_empty(tmp_path: Path) -> None:
    assert processes.run(["sh", "-c", "! read line"], log=tmp_path / "log", timeout=20) == 0


def test_listener_that_fails_ends_the_child(tmp_path: Path) -> None:
    pids: list[int] = []

    def listen(line: str) -> None:
        pids.append(int(line))
        raise processes.Interrupted(15)

    with pytest.raises(processes.Interrupted, match="SIGTERM"):
        processes.run(["sh", "-c", "echo $$; sleep 60"], log=tmp_path / "log", on_line=listen)
    assert gone(pids[0])


def test_environment_lacks_what_changes_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONDONTWRITEBYTECODE", "CONDA_PREFIX", "ANSIBLE_STRATEGY", "VIRTUAL_ENV"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("LANG", "C.UTF-8")
    environment = processes.clean_environment({"MORE": "x"})
    assert environment["LANG"] == "C.UTF-8"
    assert environment["MORE"] == "x"
    assert environment[processes.MARKER] == str(os.getpid())
    removed = {"PYTHONDONTWRITEBYTECODE", "CONDA_PREFIX", "ANSIBLE_STRATEGY", "VIRTUAL_ENV"}
    assert removed & set(environment) == set()


def test_process_that_left_its_group_is_found_and_ended(tmp_path: Path) -> None:
    program = "import os, time\nif os.fork() == 0:\n    os.setsid(); time.sleep(60)\n"
    log = tmp_path / "log"
    # Its output is elsewhere, else `run` would wait for the pipe to close.
    argv = ["sh", "-c", f'exec {sys.executable} -c "$0" > /dev/null 2>&1', program]
    assert processes.run(argv, log=log) == 0
    found = processes.end_left_behind(grace=0.2)
    assert len(found) == 1
    ((pid, command),) = found.items()
    assert "time.sleep(60)" in command
    assert gone(pid)
    assert processes.left_behind() == {}


def test_unmarked_processes_are_nobody_we_know() -> None:
    environment = {key: value for key, value in os.environ.items() if key != processes.MARKER}
    with subprocess.Popen(["sleep", "30"], env=environment) as other:
        try:
            assert other.pid not in processes.left_behind()
        finally:
            other.kill()
