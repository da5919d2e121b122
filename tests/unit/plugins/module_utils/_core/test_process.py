"""Starting and ending child processes."""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core import pipes as child_pipes
from ansible_collections.llmfleet.conda.plugins.module_utils._core import process as child_process
from ansible_collections.llmfleet.conda.plugins.module_utils._core.process import (
    child_environment,
    run,
)


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-c", code]


def test_output_and_status() -> None:
    done = run(python("import sys; print('out'); sys.stderr.write('err'); sys.exit(3)"))
    assert (done.rc, done.stdout, done.stderr, done.timed_out) == (3, "out\n", "err", False)


def test_signal_gives_negative_status() -> None:
    assert run(python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")).rc == -9


def test_invalid_utf8_output_is_replaced() -> None:
    done = run(python("import sys; sys.stdout.buffer.write(b'a\\xff\\xe9b')"))
    assert done.stdout.startswith("a")
    assert done.stdout.endswith("b")


def test_much_output_on_both_sides_does_not_block() -> None:
    code = "import sys; sys.stderr.write('e' * 3_000_000); sys.stdout.write('o' * 3_000_000)"
    done = run(python(code), timeout=60)
    assert (len(done.stdout), len(done.stderr)) == (3_000_000, 3_000_000)


def test_stdin_is_the_null_device() -> None:
    done = run(python("import sys; print(repr(sys.stdin.read()))"), timeout=30)
    assert done.stdout == "''\n"


def test_stdin_is_fed() -> None:
    assert run(python("print(input()[::-1])"), stdin=b"abc\n").stdout == "cba\n"


def test_arguments_reach_the_program_as_they_are() -> None:
    odd = ["a b", "$HOME", "; exit 9", "'", '"', "*", "", "ü"]
    code = "import json, sys; print(json.dumps(sys.argv[1:]))"
    assert json.loads(run([*python(code), *odd]).stdout) == odd


def test_the_working_directory(tmp_path: Path) -> None:
    code = "import os; print(os.getcwd())"
    assert run(python(code)).stdout == "/\n"
    assert run(python(code), cwd=str(tmp_path)).stdout == f"{tmp_path}\n"


def test_missing_program() -> None:
    with pytest.raises(FileNotFoundError):
        run(["/nonexistent/program"])


TREE = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
with open({path!r} + ".part", "w") as stream:
    stream.write(str(child.pid))
os.rename({path!r} + ".part", {path!r})
print("said before", flush=True)
time.sleep(1000)
"""


def ended(pid: int, tries: int = 100) -> bool:
    for _ in range(tries):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as stream:
                if stream.read().rpartition(")")[2].split()[0] in {"Z", "X"}:
                    return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.1)
    return False


def test_timeout_ends_the_process_group_and_keeps_output(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    done = run(python(TREE.format(path=str(note))), timeout=2)
    assert done.timed_out
    assert done.rc == -signal.SIGTERM
    assert done.stdout == "said before\n"
    assert ended(int(note.read_text()))


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A shell starts what it runs in the background with SIGINT ignored, and Python keeps that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_interrupt_ends_the_process_group(tmp_path: Path) -> None:
    note = tmp_path / "pid"

    def interrupt() -> None:
        while not note.exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        # Far away: a machine that stands still for a while is no reason to end by the time limit.
        run(python(TREE.format(path=str(note))), timeout=600)
    thread.join()
    assert ended(int(note.read_text()))


def test_grandchild_in_its_own_session_does_not_block(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)'],"
        " start_new_session=True)\n"
        f"open({str(note)!r}, 'w').write(str(child.pid))\n"
        "print('said', flush=True)\n"
        "time.sleep(float(sys.argv[1]))\n"
    )
    for pause, timed_out in (("0", False), ("1000", True)):
        done = run([*python(code), pause], timeout=2)
        assert (done.timed_out, done.stdout) == (timed_out, "said\n")
        os.kill(int(note.read_text()), signal.SIGKILL)


def test_leftover_processes_of_the_group_are_ended(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)'])\n"
        f"open({str(note)!r}, 'w').write(str(child.pid))\n"
        "print('done')\n"
    )
    done = run(python(code), timeout=900)
    assert (done.rc, done.stdout, done.timed_out) == (0, "done\n", False)
    assert ended(int(note.read_text()))


def test_sigterm_comes_before_sigkill(tmp_path: Path) -> None:
    note = tmp_path / "note"
    code = (
        "import signal, sys, time\n"
        "def rolled_back(*_):\n"
        f"    open({str(note)!r}, 'w').write('rolled back')\n"
        "    print('rolled back', flush=True)\n"
        "    sys.exit(1)\n"
        "signal.signal(signal.SIGTERM, rolled_back)\n"
        "time.sleep(60)\n"
    )
    done = run(python(code), timeout=2)
    assert (done.timed_out, done.rc, done.stdout) == (True, 1, "rolled back\n")
    assert note.read_text() == "rolled back"


def test_process_that_ignores_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_process, "_PATIENCE", 0.5)
    code = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(60)"
    done = run(python(code), timeout=2)
    assert (done.timed_out, done.rc) == (True, -signal.SIGKILL)


def test_a_child_that_closes_its_output_early_is_waited_for() -> None:
    code = "import os, time; os.close(1); os.close(2); time.sleep(1); os._exit(7)"
    assert run(python(code), timeout=30).rc == 7
    assert run(python(code.replace("sleep(1)", "sleep(60)")), timeout=1).timed_out


def test_a_child_that_does_not_read_its_input() -> None:
    done = run(python("print('no')"), stdin=b"x" * 3_000_000, timeout=30)
    assert (done.rc, done.stdout) == (0, "no\n")
    echoed = run(python("import sys; print(len(sys.stdin.read()))"), stdin=b"x" * 3_000_000)
    assert echoed.stdout == "3000000\n"


def test_keeps_the_end_of_endless_output(monkeypatch: pytest.MonkeyPatch) -> None:
    limited = functools.partial(child_pipes.Pipes, limit=1000)
    monkeypatch.setattr(child_process, "Pipes", limited)
    done = run(python("for n in range(500_000): print(n)"), timeout=60)
    assert len(done.stdout) == 1000
    assert done.stdout.endswith("499998\n499999\n")


def test_the_childs_environment() -> None:
    base = {
        "PATH": "/bin",
        "HOME": "/home/a",
        "CONDA_PREFIX": "x",
        "CONDARC": "x",
        "_CONDA_EXE": "x",
        "_CE_CONDA": "x",
        "MAMBA_EXE": "x",
        "PYTHONPATH": "x",
        "PYTHONNOUSERSITE": "x",
        "PIP_INDEX_URL": "x",
        "PIP_CERT": "/ca.pem",
        "SUDO_COMMAND": "x",
        "VIRTUAL_ENV_PROMPT": "x",
        "LANG": "de_DE",
        "LANGUAGE": "de",
        "no_proxy": "localhost",
    }
    expected = {
        "PATH": "/bin",
        "HOME": "/home/a",
        "PIP_CERT": "/ca.pem",
        "no_proxy": "localhost",
        "LC_ALL": "C.UTF-8",
        "LANG": "C.UTF-8",
        "LANGUAGE": "",
    }
    assert child_environment(base=base) == expected
    extra = {"CONDA_PKGS_DIRS": "/c", "LANG": "C"}
    assert child_environment(extra, base) == {**expected, **extra}
    assert "CONDA_PREFIX" in base


def test_another_thread_can_end_the_run(tmp_path: Path) -> None:
    """Well before the timeout, with all that it has started."""
    children = tmp_path / "children"
    code = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)'])\n"
        f"open({str(children)!r} + '.new', 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        f"os.rename({str(children)!r} + '.new', {str(children)!r})\n"
        "time.sleep(1000)\n"
    )
    given_up = threading.Event()

    def give_up() -> None:
        deadline = time.monotonic() + 60
        while not children.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        given_up.set()

    threading.Thread(target=give_up).start()
    done = run(python(code), timeout=1000, given_up=given_up)
    assert done.timed_out
    deadline = time.monotonic() + 10
    for pid in map(int, children.read_text().split()):
        # An orphan stays a zombie where nobody waits for it; a zombie has no memory any more.
        while Path(f"/proc/{pid}/statm").exists() and not _is_dead(pid):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def _is_dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_run_that_is_not_given_up_ends_normally() -> None:
    assert run(python("print(1)"), given_up=threading.Event()).stdout == "1\n"


@pytest.mark.parametrize("ignores", ["nothing", "SIGTERM"])
def test_what_a_killed_child_leaves_at_work_has_ended_before_anything_else_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ignores: str
) -> None:
    """Also where it holds none of the output, as what unpacks an installer's payload."""
    monkeypatch.setattr(child_process, "_PATIENCE", 0.5)
    note = tmp_path / "pid"
    more = "signal.signal(signal.SIGTERM, signal.SIG_IGN); " if ignores == "SIGTERM" else ""
    at_work = f"import signal, time; {more}print('ready', flush=True); time.sleep(1000)"
    code = (
        "import os, signal, subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {at_work!r}],"
        " stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)\n"
        "child.stdout.readline()\n"
        f"open({str(note)!r}, 'w').write(str(child.pid))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert run(python(code)).rc == -signal.SIGKILL
    assert ended(int(note.read_text()), tries=1)
