"""Runs that are cut off, held up or out of room, and what the next one makes of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.tests.unit.plugins.wheel_factory import make_wheel
from tests.integration.conda_pip.environment import installed, pip, site_packages
from tests.integration.snapshot import changes, snapshot
from tests.integration.target import module_command, module_environment

# Only in make test-full: many moments, each with a repair behind it.
pytestmark = pytest.mark.full

ROOT = Path(__file__).resolve().parents[3]
RunModule = Callable[..., dict[str, Any]]
JOURNAL = Path("conda-meta", ".llmfleet-journal")


def test_what_a_killed_pip_left_is_cleared_away(
    prefix: Path, run_module: RunModule, options: Any
) -> None:
    run_module("conda_pip", options("t-app==1.0"))
    site = site_packages(prefix)
    # As pip leaves it when it is killed while it replaces a distribution.
    (site / "t_app-1.0.dist-info").rename(site / "~_app-1.0.dist-info")
    (site / "t_app").rename(site / "~_app")
    journal = prefix / JOURNAL
    journal.write_text(json.dumps({"operation": "pip"}))
    left = prefix.parent / f".{prefix.name}.llmfleet-pip-left"
    left.mkdir()
    result = run_module("conda_pip", options("t-app==1.0"))
    assert (result["rc"], result["changed"]) == (0, True), result
    assert list(site.glob("~*")) == []
    assert not journal.exists()
    assert not left.exists()
    # As it is when the run was killed after the installer's last change, before all was compiled.
    journal.write_text(json.dumps({"operation": "pip"}))
    left.mkdir()
    compiled = sorted((site / "t_app").rglob("*.pyc"))
    assert compiled
    for path in compiled:
        path.unlink()
    result = run_module("conda_pip", options("t-app==1.0"))
    assert (result["rc"], result["changed"]) == (0, False), result
    assert not journal.exists()
    assert not left.exists()
    assert sorted((site / "t_app").rglob("*.pyc")) == compiled


def test_nothing_is_left_beside_the_prefix(
    prefix: Path, run_module: RunModule, options: Any
) -> None:
    run_module("conda_pip", options("t-app==1.0"))
    run_module("conda_pip", options("t-nothing"))
    assert [path.name for path in prefix.parent.iterdir() if "llmfleet" in path.name] == []
    assert [
        path.name for path in (prefix / "conda-meta").iterdir() if "llmfleet" in path.name
    ] == []


@pytest.mark.parametrize("moment", [0.1, 0.35, 0.6, 0.85])
@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_killed_at_any_moment_the_next_run_converges(
    installer: str,
    moment: float,
    prefix: Path,
    run_module: RunModule,
    options: Any,
    wheels: Path,
    home: Path,
    uv: str,
) -> None:
    how = {"installer": "uv", "uv_executable": uv} if installer == "uv" else {}
    for version in ("1.0", "2.0"):
        for name in ("t-one", "t-two", "t-three"):
            stem = name.replace("-", "_")
            files = {f"{stem}/m{number}.py": f"V = '{version}'\n" * 9 for number in range(150)}
            make_wheel(wheels, name, version, files={f"{stem}/__init__.py": "", **files})
    lines = ["t-one", "t-two", "t-three"]
    old, new = ([f"{line}=={version}" for line in lines] for version in ("1.0", "2.0"))
    assert run_module("conda_pip", options(*old, **how))["changed"]
    clock = time.monotonic()
    assert run_module("conda_pip", options(*new, **how))["changed"]
    seconds = time.monotonic() - clock
    assert run_module("conda_pip", options(*old, **how))["changed"]
    _run_and_kill("conda_pip", options(*new, **how), home, prefix, seconds * moment)
    result = run_module("conda_pip", options(*new, **how))
    assert result["rc"] == 0, result
    listed = installed(prefix)
    assert {name: listed[name] for name in lines} == dict.fromkeys(lines, "2.0")
    assert pip(prefix, "check").startswith("No broken")
    show = "import t_one.m149, t_two.m149, t_three.m149; print(t_one.m149.V, t_two.m149.V)"
    done = subprocess.run(
        [str(prefix / "bin" / "python"), "-I", "-B", "-c", show], capture_output=True, text=True
    )
    assert done.stdout.split() == ["2.0", "2.0"], done.stderr
    assert list(site_packages(prefix).glob("~*")) == []
    assert [path.name for path in prefix.parent.iterdir() if "llmfleet-pip" in path.name] == []
    assert not run_module("conda_pip", options(*new, **how))["changed"]


def _run_and_kill(
    name: str, arguments: dict[str, Any], home: Path, prefix: Path, seconds: float
) -> None:
    """Start a module and kill -9 it and all that it started after some seconds, as a power cut does."""
    programs = {str(prefix / "bin" / "python"), str(arguments.get("uv_executable"))}
    process = subprocess.Popen(
        module_command(name, arguments),
        env=module_environment(home),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(seconds)
    process.kill()
    process.wait()
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if command[0].decode() in programs:
            os.kill(int(entry.parent.name), signal.SIGKILL)


@pytest.mark.root
def test_full_disk(
    conda_installation: Path, prefix: Path, run_module: RunModule, options: Any, wheels: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small volume")
    make_wheel(wheels, "t-big", "1.0", files={"t_big/data.txt": "0123456789" * 400_000})
    volume = site_packages(prefix) / "t_big"
    volume.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "llmfleet-test", str(volume)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this container may not mount")
    try:
        result = run_module("conda_pip", options("t-big"))
    finally:
        subprocess.run(["umount", str(volume)], check=True)
    assert (result["rc"], result["kind"], result["option"]) == (1, "disk_full", "prefix"), result
    assert "make room" in result["msg"]
    volume.rmdir()
    assert run_module("conda_pip", options("t-big"))["changed"]


@pytest.mark.root
def test_no_permission(prefix: Path, run_module: RunModule, options: Any, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    for directory in (tmp_path, *tmp_path.parents[:3]):
        directory.chmod(directory.stat().st_mode | 0o055)
    before = snapshot(prefix)
    result = run_module("conda_pip", options("t-app"), user=65534)
    assert result["rc"] == 1
    assert "become" in result["msg"], result
    assert changes(before, snapshot(prefix)) == []
