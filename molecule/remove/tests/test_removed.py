"""What the removal left behind on the host: nothing. Only files are looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

testinfra_hosts = ["docker://remove-debian12", "docker://remove-debian13"]

# Snapshots: 1 the bare host, 2 with everything installed, 3 after the check, 4 after the removal.
BARE, INSTALLED, CHECKED, REMOVED = 1, 2, 3, 4

Changes = Callable[[int, int], dict[str, str]]

ROOTS_HOME = "/root"
LEFT = {
    # Of ada's conda, in her home directory: the removal takes only its lines out of conda's list of
    # environments, and the list where it holds nothing else. The rest names no installation.
    "/home/ada/.cache": "came",
    "/home/ada/.cache/conda": "came",
    "/home/ada/.cache/conda/notices": "came",
    "/home/ada/.cache/conda/notices/notices.cache": "came",
    "/home/ada/.conda": "came",
    "/home/ada/.conda/envs": "came",
    "/home/ada/.conda/envs/.conda_envs_dir_test": "came",
    # Where that list was of root's conda.
    f"{ROOTS_HOME}/.conda": "came",
    # Where the environment with a prefix of its own lay: others may have come to it.
    "/srv/envs": "came",
}


def test_there_was_something_to_remove(changes: Changes) -> None:
    found = changes(BARE, INSTALLED)
    assert {
        "/opt/miniconda3/envs/tools/bin/python",
        "/opt/miniconda3/envs/by-hand/conda-meta/history",
        "/opt/miniconda3/envs/llm/conda-meta/history",
        "/srv/envs/service/conda-meta/history",
        "/etc/profile.d/llmfleet-conda.sh",
        "/etc/fish/conf.d/llmfleet-conda.fish",
        "/home/ada/.conda/environments.txt",
    } <= found.keys()
    assert found["/etc/zsh/zprofile"] == "changed"


def test_check_mode_removed_nothing(changes: Changes) -> None:
    assert changes(INSTALLED, CHECKED) == {}


def test_the_host_is_as_it_was_before(changes: Changes) -> None:
    assert changes(BARE, REMOVED) == LEFT


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_login_shells_are_quiet_and_have_no_conda(ada: Any, shell: str) -> None:
    result = ada.host.run(f"su - ada -c '{shell} -l -c true'")
    assert (result.rc, result.stdout, result.stderr) == (0, "", "")
    ada.is_refused(f"{shell} -l -c 'command -v conda'")
