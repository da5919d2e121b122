"""An installer that only the controller has: through ansible-playbook, judged by plain files and what ran."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import installer as lab_installer
from lab.mirror import Mirror
from tests.integration.module_runs import counting, modules
from tests.integration.roles.conftest import FleetHost
from tests.integration.snapshot import changes, snapshot

ROOT = Path(__file__).resolve().parents[2]
MODULE = "llmfleet.conda.conda_installation"

# This machine as if it were another one: ansible's own local connection uses the controller's temporary
# directory, which hides what is left behind on a host.
CONNECTION = """\
import os

from ansible.plugins.connection.local import Connection as Local

DOCUMENTATION = \"\"\"
name: elsewhere
short_description: this machine, treated as another one
description: [local, with a temporary directory on the host]
author: [the test]
\"\"\"


class Connection(Local):
    transport = "elsewhere"
    _remote_is_local = False

    def put_file(self, in_path, out_path):
        if out_path.endswith(".sh"):
            with open(os.environ["TRANSFERS"], "a") as stream:
                stream.write(out_path + "\\n")
        return super().put_file(in_path, out_path)
"""


@dataclass(frozen=True)
class Run:
    """A finished play: exit code, output, modules started, installers sent, and the task's result."""

    code: int
    text: str
    modules: tuple[str, ...]
    sent: tuple[str, ...]
    result: dict[str, Any]


class Controller:
    """A directory with a playbook of one task, its files, and a host below it."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.prefix = work / "host" / "base"
        self.home = work / "home"
        self.temporary = work / "host-tmp"
        self.transfers = work / "transfers"
        for directory in (work / "host", self.home, work / "play" / "files", self.temporary):
            directory.mkdir(parents=True)
        (work / "play" / "connection_plugins").mkdir()
        (work / "play" / "connection_plugins" / "elsewhere.py").write_text(CONNECTION)
        made = lab_installer.current()
        self.name = str(made["filename"])
        (work / "play" / "files" / self.name).symlink_to(made["path"])
        self.options = {
            "prefix": str(self.prefix),
            "version": made["version"],
            "installer_path": self.name,
            "checksum": f"sha256:{made['sha256']}",
        }

    @property
    def host(self) -> tuple[Path, ...]:
        """Everything that stands for the host."""
        return self.prefix.parent, self.home, self.temporary

    def play(self, *words: str, **options: Any) -> Run:
        """Run the playbook."""
        given = {**self.options, **options}
        result, runs = self.work / "result.json", self.work / "module-runs"
        result.unlink(missing_ok=True)
        self.transfers.write_text("")
        task = {MODULE: {key: value for key, value in given.items() if value is not None}}
        copy = {"content": "{{ done }}", "dest": str(result), "mode": "0600"}
        play = {
            "hosts": "all",
            "gather_facts": False,
            "tasks": [
                {**task, "register": "done", "failed_when": False},
                {
                    "ansible.builtin.copy": copy,
                    "delegate_to": "localhost",
                    "check_mode": False,
                    "diff": False,
                },
                {
                    "ansible.builtin.assert": {"that": "done.msg is not defined", "quiet": True},
                },
            ],
        }
        playbook = self.work / "play" / "play.yml"
        playbook.write_text(yaml.safe_dump([play], sort_keys=False))
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ANSIBLE_", "PYTHON", "CONDA_"))
        }
        environment |= {
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_HOME": str(self.work / "ansible"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_REMOTE_TEMP": str(self.temporary),
            "HOME": str(self.home),
            **counting(runs),
            "TRANSFERS": str(self.transfers),
        }
        inventory = (
            f"here ansible_connection=elsewhere ansible_python_interpreter={sys.executable}\n"
        )
        (self.work / "hosts").write_text(inventory)
        done = subprocess.run(
            [
                *(sys.executable, "-m", "ansible.cli.playbook", str(playbook)),
                *("-i", str(self.work / "hosts"), "--diff", *words),
            ],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=600,
        )
        assert "[WARNING]" not in done.stdout, done.stdout
        assert result.is_file(), done.stdout
        return Run(
            code=done.returncode,
            text=done.stdout,
            modules=tuple(name for name in modules(runs) if name == MODULE),
            sent=tuple(self.transfers.read_text().split()),
            result=json.loads(result.read_text()),
        )


@pytest.fixture
def controller(lab_parts: None, tmp_path: Path) -> Controller:
    """A controller that has the lab's installer, and a host where nothing is."""
    return Controller(tmp_path)


