"""Runs playbooks against this machine, below a temporary directory, without conda and without the lab."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from scripts.layout import tool_environment
from scripts.play import run_playbook


@dataclass(frozen=True)
class Played:
    """A finished run of ansible-playbook."""

    code: int
    text: str
    summary: dict[str, Any]

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


@pytest.fixture(scope="session")
def everything(request: pytest.FixtureRequest) -> bool:
    """False if tests marked `full` do not run, and hosts that only they look at can stay out of a play."""
    return "not full" not in request.config.getoption("markexpr")


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Played]:
    """Runs a playbook on the given hosts, all of them this machine, with further variables.

    No warning is borne but those that contain one of the texts in ``expected``.
    """

    def run(
        playbook: str,
        hosts: Mapping[str, Mapping[str, Any]],
        *words: str,
        expected: Sequence[str] = (),
        **variables: Any,
    ) -> Played:
        work = tmp_path_factory.mktemp("run")
        inventory = work / "hosts.json"
        common = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        inventory.write_text(json.dumps({"all": {"hosts": dict(hosts), "vars": common}}))
        summary = run_playbook.run(
            [playbook, "-i", inventory, *words, "-e", json.dumps(variables)],
            output=work / "output",
            # Only these: a variable of the caller's could change what is tested.
            env=tool_environment(),
            timeout=600,
        )
        text = (work / "output" / "log.txt").read_text(encoding="utf-8")
        flat = [" ".join(warning.split()) for warning in summary["warnings"]]
        assert [one for one in flat if not any(part in one for part in expected)] == [], text
        return Played(summary["rc"], text, summary)

    return run
