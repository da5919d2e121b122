"""Compiling modules with the environment's Python, in one process per processor."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.compiled import COMPILE


def _compile(
    folder: Path, modules: list[Path], before: str = ""
) -> subprocess.CompletedProcess[str]:
    listed = folder / "modules.txt"
    listed.write_text("".join(f"{module}\n" for module in modules))
    return subprocess.run(
        [sys.executable, "-I", "-c", before + COMPILE, str(listed)],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip


def _compiled(module: Path) -> Path:
    return Path(importlib.util.cache_from_source(str(module)))


@pytest.mark.parametrize("count", [1, 10, 100, 300])
@pytest.mark.parametrize("processors", [1, 4])
def test_every_module_is_compiled(tmp_path: Path, count: int, processors: int) -> None:
    modules = [tmp_path / f"module_{number}.py" for number in range(count)]
    for module in modules:
        module.write_text("x = 1\n")
    before = f"import os\nos.sched_getaffinity = lambda pid: range({processors})\n"
    _compile(tmp_path, modules, before)
    assert [module for module in modules if not _compiled(module).is_file()] == []


def test_without_further_processes_one_process_compiles_everything(tmp_path: Path) -> None:
    modules = [tmp_path / f"module_{number}.py" for number in range(300)]
    for module in modules:
        module.write_text("x = 1\n")
    before = (
        "import os\nos.sched_getaffinity = lambda pid: range(4)\n"
        "def refuse():\n    raise BlockingIOError(11, 'Resource temporarily unavailable')\n"
        "os.fork = refuse\n"
    )
    _compile(tmp_path, modules, before)
    assert [module for module in modules if not _compiled(module).is_file()] == []


def test_files_that_do_not_compile_are_skipped_silently(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.py", tmp_path / "bad.py"
    good.write_text("x = 1\n")
    bad.write_text("{{ template }} = (\n")
    done = _compile(tmp_path, [bad, tmp_path / "gone.py", good])
    assert done.stdout + done.stderr == ""
    assert _compiled(good).is_file()
    assert not _compiled(bad).exists()


def test_compiled_files_are_kept(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text("x = 1\n")
    _compile(tmp_path, [module])
    os.utime(_compiled(module), (1, 1))
    _compile(tmp_path, [module])
    assert _compiled(module).stat().st_mtime == 1
