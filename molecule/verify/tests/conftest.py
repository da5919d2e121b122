"""Runs of llmfleet.conda.verify over the scenario's hosts, and what a host looks like from outside."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scripts.layout import ROOT, tool_environment
from scripts.play.run_playbook import exit_code, report, run

SCENARIO = Path(__file__).resolve().parents[1]
CALLBACKS = ROOT / "scripts" / "play" / "callbacks"

# Every file of the host but those of the kernel and of the home in which Ansible works: kind, owner,
# mode, size, time. The note of a pass, and the time of the directory that gets it, are left out.
LISTING = r"""
find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /tmp -o -path /run \
  -o -path /srv/llmfleet-lab \) -prune -o -path /root -prune -o \
  -name .llmfleet-verified -o -name conda-meta -o -printf '%p %y %U %m %s %T@ %l\n' | sort
find /opt/miniconda3 -type f ! -name .llmfleet-verified -print0 2>/dev/null | sort -z | xargs -0r sha256sum
"""


@dataclass(frozen=True)
class Looked:
    """One run of the playbook.

    Attributes:
        code: the exit code of the runner.
        summary: what the runner writes at the end.
        screen: the lines with which it ends.
        log: what ansible-playbook printed.
        report: the fleet's report, None where none was written.
        folder: where the run has written.
        module_runs: how many modules ran, by host.
    """

    code: int
    summary: dict[str, Any]
    screen: list[str]
    log: str
    report: dict[str, Any] | None
    folder: Path
    module_runs: Counter[str]

    def own(self, host: str) -> dict[str, Any]:
        """A host's own file."""
        found: dict[str, Any] = json.loads((self.folder / f"report.d/{host}.json").read_text())
        return found

    def status(self) -> dict[str, str]:
        """The hosts' statuses in the fleet's report."""
        assert self.report is not None
        return {name: entry["status"] for name, entry in self.report["hosts"].items()}


Look = Callable[..., Looked]


@pytest.fixture(scope="session")
def look(tmp_path_factory: pytest.TempPathFactory) -> Look:
    """Runs the playbook as a person does, with more arguments of ansible-playbook."""

    def run_it(*arguments: str) -> Looked:
        folder = tmp_path_factory.mktemp("run")
        runs = folder / "module-runs.jsonl"
        runs.touch()
        env = tool_environment(
            {
                "LLMFLEET_MODULE_RUNS": str(runs),
                "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
                "ANSIBLE_CALLBACKS_ENABLED": "llmfleet_module_runs",
            }
        )
        inventories = [ROOT / ".config/molecule/inventory", SCENARIO / "inventory"]
        words = [word for path in inventories for word in ("-i", str(path))]
        words += ["-e", f"verify_report={folder}/report.json", *arguments]
        summary = run(["llmfleet.conda.verify", *words], output=folder / "run", env=env)
        path = folder / "report.json"
        hosts = [json.loads(line)["host"] for line in runs.read_text().splitlines()]
        return Looked(
            code=exit_code(summary),
            summary=summary,
            screen=report(summary, folder / "run"),
            log=(folder / "run" / "log.txt").read_text(),
            report=json.loads(path.read_text()) if path.exists() else None,
            folder=folder,
            module_runs=Counter(hosts),
        )

    return run_it


@pytest.fixture(scope="session")
def listing() -> Callable[[str], str]:
    """Lists every file of a host with what tells a change, and the sums of those of the installation."""

    def list_it(host: str) -> str:
        command = ["docker", "exec", host, "sh", "-c", LISTING]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    return list_it
