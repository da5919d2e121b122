"""Hosts that have to be refused: no room on a volume, and a CPU build of torch where a GPU is to compute."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

testinfra_hosts = ["docker://stack-debian12", "docker://stack-debian13"]

ENVS = "/opt/miniconda3/envs"


@pytest.fixture
def said(host: Any) -> dict[str, Any]:
    """What the role said on this host in converge.yml, by play."""
    path = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "said.json"
    plays = json.loads(path.read_text(encoding="utf-8"))
    return {play: hosts[host.backend.name] for play, hosts in plays.items()}


def numbers(text: str) -> list[int]:
    """The numbers of a sentence."""
    return [int(word) for word in re.findall(r"(?<![\w/])\d+", text)]


def test_a_volume_without_room_is_refused_with_the_numbers(host: Any, said: dict[str, Any]) -> None:
    of_space, of_inodes = said["room"]
    # A volume of nothing but what it was made with: df knows what it has.
    space = int(host.check_output("df --output=avail -m /srv/small | tail -n 1"))
    inodes = int(host.check_output("df --output=iavail /srv/small | tail -n 1"))
    assert list(of_space) == ["host.disk"]
    assert numbers(of_space["host.disk"]) == [space, 100]
    assert list(of_inodes) == ["host.inodes"]
    assert numbers(of_inodes["host.inodes"]) == [inodes, 100000]


def test_a_refused_host_is_left_as_it_was(host: Any) -> None:
    assert host.check_output("ls -A /srv/small") == ""
    assert sorted(host.check_output(f"ls {ENVS}").split()) == ["gpu", "llm"]


def test_a_cpu_build_on_a_gpu_host_is_refused_and_a_gpu_build_is_not(
    ada: Any, host: Any, said: dict[str, Any]
) -> None:
    """The driver and the card ask for CUDA 12.6; the index of one host has a CPU build in that place."""
    there = ada.python("import torch; print(torch.__version__)", environment="gpu")
    if host.backend.name == "stack-debian12":
        assert there == "2.14.0+cpu"
        assert "has torch 2.14.0+cpu, a CPU build" in said["build"]
        assert "2.14.0+cu126" in said["build"]
    else:
        assert there == "2.14.0+cu126"
        assert said["build"] == "passed"
