"""A mistake in any variable is found before the host is touched, and the message names the variable."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CASES: dict[str, tuple[dict[str, Any], str]] = {
    "unknown distribution": (
        {"install_miniconda_distribution": "mambaforge"},
        "value of install_miniconda_distribution must be one of: miniconda, miniforge, anaconda",
    ),
    "misspelt variable": (
        {"install_miniconda_chanels": ["conda-forge"]},
        "The role install_miniconda has no variable install_miniconda_chanels",
    ),
    "wrong type": ({"verify_timeout": "soon"}, "verify_timeout"),
    "relative prefix": ({"install_miniconda_prefix": "conda"}, "install_miniconda_prefix must be"),
    "prefix with a space": (
        {"install_miniconda_prefix": "/opt/my conda"},
        "install_miniconda_prefix must be",
    ),
    "system directory": (
        {"install_miniconda_prefix": "/usr/local/"},
        "install_miniconda_prefix must be",
    ),
    "long prefix": (
        {"install_miniconda_prefix": "/" + "x" * 110},
        "install_miniconda_prefix must be",
    ),
    "URL without checksum": (
        {"install_miniconda_installer_url": "https://mirror.example.com/Miniconda3.sh"},
        "install_miniconda_checksum",
    ),
    "malformed checksum": ({"install_miniconda_checksum": "md5:12"}, "install_miniconda_checksum"),
    "terms nobody accepted": (
        {"install_miniconda_channels": ["conda-forge", "defaults"]},
        "install_miniconda_channels holds defaults",
    ),
    "terms by address": (
        {"install_miniconda_channels": ["https://repo.anaconda.com/pkgs/main"]},
        "set install_miniconda_tos to accept",
    ),
    "terms by further keys": (
        {"install_miniconda_condarc": {"channels": ["defaults"]}},
        "set install_miniconda_tos to accept",
    ),
    "environment listed twice": (
        {"create_conda_env_environments": [{"name": "a"}, {"name": "a", "state": "absent"}]},
        "create_conda_env_environments",
    ),
    "environment without a name": (
        {"create_conda_env_environments": [{"packages": ["python"]}]},
        "create_conda_env_environments",
    ),
    "environment with a misspelt key": (
        {"create_conda_env_environments": [{"name": "a", "pakages": []}]},
        "pakages",
    ),
    "base as an environment": (
        {"create_conda_env_environments": [{"name": "base"}]},
        "create_conda_env_environments",
    ),
    "unknown profile": (
        {"install_llm_stack_profiles": ["data", "tarin"]},
        "install_llm_stack_profiles names tarin; known are data, inference, train",
    ),
    "unknown backend": ({"install_llm_stack_backend": "cu999"}, "install_llm_stack_backend"),
    "stack in base": ({"install_llm_stack_environment": "base"}, "install_llm_stack_environment"),
    "malformed Python": ({"install_llm_stack_python": "three"}, "install_llm_stack_python"),
    "no index and no wheels": (
        {"install_llm_stack_no_index": True},
        "install_llm_stack_find_links",
    ),
    "report without a name": ({"verify_report": "reports/"}, "verify_report"),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_named_and_nothing_is_touched(
    case: str, play: Callable[..., Any], tmp_path: Path
) -> None:
    variables, expected = CASES[case]
    there = {
        "install_miniconda_prefix": str(tmp_path / "conda"),
        "install_miniconda_profile_dir": str(tmp_path / "profile.d"),
        "verify_report": str(tmp_path / "report.json"),
    }
    before = set(tmp_path.iterdir())
    played = play("llmfleet.conda.site", {"here": {}}, **{**there, **variables})
    assert played.code == 2
    assert expected in played.text
    assert "changed=0 unreachable=0 failed=1" in played.text
    assert {path.name for path in set(tmp_path.iterdir()) - before} == {"hosts.json"}
