"""The rules of a role's variables: their order, and what is worked out only when it must be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.roles.conftest import Played

SPECS = """
argument_specs:
  main:
    options:
      sample_size: {type: int, default: 1}
      sample_kind: {type: str, choices: [small, large], default: small}
"""
PLAYBOOK = """
- hosts: all
  gather_facts: false
  vars:
    # Counted by the files that it leaves behind.
    costly: "{{ lookup('ansible.builtin.pipe', 'echo once >> ' ~ seen ~ '; echo 7') | int }}"
  tasks:
    - name: Set a variable
      ansible.builtin.set_fact:
        sample_sizes: [1, 2]
      when: sets | default(false)
    - name: Register another
      ansible.builtin.command: echo
      register: sample_kinds
      when: sets | default(false)
    - name: Check the variables
      llmfleet.conda.check_variables:
        role_path: "{{ role }}"
        once: [costly]
        rules:
          - that: sample_size | int > 0
            fail_msg: sample_size must be more than nothing, not {{ sample_size }}.
          - that: [costly == 7, 10 / (sample_size | int) < 6]
            fail_msg: sample_size must be at least 2, not {{ sample_size }}; known is {{ costly }}.
          - that: costly != sample_size | int
            fail_msg: "{{ lookup('ansible.builtin.pipe', 'echo told >> ' ~ seen ~ '; echo taken') }}"
      register: checked
"""
# Hosts that go on. The last one has variables of its tasks' own, which no inventory contains.
FINE = {
    "good": {"sample_size": 2},
    "contact": {"sample_size": 2, "sample_contact": "ops"},
    "contact-too": {"sample_size": 2, "sample_contact": "staff"},
    "set": {"sample_size": 2, "sets": True},
}
STRANGE = "The role sample has no variable sample_contact, so it has no effect there."
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "first": ({"sample_size": 0}, "sample_size must be more than nothing, not 0."),
    "second": ({"sample_size": 1}, "sample_size must be at least 2, not 1; known is 7."),
    "third": ({"sample_size": 7}, "taken"),
    "type": ({"sample_size": "many"}, "sample_size"),
    "choice": (
        {"sample_size": 2, "sample_kind": "huge"},
        "value of sample_kind must be one of: small, large, got: huge",
    ),
    "misspelt": (
        {"sample_size": 2, "sample_sise": 2, "sample__own": 1},
        "The role sample has no variable sample_sise. Did you mean sample_size instead of sample_sise? Its"
        " README lists its variables.",
    ),
    "strict": (
        {"sample_size": 2, "sample_contact": "ops", "llmfleet_strict": "yes"},
        "The role sample has no variable sample_contact, so it has no effect there. Its README lists its"
        " variables. The run stops because llmfleet_strict is set.",
    ),
}


@pytest.fixture(scope="module")
def played(
    play: Callable[..., Played], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Played, Path]:
    """One run in which each host has other values."""
    root = tmp_path_factory.mktemp("rules")
    role = root / "sample"
    (role / "meta").mkdir(parents=True)
    (role / "meta/argument_specs.yml").write_text(SPECS)
    (root / "playbook.yml").write_text(PLAYBOOK)
    hosts = {
        name: {**variables, "seen": str(root / f"{name}.txt")}
        for name, variables in {**FINE, **{name: case[0] for name, case in CASES.items()}}.items()
    }
    return play(str(root / "playbook.yml"), hosts, expected=[STRANGE], role=str(role)), root


@pytest.mark.parametrize("case", CASES)
def test_the_first_mistake_is_told(case: str, played: tuple[Played, Path]) -> None:
    said = played[0].failure(case)
    assert CASES[case][1] in said
    # A condition that made no sense (a division by nothing) behind a rule that failed is not what people see.
    assert "division" not in said


@pytest.mark.parametrize("host", FINE)
def test_a_host_without_a_mistake_goes_on(host: str, played: tuple[Played, Path]) -> None:
    assert f"ok: [{host}]" in played[0].text


def test_a_name_unlike_all_others_is_a_warning_and_printed_once(
    played: tuple[Played, Path],
) -> None:
    assert played[0].flat.count(f"[WARNING]: {STRANGE}") == 1


def test_a_costly_variable_is_worked_out_once(played: tuple[Played, Path]) -> None:
    assert (played[1] / "good.txt").read_text() == "once\n"


def test_a_message_is_worked_out_only_where_it_is_told(played: tuple[Played, Path]) -> None:
    assert (played[1] / "third.txt").read_text() == "once\ntold\n"


def test_nothing_else_is_asked_where_a_type_is_wrong(played: tuple[Played, Path]) -> None:
    assert not (played[1] / "type.txt").exists()
