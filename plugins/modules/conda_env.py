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
  - An existing environment is only made anew when O(recreate) asks for it; a directory that is no environment
    is never touched.
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
      - Match specs of the packages that the environment must hold, as on conda's command line.
      - Includes the Python version, for example V(python=3.12).
    type: list
    elements: str
    default: []
  environment:
    description:
      - What an C(environment.yml) declares, as a mapping or as the text of such a file.
      - Understood are the keys C(dependencies), C(channels), C(variables), and C(name) and C(prefix), which
        are not used, since the task says where the environment is. Any other key is refused.
      - The match specs of C(dependencies) count like those of O(packages), which are added to them.
      - C(channels) counts when the option O(channels) is empty, and then conda uses these channels only.
        C(nodefaults) among them is no channel.
      - The C(pip) section is not installed here. It is returned as RV(pip_requirements), for
        M(llmfleet.conda.conda_pip).
      - C(variables) count like those of the option O(variables), which win.
      - A text may use what such files consist of. Forms of YAML beyond that, such as anchors and values over
        several lines, are refused with the number of the line.
    type: raw
  environment_file:
    description:
      - Name of a file with the text of O(environment), usually called C(environment.yml).
      - It is looked for on the controller as M(ansible.builtin.copy) does it (in C(files) beside the role or
        the play, then beside the play), and may be encrypted with Ansible Vault.
      - With O(remote_src=true) it is a path on the managed host.
    type: path
  lock:
    description:
      - An explicit lock, as C(conda list --explicit --md5) prints it, as one text or as a list of lines.
      - Each line is the URL of a package (C(.conda) or C(.tar.bz2)) below a platform such as C(linux-64) or
        C(noarch). After a C(#) may follow an MD5, or C(sha256:) and a SHA-256.
      - The environment then holds exactly these packages. Packages that the lock does not name are removed,
        and packages of another version, build, channel or digest are replaced. No solver runs.
      - Digests are compared with the records of the linked packages. conda itself knows only MD5 and checks
        it before it links; a SHA-256 that differs fails the task after linking.
      - O(channels) and O(prune) have no effect with a lock.
      - Cannot be given together with O(packages), nor with V(latest) for O(state), nor for a base
        environment.
    type: raw
  lock_file:
    description:
      - Name of a file with the text of O(lock), looked for like O(environment_file).
    type: path
  remote_src:
    description:
      - Whether O(environment_file) and O(lock_file) are files of the managed host. When V(false), they are
        files of the controller.
    type: bool
    default: false
  pinned:
    description:
      - The pins of the environment, each a match spec for one package. conda keeps them in the file
        C(conda-meta/pinned) and allows nothing else for these packages from then on, whoever calls it.
      - A pin installs nothing. A package that is there in another version is changed, in the same run.
      - The list is all the pins there are. When it is empty, the file goes; when the option is omitted, the
        file stays as it is.
      - What conda could only do against the pins, those of the option or those that are there, fails before
        anything is changed, also where the solver of conda would pass over them.
    type: list
    elements: str
  variables:
    description:
      - Variables that C(conda activate) sets, by name, as C(conda env config vars set) keeps them in
        C(conda-meta/state). Write the values in quotes.
      - A variable whose value is null is taken away. Variables that the option does not name stay.
      - A value may be a text or a whole number, without single quotes and line breaks, on which
        C(conda activate) would fail.
      - Values are shown in no diff and no result. Those with a name like C(HF_TOKEN) or C(API_KEY) are masked
        in the log of the options as well.
      - Everybody who may read the environment can read the values, also the secret ones.
    type: dict
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
  recreate:
    description:
      - Remove the environment and make it anew when it is not as the task wants it, instead of changing it.
      - Nothing is done as long as it is as wanted; damaged packages make a difference too.
      - What pip installed and pins go with it. Files that neither conda nor pip put there are kept. Before
        that, conda must have found a solution and put all packages of it, or those of the lock, into its
        package cache; the environment waits beside its place until the new one is whole, and comes back
        when that fails.
      - Pins, variables, owner, group and the marker of a frozen environment alone are no reason to make it
        anew.
      - Cannot be given with V(latest) for O(state).
    type: bool
    default: false
  remove_foreign:
    description:
      - With O(state=absent), also remove the files that neither conda nor pip put there. By default such
        files stay where they are, with a warning that names the first ten, and the prefix counts as absent.
      - Volumes that are mounted below the prefix are never entered, whatever this option says.
    type: bool
    default: false
  frozen:
    description:
      - Whether the environment has the marker C(conda-meta/frozen) of CEP 22, which makes newer versions of
        conda refuse to change it, and this collection too.
      - A task that gives this option may change the frozen environment; V(true) puts the marker back after
        that. V(false) also allows to remove the environment.
      - When omitted, the marker stays as it is, and a frozen environment that is not as wanted is an error.
    type: bool
  owner:
    description:
      - User that owns the environment, by name or number. Without it, that is the user who makes it.
      - Files that conda has hard-linked from the package cache stay with whoever runs the task, and so does
        their group, because whoever may write such a file may write it in every environment. The owner can
        replace and remove them all the same.
      - Looked at are the environment's directories and records; all files are only walked through after a
        change, or when one of those is wrong.
    type: str
  group:
    description:
      - Group of the environment, by name or number, as O(owner).
      - Its directories get the setgid bit, so that what pip or people make in them has the group as well.
    type: str
attributes:
  action:
    support: full
    description: Has an action on the controller, which reads O(environment_file) and O(lock_file) there.
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
    # Programs that run from the environment may end first, within an hour.
    in_use: wait
    in_use_timeout: 3600

- name: Newest packages within the specs
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    prefix: /srv/envs/llm
    packages: [python=3.12, numpy]
    channels: [conda-forge]
    state: latest

- name: Made from the package cache alone, with another conda and half an hour of patience
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    name: llm
    packages: [python=3.12]
    offline: true
    executable: /opt/miniforge3/bin/mamba
    timeout: 1800

- name: The packages as declared, whatever became of their files
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    name: llm
    packages: [python=3.12]
    repair: false

- name: The environment of an environment.yml that lies on the controller
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    name: llm
    environment_file: environment.yml
  register: llm_environment

- name: The pip section of that file
  llmfleet.conda.conda_pip:
    installation: /opt/miniconda3
    name: llm
    requirements: "{{ llm_environment.pip_requirements }}"
  when: llm_environment.pip_requirements | length > 0

- name: The environment of an environment.yml that lies on the host, and one package more
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    name: llm
    environment_file: /srv/project/environment.yml
    remote_src: true
    packages: [ipykernel]
    prune: true

- name: An environment in the form of environment.yml
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    name: llm
    environment:
      channels: [conda-forge, nodefaults]
      dependencies: [python=3.12, numpy]

- name: Exactly the packages of a lock that lies on the controller
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    name: llm
    lock_file: llm.linux-64.lock

- name: Exactly the packages of a lock that lies on the host
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    name: llm
    lock_file: /srv/locks/llm.linux-64.lock
    remote_src: true

- name: Exactly these packages
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    name: tools
    lock:
      - https://conda.anaconda.org/conda-forge/noarch/six-1.17.0-pyhe01879c_1.conda

- name: Made anew when it differs, and protected from changes by hand
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    name: llm
    packages: [python=3.12, numpy]
    channels: [conda-forge]
    recreate: true
    frozen: true

- name: NumPy stays below 2 here, whoever calls conda
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    name: llm
    packages: [python=3.12, numpy, pandas]
    pinned: ["numpy<2"]
    channels: [conda-forge]

- name: Two channels, of which the first counts for all that it has
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    name: llm
    packages: [python=3.12, pytorch]
    channels: [conda-forge, nvidia]
    channel_priority: strict

- name: Variables for everybody who activates the environment
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    name: llm
    packages: [python=3.12]
    variables:
      HF_HOME: /srv/huggingface
      OMP_NUM_THREADS: "8"
      TRANSFORMERS_CACHE: null

- name: Made by root, for one user and a group
  llmfleet.conda.conda_env:
    installation: /opt/miniconda3
    prefix: /srv/envs/ada
    packages: [python=3.12]
    owner: ada
    group: research

- name: The environment is gone
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
pip_requirements:
  description: The pip section of O(environment) or O(environment_file), which this module does not install.
  returned: success
  type: list
  elements: str
  sample: ["transformers>=4.40"]
added:
  description:
    - Lines that the diff adds, also in check mode, a package each.
    - Pins, variables, owner, group and the marker of a frozen environment stand in parentheses.
  returned: success
  type: list
  elements: str
  sample: ["numpy 2.3.5 py312h33ff503_0 conda-forge"]
removed:
  description:
    - Lines that the diff removes, also in check mode, a package each.
    - Pins, variables, owner, group and the marker of a frozen environment stand in parentheses.
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
      description: Names of packages to link anew, because they are damaged.
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

from ansible_collections.llmfleet.conda.plugins.module_utils._environment import (
    module as env_module,
)


def _change(request: Any, check_mode: bool) -> Any:
    # Only where something is to be done: a host compiles what a module imports on each run.
    from ansible_collections.llmfleet.conda.plugins.module_utils._environment.change import (
        EnvironmentChange,
    )

    return EnvironmentChange(request, check_mode)


def main() -> None:
    """Entry point of the module."""
    env_module.main(make_change=_change)


if __name__ == "__main__":
    main()
