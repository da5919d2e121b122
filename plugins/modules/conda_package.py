#!/usr/bin/python

# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module llmfleet.conda.conda_package."""

from __future__ import annotations

DOCUMENTATION = r"""
module: conda_package
short_description: Manage packages inside a conda environment
version_added: 0.1.0
description:
  - Installs, updates and removes packages in an environment that exists already.
  - The state is read from the environment's own files. Conda is started only when something has to change.
author:
  - llmfleet contributors (@llmfleet)
extends_documentation_fragment:
  - llmfleet.conda.environment
  - llmfleet.conda.environment.conda
  - llmfleet.conda.environment.in_use
  - llmfleet.conda.environment.attributes
options:
  packages:
    description: Match specs of the packages, as on conda's command line.
    type: list
    elements: str
    required: true
  state:
    description:
      - V(present) installs what is not satisfied and leaves alone what is.
      - V(latest) also looks for newer packages within the specs, which starts conda on every run.
      - V(absent) removes the packages that fulfil a spec, and what depends on them. RV(removed) names all of
        it, also in check mode.
    type: str
    choices: [present, absent, latest]
    default: present
  force_reinstall:
    description:
      - Link the packages of O(packages) that are there anew, in the version and build that they have, though
        they look sound. What is not there is installed as always.
      - Each run does so and reports a change, so this is not idempotent. Packages with missing or truncated
        files need no such order, see O(repair).
      - Cannot be given with another O(state) than V(present).
    type: bool
    default: false
seealso:
  - module: llmfleet.conda.conda_env
notes:
  - The pins of the environment (C(conda-meta/pinned), see O(llmfleet.conda.conda_env#module:pinned)) count
    here too. What they forbid fails and names them, before anything is changed.
  - V(latest) for O(state) has to ask conda's solver each time, so it is never quick.
"""

EXAMPLES = r"""
- name: Install a package
  llmfleet.conda.conda_package:
    installation: /opt/miniconda3
    name: llm
    packages: ["scikit-learn>=1.5"]
    channels: [conda-forge]

- name: Remove a package
  llmfleet.conda.conda_package:
    installation: /opt/miniconda3
    name: llm
    packages: [scikit-learn]
    state: absent
    in_use: wait
    in_use_timeout: 900

- name: Install a package of the second channel, from the cache where it has it
  llmfleet.conda.conda_package:
    installation: /opt/miniconda3
    prefix: /srv/envs/llm
    packages: [cuda-nvcc]
    channels: [conda-forge, nvidia]
    channel_priority: flexible
    offline: true
    repair: false
    executable: /opt/miniforge3/bin/conda
    timeout: 600

- name: Certificates as their package has them, whatever somebody did to the files
  llmfleet.conda.conda_package:
    installation: /opt/miniconda3
    name: llm
    packages: [ca-certificates]
    channels: [conda-forge]
    force_reinstall: true

- name: See what would go with a package
  llmfleet.conda.conda_package:
    installation: /opt/miniconda3
    name: llm
    packages: [numpy]
    state: absent
  check_mode: true
  register: without_numpy

- name: Keep certificates current in the base environment
  llmfleet.conda.conda_package:
    installation: /opt/miniconda3
    name: base
    packages: [ca-certificates]
    channels: [conda-forge]
    state: latest
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
added:
  description: Lines that the diff adds, also in check mode, a package each.
  returned: success
  type: list
  elements: str
  sample: ["numpy 2.3.5 py312h33ff503_0 conda-forge"]
removed:
  description: Lines that the diff removes, also in check mode, a package each.
  returned: success
  type: list
  elements: str
  sample: ["numpy 1.26.4 py312heda63a1_0 conda-forge"]
in_use:
  description:
    - Processes that run from the prefix, where the task removes or replaces files there; empty where it
      does not.
    - A failure because of them has it too.
  returned: success
  type: list
  elements: dict
  contains:
    pid:
      description: Process ID.
      type: int
      sample: 4711
    user:
      description: Effective user, as a name or a number.
      type: str
      sample: ada
    command:
      description: Command line with secrets masked, cut to 120 characters.
      type: str
      sample: /opt/miniconda3/envs/llm/bin/python serve.py
    age_seconds:
      description: Seconds since the process started.
      type: int
      sample: 7260
    how:
      description:
        - V(exe), its program lies in the prefix. V(maps), a library or another mapped file does. V(cwd),
          only its working directory does.
      type: str
      sample: exe
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
      description: Names of packages to link anew, because they are damaged or O(force_reinstall) says so.
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

from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.module import CondaModule
from ansible_collections.llmfleet.conda.plugins.module_utils._core.options import (
    CONDA_OPTIONS,
    LOCATION_OPTIONS,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.module import run_module
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.options import (
    request_from,
)


def _change(request: Any, check_mode: bool) -> Any:
    # Only where something is to be done: a host compiles what a module imports on each run.
    from ansible_collections.llmfleet.conda.plugins.module_utils._environment.change import (
        EnvironmentChange,
    )

    return EnvironmentChange(request, check_mode)


def main() -> None:
    """Entry point of the module."""
    module = CondaModule(
        argument_spec={
            **LOCATION_OPTIONS,
            **CONDA_OPTIONS,
            "packages": {"type": "list", "elements": "str", "required": True},
            "state": {
                "type": "str",
                "choices": ["present", "absent", "latest"],
                "default": "present",
            },
            "force_reinstall": {"type": "bool", "default": False},
        },
        mutually_exclusive=[("name", "prefix")],
        required_one_of=[("name", "prefix")],
        supports_check_mode=True,
    )
    run_module(module, lambda params: request_from(params, whole=False), _change)


if __name__ == "__main__":
    main()
