"""Packages inside an environment, judged by the real conda."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.four_steps import Steps

Versions = Callable[[Path], dict[str, str]]
MakeEnv = Callable[..., Path]


@pytest.fixture
def options(conda_installation: Path) -> Callable[..., dict[str, Any]]:
    """Options of conda_package for one prefix of the shared installation."""

    def make(prefix: Path, *packages: str, **more: Any) -> dict[str, Any]:
        base = {"installation": str(conda_installation), "prefix": str(prefix)}
        return {**base, "packages": list(packages), **more}

    return make


def test_present(make_env: MakeEnv, four_steps: Steps, options: Any, versions: Versions) -> None:
    prefix = make_env("lab-upgrade=1.0")
    four_steps("conda_package", options(prefix, "lab-needs-glibc", "lab-upgrade"))
    assert versions(prefix) == {"lab-upgrade": "1.0", "lab-needs-glibc": "1.0"}


def test_present_with_what_it_needs(
    make_env: MakeEnv, four_steps: Steps, options: Any, versions: Versions
) -> None:
    prefix = make_env()
    four_steps("conda_package", options(prefix, "lab-conflict-a"))
    assert versions(prefix) == {"lab-conflict-a": "1.0", "lab-upgrade": "2.0"}


def test_present_downgrades_where_the_spec_says_so(
    make_env: MakeEnv, four_steps: Steps, options: Any, versions: Versions
) -> None:
    prefix = make_env("lab-upgrade")
    four_steps("conda_package", options(prefix, "lab-upgrade<2"))
    assert versions(prefix) == {"lab-upgrade": "1.1"}


def test_latest(make_env: MakeEnv, four_steps: Steps, options: Any, versions: Versions) -> None:
    prefix = make_env("lab-upgrade=1.0", "lab-rebuilt=1.0=lab_0")
    wanted = options(prefix, "lab-upgrade", state="latest")
    four_steps("conda_package", wanted, asks_conda=True)
    assert versions(prefix)["lab-upgrade"] == "2.0"


def test_absent_takes_along_what_depends_on_it(
    make_env: MakeEnv, four_steps: Steps, options: Any, versions: Versions
) -> None:
    prefix = make_env("lab-conflict-a", "lab-needs-glibc")
    four_steps("conda_package", options(prefix, "lab-upgrade", state="absent"))
    assert versions(prefix) == {"lab-needs-glibc": "1.0"}


def test_absent_runs_the_package_s_own_scripts(
    make_env: MakeEnv, four_steps: Steps, options: Any, versions: Versions
) -> None:
    prefix = make_env("lab-post-link", "lab-upgrade")
    assert (prefix / "lab-post-link.txt").exists()
    four_steps("conda_package", options(prefix, "lab-post-link", state="absent"))
    assert not (prefix / "lab-post-link.txt").exists()
    assert set(versions(prefix)) == {"lab-upgrade"}


def test_absent_of_another_version_changes_nothing(
    make_env: MakeEnv, run_module: Any, options: Any, versions: Versions
) -> None:
    prefix = make_env("lab-upgrade=1.1")
    result = run_module("conda_package", options(prefix, "lab-upgrade>=2", state="absent"))
    assert not result["changed"]
    assert versions(prefix) == {"lab-upgrade": "1.1"}


def test_absent_in_an_environment_that_is_not_there(
    tmp_path: Path, run_module: Any, options: Any
) -> None:
    result = run_module("conda_package", options(tmp_path / "none", "six", state="absent"))
    assert result["rc"] == 0
    assert not result["changed"]


def test_the_base_environment_by_its_name(
    conda_installation: Path, four_steps: Steps, versions: Versions, run_module: Any
) -> None:
    options = {"installation": str(conda_installation), "name": "base"}
    four_steps("conda_package", {**options, "packages": ["lab-rebuilt"]})
    assert versions(conda_installation)["lab-rebuilt"] == "1.0"
    four_steps("conda_package", {**options, "packages": ["lab-rebuilt"], "state": "absent"})
    assert "lab-rebuilt" not in versions(conda_installation)
    assert "conda" in versions(conda_installation)
