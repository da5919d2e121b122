"""Installations by the lab's installer, judged by the conda in them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.history import requested_names
from lab import installer as lab_installer
from tests.integration.four_steps import Steps
from tests.integration.lab_conda import run_conda

Options = Callable[..., dict[str, Any]]


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """Where nothing is yet."""
    return tmp_path / "base"


@pytest.fixture
def steps(run_module: Any, tmp_path: Path, home: Path, prefix: Path) -> Steps:
    """The four steps with the prefix, what is beside it, and the home directory under watch."""
    return Steps(run_module, (tmp_path, home), prefix)


def test_the_life_of_an_installation(
    prefix: Path, steps: Steps, installer_options: Options, run_module: Any, home: Path
) -> None:
    current = lab_installer.current()
    result = steps("conda_installation", installer_options(prefix))
    info = run_conda(prefix, home, "info", "--json")
    assert info["conda_version"] == "24.7.1"
    assert result["conda_version"] == info["conda_version"]
    assert info["root_prefix"] == str(prefix)
    assert info["python_version"].startswith(current["python"])
    assert result["python_version"] == current["python"]
    assert [path.name for path in prefix.parent.iterdir()] == ["base"]

    environment = {"installation": str(prefix), "name": "kept"}
    assert run_module("conda_env", environment)["changed"]
    absent = {"prefix": str(prefix), "state": "absent"}
    refused = run_module("conda_installation", absent)
    assert refused["rc"] == 1
    assert "still contains the environments kept" in refused["msg"]
    assert (prefix / "envs" / "kept" / "conda-meta" / "history").is_file()

    steps("conda_installation", {**absent, "remove_environments": True})
    assert list(prefix.parent.iterdir()) == []


@pytest.mark.full
def test_an_installer_on_the_host(prefix: Path, run_module: Any, tmp_path: Path) -> None:
    current = lab_installer.current()
    script = tmp_path / current["filename"]
    shutil.copy(current["path"], script)
    options = {"prefix": str(prefix), "installer_path": str(script)}
    options["checksum"] = f"sha256:{current['sha256']}"
    result = run_module("conda_installation", options)
    assert result["changed"], result
    assert result["conda_version"] == "24.7.1"
    assert {path.name for path in tmp_path.iterdir()} == {"base", current["filename"]}
    assert not run_module("conda_installation", options)["changed"]


@pytest.mark.full
def test_what_a_cut_off_installer_had_still_to_do_is_done(
    prefix: Path, run_module: Any, installer_options: Options, home: Path
) -> None:
    """The module was killed while the installer had linked all packages and not tidied up."""
    options = installer_options(prefix)
    assert run_module("conda_installation", options)["changed"]
    assert run_module("conda_env", {"installation": str(prefix), "name": "kept"})["changed"]
    kept = contents(prefix / "envs" / "kept")
    told = run_conda(prefix, home, "list", "--json")
    wishes = requested_names(str(prefix))
    assert wishes
    (prefix / "LICENSE.txt").unlink()
    (prefix / "install_tmp").mkdir()
    (prefix / "postconda.tar.bz2").write_text("")
    (prefix / "conda-meta" / "history").write_text("")
    journal = prefix.parent / ".base.llmfleet-journal"
    journal.write_text(json.dumps({"operation": "install", "installer": "begun"}))

    assert run_module("conda_installation", options)["changed"]
    assert (prefix / "LICENSE.txt").is_file()
    assert not (prefix / "install_tmp").exists()
    assert not (prefix / "postconda.tar.bz2").exists()
    assert run_conda(prefix, home, "list", "--json") == told
    assert requested_names(str(prefix)) == wishes
    assert contents(prefix / "envs" / "kept") == kept
    assert [path.name for path in prefix.parent.iterdir()] == ["base"]
    assert not run_module("conda_installation", options)["changed"]


@pytest.mark.full
@pytest.mark.parametrize("place", ["missing parents", "empty directory"])
def test_a_place_to_install_and_an_interrupted_download_that_is_continued(
    place: str, tmp_path: Path, run_module: Any, installer_options: Options, mirror: Any
) -> None:
    prefix = tmp_path / "opt" / "site" / "base"
    if place == "empty directory":
        prefix.mkdir(parents=True)
    mirror.reset()
    mirror.fault("/installers/*.sh", "truncate", fraction=0.5, times=1)
    result = run_module("conda_installation", installer_options(prefix))
    assert result["changed"], result
    whole = lab_installer.current()["path"].stat().st_size
    (sent,) = [item for path, item in mirror.counts().items() if path.endswith(".sh")]
    assert sent["requests"] == 2
    assert sent["bytes"] < whole * 1.1


def test_nothing_is_fetched_when_nothing_is_to_do(
    conda_installation: Path, run_module: Any, installer_options: Options, mirror: Any
) -> None:
    mirror.reset()
    result = run_module("conda_installation", installer_options(conda_installation))
    assert not result["changed"]
    assert mirror.counts() == {}


def test_environments_and_condarc_of_a_shared_installation_show_up(
    conda_installation: Path, run_module: Any, installer_options: Options, make_env: Any
) -> None:
    environment = make_env()
    result = run_module("conda_installation", installer_options(conda_installation))
    assert environment.name in result["environments"]


@pytest.mark.full
def test_a_removal_takes_what_was_put_and_nothing_else(
    prefix: Path, run_module: Any, installer_options: Options, tmp_path: Path, mirror: Any
) -> None:
    home = tmp_path / "home"
    (home / ".conda").mkdir(parents=True)
    listing = home / ".conda" / "environments.txt"
    listing.write_text("/srv/elsewhere/envs/theirs\n")
    (home / ".condarc").write_text(f"channels: [{mirror.url}/conda/lab]\n")
    (tmp_path / "base-of-another").mkdir()
    how = {"environment": {"HOME": str(home)}}
    before = contents(tmp_path)
    assert run_module("conda_installation", installer_options(prefix), **how)["changed"]
    inside = {"installation": str(prefix), "name": "inside", "packages": ["lab-upgrade=1.0"]}
    assert run_module("conda_env", inside, **how)["changed"]
    beside = {**inside, "name": None, "prefix": str(tmp_path / "beside")}
    assert run_module("conda_env", beside, **how)["changed"]
    listed = {str(prefix / "envs" / "inside"), str(tmp_path / "beside")}
    assert listed <= set(listing.read_text().splitlines())
    kept = contents(tmp_path / "beside")

    absent = {"prefix": str(prefix), "state": "absent", "remove_environments": True}
    assert run_module("conda_installation", absent, **how)["changed"]
    assert listing.read_text().splitlines() == [
        "/srv/elsewhere/envs/theirs",
        str(tmp_path / "beside"),
    ]
    assert contents(tmp_path / "beside") == kept
    shutil.rmtree(tmp_path / "beside")
    listing.write_text("/srv/elsewhere/envs/theirs\n")
    assert contents(tmp_path) == before


def contents(root: Path) -> dict[str, bytes | None]:
    """Everything below a directory: the bytes of files, None for directories."""
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None
        for path in root.rglob("*")
    }
