#!/usr/bin/python

# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module llmfleet.conda.conda_env."""

from __future__ import annotations

DOCUMENTATION = r"""
module: conda_env
short_description: Manage conda environments
version_added: 0.1.0
description:
  - Creates, changes and removes a conda environment so that it holds the packages that the task names.
  - The state is read from the environment's own files. Conda is started only when something has to change,
    so a run that finds nothing to do costs milliseconds.
  - An existing environment is never recreated over; a directory that is no environment is never touched.
author:
  - llmfleet contributors (@llmfleet)
extends_documentation_fragment:
  - llmfleet.conda.environment
  - llmfleet.conda.environment.conda
  - llmfleet.conda.environment.attributes
options:
  packages:
    description:
      - Match specs of the packages that the environment must hold, as on conda's command line.
      - Includes the Python version, for example V(python=3.12).
    type: list
    elements: str
    default: []
  state:
    description:
      - V(present) makes the environment and installs what is not satisfied, leaving alone what is.
      - V(latest) also looks for newer packages within the specs, which starts conda on every run.
      - V(absent) removes the environment, with all that is in it.
    type: str
    choices: [present, absent, latest]
    default: present
  prune:
    description: Remove packages that neither O(packages) nor their dependencies need.
    type: bool
    default: false
seealso:
  - module: llmfleet.conda.conda_package
  - module: llmfleet.conda.conda_pip
notes:
  - V(latest) for O(state) has to ask conda's solver each time, so it is never quick.
"""

EXAMPLES = r"""
- name: An environment for language models
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    name: llm
    packages: [python=3.12, numpy, pandas, matplotlib]
    channels: [conda-forge]

- name: The same packages and nothing else
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    name: llm
    packages: [python=3.12, "numpy>=2,<3"]
    channels: [conda-forge]
    prune: true

- name: Newest packages within the specs
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    prefix: /srv/envs/llm
    packages: [python=3.12, numpy]
    channels: [conda-forge]
    state: latest

- name: The environment is gone
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    name: llm
    state: absent
"""

RETURN = r"""
prefix:
  description: Prefix of the environment.
  returned: always
  type: str
  sample: /opt/miniconda3/envs/llm
python_version:
  description: Major and minor version of the environment's Python, empty when it has none.
  returned: success
  type: str
  sample: "3.12"
packages:
  description: The packages linked in the environment, in check mode those before the change.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Package name.
      type: str
      sample: numpy
    version:
      description: Version.
      type: str
      sample: 2.3.5
    build:
      description: Build string.
      type: str
      sample: py312h33ff503_0
    channel:
      description: Canonical name of the channel it came from.
      type: str
      sample: conda-forge
plan:
  description: What had to be done, and why.
  returned: success
  type: dict
  contains:
    create:
      description: Whether the environment had to be made.
      type: bool
    install:
      description: Specs to install.
      type: list
      elements: str
    update:
      description: Specs for which newer packages were looked for.
      type: list
      elements: str
    remove:
      description: Names of packages to remove.
      type: list
      elements: str
    reinstall:
      description: Names of damaged packages.
      type: list
      elements: str
    delete:
      description: Whether the environment as a whole had to go.
      type: bool
    reasons:
      description: One sentence for each thing that was not as wanted.
      type: list
      elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llmfleet.conda.plugins.module_utils._environment_module import (
    CONDA_OPTIONS,
    LOCATION_OPTIONS,
    request_from,
    run_module,
)


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            **LOCATION_OPTIONS,
            **CONDA_OPTIONS,
            "packages": {"type": "list", "elements": "str", "default": []},
            "state": {
                "type": "str",
                "choices": ["present", "absent", "latest"],
                "default": "present",
            },
            "prune": {"type": "bool", "default": False},
        },
        mutually_exclusive=[("name", "prefix")],
        required_one_of=[("name", "prefix")],
        supports_check_mode=True,
    )
    run_module(module, lambda params: request_from(params, whole=True))


if __name__ == "__main__":
    main()
