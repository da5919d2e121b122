"""Profiles on Macs that have no wheels for them, with a stand-in for what the host says of itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.roles.conftest import Played

PLAYBOOK = """
- hosts: all
  gather_facts: false
  environment:
    PATH: "{{ stand_in }}:/usr/bin:/bin"
  tasks:
    - ansible.builtin.set_fact:
        system: Darwin
        architecture: "{{ machine }}"
        distribution_version: "{{ version }}"
        cacheable: true
      when: machine | length > 0
    - ansible.builtin.import_role:
        name: llmfleet.conda.install_llm_stack
        tasks_from: preflight
    - ansible.builtin.import_role:
        name: llmfleet.conda.install_llm_stack
        tasks_from: fit
      when: install_llm_stack_backend == 'auto'
"""


def of_module(platform: str, version: str = "", **more: Any) -> dict[str, Any]:
    """A Mac that accelerator_info looked at, and what its sw_vers prints."""
    vendor = "apple" if platform == "osx-arm64" else "none"
    backend = {"name": "pypi", "torch_max": "", "constraints": []}
    seen = {"platform": platform, "vendor": vendor, "backend": backend}
    return {
        "install_llm_stack_backend": "auto",
        "install_llm_stack__accelerator": seen,
        "machine": "",
        "version": version,
        **more,
    }


def of_facts(machine: str, version: str, **more: Any) -> dict[str, Any]:
    """A Mac whose facts Ansible gathered, with a backend by name."""
    return {"install_llm_stack_backend": "pypi", "machine": machine, "version": version, **more}


def profiles(*names: str, **more: Any) -> dict[str, Any]:
    return {"install_llm_stack_profiles": list(names), **more}


FITTING = {
    "arm": of_module("osx-arm64", "14.5", **profiles("data", "train")),
    "arm-27": of_facts("arm64", "27.0", **profiles("data", "train")),
    "arm-13-inference": of_module("osx-arm64", "13.7.4", **profiles("inference")),
    "intel-data": of_module("osx-64", "13.7", **profiles("data", "app")),
    "intel-legacy": of_facts("x86_64", "13.7", **profiles("legacy_mac")),
    "arm-13-own": of_module(
        "osx-arm64",
        "13.7.4",
        **profiles("train", install_llm_stack_profile_overrides={"train": {"pip": ["peft>=0.20"]}}),
    ),
}
NO_TORCH = "cannot be installed on this Mac: torch has no wheels for Intel processors"
REFUSED = {
    "intel-inference": (
        of_module("osx-64", **profiles("inference")),
        f"The profile inference {NO_TORCH}",
    ),
    "intel-train": (
        of_facts("x86_64", "13.7", **profiles("train")),
        f"The profile train {NO_TORCH}",
    ),
    "intel-way-on": (of_module("osx-64", **profiles("tensorflow")), "Use the profile legacy_mac"),
    "arm-serve": (
        of_module("osx-arm64", "15.1", **profiles("serve")),
        "The profile serve cannot be installed on this Mac: vllm has no wheels for macOS",
    ),
    "arm-13": (
        of_module("osx-arm64", "13.7.4", **profiles("train")),
        "This host has macOS 13.7.4. The profile train needs macOS 14 or newer"
        " for the wheels of bitsandbytes.",
    ),
    "arm-13-facts": (
        of_facts("arm64", "13.7.4", **profiles("train")),
        "This host has macOS 13.7.4. The profile train needs macOS 14 or newer"
        " for the wheels of bitsandbytes.",
    ),
}


@pytest.fixture(scope="module")
def played(play: Callable[..., Played], tmp_path_factory: pytest.TempPathFactory) -> Played:
    """One run in check mode over all hosts."""
    root = tmp_path_factory.mktemp("macs")
    (root / "playbook.yml").write_text(PLAYBOOK)
    hosts = {}
    cases = {**FITTING, **{name: case for name, (case, _) in REFUSED.items()}}
    for name, case in cases.items():
        program = root / name / "sw_vers"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\n[ "$1" = -productVersion ] && echo {case["version"]}\n')
        program.chmod(0o755)
        hosts[name] = {"stand_in": str(program.parent), **case}
    return play(str(root / "playbook.yml"), hosts, "--check")


@pytest.mark.parametrize("host", FITTING)
def test_a_mac_with_wheels_passes(host: str, played: Played) -> None:
    assert re.search(rf"^{host} +: .*unreachable=0 +failed=0 ", played.text, re.M), played.text


@pytest.mark.parametrize("host", REFUSED)
def test_a_mac_without_wheels_is_refused_by_the_profile_s_name(host: str, played: Played) -> None:
    assert REFUSED[host][1] in played.failure(host)
