"""Hosts that Ansible reaches as it reaches real ones, over SSH, and timed runs of ansible-playbook."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab import installer, interpreters, paths
from lab.containers import Container
from proof.bench import connections
from proof.bench.cost import Run, timed
from proof.runner import Lab
from scripts.layout import ROOT, VENV_BIN, tool_environment

_SSHD = ("sh", "-c", "mkdir -p /run/sshd && exec /usr/sbin/sshd -D -e")


# Containers are new each time and have no name that could be known.
_SSH = ("UserKnownHostsFile=/dev/null", "StrictHostKeyChecking=no", "LogLevel=ERROR")


class Fleet:
    """Containers with sshd, the inventory that names them, and the lab's variables.

    folder: where key, inventory and Ansible's own files go.
    containers: by the name that they have in the inventory.
    """

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.folder = folder
        self.containers: dict[str, Container] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self._key = folder / "key"
        self._variables: dict[str, Any] = _variables(lab)
        if not self._key.exists():
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "llmfleet bench", "-f", str(self._key)],
                check=True,
            )  # fmt: skip

    @property
    def inventory(self) -> Path:
        """The inventory's folder."""
        return self.folder / "inventory"

    def add(self, name: str, image: str = "", options: Sequence[str] = ()) -> Container:
        """Start a host and let this fleet's key in as root."""
        container = self.lab.host(name, options, image, command=_SSHD)
        container.python(
            "import os, sys\nhome = os.path.expanduser('~/.ssh')\n"
            "os.makedirs(home, 0o700, exist_ok=True)\n"
            "open(home + '/authorized_keys', 'w').write(sys.argv[1])",
            self._key.with_suffix(".pub").read_text(),
        )
        self.containers[name] = container
        return container

    def start_ready(self, name: str, image: str) -> Container:
        """Start a host of an image that was kept of one of this fleet's, so that its key is in already.

        It is not in the inventory yet: several may be started at once.
        """
        return self.lab.host(name, (), image, command=_SSHD)

    def remove(self, name: str) -> None:
        """End a host and take it out of the inventory."""
        self.containers.pop(name).remove()

    def write_inventory(self, variables: Mapping[str, Any] | None = None) -> Path:
        """Write the inventory of the hosts as they are now; returns its folder.

        variables: of all hosts, beside those of inventories/lab; they win.
        """
        everyone = {
            "ansible_user": "root",
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_ssh_private_key_file": str(self._key),
            "ansible_ssh_common_args": " ".join(f"-o {option}" for option in _SSH),
            **self._variables,
            **(variables or {}),
        }
        # Variables of a host, since only those win over the lab's group_vars/all.yml.
        hosts = {
            name: {"ansible_host": one.address(), **everyone}
            for name, one in self.containers.items()
        }
        content = {"all": {"children": {"lab": {"hosts": hosts}}}}
        self.inventory.mkdir(exist_ok=True)
        (self.inventory / "hosts.json").write_text(json.dumps(content, indent=1))
        link = self.inventory / "group_vars"
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(ROOT / "inventories/lab/group_vars", self.inventory))
        return self.inventory

    @property
    def _runs(self) -> Path:
        return self.folder / "module-runs.jsonl"

    @property
    def _events(self) -> Path:
        return self.folder / "recap.jsonl"

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of a run of Ansible, whose files of events it empties; more: variables that win."""
        self._runs.write_text("")
        self._events.write_text("")
        return tool_environment(
            {
                "ANSIBLE_HOME": str(self.folder / "ansible"),
                "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "scripts" / "play" / "callbacks"),
                "ANSIBLE_CALLBACKS_ENABLED": "llmfleet_module_runs,llmfleet_events",
                "LLMFLEET_MODULE_RUNS": str(self._runs),
                "LLMFLEET_EVENTS": str(self._events),
                "ANSIBLE_NOCOLOR": "1",
                **(more or {}),
            }
        )

    def events(self) -> list[dict[str, Any]]:
        """What the callback ``llmfleet_events`` was told in the last run."""
        return [json.loads(line) for line in self._events.read_text().splitlines()]

    def play(
        self,
        playbook: str | Path,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        timeout: float = 1200,
        check: bool = True,
    ) -> Run:
        """Run a playbook (a path, or a name such as ``llmfleet.conda.site``) with this inventory.

        Raises LabError when it fails and ``check`` is set.
        """
        environment = self.environment(env)
        argv = [
            str(VENV_BIN / "ansible-playbook"),
            "-i",
            str(self.inventory),
            str(playbook),
            *arguments,
        ]
        # Connections of this run alone: what it costs does not hang on the run before.
        with connections.opened() as held:
            found = timed(argv, {**held.environment, **environment}, timeout, check=check)
        started = Counter(json.loads(line)["host"] for line in self._runs.read_text().splitlines())
        ends = self.events()
        counts: Mapping[str, Mapping[str, int]] = next(
            (one["hosts"] for one in ends if one["event"] == "recap"), {}
        )
        return Run(found.seconds, found.cpu, found.memory, found.output, started, counts)

    def ssh(self, name: str, script: str, timeout: float = 1200) -> Run:
        """Run a script for bash in a host, over one connection, without Ansible.

        Raises LabError when it fails.
        """
        options = [word for option in _SSH for word in ("-o", option)]
        target = f"root@{self.containers[name].address()}"
        argv = ["ssh", *options, "-i", str(self._key), target, f"bash -c {shlex.quote(script)}"]
        return timed(argv, tool_environment(), timeout)


def _variables(lab: Lab) -> dict[str, Any]:
    """What inventories/lab reads from the environment elsewhere."""
    made = installer.current()
    return {
        "lab_mirror_url": lab.mirror_url,
        "lab_installer_file": made["filename"],
        "lab_installer_version": made["version"],
        "lab_installer_checksum": "sha256:" + str(made["sha256"]).removeprefix("sha256:"),
        "install_miniconda_minimum_glibc": interpreters.glibc(),
        "lab_report": str(lab.work / "report.json"),
        # The model lies where the mount of `model_mount` puts it.
        "lab_model": "/srv/llmfleet-lab/models/tiny-sentiment",
    }


def model_mount() -> list[str]:
    """The options of ``docker run`` that bring the lab's models to a host."""
    return ["-v", f"{paths.models_dir()}:/srv/llmfleet-lab/models:ro"]
