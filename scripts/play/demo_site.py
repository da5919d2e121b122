"""The demo's host: this machine, seen through one directory."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.layout import BUILD, ROOT, tool_environment

HOST = "demo"
MODEL = "tiny-sentiment"

_SHELL = """\
#!/bin/bash
# Opens the demo's environment as a person who logs in has it. With arguments, runs those in it.
unset PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE VIRTUAL_ENV ${!CONDA_@} ${!_CE_@}
export HOME=%(home)s
if [ $# -eq 0 ]; then
    exec bash --rcfile "$HOME/.bashrc" -i
fi
. "$HOME/.bashrc"
"$@"
"""

_BASHRC = """\
# What a login shell reads from /etc/profile.d, here from the demo's own.
for file in %(profile)s/*.sh; do
    [ -r "$file" ] && . "$file"
done
export HF_HUB_OFFLINE=1
conda activate llm
"""


class Site:
    """Paths of the demo, its inventory, and the environment that Ansible runs in."""

    def __init__(self, root: Path = BUILD / "demo") -> None:
        self.root = root
        self.logs = root / "logs"
        self.home = root / "home"
        self.prefix = root / "miniconda3"
        self.environment = self.prefix / "envs" / "llm"
        self.inventory = root / "inventory"
        self.profile = root / "etc" / "profile.d"
        self.models = root / "models"
        self.report = root / "report.json"
        self.shell = root / "shell"

    def prepare(self) -> None:
        """Makes the directories that stand for a host's own."""
        for path in (self.logs, self.home, self.inventory, self.profile, self.root / "tmp"):
            path.mkdir(parents=True, exist_ok=True)

    def environ(self) -> dict[str, str]:
        """Ansible's environment: home, caches and temporary files inside the demo."""
        environment = tool_environment(
            {
                "HOME": str(self.home),
                "TMPDIR": str(self.root / "tmp"),
                "ANSIBLE_HOME": str(self.home / ".ansible"),
            }
        )
        for name in [name for name in environment if name.startswith("XDG_")]:
            del environment[name]
        return environment

    def variables(self, installer: Mapping[str, Any], mirror_url: str) -> dict[str, str]:
        """The host's variables; all others come from inventories/lab/group_vars."""
        return {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "ansible_remote_tmp": str(self.root / "tmp" / "ansible"),
            "lab_root": str(self.root),
            "lab_mirror_url": mirror_url,
            "lab_installer_file": installer["filename"],
            "lab_installer_version": installer["version"],
            "lab_installer_checksum": "sha256:" + installer["sha256"].removeprefix("sha256:"),
            "lab_model": str(self.models / MODEL),
            "lab_report": str(self.report),
            "install_miniconda_prefix": str(self.prefix),
            "install_miniconda_profile_dir": str(self.profile),
        }

    def write(self, installer: Mapping[str, Any], mirror_url: str, models: Path) -> None:
        """Writes the inventory, the model and the shell that opens the environment."""
        lines = ["---", "# Written by `make demo`.", "lab:", "  hosts:", f"    {HOST}:"]
        lines += [
            f"      {name}: {json.dumps(value)}"
            for name, value in self.variables(installer, mirror_url).items()
        ]
        (self.inventory / "hosts.yml").write_text("\n".join(lines) + "\n")
        link = self.inventory / "group_vars"
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(ROOT / "inventories/lab/group_vars", self.inventory))
        shutil.copytree(models / MODEL, self.models / MODEL, dirs_exist_ok=True)
        values = {"home": self.home, "profile": self.profile}
        (self.home / ".bashrc").write_text(_BASHRC % values)
        self.shell.write_text(_SHELL % values)
        self.shell.chmod(0o755)
