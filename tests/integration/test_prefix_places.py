"""A prefix that is a mount point, or that a symbolic link leads to; real conda works there."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.selection import only_full_but


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    """A mounted volume with the lost+found of an ext4."""
    if os.geteuid() != 0:
        pytest.skip("mounting a volume needs root: a prefix that is a mount point is NOT tested")
    place = tmp_path / "volume"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200m", "llmfleet-test", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted, a mount point is NOT tested: {done.stderr}")
    (place / "lost+found").mkdir(mode=0o700)
    yield place
    subprocess.run(["umount", str(place)], check=True)


def all_steps(run_module: Any, module: str, options: dict[str, Any]) -> None:
    """Check, run, check, run: the first two change something, the others do not."""
    results = [run_module(module, options, check=check) for check in (True, False, True, False)]
    shown = [result.get("msg") for result in results]
    assert [result["rc"] for result in results] == [0, 0, 0, 0], shown
    assert [result["changed"] for result in results] == [True, True, False, False]
    assert "None: None" not in str(results)


@pytest.mark.full
@pytest.mark.root
def test_an_environment_at_a_mount_point(
    volume: Path, run_module: Any, conda_installation: Path
) -> None:
    options = {"installation": str(conda_installation), "prefix": str(volume)}
    absent = {**options, "state": "absent"}
    assert not run_module("conda_env", absent)["changed"]
    for packages in (["lab-upgrade"], ["lab-upgrade", "lab-needs-glibc"]):
        all_steps(run_module, "conda_env", {**options, "packages": packages})
    info = run_module("conda_info", {"prefix": str(volume)})
    assert info["exists"], info
    all_steps(run_module, "conda_env", absent)
    assert os.listdir(volume) == ["lost+found"]
    assert os.listdir(volume.parent) == ["volume"]
    (volume / "lost+found").rmdir()
    assert not run_module("conda_env", absent)["changed"]


@pytest.mark.root
@pytest.mark.full
def test_an_installation_at_a_mount_point(
    volume: Path, run_module: Any, installer_options: Any
) -> None:
    subprocess.run(["mount", "-o", "remount,size=1g", str(volume)], check=True)
    absent = {"prefix": str(volume), "state": "absent"}
    assert not run_module("conda_installation", absent)["changed"]
    all_steps(run_module, "conda_installation", installer_options(volume))
    all_steps(run_module, "conda_installation", absent)
    assert os.listdir(volume) == ["lost+found"]


@pytest.mark.full
@pytest.mark.parametrize("how", only_full_but(["the prefix", "a parent"], "the prefix"))
def test_a_link_is_resolved(
    how: str, tmp_path: Path, run_module: Any, conda_installation: Path
) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    real = tmp_path / "real" / "env"
    link.symlink_to(real if how == "the prefix" else real.parent)
    prefix = link if how == "the prefix" else link / "env"
    options = {"installation": str(conda_installation), "prefix": str(prefix)}
    packages = {**options, "packages": ["python=3.11", "pip", "lab-entrypoint"]}
    all_steps(run_module, "conda_env", packages)
    lines = [path for path in (real / "bin").iterdir() if path.is_file()]
    assert not [path for path in lines if os.fsencode(link) in path.read_bytes()]
    script = (real / "bin" / "lab-hello").read_text()
    assert script.startswith(f"#!{real}/bin/python")
    more = {**options, "packages": ["lab-upgrade"]}
    all_steps(run_module, "conda_package", more)
    info = run_module("conda_info", {"prefix": str(prefix)})
    assert info["exists"], info
    all_steps(run_module, "conda_env", {**options, "state": "absent"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]
    assert list((tmp_path / "real").iterdir()) == []
