"""A host below a temporary directory, on which the playbooks run against the lab's real conda."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab import counter, installer
from lab.mirror import Mirror
from scripts.play import run_playbook
from tests.integration.module_runs import counting, modules
from tests.integration.target import CONTROLLER_PYTHON, TARGET_PYTHON

ROOT = Path(__file__).resolve().parents[3]
_RECAP = re.compile(
    r"^here\s+: ok=\d+\s+changed=(\d+)\s+unreachable=0\s+failed=(\d+)", re.MULTILINE
)


@dataclass(frozen=True)
class Run:
    """A finished run of a playbook: what it printed, the modules it ran, the conda starts it caused."""

    code: int
    text: str
    modules: tuple[str, ...]
    conda_starts: int

    @property
    def changed(self) -> int:
        """The number of changed tasks."""
        return int(self._recap()[1])

    def _recap(self) -> re.Match[str]:
        found = _RECAP.search(self.text)
        assert found is not None, self.text
        return found


@dataclass
class FleetHost:
    """One host of an inventory over inventories/lab/group_vars, this machine below one directory."""

    root: Path
    mirror_url: str
    extra: Mapping[str, Any] = field(default_factory=dict)
    group_vars: Path = ROOT / "inventories" / "lab" / "group_vars"

    @property
    def prefix(self) -> Path:
        """The installation."""
        return self.root / "opt" / "miniconda3"

    @property
    def environment(self) -> Path:
        """The environment of the stack."""
        return self.prefix / "envs" / "llm"

    @property
    def profile(self) -> Path:
        """The file that login shells read."""
        return self.root / "etc" / "profile.d" / "llmfleet-conda.sh"

    @property
    def report(self) -> dict[str, Any]:
        """The host's entry of the fleet's report."""
        return json.loads(self.report_path.read_text(encoding="utf-8"))["hosts"]["here"]

    @property
    def report_path(self) -> Path:
        """The fleet's report."""
        return self.root.parent / "reports" / "report.json"

    def play(self, playbook: str, *words: str, collections: Path | None = None) -> Run:
        """Runs a playbook of the collection; no warning of ansible's is borne.

        Args:
            playbook: its full name.
            words: more options of ansible-playbook.
            collections: where the collection lies, if it is not the checkout's.
        """
        work = self.root.parent
        runs = work / "module-runs"
        starts = len(counter.starts(self.prefix))
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ANSIBLE_", "PYTHON", "CONDA_"))
        }
        environment |= {
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_HOME": str(work / "ansible"),
            "ANSIBLE_NOCOLOR": "1",
            "HOME": str(work / "home"),
            **counting(runs),
        }
        if collections is not None:
            environment["ANSIBLE_COLLECTIONS_PATH"] = str(collections)
        output = work / "runs" / str(len(list((work / "runs").glob("*"))))
        summary = run_playbook.run(
            [playbook, "-i", self._inventory(), "--diff", *words],
            output=output,
            env=environment,
            program=[CONTROLLER_PYTHON, "-m", "ansible.cli.playbook"],
            timeout=1500,
        )
        text = (output / "log.txt").read_text(encoding="utf-8")
        assert summary["warnings"] == [], text
        return Run(
            code=summary["rc"],
            text=text,
            modules=modules(runs),
            conda_starts=len(counter.starts(self.prefix)) - starts,
        )

    def _inventory(self) -> Path:
        directory = self.root.parent / "inventory"
        directory.mkdir(exist_ok=True)
        link = directory / "group_vars"
        if not link.is_symlink():
            link.symlink_to(self.group_vars)
        made = installer.current()
        variables = {
            "ansible_connection": "local",
            "ansible_python_interpreter": TARGET_PYTHON,
            "lab_root": str(self.root),
            "lab_mirror_url": self.mirror_url,
            "lab_installer_file": made["filename"],
            "lab_installer_version": made["version"],
            "lab_installer_checksum": "sha256:" + str(made["sha256"]).removeprefix("sha256:"),
            "lab_report": str(self.report_path),
            **self.extra,
        }
        (directory / "hosts.json").write_text(json.dumps({"lab": {"hosts": {"here": variables}}}))
        return directory


@pytest.fixture(scope="module")
def fleet_host(mirror: Mirror, tmp_path_factory: pytest.TempPathFactory) -> FleetHost:
    """A bare host whose stack has no torch, which would take most of the time and show nothing more."""
    work = tmp_path_factory.mktemp("fleet")
    for name in ("host", "home"):
        (work / name).mkdir()
    return FleetHost(
        root=work / "host",
        mirror_url=mirror.url,
        extra={
            "install_llm_stack_profile_overrides": {
                "data": {"conda": ["numpy", "pandas", "matplotlib"]},
                "inference": {"pip": ["networkx>=3"], "constraints": []},
            },
            "verify_imports": {"numpy": "", "pandas": "", "matplotlib": "", "networkx": ">=3"},
            "verify_model": "",
        },
    )
