"""Roles given secrets print none of them: real ansible-playbook, on hosts made of files alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.roles.conftest import Played

TOKENS = ["hf_of-the-variables", "tk-of-the-channel", "pw-of-the-user", "pw-of-the-index"]
CHANNELS = [
    "https://conda.example.com/t/tk-of-the-channel/lab",
    "https://ada:pw-of-the-user@conda.example.com/lab",
]
TERMS = "https://ada:pw-of-the-user@repo.anaconda.com"
VARIABLES = {"HF_TOKEN": "hf_of-the-variables"}
RECORD = {
    "name": "python",
    "version": "3.12.9",
    "build": "0",
    "build_number": 0,
    "channel": "https://conda.example.com/lab/linux-64",
    "subdir": "linux-64",
    "fn": "python-3.12.9-0.conda",
    "depends": [],
    "files": [],
}
PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Create or remove environments
      ansible.builtin.import_role:
        name: llmfleet.conda.create_conda_env
        # The role's own check of its variables, not Ansible's, is what is tested here.
        rolespec_validate: false
"""
LOOK = """
- hosts: all
  gather_facts: false
  environment:
    PYTHONPATH: "{{ stand_in }}"
  tasks:
    - name: Check variables of install_miniconda
      ansible.builtin.import_role:
        name: llmfleet.conda.install_miniconda
        tasks_from: preflight
    - name: Check variables of create_conda_env
      ansible.builtin.import_role:
        name: llmfleet.conda.create_conda_env
        tasks_from: preflight
    - name: Check whether anything has to change
      llmfleet.conda.look_ahead:
        roles: [install_miniconda, create_conda_env]
"""
# Stands in for the host's log, which not every machine has.
SYSLOG = """
LOG_USER = LOG_INFO = LOG_PID = 0
def openlog(*words): pass
def syslog(*words):
    with open({path!r}, "a") as stream:
        stream.write(str(words[-1]) + "\\n")
"""
LEVELS = [
    pytest.param((), marks=pytest.mark.full),
    pytest.param(("-v",), marks=pytest.mark.full),
    pytest.param(("-vvv", "--check", "--diff"), marks=pytest.mark.full),
    # All that the others show, and more.
    ("-vvv", "--diff"),
]


def host(root: Path) -> Path:
    """An installation without a conda that runs, and two environments."""
    base = root / "conda"
    for prefix in (base, base / "envs" / "made", base / "envs" / "piped"):
        meta = prefix / "conda-meta"
        meta.mkdir(parents=True)
        (meta / "history").write_text("==> 2026-01-01 00:00:00 <==\n")
        (meta / "python-3.12.9-0.json").write_text(json.dumps(RECORD))
        (prefix / "lib" / "python3.12" / "site-packages").mkdir(parents=True)
    return base


@pytest.mark.parametrize("words", LEVELS, ids=" ".join)
def test_environments_with_secrets_are_made_or_fail_without_showing_them(
    words: tuple[str, ...], play: Callable[..., Played], tmp_path: Path
) -> None:
    playbook = tmp_path / "playbook.yml"
    playbook.write_text(PLAYBOOK)
    (tmp_path / "environment.yml").write_text(
        "dependencies: [python, {pip: [nothing-of-this-name]}]\n"
    )
    common = {"channels": CHANNELS, "variables": VARIABLES}
    items: dict[str, list[dict[str, Any]]] = {
        "made": [{"name": "made", "packages": ["python"], **common}],
        "failed": [{"name": "made", "packages": ["not-there"], **common}],
        "piped": [{"name": "piped", "environment_file": "environment.yml", **common}],
        "absent": [{"name": "never", "state": "absent", **common}],
        "mistaken": [{"name": "made", "packages": ["==="], **common}],
        "terms": [{"name": "made", "channels": [f"{TERMS}/pkgs/main"]}],
        "type": [{"name": "made", "prune": TERMS}],
    }
    hosts = {
        name: {
            "create_conda_env_installation": str(host(tmp_path / name)),
            "create_conda_env_environments": listed,
            "create_conda_env_index_url": "https://ada:pw-of-the-index@pypi.example.com/simple",
        }
        for name, listed in items.items()
    }
    run = play(str(playbook), hosts, *words)
    assert "(item=made)" in run.text
    assert "piped" in run.text
    failed = {name for name, counts in run.summary["hosts"].items() if counts["failed"]}
    # In check mode a host without conda and pip is one where they are still to come.
    assert failed == {"mistaken", "terms", "type"} | (
        set() if "--check" in words else {"failed", "piped"}
    )
    everything = run.text + json.dumps(run.summary)
    assert [token for token in TOKENS if token in everything] == []


@pytest.mark.full
def test_what_is_asked_ahead_reaches_neither_the_log_of_the_host_nor_the_screen(
    play: Callable[..., Played], tmp_path: Path
) -> None:
    (tmp_path / "playbook.yml").write_text(LOOK)
    (tmp_path / "stand-in").mkdir()
    log = tmp_path / "syslog.txt"
    (tmp_path / "stand-in" / "syslog.py").write_text(SYSLOG.format(path=str(log)))
    variables = {
        "stand_in": str(tmp_path / "stand-in"),
        "install_miniconda_prefix": str(host(tmp_path / "a")),
        "create_conda_env_installation": str(tmp_path / "a" / "conda"),
        "create_conda_env_environments": [
            {"name": "made", "packages": ["python"], "channels": CHANNELS, "variables": VARIABLES}
        ],
    }
    run = play(str(tmp_path / "playbook.yml"), {"a": variables}, "-vvv")
    assert run.code == 0
    said = [line for line in log.read_text().splitlines() if "conda_env" in line]
    assert any("https://conda.example.com/t/" in line for line in said)
    everything = run.text + json.dumps(run.summary) + "".join(said)
    assert [token for token in TOKENS if token in everything] == []
