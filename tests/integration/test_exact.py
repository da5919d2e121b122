"""The option exact of conda_env, with the real conda."""

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
    def make(prefix: Path, *packages: str, **more: Any) -> dict[str, Any]:
        base = {"installation": str(conda_installation), "prefix": str(prefix), "exact": True}
        return {**base, "packages": list(packages), **more}

    return make


def test_what_is_not_declared_goes(
    make_env: MakeEnv,
    run_module: Any,
    four_steps: Steps,
    options: Any,
    versions: Versions,
    conda: Any,
) -> None:
    prefix = make_env("lab-upgrade=1.0", "lab-needs-glibc")
    more = options(
        prefix,
        "lab-upgrade=1.1",
        "lab-needs-glibc",
        "lab-post-link",
        exact=False,
        pinned=["lab-upgrade<2"],
        variables={"KEPT": "1", "GONE": "2"},
    )
    assert run_module("conda_env", more)["changed"]
    result = four_steps(
        "conda_env", options(prefix, "lab-upgrade", "lab-needs-glibc", variables={"KEPT": "1"})
    )
    assert result["removed"] == [
        "(pinned: lab-upgrade<2)",
        "(requested: lab-upgrade=1.1)",
        "(variable: GONE=********)",
        "lab-post-link 1.0 lab_0 lab",
    ]
    assert result["added"] == []
    # The version that satisfies what is declared stays.
    assert versions(prefix) == {"lab-upgrade": "1.1", "lab-needs-glibc": "1.0"}
    assert not (prefix / "conda-meta" / "pinned").exists()
    assert conda("env", "config", "vars", "list", "--prefix", str(prefix)) == {"KEPT": "1"}
    exported = conda("env", "export", "--from-history", "--prefix", str(prefix))
    assert sorted(exported["dependencies"]) == ["lab-needs-glibc", "lab-upgrade"]


@pytest.mark.full
def test_llm_check_finds_what_a_run_would_change(
    make_env: MakeEnv, run_module: Any, options: Any, conda_installation: Path, conda: Any
) -> None:
    prefix = make_env("lab-upgrade=1.0", "lab-needs-glibc")
    wanted = options(prefix, "lab-upgrade", "lab-needs-glibc", variables={"KEPT": "1"})

    def drifted() -> set[str]:
        """The checks that found drift; conda_env in check mode must agree with them."""
        declared = {name: wanted[name] for name in ("packages", "variables", "exact")}
        asked = {
            "installation": str(conda_installation),
            "prefix": str(prefix),
            "declared": declared,
        }
        looked = run_module("llm_check", {**asked, "checks": ["drift"]})
        found = {one["name"] for one in looked["checks"] if one["status"] != "pass"}
        assert run_module("conda_env", wanted, check=True)["changed"] == bool(found), looked
        return found

    run_module("conda_env", wanted)
    assert drifted() == set()
    # By conda itself, not by our modules.
    conda("install", "--yes", "--prefix", str(prefix), "lab-post-link")
    assert drifted() == {"drift.packages"}
    run_module("conda_env", wanted)
    assert drifted() == set()
    conda("install", "--yes", "--prefix", str(prefix), "lab-upgrade=2.0")
    assert drifted() == {"drift.settings"}
    run_module("conda_env", wanted)
    assert drifted() == set()


@pytest.mark.full
def test_without_it_everything_stays(
    make_env: MakeEnv, run_module: Any, options: Any, versions: Versions
) -> None:
    prefix = make_env("lab-upgrade=1.0")
    more = options(
        prefix, "lab-post-link", exact=False, pinned=["lab-upgrade<2"], variables={"A": "1"}
    )
    assert run_module("conda_env", more)["changed"]
    assert not run_module("conda_env", options(prefix, "lab-upgrade=1.0", exact=False))["changed"]
    assert versions(prefix) == {"lab-upgrade": "1.0", "lab-post-link": "1.0"}


@pytest.mark.full
def test_a_dependency_stays_and_is_not_requested_any_longer(
    make_env: MakeEnv, four_steps: Steps, options: Any, versions: Versions, conda: Any
) -> None:
    prefix = make_env("lab-upgrade=2.0", "lab-conflict-a")
    result = four_steps("conda_env", options(prefix, "lab-conflict-a"))
    assert result["removed"] == ["(requested: lab-upgrade=2.0)"]
    assert versions(prefix) == {"lab-upgrade": "2.0", "lab-conflict-a": "1.0"}
    # Now conda itself removes both.
    solved = conda("remove", "--dry-run", "--prefix", str(prefix), "lab-conflict-a")
    gone = sorted(item["name"] for item in solved["actions"]["UNLINK"])
    assert gone == ["lab-conflict-a", "lab-upgrade"]


@pytest.mark.full
def test_a_declared_package_that_came_as_a_dependency_stays(
    make_env: MakeEnv, four_steps: Steps, options: Any, versions: Versions
) -> None:
    """conda would remove it together with the package that brought it."""
    prefix = make_env("lab-conflict-a")
    result = four_steps("conda_env", options(prefix, "lab-upgrade"))
    assert result["removed"] == ["(not requested: lab-upgrade)", "lab-conflict-a 1.0 lab_0 lab"]
    assert versions(prefix) == {"lab-upgrade": "2.0"}


@pytest.mark.full
def test_what_conflicts_with_the_declaration_goes_before_the_solver_runs(
    make_env: MakeEnv, four_steps: Steps, options: Any, versions: Versions
) -> None:
    prefix = make_env("lab-conflict-a", "lab-upgrade=2.0")
    four_steps("conda_env", options(prefix, "lab-conflict-b"))
    assert versions(prefix) == {"lab-conflict-b": "1.0", "lab-upgrade": "1.1"}


@pytest.mark.full
def test_a_declaration_without_solution_changes_nothing(
    make_env: MakeEnv, run_module: Any, options: Any, versions: Versions
) -> None:
    prefix = make_env("lab-upgrade=2.0", "lab-post-link")
    for check in (True, False):
        result = run_module("conda_env", options(prefix, "lab-needs-missing"), check=check)
        assert result["rc"] == 1, result
    assert versions(prefix) == {"lab-upgrade": "2.0", "lab-post-link": "1.0"}


@pytest.mark.full
def test_dependencies_of_a_replaced_version_go_in_the_same_run(
    make_env: MakeEnv, four_steps: Steps, options: Any, versions: Versions
) -> None:
    prefix = make_env("python=3.12", "wheel=0.48")
    assert "packaging" in versions(prefix)
    four_steps("conda_env", options(prefix, "python=3.12", "wheel=0.45"))
    assert versions(prefix)["wheel"].startswith("0.45.")
    assert "packaging" not in versions(prefix)
    assert "pip" in versions(prefix)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"packages": [], "state": "absent"}, "state: absent"),
        ({"packages": []}, "names no packages"),
        ({"packages": ["lab-*"]}, "exact cannot be used with lab-*"),
    ],
)
def test_options_that_contradict_it_are_refused(
    given: dict[str, Any], said: str, tmp_path: Path, run_module: Any, options: Any
) -> None:
    result = run_module("conda_env", {**options(tmp_path / "env"), **given})
    assert result["rc"] == 1
    assert said in result["msg"]
    assert list(tmp_path.iterdir()) == []


def test_a_base_environment_is_refused(
    conda_installation: Path, run_module: Any, options: Any
) -> None:
    for check in (True, False):
        result = run_module("conda_env", options(conda_installation, "six"), check=check)
        assert result["rc"] == 1
        assert "base environment" in result["msg"]
