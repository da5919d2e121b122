"""The activation scripts, run by the shells that are there."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._generations.shell_hooks import (
    shell_hooks,
)

LINK = "/opt/conda/envs/llm"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The script for sh of a generation whose path has characters that shells treat specially."""
    text = shell_hooks("/opt/con$da/envs/.llm/2")["etc/conda/activate.d/00-llmfleet-generation.sh"]
    path = tmp_path / "hook.sh"
    path.write_text(text)
    return path


def told(shell: str, script: Path, before: str) -> str:
    """PATH and CONDA_PREFIX after the script, which must neither fail nor print."""
    program = f'{before}\n. {script} || exit 9\nprintf "%s|%s" "$PATH" "$CONDA_PREFIX"'
    done = subprocess.run(
        [str(shutil.which(shell)), "-c", f"set -eu\n{program}"],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("shell", ["sh", "bash", "dash", "zsh", "ksh"])
def test_the_link_is_replaced(shell: str, script: Path) -> None:
    if not shutil.which(shell):
        pytest.skip(f"this machine has no {shell}")
    real = "/opt/con$da/envs/.llm/2"
    before = f'CONDA_PREFIX={LINK}; PATH="{LINK}/bin:/usr/bin:{LINK}/binary:/bin"'
    assert told(shell, script, before) == f"{real}/bin:/usr/bin:{LINK}/binary:/bin|{real}"
    # Empty entries stand for the working directory; they stay.
    before = f'CONDA_PREFIX={LINK}; PATH="/usr/bin::{LINK}/bin:/bin"'
    assert told(shell, script, before) == f"/usr/bin::{real}/bin:/bin|{real}"
    before = f"CONDA_PREFIX='{real}'; PATH=\"/x/bin:/usr/bin:/bin\""
    assert told(shell, script, before) == f"/x/bin:/usr/bin:/bin|{real}"
    before = "CONDA_PREFIX=; PATH=/usr/bin:/bin"
    assert told(shell, script, before) == "/usr/bin:/bin|"


@pytest.mark.parametrize(("shell", "end"), [("csh", "csh"), ("tcsh", "csh"), ("fish", "fish")])
def test_other_shells(shell: str, end: str, tmp_path: Path) -> None:
    if not shutil.which(shell):
        pytest.skip(f"this machine has no {shell}")
    real = "/opt/conda/envs/.llm/2"
    script = tmp_path / f"hook.{end}"
    script.write_text(shell_hooks(real)[f"etc/conda/activate.d/00-llmfleet-generation.{end}"])
    done = subprocess.run(
        [str(shutil.which(shell)), "-c", f"source {script}; env"],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": f"{LINK}/bin:/usr/bin:/bin", "CONDA_PREFIX": LINK},
    )
    lines = done.stdout.splitlines()
    assert f"PATH={real}/bin:/usr/bin:/bin" in lines
    assert f"CONDA_PREFIX={real}" in lines
