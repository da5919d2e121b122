"""A mistake in any variable is found before the host is touched, and the message names the variable."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.roles.conftest import Played

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
        "install_miniconda_channels or install_miniconda_upgrade_channels contains defaults",
    ),
    "terms by address": (
        {"install_miniconda_channels": ["https://repo.anaconda.com/pkgs/main"]},
        "set install_miniconda_tos to accept",
    ),
    "terms by further keys": (
        {"install_miniconda_condarc": {"channels": ["defaults"]}},
        "set install_miniconda_tos to accept",
    ),
    "terms accepted in passing": (
        {"install_miniconda_accept_tos": ["https://repo.anaconda.com/pkgs/main"]},
        "install_miniconda_tos is not accept",
    ),
    "refused terms": (
        {"install_miniconda_tos": "refuse", "install_miniconda_channels": ["defaults"]},
        "install_miniconda_channels or install_miniconda_upgrade_channels contains defaults",
    ),
    "a misspelt wish about terms": (
        {"install_miniconda_tos": "reject"},
        "value of install_miniconda_tos must be one of: refuse, accept, avoid",
    ),
    "unknown mirror": (
        {"install_miniconda_mirror_preset": "tsinghua"},
        "install_miniconda_mirror_preset contains the unknown mirror tsinghua."
        " The mirrors are aliyun, bfsu, cernet, sjtug, tuna, ustc",
    ),
    "unknown mirror among others": (
        {"install_miniconda_mirror_preset": ["tuna", "tsinghua"]},
        "install_miniconda_mirror_preset contains the unknown mirror tsinghua.",
    ),
    "mirror that is no name": (
        {"install_miniconda_mirror_preset": {"tuna": True}},
        "install_miniconda_mirror_preset",
    ),
    "mirror with a misspelt key": (
        {
            "install_miniconda_mirror_preset": "site",
            "install_miniconda_mirror_presets": {"site": {"chanel_alias": "https://m.example.org"}},
        },
        "install_miniconda_mirror_presets has unknown keys: chanel_alias. The keys are channel_alias, custom",
    ),
    "login shell of an unknown host": (
        {"install_miniconda_login_shells": ["bash", "zsh"]},
        "install_miniconda_login_shells contains zsh",
    ),
    "unknown login shell": ({"install_miniconda_login_shells": ["tcsh"]}, "bash, zsh, fish"),
    "unknown platform": ({"install_miniconda_platform": "solaris"}, "install_miniconda_platform"),
    "one prefix for all users": (
        {"install_miniconda_users": ["ada"]},
        "install_miniconda_prefix must begin with ~/",
    ),
    "home of somebody else": (
        {"install_miniconda_prefix": "~ada/miniconda3"},
        "install_miniconda_prefix must be",
    ),
    "writers without a group": (
        {"install_miniconda_group_writable": ["envs"]},
        "install_miniconda_group_writable requires install_miniconda_group",
    ),
    "terms by an environment's channel": (
        {"create_conda_env_environments": [{"name": "a", "channels": ["pkgs/main"]}]},
        "create_conda_env_environments uses pkgs/main",
    ),
    "terms by a package's channel": (
        {"install_llm_stack_packages": ["numpy", "defaults::pandas"]},
        "a package of the profiles uses defaults",
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
        "install_llm_stack_profiles contains unknown profiles: tarin."
        " The profiles are app, data, inference, legacy,",
    ),
    "unknown backend": ({"install_llm_stack_backend": "cu999"}, "install_llm_stack_backend"),
    "profile that stands alone": (
        {"install_llm_stack_profiles": ["data", "serve"], "install_llm_stack_backend": "cu130"},
        "install_llm_stack_profiles combines serve with other profiles",
    ),
    "profile without wheels for the backend": (
        {"install_llm_stack_profiles": ["serve"]},
        "Set install_llm_stack_backend to cu130 or pypi",
    ),
    "constraints for another Python": (
        {"install_llm_stack_python": "3.11"},
        "Set install_llm_stack_python to that version, or set install_llm_stack_pinned to false",
    ),
    "a profile without that Python": (
        {"install_llm_stack_profiles": ["data", "tensorflow"], "install_llm_stack_python": "3.14"},
        "the constraints of the profiles tensorflow are for Python 3.12, 3.13. Set",
    ),
    "two stacks for two versions of CUDA": (
        {
            "install_llm_stack_requirements": ["tensorflow[and-cuda]"],
            "install_llm_stack_backend": "pypi",
        },
        "Install one of them in another environment",
    ),
    "legacy with a new Python": (
        {"install_llm_stack_profiles": ["legacy"]},
        "install_llm_stack_python is 3.12, but the constraints of the profiles legacy are for Python 3.8",
    ),
    "stack in base": ({"install_llm_stack_environment": "base"}, "install_llm_stack_environment"),
    "malformed Python": ({"install_llm_stack_python": "three"}, "install_llm_stack_python"),
    "no index and no wheels": (
        {"install_llm_stack_no_index": True},
        "install_llm_stack_find_links",
    ),
    "checks of an installation of each user's own": (
        {
            "install_miniconda_users": ["ada", "ben"],
            "install_miniconda_prefix": "~/conda",
            "install_miniconda_platform": "debian",
        },
        "each of install_miniconda_users (ada, ben) has one at ~/conda.",
    ),
    "checks of environments of each user's own": (
        {
            "create_conda_env_users": ["ada", "ben"],
            "create_conda_env_installation": "~/conda",
            "create_conda_env_environments": [{"name": "tools"}],
        },
        "create_conda_env_users or install_llm_stack_users (ada, ben) each have environments",
    ),
    "report without a name": ({"verify_report": "reports/"}, "verify_report"),
}


@pytest.fixture(scope="module")
def played(
    play: Callable[..., Played], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Played, Path]:
    """One run of the site playbook over a fleet in which each host has one mistake of its own."""
    root = tmp_path_factory.mktemp("fleet")
    there = {
        "install_miniconda_prefix": str(root / "conda"),
        "install_miniconda_profile_dir": str(root / "profile.d"),
        "verify_report": str(root / "report.json"),
    }
    hosts = {host_name(case): {**there, **variables} for case, (variables, _) in CASES.items()}
    return play("llmfleet.conda.site", hosts), root


def host_name(case: str) -> str:
    return re.sub(r"[^a-z]+", "-", case.lower())


@pytest.mark.parametrize("case", CASES)
def test_the_message_names_the_variable(case: str, played: tuple[Played, Path]) -> None:
    run, _ = played
    assert CASES[case][1] in run.failure(host_name(case))


@pytest.mark.parametrize("case", CASES)
def test_no_module_changed_anything(case: str, played: tuple[Played, Path]) -> None:
    run, _ = played
    assert re.search(rf"{host_name(case)} +: ok=\d+ +changed=0 +unreachable=0 +failed=1 ", run.text)


def test_nothing_was_written(played: tuple[Played, Path]) -> None:
    run, root = played
    assert run.code == 2
    assert list(root.iterdir()) == []
