"""Kills: what they choose from, that they meet what is alive, and that a difference is seen."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from proof.faults import critical_moments, host_state, killed, moments, victims
from proof.faults.cases import NotInjected
from proof.faults.interrupted_operations import Likeness
from proof.faults.victims import Process

MODULE = Process(10, 1, ("python3", "-B", "/srv/llmfleet/run_module.py", "conda_env", "{}"))
CONDA = Process(11, 10, ("/opt/c/bin/python", "-I", "-m", "conda", "create"))
PIP = Process(12, 10, ("/srv/e/bin/python", "-I", "-m", "pip", "install"))
UV = Process(13, 10, ("/usr/local/bin/uv", "pip", "install"))
BASH = Process(14, 10, ("bash", "/opt/installer.sh", "-b", "-p", "/opt/c"))
TAR = Process(15, 16, ("tar", "-xf", "-"))
SUBSHELL = Process(16, 14, ("bash", "/opt/installer.sh"))
SCRIPT = Process(17, 11, ("/usr/bin/bash", "/tmp/post-link.sh"))
ALL = [MODULE, CONDA, PIP, UV, BASH, TAR, SUBSHELL, SCRIPT]


def test_victims_are_told_apart() -> None:
    assert victims.module(ALL) == [MODULE]
    assert victims.conda(ALL) == [CONDA]
    assert victims.pip(ALL) == [PIP, UV]
    assert victims.installer(ALL) == [BASH]
    assert victims.below_installer(ALL) == [SUBSHELL, TAR]


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that does nothing for a while."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def test_a_victim_ends_by_sigkill(child: subprocess.Popen[bytes]) -> None:
    victims.kill(Process(child.pid, os.getpid(), ()))
    assert child.wait(5) == -signal.SIGKILL


def test_what_has_ended_was_not_killed(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    # A zombie still has its number.
    deadline = time.monotonic() + 5
    while Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with pytest.raises(NotInjected):
        victims.kill(Process(child.pid, os.getpid(), ()))
    child.wait(5)
    with pytest.raises(NotInjected):
        victims.kill(Process(child.pid, os.getpid(), ()))


def test_there_are_a_hundred_kills_of_known_kinds() -> None:
    assert sum(many for kinds in killed.KILLS.values() for many in kinds.values()) == 100
    known = {*moments.CHOICES, killed.EVERYTHING}
    assert {kind for kinds in killed.KILLS.values() for kind in kinds} <= known
    assert {one.kind for one in critical_moments.all_of()} <= known
    assert {one.operation for one in critical_moments.all_of()} <= set(killed.KILLS)


def test_a_moment_is_drawn_again_as_it_was() -> None:
    windows = moments.Windows({"conda": 2.0})
    drawn = [windows.draw("conda", random.Random("create 1")) for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert 0 <= drawn[0] <= 2
    assert windows.draw("conda", random.Random("create 2")) != drawn[0]


def test_after_a_quicker_run_an_earlier_moment_is_drawn() -> None:
    windows = moments.Windows({"conda": 2.0})
    generator = random.Random("create 1")
    assert all(windows.draw("conda", generator, 0.5) <= 0.5 for _ in range(20))


def test_a_run_that_ends_early_tells_how_long_it_was_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(victims, "of_host", lambda first: [CONDA])
    running = subprocess.Popen(["sleep", "0.4"], text=True)
    with pytest.raises(moments.TooLate) as raised:
        moments.wait_for(1, victims.conda, 30, running)
    assert 0 < raised.value.seconds < 30


def test_a_state_tells_what_differs_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "conda-meta").mkdir()
    (tmp_path / "pkgs").mkdir()
    record = tmp_path / "conda-meta" / "six-1.0-0.json"
    history = tmp_path / "conda-meta" / "history"
    code = tmp_path / "six.py"

    def write(content: str, said: str) -> dict[str, str]:
        record.write_text(json.dumps({"name": "six", "link": {"source": said}}))
        history.write_text(said)
        (tmp_path / "pkgs" / said).touch()
        (tmp_path / "six.pyc").write_text(said)
        code.write_text(content)
        return host_state.state(str(tmp_path))

    before = write("1", "one")
    assert write("1", "two") == before
    after = write("2", "one")
    assert [path for path in before if before[path] != after[path]] == [str(code)]
    code.chmod(0o600)
    assert host_state.state(str(tmp_path))[str(code)] != after[str(code)]


def test_likenesses_name_what_differs() -> None:
    one = Likeness({"/a": "1", "/b": "2"}, {"/e": ["six"]}, {"/e": "six 1.0"})
    other = Likeness({"/a": "1", "/c": "3"}, {"/e": []}, {"/e": "six 1.0"})
    assert one.unlike(one) == []
    assert one.unlike(other) == [
        "conda of /e: ['six'] instead of []",
        "file /b: 2 instead of nothing",
        "file /c: not there instead of 3",
    ]
