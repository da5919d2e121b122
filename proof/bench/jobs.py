"""What hosts are to have, for each contender: variables of the roles or of a playbook, or a script."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from lab import installer
from proof.runner import Lab

PREFIX = "/opt/miniconda3"


@dataclass(frozen=True)
class Job:
    """Miniconda with one environment.

    python: release of the environment's Python. packages: what conda adds to Python and pip.
    pip_packages: what pip adds then, pinned, so that all contenders take the same.
    """

    name: str
    packages: tuple[str, ...]
    pip_packages: tuple[str, ...]
    python: str = "3.11"
    environment: str = "llm"

    @property
    def prefix(self) -> str:
        """The environment's own prefix."""
        return f"{PREFIX}/envs/{self.environment}"


TUTORIAL = Job(
    "tutorial", ("numpy", "pandas", "matplotlib"), ("torch==2.13.0", "transformers==5.23.0")
)
"""What the tutorials tell people to type."""

LIGHT = Job("light", ("numpy", "pandas"), ("requests", "regex", "safetensors", "pyyaml"))
"""As many steps and far fewer bytes: for fleets that share one machine's two cores and disk."""


def for_roles(job: Job) -> dict[str, Any]:
    """What our inventory says, beside the variables of inventories/lab."""
    return {
        "install_miniconda_prefix": PREFIX,
        "create_conda_env_environments": [
            {"name": job.environment, "packages": [f"python={job.python}", "pip"]}
        ],
        "install_llm_stack_environment": job.environment,
        "install_llm_stack_python": job.python,
        "install_llm_stack_profiles": ["data"],
        "install_llm_stack_profile_overrides": {"data": {"conda": list(job.packages)}},
        "install_llm_stack_requirements": list(job.pip_packages),
    }


def by_hand(job: Job, lab: Lab) -> dict[str, Any]:
    """The variables of proof/bench/playbooks/by_hand.yml."""
    made = installer.current()
    return {
        "conda_prefix": PREFIX,
        "environment_name": job.environment,
        "installer": "/tmp/miniconda.sh",
        "installer_url": f"{lab.mirror_url}/installers/{made['filename']}",
        "installer_checksum": "sha256:" + str(made["sha256"]).removeprefix("sha256:"),
        "channel": "lab",
        "channel_alias": f"{lab.mirror_url}/conda",
        "python": job.python,
        "packages": list(job.packages),
        "pip_packages": list(job.pip_packages),
        "wheels": f"{lab.mirror_url}/wheels/",
        "wheels_host": urlsplit(lab.mirror_url).hostname,
    }


def script(job: Job, lab: Lab) -> str:
    """What a person types, for bash; it ends at the first command that fails."""
    typed = commands(job, lab.mirror_url, str(installer.current()["filename"]))
    return "\n".join(["set -e", *typed])


def commands(job: Job, mirror_url: str, installer_file: str) -> list[str]:
    """The commands that a person types on a host, a line each."""
    url = f"{mirror_url}/installers/{installer_file}"
    wheels = f"--find-links {mirror_url}/wheels/ --trusted-host {urlsplit(mirror_url).hostname}"
    conda = f"{PREFIX}/bin/conda"
    return [
        # a minimal host has neither curl nor wget
        f'python3 -c \'import urllib.request as r; r.urlretrieve("{url}", "/tmp/miniconda.sh")\'',
        f"bash /tmp/miniconda.sh -b -p {PREFIX}",
        "rm /tmp/miniconda.sh",
        # a file: `conda config` would start conda for each key, and keep `defaults` beside the channel
        f"printf 'channels: [lab]\\nchannel_alias: {mirror_url}/conda\\nsolver: classic\\n'"
        f" > {PREFIX}/.condarc",
        f"{conda} create -q -y -n {job.environment} python={job.python} pip",
        f"{conda} install -q -y -n {job.environment} {shlex.join(job.packages)}",
        f"{job.prefix}/bin/python -m pip install -q --no-index {wheels} {shlex.join(job.pip_packages)}",
    ]
