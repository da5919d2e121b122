"""Runs playbooks against this machine, below a temporary directory, without conda and without the lab."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Played:
    """A finished run of ansible-playbook."""

    code: int
    text: str

    @property
    def flat(self) -> str:
        """All that was printed, on one line, since long messages are wrapped."""
        return " ".join(self.text.split())

    def failure(self, host: str) -> str:
        """What was printed on the failure of one host, on one line."""
        found = re.search(
            rf"^fatal: \[{re.escape(host)}\]: FAILED! =>(.*?)^(?=\S)",
            self.text,
            re.MULTILINE | re.DOTALL,
        )
        assert found is not None, f"{host} did not fail"
        return " ".join(found[1].split())


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Played]:
    """Runs a playbook on the given hosts, all of them this machine, with further variables."""

    def run(
        playbook: str, hosts: Mapping[str, Mapping[str, Any]], *words: str, **variables: Any
    ) -> Played:
        inventory = tmp_path_factory.mktemp("inventory") / "hosts.json"
        common = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        inventory.write_text(json.dumps({"all": {"hosts": dict(hosts), "vars": common}}))
        # Only these: a variable of the caller's could change what is tested.
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")
        }
        environment |= {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        program = Path(sys.executable).with_name("ansible-playbook")
        argv = [str(program), playbook, "-i", str(inventory), *words, "-e", json.dumps(variables)]
        done = subprocess.run(
            argv,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        return Played(done.returncode, done.stdout)

    return run
