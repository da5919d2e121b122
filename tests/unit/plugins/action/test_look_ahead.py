"""What the tasks of a role come to before they run, worked out by Ansible's own templating."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from ansible_collections.llmfleet.conda.plugins.action import look_ahead
from ansible_collections.llmfleet.conda.plugins.plugin_utils._foreseen_tasks import (
    ForeseenTasks,
    NotForeseeable,
)

Foresee = Callable[..., list[dict[str, Any]]]
CONFIG = "llmfleet.conda.conda_config"
ENV = "llmfleet.conda.conda_env"
INCLUDE = "ansible.builtin.include_tasks"


@pytest.fixture
def foresee(tmp_path: Path) -> Foresee:
    """Write files of tasks of a role and work them out with variables."""

    def work(files: Mapping[str, list[dict[str, Any]]], **variables: Any) -> list[dict[str, Any]]:
        tasks = tmp_path / "sample" / "tasks"
        tasks.mkdir(parents=True)
        for name, content in files.items():
            (tasks / f"{name}.yml").write_text(yaml.safe_dump(content))
        loader = DataLoader()
        tasks_of = ForeseenTasks(
            lambda path: loader.load_from_file(path, trusted_as_template=True),
            lambda known: Templar(loader=loader, variables=dict(known)),
        )
        return tasks_of.of_role(str(tasks.parent), "converge", variables)

    return work


def test_options_are_worked_out_and_omitted(foresee: Foresee) -> None:
    task = {
        "name": "Configure",
        CONFIG: {"path": "{{ place }}/condarc", "owner": "{{ who or omit }}", "merge": True},
        "vars": {"place": "{{ base }}/etc"},
        "register": "done",
    }
    assert foresee({"converge": [task]}, base="/opt", who="") == [
        {"module": CONFIG, "options": {"path": "/opt/etc/condarc", "merge": True}}
    ]


def test_loops_conditions_and_includes_in_their_order(foresee: Foresee) -> None:
    files = {
        "converge": [
            {INCLUDE: {"file": "{{ 'first' if early else 'none' }}.yml"}},
            {
                INCLUDE: "{{ part }}.yml",
                "loop": "{{ parts }}",
                "loop_control": {"loop_var": "part"},
            },
            {CONFIG: {"path": "/never"}, "when": ["early", "not early"]},
        ],
        "first": [{ENV: {"name": "{{ item }}"}, "loop": ["a", "b"], "when": "item != 'a'"}],
        "second": [{CONFIG: {"path": "{{ role_path | basename }}"}}],
    }
    assert foresee(files, early=True, parts=["second"]) == [
        {"module": ENV, "options": {"name": "b"}},
        {"module": CONFIG, "options": {"path": "sample"}},
    ]


def test_what_loops_over_what_was_made_has_nothing_to_do(foresee: Foresee) -> None:
    tasks = [
        {ENV: {"name": "a"}, "loop": [1], "register": "made"},
        {CONFIG: {"path": "{{ item }}"}, "loop": "{{ made.results }}", "become": True},
    ]
    assert foresee({"converge": tasks}) == [{"module": ENV, "options": {"name": "a"}}]


PIP = "llmfleet.conda.conda_pip"


def test_an_omitted_user_is_none(foresee: Foresee) -> None:
    task = {
        CONFIG: {"path": "/x"},
        "become": "{{ true if owner else omit }}",
        "become_user": "{{ owner or omit }}",
    }
    assert foresee({"converge": [task]}, owner="") == [
        {"module": CONFIG, "options": {"path": "/x"}}
    ]


def test_pip_finds_the_same_whoever_runs_it(foresee: Foresee) -> None:
    task = {PIP: {"prefix": "/x"}, "become": True, "become_user": "ada"}
    assert foresee({"converge": [task]}) == [{"module": PIP, "options": {"prefix": "/x"}}]


def test_exact_environments_are_foreseen(foresee: Foresee) -> None:
    """The tasks of create_conda_env itself, also for an environment that another user owns."""
    role = Path(look_ahead.__file__).parents[2] / "roles" / "create_conda_env"
    loader = DataLoader()
    known: dict[str, Any] = {}
    for part in ("defaults", "vars"):
        path = str(role / part / "main.yml")
        known |= loader.load_from_file(path, trusted_as_template=True) or {}
    known |= {
        "create_conda_env_installation": "/opt/conda/",
        "create_conda_env_environments": [
            {"name": "kept", "packages": ["six"], "exact": True},
            {"prefix": "/srv/more", "packages": ["six"], "exact": True, "owner": "ada"},
            {"name": "open", "packages": ["six"]},
            {"name": "gone", "state": "absent", "exact": True},
        ],
    }
    tasks = ForeseenTasks(
        lambda path: loader.load_from_file(path, trusted_as_template=True),
        lambda variables: Templar(loader=loader, variables=dict(variables)),
    )
    steps = tasks.of_role(str(role), "converge", known)
    environments = [step["options"] for step in steps if step["module"] == ENV]
    assert [one.get("exact") for one in environments] == [True, True, None, None]
    pip = [step["options"] for step in steps if step["module"] == PIP]
    assert [(one["prefix"], one["requirements"], one["exact"]) for one in pip] == [
        ("/opt/conda/envs/kept", [], True),
        ("/srv/more", [], True),
    ]
    # For users with environments of their own, the roles run.
    with pytest.raises(NotForeseeable):
        tasks.of_role(str(role), "converge", {**known, "create_conda_env_users": ["ada"]})


@pytest.mark.parametrize(
    "task",
    [
        {"ansible.builtin.assert": {"that": True}},
        {"ansible.builtin.command": "true"},
        {CONFIG: {"path": "/x"}, "become": True},
        {CONFIG: {"path": "/x"}, "become": False},
        {CONFIG: {"path": "/x"}, "become_user": "ada"},
        {PIP: {"prefix": "~/x"}, "become": True, "become_user": "ada"},
        {PIP: {"prefix": "/x", "find_links": ["~/wheels"]}, "become": True},
        {INCLUDE: {"file": "more.yml"}, "become": True},
        {CONFIG: {"path": "/x"}, "delegate_to": "other"},
        {CONFIG: {"path": "/x"}, "environment": {"A": "b"}},
        {CONFIG: {"path": "/x"}, "ignore_errors": True},
        {INCLUDE: {"file": "more.yml", "apply": {"become": True}}},
        {ENV: {"name": "a", "state": "latest"}},
        {ENV: {"name": "a", "environment_file": "environment.yml"}},
        {ENV: {"name": "a", "lock_file": "lock", "remote_src": True}},
        {"llmfleet.conda.conda_pip": {"requirements_files": ["requirements.txt"]}},
        {"llmfleet.conda.conda_installation": {"installer_path": "installer.sh"}},
        {"block": []},
    ],
    ids=str,
)
def test_what_cannot_be_said_beforehand(task: dict[str, Any], foresee: Foresee) -> None:
    with pytest.raises(NotForeseeable):
        foresee({"converge": [task], "more": []})
