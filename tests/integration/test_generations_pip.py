"""pip in generations: by the real path, with files shared between generations."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import paths

SITE = "lib/python3.11/site-packages"


@pytest.fixture
def run(run_module: Callable[..., Any], conda_installation: Path) -> Iterator[Callable[..., Any]]:
    """Run the module for the environment ``gpip`` with a version of six and requirements."""
    link = conda_installation / "envs" / "gpip"

    def call(six: str, *requirements: str, **more: Any) -> Any:
        pip = {"no_index": True, "find_links": [str(paths.wheels_dir())], **more}
        options = {
            "installation": str(conda_installation),
            "name": "gpip",
            "environment": {"packages": ["python=3.11", f"six={six}", "pip"]},
            "pip": {**pip, "requirements": list(requirements)},
        }
        return run_module("conda_generations", options)

    yield call
    store = link.with_name(".gpip")
    for directory, _names, _files in os.walk(store):
        os.chmod(directory, 0o755)
    shutil.rmtree(store)
    link.unlink()


@pytest.mark.full
def test_generations_share_what_pip_installed(
    run: Callable[..., Any], conda_installation: Path
) -> None:
    link = conda_installation / "envs" / "gpip"
    store = link.with_name(".gpip")
    first = run("1.16", "packaging", "pygments")
    assert first["changed"], first
    assert not run("1.16", "packaging", "pygments")["changed"]
    second = run("1.17", "packaging", "pygments")
    assert second["generation"] == 2, second
    assert [line.split()[:2] for line in second["added"] if " lab" in line] == [["six", "1.17.0"]]
    for name in ("pygments/lexer.py", "packaging/version.py"):
        assert os.path.samefile(store / "1" / SITE / name, store / "2" / SITE / name)
    # Scripts start the interpreter itself, by its real path.
    script = (store / "2" / "bin" / "pygmentize").read_text()
    assert script.splitlines()[0] == f"#!{store}/2/bin/python3.11"
    assert f"{store}/1/" not in script
    done = subprocess.run([link / "bin" / "pygmentize", "-V"], capture_output=True, check=True)
    assert done.stdout.startswith(b"Pygments version")
    # pip itself agrees with RECORD, and so does conda.
    python = str(link / "bin" / "python")
    subprocess.run([python, "-m", "pip", "check"], check=True, capture_output=True)
    shown = subprocess.run(
        [python, "-m", "pip", "show", "--files", "pygments"], capture_output=True, text=True, check=True
    )  # fmt: skip
    assert f"Location: {store}/2/{SITE}" in shown.stdout
    # pip removes a distribution from the next generation only.
    third = run("1.17", "packaging", exact=True)
    assert third["generation"] == 3, third
    assert not (store / "3" / "bin" / "pygmentize").exists()
    assert (store / "2" / "bin" / "pygmentize").exists()
    assert not run("1.17", "packaging", exact=True)["changed"]
