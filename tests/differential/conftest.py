"""The oracles for our own reading of versions and specs: the real conda of the lab, and rattler."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.tests.unit.plugins import property_profile
from lab import installer
from lab.build import build
from tests.differential.oracle import Oracle

HERE = Path(__file__).parent

property_profile.load()


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


@pytest.fixture(scope="module")
def conda(conda_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracle]:
    """The real conda."""
    home = tmp_path_factory.mktemp("conda-home")
    running = Oracle([conda_python, "-I", HERE / "conda_answers.py"], home)
    yield running
    running.close()


@pytest.fixture(scope="module")
def rattler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracle]:
    """rattler, conda's rules written anew in Rust."""
    home = tmp_path_factory.mktemp("rattler-home")
    running = Oracle([sys.executable, "-I", HERE / "rattler_answers.py"], home)
    yield running
    running.close()
