"""The real conda of the lab as an oracle for our own reading of versions and specs."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import installer
from lab.build import build

ANSWERS = Path(__file__).with_name("conda_answers.py")


class Oracle:
    """A conda process that answers questions one after the other.

    ``asked`` counts the comparisons that were made with its answers.
    """

    def __init__(self, python: Path, home: Path) -> None:
        self.asked = 0
        self._process = subprocess.Popen(
            [python, "-I", ANSWERS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "HOME": str(home)},
            text=True,
        )

    def ask(self, question: str, *arguments: Any) -> Any:
        """The answer, or None when conda refuses the text."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([question, *arguments]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the oracle died of {question} {arguments}"
        reply = json.loads(line)
        return reply.get("ok")

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)


@pytest.fixture(scope="session")
def conda_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a conda installed for this run of the tests, shared by parallel workers."""
    build(["installer"], print)
    base = tmp_path_factory.getbasetemp()
    root = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    prefix = root / "oracle-conda"
    with open(root / "oracle-conda.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (prefix / "complete").exists():
            command = ["bash", str(installer.current()["path"]), "-b", "-p", str(prefix)]
            environment = {"PATH": os.environ["PATH"], "HOME": str(root)}
            subprocess.run(command, check=True, capture_output=True, env=environment, timeout=300)
            (prefix / "complete").touch()
    return prefix / "bin" / "python"


@pytest.fixture(scope="session")
def oracle(conda_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracle]:
    """The oracle itself."""
    running = Oracle(conda_python, tmp_path_factory.mktemp("oracle-home"))
    yield running
    running.close()
