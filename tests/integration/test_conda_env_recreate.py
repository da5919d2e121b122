"""Environments that are made anew or frozen, with the real conda."""

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
        base = {"installation": str(conda_installation), "prefix": str(prefix)}
        return {**base, "packages": list(packages), **more}

    return make


def test_recreate(
    make_env: MakeEnv, four_steps: Steps, run_module: Any, options: Any, versions: Versions
) -> None:
    prefix = make_env("lab-upgrade=1.0", "lab-post-link")
    mine = prefix / "mine.txt"
    mine.write_text("")
    same = options(prefix, "lab-upgrade=1.0", recreate=True)
    assert not run_module("conda_env", same)["changed"]
    assert mine.exists()
    result = four_steps("conda_env", options(prefix, "lab-upgrade=2.0", recreate=True))
    assert versions(prefix) == {"lab-upgrade": "2.0"}
    assert not mine.exists()
    assert result["plan"]["create"]


def test_what_cannot_be_solved_does_not_cost_the_environment(
    make_env: MakeEnv, run_module: Any, options: Any, versions: Versions
) -> None:
    prefix = make_env("lab-upgrade=1.0")
    result = run_module("conda_env", options(prefix, "lab-upgrade=7", recreate=True))
    assert result["rc"] == 1
    assert versions(prefix) == {"lab-upgrade": "1.0"}


def test_recreate_is_refused_with_latest(tmp_path: Path, run_module: Any, options: Any) -> None:
    wanted = options(tmp_path / "env", "lab-upgrade", recreate=True, state="latest")
    result = run_module("conda_env", wanted)
    assert result["rc"] == 1
    assert "cannot be given with the state latest" in result["msg"]


def test_life_of_a_frozen_environment(
    tmp_path: Path, four_steps: Steps, run_module: Any, options: Any, versions: Versions
) -> None:
    prefix = tmp_path / "env"
    marker = prefix / "conda-meta" / "frozen"
    four_steps("conda_env", options(prefix, "lab-upgrade=1.0", frozen=True))
    assert marker.exists()
    refused = run_module("conda_env", options(prefix, "lab-upgrade=1.1"))
    assert refused["rc"] == 1
    assert "is frozen" in refused["msg"]
    four_steps("conda_env", options(prefix, "lab-upgrade=1.1", frozen=True))
    assert marker.exists()
    four_steps("conda_env", options(prefix, "lab-upgrade=2.0", recreate=True, frozen=True))
    assert marker.exists()
    assert versions(prefix) == {"lab-upgrade": "2.0"}
    assert run_module("conda_env", options(prefix, state="absent"))["rc"] == 1
    result = four_steps("conda_env", options(prefix, "lab-upgrade", frozen=False))
    assert "(frozen)" in result["diff"]["before"]
    assert not marker.exists()


def test_a_frozen_environment_is_removed_on_purpose(
    tmp_path: Path, four_steps: Steps, run_module: Any, options: Any
) -> None:
    prefix = tmp_path / "env"
    assert run_module("conda_env", options(prefix, "lab-upgrade", frozen=True))["changed"]
    four_steps("conda_env", options(prefix, state="absent", frozen=False))
    assert list(tmp_path.iterdir()) == []
