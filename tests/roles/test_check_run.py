"""Mistakes in a call that Ansible ignores: tags that no task has, misspelt names, early variables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.roles.conftest import Played

QUICK = {
    "verify_checks": ["host"],
    "verify_thresholds": {
        "min_glibc": "2.0",
        "min_free_disk_mb": 0,
        "min_free_inodes": 0,
        "min_memory_mb": 1,
    },
}
WARNS = ("has no effect", "No task has the tag", "selects no task")


@pytest.fixture
def verify(play: Callable[..., Played], tmp_path: Path) -> Callable[..., Played]:
    """Runs the playbook `verify` on hosts with further variables each."""

    def run(hosts: dict[str, dict[str, Any]], *words: str, **variables: Any) -> Played:
        common = {**QUICK, "verify_report": str(tmp_path / "report.json")}
        given = {name: {**common, **own} for name, own in hosts.items()}
        return play("llmfleet.conda.verify", given, *words, expected=WARNS, **variables)

    return run


def test_a_name_with_a_misspelt_prefix_is_told_once_for_all_hosts(
    verify: Callable[..., Played],
) -> None:
    wrong = {"install_minicnda_prefix": "/opt/mc"}
    played = verify({"a1": wrong, "a2": wrong, "a3": wrong, "a4": wrong, "a5": {}})
    told = (
        "[WARNING]: The inventory variable install_minicnda_prefix (a1, a2, a3 and 1 more) is none of"
        " llmfleet.conda's and has no effect. Did you mean install_miniconda_prefix?"
    )
    assert played.flat.count(told) == 1
    assert played.code == 0, played.text


@pytest.mark.full
def test_a_misspelt_variable_of_the_playbooks_is_told(verify: Callable[..., Played]) -> None:
    played = verify({"a1": {}}, llmfleet_seriall=2, llmfleet_colour="red")
    assert "The variable llmfleet_seriall of -e is none of" in played.flat
    assert "Did you mean llmfleet_serial?" in played.flat
    assert (
        "The variable llmfleet_colour of -e is none of llmfleet.conda's and has no effect. README"
        in (played.flat)
    )


@pytest.mark.full
def test_names_of_other_projects_are_not_told(verify: Callable[..., Played]) -> None:
    others = {
        "install_minikube_version": "1.37",
        "create_conda_envs": True,
        "conda_prefix": "/opt/mc",
        "install_miniconda__own": 1,
        "llmfleet__own": 1,
        "site_prefix": "/opt",
    }
    played = verify({"a1": others})
    assert played.summary["warnings"] == [], played.text


def test_strict_refuses_before_the_first_host(verify: Callable[..., Played]) -> None:
    played = verify({"a1": {"install_minicnda_prefix": "/opt/mc"}}, llmfleet_strict=True)
    assert (
        "Did you mean install_miniconda_prefix? The run stops because llmfleet_strict is set."
        in (played.failure("a1"))
    )
    assert played.code == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--tags", "verfy"], "No task has the tag verfy of --tags. Did you mean verify?"),
        pytest.param(
            ["--tags", "verify,verify-hots"],
            "No task has the tag verify-hots of --tags. Did you mean verify-host?",
            marks=pytest.mark.full,
        ),
        pytest.param(
            ["--skip-tags", "verify-drfit"],
            "No task has the tag verify-drfit of --skip-tags. Did you mean verify-drift?",
            marks=pytest.mark.full,
        ),
        (
            ["--tags", "kernels"],
            "--tags kernels selects no task of this playbook, so it does nothing. Its tags are verify,",
        ),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_a_tag_that_no_task_has_is_told(
    words: list[str], told: str, verify: Callable[..., Played]
) -> None:
    played = verify({"a1": {}, "a2": {}}, *words)
    assert played.flat.count(f"[WARNING]: {told}") == 1, played.text
    assert played.code == 0


@pytest.mark.parametrize(
    "words",
    [
        ["--tags", "verify,my-own"],
        ["--tags", "verify-host"],
        ["--tags", "tagged"],
        ["--skip-tags", "my-own"],
    ],
    ids=" ".join,
)
@pytest.mark.full
def test_other_tags_are_not_told(words: list[str], verify: Callable[..., Played]) -> None:
    assert verify({"a1": {}}, *words).summary["warnings"] == []


def test_a_variable_that_ansible_reads_too_early_is_refused_in_an_inventory(
    verify: Callable[..., Played],
) -> None:
    played = verify({"a1": {"llmfleet_serial": 1}, "a2": {"llmfleet_serial": 1}, "a3": {}})
    assert played.code == 2
    # A task that runs once reports for the first host.
    failure = played.failure("a1")
    assert "The inventory sets llmfleet_serial (a1, a2), but Ansible reads it before" in failure
    assert "use the command line: -e llmfleet_serial=..." in failure
    assert {host["state"] for host in played.summary["hosts"].values()} == {"failed"}


@pytest.mark.full
def test_the_command_line_takes_precedence_over_the_inventory(
    verify: Callable[..., Played],
) -> None:
    played = verify({"a1": {"llmfleet_serial": 1}, "a2": {}}, llmfleet_serial=2)
    assert played.code == 0, played.text
