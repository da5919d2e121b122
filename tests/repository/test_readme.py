"""The README's inventory is real: it parses, its variables exist, every playbook takes it."""

from __future__ import annotations

import configparser
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
README = (ROOT / "README.md").read_text()
PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))


def inventory_text() -> str:
    (block,) = re.findall(r"```yaml\n(all:.*?)```", README, flags=re.S)
    return str(block)


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    path = tmp_path / "hosts.yml"
    path.write_text(inventory_text())
    return path


def ansible(*argv: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in argv],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
    )


def test_inventory_parses_to_its_three_hosts(inventory: Path) -> None:
    done = ansible(BIN / "ansible-inventory", "-i", inventory, "--list")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    hosts: dict[str, Any] = json.loads(done.stdout)["_meta"]["hostvars"]
    assert sorted(hosts) == ["gpu1.example.com", "lab1.example.com", "mac1.example.com"]
    assert hosts["gpu1.example.com"]["install_llm_stack_profiles"] == ["data", "train"]
    assert hosts["lab1.example.com"]["install_llm_stack_profiles"] == ["data", "inference"]


def test_inventory_uses_variables_that_the_roles_have() -> None:
    known: set[str] = set()
    for role in sorted((ROOT / "roles").iterdir()):
        known |= set(yaml.safe_load((role / "defaults" / "main.yml").read_text()))
    used = set(re.findall(r"^\s+((?!ansible_)[a-z_]+):(?= [^\s]|$)", inventory_text(), flags=re.M))
    used -= {"all", "vars", "hosts"}
    assert len(used) > 5
    assert used - known == set()


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_playbook_takes_the_inventory(inventory: Path, playbook: str) -> None:
    name = f"llmfleet.conda.{playbook}"
    assert name in README
    done = ansible(BIN / "ansible-playbook", name, "-i", inventory, "--list-hosts")
    assert done.returncode == 0, done.stderr
    assert "hosts (3)" in done.stdout


def test_the_settings_shown_are_those_of_the_checkout() -> None:
    """The artifact has no ansible.cfg; only where the checkout finds the collection is not for users."""
    (block,) = re.findall(r"```ini\n(.*?)```", README, flags=re.S)
    shown, own = configparser.ConfigParser(), configparser.ConfigParser()
    shown.read_string(block)
    own.read(ROOT / "ansible.cfg")
    for section in own.sections():
        assert set(shown[section].items()) <= set(own[section].items())
    missing = set(own["defaults"]) - set(shown["defaults"])
    assert missing == {"collections_path", "retry_files_enabled"}
    assert dict(shown["ssh_connection"]) == dict(own["ssh_connection"])


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    for text in (README, (ROOT / "CONTRIBUTING.md").read_text()):
        named = set(re.findall(r"(?:`|^ {4}|&& |time )make ([a-z-]+)", text, flags=re.M))
        assert named
        assert named - targets == set()


def test_the_searches_of_the_recipes_find_something() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    words = set(re.findall(r'git grep -n "([^"]+)" -- plugins', text))
    assert words
    code = "".join(path.read_text() for path in (ROOT / "plugins").rglob("*.py"))
    assert {some for some in words if some not in code} == set(), (
        "no message has these words any more: choose others for the example in CONTRIBUTING.md"
    )


def test_documented_files_exist() -> None:
    text = README + (ROOT / "CONTRIBUTING.md").read_text()
    named = set(re.findall(r"`((?:scripts|changelogs|meta|\.config)/[\w./-]+)`", text))
    assert named
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_every_number_is_filled_in() -> None:
    assert re.findall(r"@[A-Z_]+@", README) == []
