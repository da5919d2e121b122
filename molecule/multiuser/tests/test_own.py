"""An installation for each user, made by one of them who is not root."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

testinfra_hosts = ["docker://multiuser-debian13"]


@pytest.fixture(params=["ada", "ben"])
def user(request: pytest.FixtureRequest, person: Callable[[str], Any]) -> Any:
    """Each of the users."""
    return person(request.param)


def other(user: Any) -> str:
    """The name of the user who is not this one."""
    return "ben" if user.name == "ada" else "ada"


def test_check_mode_on_the_bare_host_wrote_nothing(
    changes: Callable[[int, int], dict[str, str]],
) -> None:
    assert changes(1, 2) == {}


def test_nothing_but_the_two_homes_changed(
    changes: Callable[[int, int], dict[str, str]],
) -> None:
    found = changes(1, 3)
    prefixes = tuple(f"/home/{user}/miniconda3/" for user in ("ada", "ben"))
    inside = {path for path in found if path.startswith(prefixes)}
    assert {found[path] for path in inside} == {"came"}
    expected = {}
    for home in ("/home/ada", "/home/ben"):
        expected |= {
            f"{home}/miniconda3": "came",
            f"{home}/.profile": "changed",
            f"{home}/.zprofile": "came",
            f"{home}/.config": "came",
            f"{home}/.config/fish": "came",
            f"{home}/.config/fish/conf.d": "came",
            f"{home}/.config/fish/conf.d/llmfleet-conda.fish": "came",
            # conda's own list of what the user installed.
            f"{home}/.conda": "came",
            f"{home}/.conda/environments.txt": "came",
        }
    assert {path: found[path] for path in found.keys() - inside} == expected


def test_all_of_it_belongs_to_the_user(host: Any, user: Any) -> None:
    home = f"/home/{user.name}"
    found = host.check_output(f"find {home} ! '(' -user {user.name} -group {user.name} ')'")
    assert found == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_login_shell_finds_the_users_own(user: Any, shell: str) -> None:
    info = json.loads(user.types_in(shell, "conda info --json"))
    assert info["root_prefix"] == f"/home/{user.name}/miniconda3"
    assert info["envs_dirs"][0] == f"/home/{user.name}/miniconda3/envs"
    activated = user.types_in(shell, "conda activate base && echo $CONDA_PREFIX")
    assert activated == f"/home/{user.name}/miniconda3"


def test_the_user_makes_an_environment(user: Any) -> None:
    user.types("conda create -y -q -n mine lab-upgrade=1.0")
    said = user.types("conda activate mine && echo $CONDA_PREFIX && conda list --json")
    where, listed = said.split("\n", 1)
    assert where == f"/home/{user.name}/miniconda3/envs/mine"
    assert [(one["name"], one["version"]) for one in json.loads(listed)] == [("lab-upgrade", "1.0")]


def test_neither_reaches_the_others(user: Any) -> None:
    assert "Permission denied" in user.is_refused(f"ls /home/{other(user)}/miniconda3")


def test_no_conda_for_anybody_else(host: Any) -> None:
    assert host.run("su - -c 'command -v conda'").rc != 0
