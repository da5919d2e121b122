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
  - Creates, updates and removes a conda environment.
  - The module reads the state from the files of the environment. It starts conda only if something has to
    change, so a run with nothing to do takes milliseconds.
  - Before a change that links packages, the module compares their sizes with the free bytes and inodes of the
    volumes of the prefix and of the package cache. If they do not fit, it fails and changes nothing. The
    sizes are lower bounds. An extracted package counts twice the size of its archive. A package that the
    cache of the same volume has extracted counts only its files that contain the prefix.
  - Check mode takes the sizes from the solution that it has anyway. A real run asks conda for one more dry
    run only if a volume has less than 16 GiB or 500000 inodes free. Blocks that are reserved for root do not
    count as free. A quota cannot be seen.
  - The module recreates an existing environment only with O(recreate=true). It never changes a directory
    that is not a conda environment.
author:
  - llmfleet contributors (@llmfleet)
extends_documentation_fragment:
  - llmfleet.conda.environment
  - llmfleet.conda.environment.conda
  - llmfleet.conda.environment.in_use
  - llmfleet.conda.environment.attributes
options:
  packages:
    description:
      - Match specs of the packages that the environment must contain, as on conda's command line.
      - Include the Python version here, for example V(python=3.12).
    type: list
    elements: str
    default: []
  environment:
    description:
      - The content of an C(environment.yml), as a mapping or as text.
      - The supported keys are C(dependencies), C(channels) and C(variables). C(name) and C(prefix) are
        ignored, because the task names the environment. Any other key is an error.
      - The match specs in C(dependencies) are added to O(packages).
      - C(channels) is used if the option O(channels) is empty. conda then uses only these channels.
        C(nodefaults) is not treated as a channel.
      - The module does not install the C(pip) section. It returns the section as RV(pip_requirements), for
        M(llmfleet.conda.conda_pip).
      - C(variables) is merged with the option O(variables). If both set a variable, the option wins.
      - The module supports the YAML that such files normally use. Anchors, multi-line values and similar
        features are an error that names the line.
    type: raw
  environment_file:
    description:
      - Name of a file with the text for O(environment), usually C(environment.yml).
      - The file is on the controller. A relative name is looked for as M(ansible.builtin.copy) does, which is
        C(files) of the role or the play and then the directory of the play, then in the directory of the
        inventory, then in the working directory. The file may be encrypted with Ansible Vault.
      - With O(remote_src=true) it is a path on the managed host.
    type: path
  lock:
    description:
      - An explicit lock as printed by C(conda list --explicit --md5), as one text or as a list of lines.
      - Each line is the URL of a package file (C(.conda) or C(.tar.bz2)) below a platform such as
        C(linux-64) or C(noarch). After C(#) may follow an MD5 sum, or C(sha256:) and a SHA-256 sum.
      - The environment then contains exactly these packages. The module removes packages that the lock does
        not list and replaces packages of another version, build, channel or checksum. No solver runs.
      - The module compares the checksums with the records of the linked packages. conda itself checks only
        MD5 sums, before linking. If a SHA-256 sum differs, the task fails after linking.
      - O(channels) and O(prune) have no effect with a lock.
      - Cannot be combined with O(packages) or O(state=latest), or used in a base environment.
    type: raw
  lock_file:
    description:
      - Name of a file with the text for O(lock). The search path is that of O(environment_file).
    type: path
  remote_src:
    description:
      - Whether O(environment_file) and O(lock_file) are files on the managed host. If V(false), they are
        files on the controller.
    type: bool
    default: false
  pinned:
    description:
      - The pins of the environment, each a match spec for one package. conda reads them from
        C(conda-meta/pinned) and never installs a version that a pin excludes, whoever runs it.
      - A pin installs nothing. If an installed package does not match its pin, the module changes the
        package in the same run.
      - The list replaces all existing pins. An empty list removes the file. If the option is omitted, the
        file is not changed.
      - If conda could satisfy the task only against a pin, given or existing, the task fails before it
        changes anything. This includes cases in which conda's solver would ignore the pin.
    type: list
    elements: str
  variables:
    description:
      - Environment variables that C(conda activate) sets, by name. The module stores them in
        C(conda-meta/state), as C(conda env config vars set) does. Quote the values.
      - A null value removes the variable. Variables that are not listed are not changed.
      - A value is a string or an integer. It cannot contain single quotes or line breaks, because
        C(conda activate) fails on them.
      - The values never appear in a diff or a result. Values of names like C(HF_TOKEN) or C(API_KEY) are
        also masked when Ansible logs the options.
      - Everyone who can read the environment can read the values, including secrets.
    type: dict
  state:
    description:
      - V(present) creates the environment and installs the packages whose match specs are not satisfied. It
        does not change the others.
      - V(latest) also installs newer packages that match the specs. It starts conda on every run.
      - V(absent) removes the environment, except for files that neither conda nor pip installed
        (O(remove_foreign)).
    type: str
    choices: [present, absent, latest]
    default: present
  prune:
    description: Remove packages that are neither listed in O(packages) nor dependencies of listed packages.
    type: bool
    default: false
  exact:
    description:
      - Remove everything that the task does not declare. By default, the module only adds and changes, and
        what a task no longer names stays on the host.
      - This is O(prune) plus pins, variables and the requests in conda's history. O(pinned) and O(variables)
        then list all pins and variables; if omitted, there are none.
      - Dependencies of declared packages stay, but no longer as requests of a user. A package whose version
        satisfies its match spec is not changed back.
      - Distributions that pip installed stay. Remove them with O(llmfleet.conda.conda_pip#module:exact) in
        the next task. O(owner), O(group) and O(frozen) are not changed if omitted.
      - Cannot be combined with O(state=absent), with match specs that only conda can interpret, or with a
        task that names no packages, or used in a base environment.
    type: bool
    default: false
  recreate:
    description:
      - If the environment differs from the task, remove it and create it again instead of changing it. A
        damaged package counts as a difference.
      - Packages from pip and pins are lost. Files that neither conda nor pip installed are kept.
      - The module first lets conda solve the environment and fetches all packages, or those of the lock,
        into the package cache. It keeps the old environment next to the prefix until the new one is
        complete, and restores it if that fails.
      - A difference only in pins, variables, owner, group or the marker of a frozen environment does not
        recreate the environment.
      - Cannot be combined with O(state=latest).
    type: bool
    default: false
  remove_foreign:
    description:
      - With O(state=absent), also remove files that neither conda nor pip installed. By default these files
        stay, a warning names the first ten, and the prefix counts as absent.
      - The module never enters volumes that are mounted below the prefix.
    type: bool
    default: false
  frozen:
    description:
      - Whether the environment has the marker C(conda-meta/frozen) of CEP 22. Newer versions of conda and
        this collection refuse to change a frozen environment.
      - A task that sets this option may change a frozen environment. With V(true) the module then restores
        the marker. Removing a frozen environment requires V(false).
      - If omitted, the marker is not changed, and a frozen environment that differs from the task is an
        error.
    type: bool
  owner:
    description:
      - Owner of the environment, as a user name or ID. By default, the user who creates the environment.
      - Files that conda has hard-linked from the package cache keep their owner and group, because whoever
        can write to such a file can change it in every environment. The owner of the environment can still
        replace and remove these files.
      - On every run the module checks directories and records. It checks all files only after a change, or
        if a directory or record is wrong.
    type: str
  group:
    description:
      - Group of the environment, as a group name or ID. O(owner) describes which files are excluded.
      - Directories get the setgid bit, so that files created later belong to the group too.
    type: str
attributes:
  action:
    support: full
    description: Runs an action plugin on the controller that reads O(environment_file) and O(lock_file).
seealso:
  - module: llmfleet.conda.conda_package
  - module: llmfleet.conda.conda_pip
notes:
  - O(state=latest) runs conda's solver on every run and is therefore slow.
"""

EXAMPLES = r"""
- name: Create an environment for language models
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    name: llm
    packages: [python=3.12, numpy, pandas, matplotlib]
    channels: [conda-forge]

- name: Remove packages that are not listed
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    name: llm
    packages: [python=3.12, "numpy>=2,<3"]
    channels: [conda-forge]
    prune: true
    # Wait up to an hour for programs that run from the environment.
    in_use: wait
    in_use_timeout: 3600

- name: Remove packages, pins and variables that are not declared
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    name: llm
    packages: [python=3.12, "numpy>=2,<3"]
    channels: [conda-forge]
    variables: {OMP_NUM_THREADS: "8"}
    exact: true

- name: Update packages within their match specs
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    prefix: /srv/envs/llm
    packages: [python=3.12, numpy]
    channels: [conda-forge]
    state: latest

- name: Change Python, and let a later task install what pip had installed
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    name: llm
    packages: [python=3.13]
    channels: [conda-forge]
    pip_requirements: [transformers, "accelerate>=1"]

- name: Change Python, and remove whatever pip had installed
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    name: llm
    packages: [python=3.14]
    channels: [conda-forge]
    pip_on_python_change: remove

- name: Create an environment offline with mamba
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    name: llm
    packages: [python=3.12]
    offline: true
    executable: /opt/miniforge3/bin/mamba
    timeout: 1800

- name: Do not repair damaged packages
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    name: llm
    packages: [python=3.12]
    repair: false

- name: Create an environment from an environment.yml on the controller
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    name: llm
    environment_file: environment.yml
  register: llm_environment

- name: Install the pip section of the environment.yml
  llmfleet.conda.conda_pip:
    installation: /opt/miniconda3
    name: llm
    requirements: "{{ llm_environment.pip_requirements }}"
  when: llm_environment.pip_requirements | length > 0

- name: Create an environment from an environment.yml on the host and add a package
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    name: llm
    environment_file: /srv/project/environment.yml
    remote_src: true
    packages: [ipykernel]
    prune: true

- name: Create an environment from the content of an environment.yml
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    name: llm
    environment:
      channels: [conda-forge, nodefaults]
      dependencies: [python=3.12, numpy]

- name: Install exactly the packages of a lock file on the controller
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    name: llm
    lock_file: llm.linux-64.lock

- name: Install exactly the packages of a lock file on the host
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    name: llm
    lock_file: /srv/locks/llm.linux-64.lock
    remote_src: true

- name: Install exactly the packages of a lock
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    name: tools
    lock:
      - https://conda.anaconda.org/conda-forge/noarch/six-1.17.0-pyhe01879c_1.conda

- name: Recreate an environment if it differs, and freeze it
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    name: llm
    packages: [python=3.12, numpy]
    channels: [conda-forge]
    recreate: true
    frozen: true

- name: Pin NumPy below 2
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    name: llm
    packages: [python=3.12, numpy, pandas]
    pinned: ["numpy<2"]
    channels: [conda-forge]

- name: Use two channels with strict priority
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    name: llm
    packages: [python=3.12, pytorch]
    channels: [conda-forge, nvidia]
    channel_priority: strict

- name: Set and remove environment variables
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    name: llm
    packages: [python=3.12]
    variables:
      HF_HOME: /srv/huggingface
      OMP_NUM_THREADS: "8"
      TRANSFORMERS_CACHE: null

- name: Create an environment as root for a user and a group
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    prefix: /srv/envs/ada
    packages: [python=3.12]
    owner: ada
    group: research

- name: Remove an environment
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    name: llm
    state: absent
    remove_foreign: true
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
pip_requirements:
  description:
    - The pip section of O(environment) or O(environment_file), or the lines C(# pip NAME @ URL) of O(lock) or
      O(lock_file), as conda-lock writes them. This module does not install them.
  returned: success
  type: list
  elements: str
  sample: ["transformers>=4.40"]
added:
  description:
    - The lines that the diff adds, one for each package. Also returned in check mode.
    - Pins, variables, owner, group and the marker of a frozen environment are in parentheses.
  returned: success
  type: list
  elements: str
  sample: ["numpy 2.3.5 py312h33ff503_0 conda-forge"]
removed:
  description:
    - The lines that the diff removes, one for each package. Also returned in check mode.
    - Pins, variables, owner, group and the marker of a frozen environment are in parentheses, and with
      O(exact) requests in conda's history.
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
      description: Names of damaged packages to link again.
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

from ansible_collections.llmfleet.conda.plugins.module_utils._environment import (
    module as env_module,
)


def _change(request: Any, check_mode: bool) -> Any:
    # Imported only if something has to change: hosts compile imported files on every run.
    from ansible_collections.llmfleet.conda.plugins.module_utils._environment.change import (
        EnvironmentChange,
    )

    return EnvironmentChange(request, check_mode)


def main() -> None:
    """Entry point of the module."""
    env_module.main(make_change=_change)


if __name__ == "__main__":
    main()
