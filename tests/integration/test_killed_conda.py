"""conda is killed and the module that started it is not: the next run mends what it left."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.target import module_command, module_environment

MakeEnv = Callable[..., Path]
Versions = Callable[[Path], dict[str, str]]


@pytest.fixture
def kill_conda(home: Path, conda_installation: Path) -> Callable[..., str]:
    """Start a module, kill its conda at a moment, and return what the module said."""
    program = str(conda_installation / "bin" / "python").encode()

    def run(name: str, options: dict[str, Any], moment: Callable[[], object]) -> str:
        process = subprocess.Popen(
            module_command(name, options),
            env=module_environment(home),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        while process.poll() is None:
            if moment() and (found := _children(process.pid, program)):
                os.kill(found[0], signal.SIGKILL)
                return process.communicate()[0]
            time.sleep(0.002)
        pytest.fail(f"{name} ended before the moment came: {process.communicate()[0]!r}")

    return run


def _children(parent: int, program: bytes) -> list[int]:
    listed = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [pid for pid in map(int, listed) if _program(pid) == program]


def _program(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]
    except OSError:
        return b""


def _leftovers(prefix: Path) -> list[str]:
    found = [*prefix.parent.glob(f".{prefix.name}.llmfleet*"), *prefix.rglob("*.c~")]
    return [path.name for path in [*found, *(prefix / "conda-meta").glob(".llmfleet*")]]


@pytest.mark.full
def test_between_its_last_record_and_the_history(
    make_env: MakeEnv,
    kill_conda: Any,
    run_module: Any,
    conda: Any,
    conda_installation: Path,
    versions: Versions,
) -> None:
    """It compiles in between; a wish for the version before would take the change back one day."""
    prefix = make_env("python=3.11", "lab-upgrade=1.0", "tqdm=4.66.5")
    wanted = {
        "installation": str(conda_installation),
        "prefix": str(prefix),
        "packages": ["python=3.11", "lab-upgrade=2.0", "tqdm=4.70.1"],
    }
    meta = prefix / "conda-meta"
    names = ("lab-upgrade-2.0-*.json", "tqdm-4.70.1-*.json")
    before = (meta / "history").read_text()
    said = kill_conda("conda_env", wanted, lambda: all(any(meta.glob(name)) for name in names))
    assert "killed" in said
    assert (meta / "history").read_text() == before
    result = run_module("conda_env", wanted)
    assert result["rc"] == 0, result
    assert not run_module("conda_env", wanted)["changed"]
    assert _leftovers(prefix) == []
    conda("install", "--prefix", str(prefix), "--yes", "six")
    listed = versions(prefix)
    assert (listed["lab-upgrade"], listed["tqdm"]) == ("2.0", "4.70.1")
