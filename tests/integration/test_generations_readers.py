"""Processes that start while the link is switched: none of them mixes two generations."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._generations.switch import switch
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.generations import Place
from tests.integration.selection import only_full_but

# Starts of each kind, and how many run at a time.
STARTS = 40
READERS = 8

# Imports late and forks, then says where everything came from.
LOOK = """
import json, os, sys, time
def places():
    found = {os.path.realpath(f"/proc/{os.getpid()}/exe")}
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if path:
            found.add(path)
    return sorted(found)
time.sleep(0.02)
import decimal, json.tool, sqlite3, xml.dom.minidom
seen = places()
reading, writing = os.pipe()
if not os.fork():
    import concurrent.futures, ipaddress, six
    os.write(writing, json.dumps(places()).encode())
    os._exit(0)
os.close(writing)
with os.fdopen(reading) as stream:
    seen += json.loads(stream.read())
os.wait()
import six
print(json.dumps([sys.prefix, six.__version__, seen + places()]))
"""
# By multiprocessing with a fresh interpreter.
SPAWN = """
import json, multiprocessing, sys
def work(_number):
    import os, six
    return [sys.prefix, os.path.realpath("/proc/self/exe"), six.__file__]
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    with context.Pool(2) as pool:
        found = [path for paths in pool.map(work, range(4)) for path in paths]
    import six
    print(json.dumps([sys.prefix, six.__version__, found]))
"""


@pytest.fixture(scope="module")
def place(conda_installation: Path, run_module: Callable[..., Any]) -> Iterator[Place]:
    """Two generations, with different versions of Python and of six."""
    found = Place(str(conda_installation / "envs" / "readers"))
    for number, (python, six) in enumerate((("3.11", "1.16"), ("3.12", "1.17")), start=1):
        options = {
            "installation": str(conda_installation),
            "name": "readers",
            "environment": {"packages": [f"python={python}", f"six={six}", "pip"]},
        }
        result = run_module("conda_generations", options)
        assert result["generation"] == number, result
    yield found
    os.unlink(found.link)
    for directory, _names, _files in os.walk(found.store):
        os.chmod(directory, 0o755)
    shutil.rmtree(found.store)


@pytest.fixture
def switching(place: Place) -> Iterator[list[int]]:
    """Switch the link back and forth for the duration of a test; counts the switches."""
    done, count = threading.Event(), [0]

    def work() -> None:
        while not done.is_set():
            switch(place, 1 + count[0] % 2)
            count[0] += 1
            # Starts need some time between two switches, as they have in life.
            done.wait(0.003)

    thread = threading.Thread(target=work)
    thread.start()
    yield count
    done.set()
    thread.join()


def starts(place: Place, script: Path) -> dict[str, list[str]]:
    """The ways in which people start a Python of an environment by its name."""
    link, base = place.link, os.path.dirname(os.path.dirname(place.link))
    activate = f". {base}/etc/profile.d/conda.sh && conda activate readers"
    return {
        "launcher": [f"{link}/bin/python", str(script)],
        "launcher with a version": [f"{link}/bin/python3", "-I", str(script)],
        "activated shell": ["bash", "-c", f"{activate} && sleep 0.05 && python {script}"],
        "login shell": ["sh", "-c", f"{activate} && exec python3 {script}"],
    }


def outcome(argv: list[str]) -> subprocess.CompletedProcess[str]:
    """The end of one start, in a clean environment."""
    clean = {"PATH": os.defpath, "HOME": "/nonexistent"}
    return subprocess.run(argv, capture_output=True, text=True, check=False, env=clean)


def mixed(done: subprocess.CompletedProcess[str], store: str) -> str:
    """What is wrong with a start: it failed, or files of another generation are in it."""
    if done.returncode:
        return f"{done.stdout}{done.stderr}"
    prefix, six, seen = json.loads(done.stdout)
    expected = {f"{store}/1": "1.16.0", f"{store}/2": "1.17.0"}
    if expected.get(prefix) != six:
        return f"{prefix} has six {six}"
    other = [path for path in seen if "readers" in path and not f"{path}/".startswith(f"{prefix}/")]
    return ", ".join(other)


@pytest.mark.parametrize(
    "kind",
    only_full_but(
        ["launcher", "launcher with a version", "activated shell", "login shell"], "launcher"
    ),
)
@pytest.mark.parametrize(
    "source",
    [
        pytest.param(LOOK, id="late imports"),
        pytest.param(SPAWN, id="spawn", marks=pytest.mark.full),
    ],
)
def test_no_process_mixes_generations(
    place: Place, switching: list[int], tmp_path: Path, kind: str, source: str
) -> None:
    script = tmp_path / "look.py"
    script.write_text(source)
    argv = starts(place, script)[kind]
    with ThreadPoolExecutor(READERS) as pool:
        found = list(pool.map(outcome, [argv] * STARTS))
    assert switching[0] > STARTS, "the link was not switched meanwhile"
    assert [text for text in (mixed(done, place.store) for done in found) if text] == []
    prefixes = {json.loads(done.stdout)[0] for done in found}
    assert prefixes == {f"{place.store}/1", f"{place.store}/2"}, "all starts met one generation"


@pytest.mark.full
def test_an_interpreter_by_its_own_name_keeps_the_generation_that_it_finds(
    place: Place, tmp_path: Path
) -> None:
    """Without a switch in the moment of the start; docs say what happens with one."""
    script = tmp_path / "look.py"
    script.write_text(LOOK)
    for number, name in ((1, "python3.11"), (2, "python3.12")):
        switch(place, number)
        process = subprocess.Popen(
            [f"{place.link}/bin/{name}", "-c", f"input(); exec(open({str(script)!r}).read())"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdin is not None
        # It has started when it waits for the line.
        with open(f"/proc/{process.pid}/cmdline") as stream:
            assert name in stream.read()
        while not _is_waiting(process.pid):
            pass
        switch(place, 3 - number)
        output, _none = process.communicate("go on\n")
        done = subprocess.CompletedProcess([], process.returncode, output, "")
        assert mixed(done, place.store) == ""
        assert json.loads(output)[0] == f"{place.store}/{number}"


def _is_waiting(pid: int) -> bool:
    """Whether the process reads its standard input (proc(5), syscall: read is 0 on x86-64, 63 on arm64)."""
    try:
        words = Path(f"/proc/{pid}/syscall").read_text().split()
    except OSError:
        return False
    return words[:2] in (["0", "0x0"], ["63", "0x0"])


@pytest.mark.full
def test_entry_points_start_in_their_generation(place: Place, switching: list[int]) -> None:
    with ThreadPoolExecutor(READERS) as pool:
        found = list(pool.map(outcome, [[f"{place.link}/bin/pip", "--version"]] * STARTS))
    wrong = []
    for done in found:
        # pip 26 from .../readers/1/lib/python3.11/site-packages/pip (python 3.11)
        words = done.stdout.split()
        good = not done.returncode and any(
            f"{place.store}/{number}/lib/python{version}/" in words[3] and f"{version})" in words[5]
            for number, version in ((1, "3.11"), (2, "3.12"))
        )
        wrong += [] if good else [done.stdout + done.stderr]
    assert wrong == []
