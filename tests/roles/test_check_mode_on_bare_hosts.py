"""Check mode on hosts without conda says, once, that it could not resolve the packages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.roles.conftest import Played


@pytest.mark.parametrize("playbook", ["site", pytest.param("update", marks=pytest.mark.full)])
def test_unresolved_packages_are_told_once(
    playbook: str, play: Callable[..., Played], tmp_path: Path
) -> None:
    hosts = {
        name: {
            "install_miniconda_prefix": str(tmp_path / name / "conda"),
            "install_miniconda_minimum_glibc": "2.0",
            "create_conda_env_environments": [{"name": "a", "packages": ["nmupy"]}],
        }
        for name in ("a1", "a2")
    }
    hosts["a3"] = {**hosts["a1"], "create_conda_env_environments": []}
    played = play(f"llmfleet.conda.{playbook}", hosts, "--check", "--tags", "environments")
    assert played.code == 0, played.text
    told = "The packages were not resolved on a1, a2, because there is no conda on the host yet."
    assert played.flat.count(told) == 1


@pytest.mark.full
def test_nothing_is_told_without_check_mode_or_packages(
    play: Callable[..., Played], tmp_path: Path
) -> None:
    host = {"install_miniconda_prefix": str(tmp_path / "conda")}
    played = play("llmfleet.conda.site", {"a1": host}, "--check", "--tags", "environments")
    assert "not resolved" not in played.flat
