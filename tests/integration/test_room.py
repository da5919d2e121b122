"""Small volumes: a change that does not fit is refused before anything is downloaded or written."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.tests.unit.plugins.wheel_factory import make_wheel
from lab import paths
from tests.integration.hub_server import MODEL, Hub
from tests.integration.lab_conda import run_conda
from tests.integration.snapshot import snapshot

pytestmark = pytest.mark.root

Mounted = Callable[[str], Path]


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Mounted]:
    """Mount a small volume with these options; a second call changes its size."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small volume needs root: room is NOT tested here")
    place = tmp_path / "disk"

    def mount(options: str) -> Path:
        again = ",remount" if place.exists() else ""
        place.mkdir(exist_ok=True)
        argv = ["mount", "-t", "tmpfs", "-o", f"{options}{again}", "llmfleet-test", str(place)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"no volume can be mounted, room is NOT tested: {done.stderr}")
        return place

    yield mount
    subprocess.run(["umount", str(place)], check=True)


def must_be_refused(
    run_module: Any, module: str, options: dict[str, Any], volume: Path, check: bool = False
) -> str:
    """The message of a module that leaves the volume as it is.

    Outside of check mode, the lock changes the time stamp of the directory that it is in.
    """

    def look() -> dict[str, Any]:
        found = snapshot(volume)
        return {path: one for path, one in found.items() if check or not os.path.isdir(path)}

    before = look()
    result = run_module(module, options, check=check)
    assert result["rc"] == 1, result
    message: str = result["msg"]
    assert "Not enough free space" in message, message
    assert f"on the volume {volume} at least " in message, message
    assert "Nothing was changed" in message
    assert "llmfleet.conda.clean" in result["hint"]
    assert "No space left" not in message
    assert look() == before
    return message


@pytest.fixture
def env(conda_installation: Path) -> Callable[..., dict[str, Any]]:
    def make(prefix: Path, **more: Any) -> dict[str, Any]:
        return {"installation": str(conda_installation), "prefix": str(prefix), **more}

    return make


def test_an_environment_is_refused_as_long_as_it_does_not_fit(
    mounted: Mounted, run_module: Any, env: Any, conda_installation: Path, home: Path
) -> None:
    volume = mounted("size=24m")
    options = env(volume / "env", packages=["python=3.11"])
    foreseen = must_be_refused(run_module, "conda_env", options, volume, check=True)
    assert must_be_refused(run_module, "conda_env", options, volume) == foreseen
    mounted("size=400m")
    assert run_module("conda_env", options)["changed"]
    # The real conda tells what it took: more than the free space that was refused.
    listed = run_conda(conda_installation, home, "list", "--json", "--prefix", str(volume / "env"))
    assert "python" in {row["name"] for row in listed}
    used = os.statvfs(volume)
    assert (used.f_blocks - used.f_bfree) * used.f_frsize > 24 << 20
    # What is there needs no room any more.
    mounted(f"size={(used.f_blocks - used.f_bfree) * used.f_frsize}")
    assert not run_module("conda_env", options)["changed"]


@pytest.mark.full
def test_a_package_that_fits_into_a_small_volume_is_installed(
    mounted: Mounted, run_module: Any, env: Any, versions: Any
) -> None:
    volume = mounted("size=2m")
    options = env(volume / "env", packages=["lab-upgrade=1.0"])
    assert run_module("conda_env", options)["changed"]
    more = {**options, "packages": ["python=3.11"]}
    must_be_refused(run_module, "conda_package", more, volume)
    must_be_refused(run_module, "conda_package", more, volume, check=True)
    assert versions(volume / "env") == {"lab-upgrade": "1.0"}
    assert run_module("conda_package", {**more, "packages": ["lab-upgrade=2.0"]})["changed"]


@pytest.mark.parametrize("check", [True, False])
def test_a_lock_is_refused_by_the_sizes_of_its_channel(
    check: bool, mounted: Mounted, run_module: Any, env: Any, mirror: Any
) -> None:
    volume = mounted("size=24m")
    path = next((paths.channel_dir() / "linux-64").glob("python-3.12*.conda"))
    mirror.reset()
    lock = ["@EXPLICIT", f"{mirror.url}/conda/lab/linux-64/{path.name}"]
    must_be_refused(run_module, "conda_env", env(volume / "env", lock=lock), volume, check)
    assert not [name for name in mirror.counts() if path.name in name]


