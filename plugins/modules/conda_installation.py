#!/usr/bin/python

# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module llmfleet.conda.conda_installation."""

from __future__ import annotations

DOCUMENTATION = r"""
module: conda_installation
short_description: Manage a Miniconda, Miniforge or Anaconda installation
version_added: 0.1.0
description:
  - Installs a pinned version of a conda distribution at a prefix, repairs missing and truncated files,
    upgrades conda and removes the installation.
  - The module always checks the SHA-256 sum of the installer. The collection contains the sums of the
    published installers. Any other installer requires O(checksum).
  - The module reads the state from the files of the prefix. If nothing has to change, it starts no process
    and downloads nothing.
author:
  - llmfleet contributors (@llmfleet)
extends_documentation_fragment:
  - llmfleet.conda.environment.in_use
  - llmfleet.conda.environment.attributes
attributes:
  action:
    support: full
    description: Runs an action plugin on the controller that copies O(installer_path) to hosts that need
      it.
  async:
    support: partial
    details: Not supported with O(installer_path) on the controller.
    description: Supports C(async).
options:
  prefix:
    description:
      - Absolute path of the installation, at most 110 bytes long and without white space.
      - The module refuses a directory that contains files of others. The C(lost+found) of a volume that is
        mounted there does not count.
      - A symbolic link, or a path through one, is resolved. The scripts and the results of the module name
        the real path, for which these limits hold, too.
    type: path
    required: true
  state:
    description:
      - V(present) installs the distribution or repairs and upgrades an existing installation.
      - V(absent) removes the prefix if it is a conda installation.
    type: str
    choices: [present, absent]
    default: present
  distribution:
    description: The distribution to install.
    type: str
    choices: [miniconda, miniforge, anaconda]
    default: miniconda
  version:
    description:
      - Version in the name of the published installer, for example V(py312_25.3.1-1) for Miniconda,
        V(26.1.1-3) for Miniforge and V(2024.10-1) for Anaconda. V(latest) is not supported, because the
        installer behind it changes.
      - If an existing installation has an older conda, the module upgrades it in place to the conda of this
        version. It does not downgrade a newer conda.
      - Required without O(installer_url) and O(installer_path).
    type: str
  conda_version:
    description:
      - Version of conda itself, for example V(25.3.1), or a constraint, for example V(>=25.3,<26).
      - conda installs another version of itself from O(channels). Environments and other packages of the
        installation are kept. A newer conda is downgraded only with this option.
      - If this option is set, O(version) only selects the installer of a new installation.
    type: str
  installer_url:
    description: URL of an installer to use instead of the published one.
    type: str
  installer_path:
    description:
      - Installer file to use instead of a download.
      - The file is on the controller, unless O(remote_src=true). A relative name is looked for
        as M(ansible.builtin.copy) does, then in the directory of the inventory, then in the working
        directory.
      - The file is copied only to hosts that need it, into the task's temporary directory (C(remote_tmp)),
        and removed afterwards. The checksum is checked on the host.
    type: path
  remote_src:
    description: Whether O(installer_path) is an absolute path on the managed host.
    type: bool
    default: false
  checksum:
    description:
      - SHA-256 sum of the installer, in the form V(sha256:HEX).
      - Required for an installer whose file name is not in the collection's catalogue.
    type: str
  owner:
    description:
      - Owner of the installation, except for the environments in it, as a user name or ID.
      - By default, the user who runs the task owns what it installs.
    type: str
  group:
    description: Group of the installation, except for the environments in it, as a group name or ID.
    type: str
  mode:
    description:
      - Permissions of the directory O(prefix), as a quoted octal number. For example, V('0750') gives
        access only to O(owner) and O(group).
    type: raw
  group_writable:
    description:
      - The directories that members of O(group) can write. With V(envs) they can create environments in the
        installation, with V(pkgs) they can fill its package cache. New files there belong to the group.
      - With V(pkgs), the directory of the channel indexes (repodata) gets a default ACL if the file system
        supports it, because conda must be able to write the files that other members downloaded. An
        existing ACL is not changed.
      - Members cannot write the base environment or the files of packages. Also list these directories in
        the condarc (C(envs_dirs), C(pkgs_dirs)). Otherwise conda prefers C(~/.conda) for users who cannot
        write the base environment.
    type: list
    elements: str
    choices: [envs, pkgs]
    default: []
  mirror:
    description:
      - Base URL of a directory that contains the published installer, instead of the publisher's. With
        several, the next one is tried if the file cannot be downloaded from the one before it, or has
        another checksum there. V(publisher) stands for the publisher's own address.
      - Together with O(checksum), they can also serve a O(version) that is not in the catalogue.
    type: list
    elements: str
    default: []
  catalogue:
    description:
      - 'Internal: set by the action plugin of this collection. It may change in any release. Do not set
        it.'
      - The rows of the installer catalogue that the task may need, one for each installer.
    type: list
    elements: str
    default: []
  channels:
    description:
      - The only channels (C(--override-channels)) for changing conda's version and for repairing the base
        environment. If empty, the condarc decides.
    type: list
    elements: str
    default: []
  repair:
    description: Repair an incomplete or damaged installation.
    type: bool
    default: true
  remove_environments:
    description:
      - With O(state=absent), also remove an installation that still contains environments. Environments
        anywhere below the prefix count.
    type: bool
    default: false
  remove_foreign:
    description:
      - With O(state=absent), also remove files that neither conda, pip nor an installer put there. By
        default these files stay, a warning names the first ten, and the prefix counts as absent.
      - The module never enters volumes that are mounted below the prefix.
    type: bool
    default: false
  minimum_glibc:
    description:
      - Oldest version of the GNU C library for a new installation on a Linux host, for example V(2.28). The
        module refuses a host with an older version before it downloads anything.
      - By default, the module knows the minimum of newer Miniconda, Anaconda and Miniforge versions. It
        does not check other installers.
      - On macOS this option has no effect. There the module checks the version of macOS for published
        installers (Miniconda and Anaconda need macOS 12.1, Miniforge needs 11.0).
    type: str
  timeout:
    description:
      - Timeout in seconds. It applies separately to the download, the installer, each run of conda and
        waiting for a lock.
    type: int
    default: 3600
notes:
  - To install for a single user, set C(become_user) and a O(prefix) in the user's home directory.
  - O(state=absent) also removes the installation and its environments from the user's list of environments
    (C(~/.conda/environments.txt)). If root runs the task, it does so for all users. Condarc files in home
    directories and environments outside O(prefix) are kept.
  - On every run the module checks owner, group and permissions of the installation's directories and of
    C(conda-meta). It checks all files only after a change, or if one of those is wrong.
seealso:
  - module: llmfleet.conda.conda_config
  - module: llmfleet.conda.conda_env
"""

