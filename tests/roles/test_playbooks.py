"""Playbooks and inventories parse, load every plugin they name, and do what their variables say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml

from ansible_collections.llmfleet.conda.plugins.module_utils._check.request import LAYERS
from scripts.layout import tool_environment
from scripts.play import run_playbook

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))
INVENTORIES = sorted(path.name for path in (ROOT / "inventories").iterdir() if path.is_dir())


def run(*words: str) -> str:
    """What a command of ansible's prints; no warning is borne."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")
    }
    environment |= {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    program, *arguments = words
    done = subprocess.run(
        [str(Path(sys.executable).with_name(program)), *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stderr
    return done.stdout


@cache
def hosts(inventory: str) -> dict[str, dict[str, object]]:
    return json.loads(run("ansible-inventory", "-i", f"inventories/{inventory}", "--list"))[
        "_meta"
    ]["hostvars"]


def test_playbooks_and_inventories_are_those_documented() -> None:
    assert PLAYBOOKS == ["clean", "remove", "rollback", "site", "update", "verify"]
    assert INVENTORIES == ["gpu", "lab", "macos"]


@pytest.mark.parametrize("inventory", INVENTORIES)
def test_all_playbooks_parse_with_inventory(inventory: str) -> None:
    words = [f"llmfleet.conda.{playbook}" for playbook in PLAYBOOKS]
    said = run("ansible-playbook", "--syntax-check", "-i", f"inventories/{inventory}", *words)
    assert said.count("playbook: ") == len(PLAYBOOKS)


@pytest.mark.parametrize("inventory", INVENTORIES)
def test_inventory_sets_only_variables_that_a_role_has(inventory: str) -> None:
    known = set()
    for path in (ROOT / "roles").glob("*/defaults/main.yml"):
        known |= set(yaml.safe_load(path.read_text()))
    prefixes = tuple(f"{path.name}_" for path in (ROOT / "roles").iterdir())
    assert hosts(inventory)
    for variables in hosts(inventory).values():
        assert [name for name in variables if name.startswith(prefixes) and name not in known] == []


def test_the_two_driver_generations_get_their_builds_of_torch() -> None:
    chosen = {name: values["install_llm_stack_backend"] for name, values in hosts("gpu").items()}
    assert chosen["train01.example.com"] == "cu130"
    assert chosen["train-old01.example.com"] == "cu126"


LAYER_TAGS = {
    f"verify-{layer}"
    for layer in (
        *("host", "installation", "environment", "drift"),
        *("imports", "framework", "kernel", "workload"),
    )
}
TAGS = {
    "site": {"install", "environments", "stack", "verify", *LAYER_TAGS},
    "update": {"install", "environments", "stack", "verify", *LAYER_TAGS},
    "clean": {"clean"},
    "rollback": {"rollback", "verify"},
    "verify": {"verify", *LAYER_TAGS},
    "remove": {"install", "environments", "stack"},
}


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_the_tags_are_those_documented_at_the_top(playbook: str) -> None:
    listed = run("ansible-playbook", f"llmfleet.conda.{playbook}", "-i", "a,", "--list-tags")
    found = {tag for line in re.findall(r"TASK TAGS: \[(.*)\]", listed) for tag in line.split(", ")}
    # The check of a role's arguments is Ansible's own task.
    assert found - {"always"} == TAGS[playbook]
    text = (ROOT / "playbooks" / f"{playbook}.yml").read_text()
    head = text[: text.index("\n- name:")]
    shown = set(re.findall(r"[a-z]+(?:-[a-z]+)?", head[head.index("Tags") :]))
    named = {tag for tag in TAGS[playbook] if playbook == "verify" or not tag.startswith("verify-")}
    assert named <= shown


def test_the_layers_of_the_tags_are_those_of_the_checks() -> None:
    assert {f"verify-{layer}" for layer in LAYERS} == LAYER_TAGS


@pytest.mark.parametrize("inventory", [pytest.param("gpu", marks=pytest.mark.full), "macos"])
def test_an_example_inventory_passes_the_roles_checks_of_variables(
    inventory: str, tmp_path: Path
) -> None:
    """All of it happens on the controller: no host of an example exists."""
    roles = sorted(path.name for path in (ROOT / "roles").iterdir())
    tasks = [
        {
            "name": f"Check the variables of {role}",
            "ansible.builtin.import_role": {
                "name": f"llmfleet.conda.{role}",
                "tasks_from": "preflight",
            },
        }
        for role in roles
    ]
    play = {"name": "Check", "hosts": "all", "gather_facts": False, "tasks": tasks}
    path = tmp_path / "check.yml"
    path.write_text(json.dumps([play]))
    summary = run_playbook.run(
        [path, "-i", f"inventories/{inventory}"],
        output=tmp_path / "output",
        env=tool_environment(),
        timeout=120,
    )
    assert (summary["rc"], summary["failures"], summary["warnings"]) == (0, [], [])
    assert set(summary["hosts"]) == set(hosts(inventory))


def test_the_most_special_expectation_wins() -> None:
    expected = {name: values["verify_expected_gpus"] for name, values in hosts("gpu").items()}
    assert expected["train04.example.com"] == 4
    assert expected["train-old01.example.com"] == 2
    assert "torch" in hosts("macos")["studio01.example.com"]["verify_imports"]
    assert "torch" not in hosts("macos")["studio02.example.com"]["verify_imports"]


def test_the_site_playbook_s_tags_choose_a_role() -> None:
    words = [
        "llmfleet.conda.site",
        "-i",
        "inventories/lab",
        "--list-tasks",
        "--tags",
        "environments",
    ]
    listed = run("ansible-playbook", *words)
    assert "create_conda_env" in listed
    assert "Check the prefix" not in listed


@pytest.mark.full
def test_the_hosts_pattern_is_a_variable() -> None:
    words = ["llmfleet.conda.verify", "-i", "inventories/gpu", "--list-hosts"]
    assert "hosts (5)" in run("ansible-playbook", *words)
    assert "hosts (1)" in run("ansible-playbook", *words, "-e", "llmfleet_hosts=gpu_driver_525")
