"""The playbooks that people write by hand (`proof/bench/playbooks`), and the variables that they take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scripts.layout import ROOT

FOLDER = ROOT / "proof" / "bench" / "playbooks"

DECIDING = FOLDER / "by_hand.yml"
"""conda and pip are asked each time and look at versions too, as ours does."""

BY_NAME = FOLDER / "by_hand_names.yml"
"""What is missing is looked for by name in the output of `conda list` and `pip list`."""


def variables(packages: list[str], pip_packages: list[str]) -> dict[str, Any]:
    """The variables of both, from those of inventories/lab, which the roles take.

    packages, pip_packages: what goes into the environment beside Python and pip; either may be empty.
    """
    return {
        "installer_url": "{{ install_miniconda_installer_url }}",
        "installer_checksum": "{{ install_miniconda_checksum }}",
        "installer": "/opt/{{ lab_installer_file }}",
        "conda_prefix": "{{ install_miniconda_prefix }}",
        "channel": "{{ install_miniconda_channels | first }}",
        "channel_alias": "{{ install_miniconda_channel_alias }}",
        "environment_name": "{{ install_llm_stack_environment }}",
        "python": "{{ install_llm_stack_python }}",
        "wheels": "{{ install_llm_stack_find_links | first }}",
        "wheels_host": "{{ install_llm_stack_trusted_hosts | first }}",
        "packages": packages,
        "pip_packages": pip_packages,
    }


def pings(folder: Path, count: int) -> Path:
    """Write a playbook of so many pings, a task each, below ``folder``, and return its path."""
    path = folder / f"pings-{count}.yml"
    tasks = [{"name": f"Ping {number}", "ansible.builtin.ping": {}} for number in range(count)]
    path.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    return path
