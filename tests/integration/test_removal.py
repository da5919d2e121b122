"""What is removed, what never is: judged by the files that are there afterwards."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.lab_conda import run_conda
from tests.integration.selection import only_full_but
from tests.integration.snapshot import snapshot

Options = Callable[..., dict[str, Any]]
RunModule = Callable[..., dict[str, Any]]
STATES = ("present", "absent")


@pytest.fixture
def options(conda_installation: Path) -> Callable[..., dict[str, Any]]:
    """Options of conda_env for one prefix."""

    def make(prefix: Path, *packages: str, **more: Any) -> dict[str, Any]:
        own = {"installation": str(conda_installation), "prefix": str(prefix)}
        return {**own, "packages": list(packages), **more}

    return make


@pytest.fixture(scope="module")
def base(
    tmp_path_factory: pytest.TempPathFactory, run_module: RunModule, installer_options: Options
) -> Path:
    """An installation that people work with; the last test removes it."""
    prefix = tmp_path_factory.mktemp("removal") / "base"
    assert run_module("conda_installation", installer_options(prefix))["changed"]
    return prefix


@pytest.fixture
def work(base: Path) -> Iterator[dict[str, Any]]:
    """What people keep in an installation; it must be the same after the test."""
    notebook = base / "notebooks" / "model.ipynb"
    notebook.parent.mkdir(exist_ok=True)
    notebook.write_text('{"cells": []}')
    (base / ".condarc").write_text("channels: [lab]\n")
    module = next(base.glob("lib/python3*/site-packages")) / "mine.py"
    module.write_text("answer = 42\n")
    kept = (notebook, base / ".condarc", module)
    before = {path: path.read_text() for path in kept}
    yield before
    assert {path: path.read_text() for path in before} == before


def journal(prefix: Path, operation: str, **more: Any) -> None:
    text = json.dumps({"operation": operation, "prefix": str(prefix), **more})
    (prefix.parent / f".{prefix.name}.llmfleet-journal").write_text(text)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("operation", only_full_but([None, "install", "remove"], None, "install"))
def test_a_directory_of_nobodys_is_refused_by_conda_installation(
    tmp_path: Path, run_module: RunModule, installer_options: Options, state: str, operation: Any
) -> None:
    data = tmp_path / "data"
    for name in ("pkgs", "models"):
        (data / name).mkdir(parents=True)
        (data / name / "weights.bin").write_text("work")
    if operation:
        status = data.stat()
        said = {"device": status.st_dev, "inode": status.st_ino, "token": ""}
        journal(data, operation, installer="begun", directory=said)
    before = snapshot(data)
    result = run_module("conda_installation", installer_options(data, state=state))
    assert result["rc"] == 1
    assert "it contains models, pkgs" in result["msg"]
    assert snapshot(data) == before


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("operation", ["create", "remove"])
def test_a_journal_does_not_make_other_peoples_files_ours(
    tmp_path: Path, run_module: RunModule, conda_installation: Path, state: str, operation: str
) -> None:
    prefix = tmp_path / "env"
    prefix.mkdir()
    (prefix / "thesis.tex").write_text("work")
    journal(prefix, operation)
    options = {"installation": str(conda_installation), "prefix": str(prefix), "state": state}
    result = run_module("conda_env", options)
    assert result["rc"] == 1
    assert "It holds thesis.tex" in result["msg"]
    assert (prefix / "thesis.tex").read_text() == "work"


def test_a_journal_of_a_prefix_that_is_gone_is_removed(
    tmp_path: Path, run_module: RunModule, conda_installation: Path
) -> None:
    journal(tmp_path / "env", "create", directory={"device": 1, "inode": 2, "token": "3"})
    options = {"installation": str(conda_installation), "prefix": str(tmp_path / "env")}
    assert not run_module("conda_env", {**options, "state": "absent"})["changed"]
    assert list(tmp_path.iterdir()) == []


def test_files_put_into_a_half_made_environment_stay(
    tmp_path: Path, run_module: RunModule, conda_installation: Path, options: Any
) -> None:
    """conda was killed while it linked; somebody has put a file there since."""
    made = tmp_path / "made"
    assert run_module("conda_env", options(made, "lab-upgrade=1.0"))["changed"]
    half = tmp_path / "half"
    shutil.copytree(made, half, symlinks=True)
    shutil.rmtree(half / "conda-meta")
    (half / ".llmfleet-made").write_text("0123")
    status = half.stat()
    said = {"device": status.st_dev, "inode": status.st_ino, "token": "0123"}
    journal(half, "create", directory=said)
    (half / "share" / "thesis.tex").write_text("work")
    assert run_module("conda_env", options(half, "lab-upgrade=2.0"))["changed"]
    assert (half / "share" / "thesis.tex").read_text() == "work"
    assert "2.0" in (half / "share" / "lab-upgrade.txt").read_text()
    assert not (half / ".llmfleet-made").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["half", "made"]


@pytest.mark.full
@pytest.mark.parametrize(
    "damage", only_full_but(["empty record", "history lost", "conda's record lost"], "empty record")
)
def test_a_damaged_base_is_repaired_in_place(
    base: Path,
    work: dict[str, Any],
    run_module: RunModule,
    installer_options: Options,
    home: Path,
    damage: str,
) -> None:
    (record,) = (base / "conda-meta").glob("conda-2*.json")
    if damage == "empty record":
        record.write_text("")
    elif damage == "history lost":
        (base / "conda-meta" / "history").unlink()
    else:
        record.unlink()
    foretold = run_module("conda_installation", installer_options(base), check=True)
    assert foretold["plan"]["action"] == "repair"
    result = run_module("conda_installation", installer_options(base))
    assert (result["rc"], result["plan"]["action"]) == (0, "repair"), result
    assert run_conda(base, home, "info", "--json")["conda_version"] == "24.7.1"


@pytest.mark.parametrize(
    "place", only_full_but(["llm", "envs/team/proj", "envs/one/inner"], "envs/team/proj")
)
def test_environments_anywhere_below_an_installation_are_found(
    base: Path, work: dict[str, Any], run_module: RunModule, place: str
) -> None:
    meta = base / place / "conda-meta"
    meta.mkdir(parents=True)
    (meta / "history").write_text("")
    try:
        options = {"prefix": str(base), "state": "absent"}
        for check in (True, False):
            result = run_module("conda_installation", options, check=check)
            assert result["rc"] == 1
            assert place.removeprefix("envs/") in result["msg"]
    finally:
        shutil.rmtree(base / place.split("/")[0] if place == "llm" else base / "envs")


@pytest.mark.parametrize("module", ["conda_installation", "conda_env"])
def test_a_volume_mounted_inside_is_never_entered(
    base: Path,
    work: dict[str, Any],
    run_module: RunModule,
    options: Any,
    tmp_path: Path,
    module: str,
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "set.bin").write_text("work")
    prefix, arguments = base, {"prefix": str(base), "state": "absent"}
    if module == "conda_env":
        prefix = tmp_path / "env"
        assert run_module("conda_env", options(prefix, "lab-upgrade"))["changed"]
        arguments = options(prefix, state="absent")
    point = prefix / "share" / "data set"
    point.mkdir(parents=True)
    if subprocess.run(["mount", "--bind", data, point], check=False).returncode:
        point.rmdir()
        pytest.skip("nothing can be mounted here")
    try:
        for check in (True, False):
            result = run_module(module, arguments, check=check)
            assert result["rc"] == 1
            assert f"another volume is mounted at {point}" in result["msg"]
        assert (data / "set.bin").read_text() == "work"
    finally:
        subprocess.run(["umount", point], check=True)
        point.rmdir()


def test_an_installation_goes_and_peoples_files_stay(
    base: Path, work: dict[str, Any], run_module: RunModule, installer_options: Options, home: Path
) -> None:
    """The last of this file: it ends with nothing."""
    settings = base / ".condarc"
    notebook = base / "notebooks" / "model.ipynb"
    kept = work.copy()
    work.clear()
    absent = {"prefix": str(base), "state": "absent"}
    foretold = run_module("conda_installation", absent, check=True, warns=True)
    done = run_module("conda_installation", absent, warns=True)
    assert foretold["changed"]
    assert done["changed"]
    assert foretold["warnings"] == done["warnings"]
    assert "2 files that neither conda nor pip put there" in done["warnings"][0]
    left = {str(path.relative_to(base)) for path in base.rglob("*") if path.is_file()}
    module = next(base.glob("lib/python3*/site-packages/mine.py"))
    assert left == {".llmfleet-left", "notebooks/model.ipynb", str(module.relative_to(base))}
    assert notebook.read_text() == kept[notebook]
    assert not run_module("conda_installation", absent)["changed"]

    assert run_module("conda_installation", installer_options(base))["changed"]
    assert run_conda(base, home, "info", "--json")["conda_version"] == "24.7.1"
    assert notebook.read_text() == kept[notebook]
    assert not settings.exists() or settings.read_text() != kept[settings]
    assert not run_module("conda_installation", installer_options(base))["changed"]
    assert run_module("conda_installation", {**absent, "remove_foreign": True})["changed"]
    assert os.listdir(base.parent) == []