def test_a_volume_without_inodes(mounted: Mounted, run_module: Any, env: Any) -> None:
    volume = mounted("size=24m,nr_inodes=2")
    options = env(volume / "env", packages=["lab-upgrade", "lab-needs-glibc"])
    assert "inodes" in must_be_refused(run_module, "conda_env", options, volume)


@pytest.fixture
def packages_on_the_volume(
    mounted: Mounted, run_module: Any, installer_options: Any
) -> tuple[Path, dict[str, Any]]:
    """A volume with an environment that has pip, and the options that name it."""
    volume = mounted("size=900m")
    base = volume / "base"
    assert run_module("conda_installation", installer_options(base))["changed"]
    return volume, {"installation": str(base), "prefix": str(base)}


@pytest.mark.full
def test_wheels_on_the_host_are_refused_by_their_content(
    packages_on_the_volume: tuple[Path, dict[str, Any]],
    mounted: Mounted,
    run_module: Any,
    tmp_path: Path,
) -> None:
    volume, place = packages_on_the_volume
    house = tmp_path / "wheels"
    make_wheel(house, "t-big", "1.0", files={"t_big/data.txt": "0123456789" * 4_000_000})
    used = os.statvfs(volume)
    taken = (used.f_blocks - used.f_bfree) * used.f_frsize
    mounted(f"size={taken + (20 << 20)}")
    options = {**place, "requirements": ["t-big"], "find_links": [str(house)], "no_index": True}
    must_be_refused(run_module, "conda_pip", options, volume)
    must_be_refused(run_module, "conda_pip", options, volume, check=True)
    mounted(f"size={taken + (100 << 20)}")
    assert run_module("conda_pip", options)["changed"]


def test_a_directory_of_a_model(mounted: Mounted, run_module: Any, tmp_path: Path) -> None:
    source = tmp_path / "model"
    source.mkdir()
    (source / "weights.bin").write_bytes(b"w" * (3 << 20))
    volume = mounted("size=2m")
    options = {
        "model": MODEL,
        "path": str(source),
        "remote_src": True,
        "cache_dir": str(volume / "models"),
    }
    foreseen = run_module("hub_model", options, check=True)
    done = run_module("hub_model", options)
    for result in (foreseen, done):
        assert result["rc"] == 1, result
        assert f"on the volume {volume} at least 3072 kB" in result["msg"]
    assert not [path for path in volume.rglob("*") if path.stat().st_size > 4096]
    mounted("size=8m")
    assert run_module("hub_model", options)["changed"]


@pytest.mark.full
def test_a_model_of_a_hub_is_refused_before_the_download(
    mounted: Mounted,
    run_module: Any,
    conda_installation: Path,
) -> None:
    place = {"installation": str(conda_installation), "name": "room-hub"}
    assert run_module("conda_env", {**place, "packages": ["python=3.11", "pip"]})["changed"]
    wheels = {"no_index": True, "find_links": [str(paths.wheels_dir())]}
    done = run_module("conda_pip", {**place, **wheels, "requirements": ["huggingface_hub"]})
    assert done["changed"], done
    files = {"config.json": b"{}", "weights.bin": b"w" * (3 << 20), "other.bin": b"o" * (9 << 20)}
    volume = mounted("size=2m")
    with Hub(files) as hub:
        options = {
            **place,
            "model": MODEL,
            "endpoint": hub.url,
            "cache_dir": str(volume / "models"),
            "exclude": ["other.bin"],
        }
        result = run_module("hub_model", options)
        assert result["rc"] == 1, result
        assert f"on the volume {volume} at least 3072 kB" in result["msg"]
        assert "for 2 files of the model" in result["msg"]
        assert "llmfleet.conda.clean" in result["hint"]
        assert hub.fetched() == []
        mounted("size=8m")
        assert run_module("hub_model", options)["changed"]
        assert hub.fetched() == ["config.json", "weights.bin"]
