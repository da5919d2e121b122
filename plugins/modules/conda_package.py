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
  - Installs, updates and removes packages in an existing environment.
  - The module reads the state from the files of the environment. It starts conda only if something has to
    change.
  - Before a change that links packages, the module compares their sizes with the free bytes and inodes of the
    volumes of the prefix and of the package cache. If they do not fit, it fails and changes nothing. The
    sizes are lower bounds. An extracted package counts twice the size of its archive. A package that the
    cache of the same volume has extracted counts only its files that contain the prefix.
  - Check mode takes the sizes from the solution that it has anyway. A real run asks conda for one more dry
    run only if a volume has less than 16 GiB or 500000 inodes free. Blocks that are reserved for root do not
    count as free. A quota cannot be seen.
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
      - V(present) installs the packages whose match specs are not satisfied. It does not change the others.
      - V(latest) also installs newer packages that match the specs. It starts conda on every run.
      - V(absent) removes the packages that match a spec and the packages that depend on them. RV(removed)
        lists all of them, also in check mode.
    type: str
    choices: [present, absent, latest]
    default: present
  force_reinstall:
    description:
      - Link the installed packages of O(packages) again, in their current version and build, even if they
        are not damaged. Packages that are missing are installed as usual.
      - Every run reports a change, so this is not idempotent. To reinstall packages with missing or
        truncated files, use O(repair) instead.
      - Can be combined only with O(state=present).
    type: bool
    default: false
seealso:
  - module: llmfleet.conda.conda_env
notes:
  - The module respects the pins of the environment (C(conda-meta/pinned), see
    O(llmfleet.conda.conda_env#module:pinned)). If a pin excludes the requested change, the task names the
    pin and fails before it changes anything.
  - O(state=latest) runs conda's solver on every run and is therefore slow.
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

- name: Install a package offline with two channels
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

- name: Reinstall a package
  llmfleet.conda.conda_package:
    installation: /opt/miniconda3
    name: llm
    packages: [ca-certificates]
    channels: [conda-forge]
    force_reinstall: true

- name: List what the removal of a package would remove
  llmfleet.conda.conda_package:
    installation: /opt/miniconda3
    name: llm
    packages: [numpy]
    state: absent
  check_mode: true
  register: without_numpy

- name: Change Python, and let a later task install what pip had installed
  llmfleet.conda.conda_package:
    installation: /opt/miniconda3
    name: llm
    packages: [python=3.13]
    channels: [conda-forge]
    pip_requirements: [transformers, "accelerate>=1"]

- name: Change Python, and remove whatever pip had installed
  llmfleet.conda.conda_package:
    installation: /opt/miniconda3
    name: llm
    packages: [python=3.14]
    channels: [conda-forge]
    pip_on_python_change: remove

- name: Update certificates in the base environment
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
  description: Major and minor version of Python in the environment. Empty if it has no Python.
  returned: success
  type: str
  sample: "3.12"
packages:
  description: The packages linked in the environment. In check mode, those before the change.
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
      description: Canonical name of the package's channel.
      type: str
      sample: conda-forge
added:
  description: The lines that the diff adds, one for each package. Also returned in check mode.
  returned: success
  type: list
  elements: str
  sample: ["numpy 2.3.5 py312h33ff503_0 conda-forge"]
removed:
  description: The lines that the diff removes, one for each package. Also returned in check mode.
  returned: success
  type: list
  elements: str
  sample: ["numpy 1.26.4 py312heda63a1_0 conda-forge"]
unresolved:
  description:
    - In check mode, the match specs that were not resolved because there is no conda on the host yet. A
      misspelt package name among them shows only in the real run. Otherwise empty.
  returned: success
  type: list
  elements: str
  sample: [python=3.12, numpy]
in_use:
  description:
    - Processes that run from the prefix, if the task removes or replaces files there. Otherwise empty.
    - Also returned when the task fails because of them.
  returned: success
  type: list
  elements: dict
  contains:
    pid:
      description: Process ID.
      type: int
      sample: 4711
    user:
      description: Effective user, as a name or an ID.
      type: str
      sample: ada
    command:
      description: Command line with secrets masked, shortened to about 120 characters.
      type: str
      sample: /opt/miniconda3/envs/llm/bin/python serve.py
    age_seconds:
      description: Seconds since the process started.
      type: int
      sample: 7260
    how:
      description:
        - V(exe) if the program is in the prefix, V(maps) if a library or another mapped file is, V(cwd) if
          only the working directory is.
      type: str
      sample: exe
plan:
  description: The changes that were necessary, and why.
  returned: success
  type: dict
  contains:
    create:
      description: Whether the environment had to be created.
      type: bool
    install:
      description: Match specs to install.
      type: list
      elements: str
    update:
      description: Match specs to update.
      type: list
      elements: str
    remove:
      description: Names of packages to remove.
      type: list
      elements: str
    reinstall:
      description: Names of packages to link again, because they are damaged or because of
        O(force_reinstall).
      type: list
      elements: str
    delete:
      description: Whether the whole environment had to be removed.
      type: bool
    pip_removed:
      description: Distributions of pip that go with the Python that conda replaces, as lines of the diff.
      type: list
      elements: str
      sample: ["transformers==4.57.1 (pip, Python 3.12)"]
    reasons:
      description: One sentence for each difference between the environment and the task.
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
    # Imported only if something has to change: hosts compile imported files on every run.
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