EXAMPLES = r"""
- name: Install Miniconda
  llmfleet.conda.conda_installation:
    prefix: /opt/miniconda3
    version: py312_25.3.1-1

- name: Install Miniforge from a mirror
  llmfleet.conda.conda_installation:
    prefix: /opt/miniforge3
    distribution: miniforge
    version: 26.1.1-3
    mirror: https://mirror.example.org/miniforge/26.1.1-3

- name: Install Miniforge from the first mirror that has this version, otherwise from its publisher
  llmfleet.conda.conda_installation:
    prefix: /opt/miniforge3
    distribution: miniforge
    version: 26.1.1-3
    mirror:
      - https://mirror.example.org/miniforge/26.1.1-3
      - https://other.example.org/miniforge/newest
      - publisher

- name: Install from a custom installer
  llmfleet.conda.conda_installation:
    prefix: /opt/miniconda3
    installer_url: https://mirror.example.org/Site-1.0-Linux-x86_64.sh
    checksum: sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    minimum_glibc: "2.28"

- name: Install from a file on the controller
  llmfleet.conda.conda_installation:
    prefix: /opt/miniconda3
    version: py312_25.3.1-1
    installer_path: installers/Miniconda3-py312_25.3.1-1-Linux-x86_64.sh

- name: Install from a file on the host and never repair the installation
  llmfleet.conda.conda_installation:
    prefix: /opt/miniconda3
    installer_path: /mnt/software/Miniconda3-py312_25.3.1-1-Linux-x86_64.sh
    remote_src: true
    repair: false
    timeout: 7200

- name: Install Miniforge with a pinned version of conda
  llmfleet.conda.conda_installation:
    prefix: /opt/miniforge3
    distribution: miniforge
    version: 26.1.1-3
    conda_version: 26.3.2
    channels: [conda-forge]

- name: Install Miniconda for a group whose members create environments
  llmfleet.conda.conda_installation:
    prefix: /opt/miniconda3
    version: py312_25.3.1-1
    owner: root
    group: research
    mode: "0750"
    group_writable: [envs, pkgs]

- name: Install Miniconda for one user
  llmfleet.conda.conda_installation:
    prefix: /home/ada/miniconda3
    version: py312_25.3.1-1
  become: true
  become_user: ada

- name: Remove an installation with its environments
  llmfleet.conda.conda_installation:
    prefix: /opt/miniconda3
    state: absent
    remove_environments: true
    remove_foreign: true
    in_use: wait
    in_use_timeout: 900
"""

RETURN = r"""
vulnerabilities:
  description:
    - One sentence for each known vulnerability of the base environment, with what to do about it. In check
      mode on a host without conda, of the installer's version. The module also warns about them.
    - They are never a failure or a change.
  returned: success
  type: list
  elements: str
  sample: []
prefix:
  description: Prefix of the installation.
  returned: success
  type: str
  sample: /opt/miniconda3
conda_version:
  description: Version of the installed conda. Empty without conda. In check mode, the version before the
    change.
  returned: success
  type: str
  sample: 25.3.1
python_version:
  description: Major and minor version of Python in the base environment. Empty if it has no Python.
  returned: success
  type: str
  sample: "3.12"
environments:
  description: Names of the environments below the prefix.
  returned: success
  type: list
  elements: str
  sample: [llm]
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
    action:
      description:
        - V(install), V(reinstall), V(repair), V(upgrade) or V(downgrade) of conda, V(access) (owner, group
          or permissions), V(remove), or empty.
      type: str
    installer:
      description: File name of the installer, if one was necessary.
      type: str
    reasons:
      description: One sentence for each difference between the installation and the task.
      type: list
      elements: str
"""

from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._installation import (
    module as installation_module,
)


def _change(request: Any, check_mode: bool) -> Any:
    # Imported only if something has to change: hosts compile imported files on every run.
    from ansible_collections.llmfleet.conda.plugins.module_utils._installation.change import (
        InstallationChange,
    )

    return InstallationChange(request, check_mode)


def main() -> None:
    """Entry point of the module."""
    installation_module.main(make_change=_change)


if __name__ == "__main__":
    main()
