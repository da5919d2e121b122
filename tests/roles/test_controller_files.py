"""Where relative files are looked for: beside the play and the inventory, in the working directory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.layout import ROOT, tool_environment

ANSIBLE = Path(sys.executable).with_name("ansible-playbook")
# The text arrives at the module, which refuses it and so shows which file it was.
TEXT = "name: x\nkey_of_{place}: 1\n"


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    """Four directories, of which the first one is that of the play."""
    found = {"files": tmp_path / "play" / "files"}
    found |= {name: tmp_path / name for name in ("play", "inventory", "working")}
    for place in found.values():
        place.mkdir(parents=True, exist_ok=True)
    (found["inventory"] / "hosts.json").write_text(
        json.dumps({"all": {"hosts": {"a": {"ansible_connection": "local"}}}})
    )
    return found


def played(places: dict[str, Path], module: str, options: dict[str, Any], *words: str) -> str:
    task = {"name": "Read", f"llmfleet.conda.{module}": options}
    playbook = places["play"] / "play.json"
    playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [task]}]))
    done = subprocess.run(
        [ANSIBLE, "-i", places["inventory"] / "hosts.json", playbook, *words],
        cwd=places["working"],
        env={
            **tool_environment(),
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build" / "collections"),
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    return " ".join(done.stdout.split())


@pytest.mark.parametrize(
    "place",
    [
        *(pytest.param(one, marks=pytest.mark.full) for one in ("files", "play", "inventory")),
        "working",
    ],
)
def test_the_first_place_with_the_file_wins(place: str, places: dict[str, Path]) -> None:
    order = list(places)
    for one in order[order.index(place) :]:
        (places[one] / "env.yml").write_text(TEXT.format(place=one))
    options = {"prefix": "/opt/mc/envs/x", "installation": "/opt/mc", "environment_file": "env.yml"}
    assert f"key_of_{place}" in played(places, "conda_env", options)


@pytest.mark.parametrize(
    ("module", "options"),
    [
        ("conda_env", {"prefix": "/opt/mc/envs/x", "installation": "/opt/mc", "lock_file": "no.x"}),
        ("conda_pip", {"prefix": "/opt/mc/envs/x", "requirements_files": ["no.x"]}),
        ("hub_model", {"model": "a/b", "path": "no.x"}),
        ("conda_installation", {"prefix": "/opt/mc", "installer_path": "no.x"}),
    ],
)
def test_a_missing_file_is_told_with_all_places(
    module: str, options: dict[str, Any], places: dict[str, Path]
) -> None:
    said = played(places, module, options)
    looked = [places[name] / "no.x" for name in ("files", "play", "inventory", "working")]
    found = [said.index(str(path)) for path in looked]
    assert found == sorted(found)
    assert "names no.x, but the controller cannot read it: not found in" in said


def test_an_absolute_path_is_looked_for_only_there(places: dict[str, Path]) -> None:
    options = {"prefix": "/opt/mc/envs/x", "installation": "/opt/mc", "lock_file": "/nowhere/no.x"}
    said = played(places, "conda_env", options)
    assert "names /nowhere/no.x, but the controller cannot read it: " in said
    assert os.fspath(places["working"]) not in said