@pytest.mark.full
def test_the_file_travels_only_to_a_host_that_needs_it(controller: Controller) -> None:
    steps, written = [], []
    for words in (["--check"], [], ["--check"], []):
        before = snapshot(*controller.host)
        steps.append(controller.play(*words))
        written.append(changes(before, snapshot(*controller.host)))
        # Whatever was needed on the way is gone: the temporary directory of the host is empty.
        assert list(controller.temporary.iterdir()) == []
    results = [step.result for step in steps]
    assert [step.code for step in steps] == [0, 0, 0, 0], [step.text for step in steps]
    assert [result["changed"] for result in results] == [True, True, False, False]
    assert [len(step.modules) for step in steps] == [1, 2, 1, 1]
    assert [len(step.sent) for step in steps] == [0, 1, 0, 0]
    assert steps[1].sent[0].startswith(f"{controller.temporary}/")
    assert results[0]["diff"] == results[1]["diff"]
    assert results[0]["plan"] == results[1]["plan"]
    # Modules themselves pass through that directory.
    through = str(controller.temporary)
    unwanted = [path for paths in (written[0], *written[2:]) for path in paths if path != through]
    assert unwanted == []
    assert (controller.prefix / "bin" / "conda").is_file()
    assert [path.name for path in controller.prefix.parent.iterdir()] == ["base"]


def test_other_bytes_than_expected_are_refused_on_the_host(controller: Controller) -> None:
    file = controller.work / "play" / "files" / controller.name
    body = file.read_bytes()
    file.unlink()
    file.write_bytes(body[:-10] + b"0123456789")
    run = controller.play()
    assert run.code == 2
    assert "has the SHA-256 sum" in run.result["msg"]
    assert "Nothing was changed" in run.result["msg"]
    assert list(controller.prefix.parent.iterdir()) == []
    assert list(controller.temporary.iterdir()) == []


def test_a_file_that_the_controller_lacks(controller: Controller) -> None:
    run = controller.play(installer_path="Nowhere.sh")
    assert run.code == 2
    assert "installer_path names Nowhere.sh, but the controller cannot read it" in run.result["msg"]
    assert "remote_src: true" in run.result["msg"]
    assert run.modules == ()


@pytest.mark.full
def test_a_file_of_the_host(controller: Controller) -> None:
    script = controller.work / "host" / controller.name
    script.symlink_to(lab_installer.current()["path"])
    run = controller.play(installer_path=str(script), remote_src=True)
    assert run.code == 0, run.text
    assert run.result["changed"]
    assert len(run.modules) == 1
    assert {path.name for path in script.parent.iterdir()} == {"base", script.name}


@pytest.mark.full
def test_a_removal_needs_no_file(controller: Controller) -> None:
    run = controller.play(installer_path="Nowhere.sh", state="absent")
    assert run.code == 0, run.text
    assert not run.result["changed"]
    assert len(run.modules) == 1


@pytest.mark.full
def test_the_role_passes_its_options_through(mirror: Mirror, tmp_path: Path) -> None:
    for name in ("host", "home"):
        (tmp_path / name).mkdir()
    group = os.getgid()
    host = FleetHost(
        root=tmp_path / "host",
        mirror_url=mirror.url,
        extra={
            "install_miniconda_installer_url": "",
            "install_miniconda_installer_path": str(lab_installer.current()["path"]),
            "install_miniconda_conda_version": ">=24.7,<25",
            "install_miniconda_owner": str(os.getuid()),
            "install_miniconda_group": str(group),
            "install_miniconda_mode": "0751",
            "install_miniconda_group_writable": ["envs"],
            "create_conda_env_environments": [],
        },
    )
    mirror.reset()
    first = host.play("llmfleet.conda.site", "--tags", "install")
    assert first.code == 0, first.text
    assert first.modules.count(MODULE) == 2
    assert not [path for path in mirror.counts() if path.endswith(".sh")]
    assert host.prefix.stat().st_mode & 0o7777 == 0o751
    assert (host.prefix / "envs").stat().st_mode & 0o2070 == 0o2070
    again = host.play("llmfleet.conda.site", "--tags", "install")
    assert (again.code, again.changed) == (0, 0), again.text
    assert again.modules.count(MODULE) == 1
