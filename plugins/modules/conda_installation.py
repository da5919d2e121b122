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
  - Installs a conda distribution of a pinned version at a prefix, mends it when files of it are missing or
    truncated, upgrades its conda, and removes it.
  - The SHA-256 sum of the installer is always checked. The sums of the published installers come with the
    collection; every other installer needs O(checksum).
  - The state is read from the files of the prefix; when nothing is to do, nothing is started or fetched.
author:
  - llmfleet contributors (@llmfleet)
extends_documentation_fragment:
  - llmfleet.conda.environment.in_use
  - llmfleet.conda.environment.attributes
attributes:
  action:
    support: full
    description: Has an action on the controller, which copies O(installer_path) to hosts that need it.
  async:
    support: partial
    details: Not with O(installer_path) on the controller.
    description: Supports C(async).
options:
  prefix:
    description:
      - Absolute path of the installation, at most 110 bytes long and without white space.
      - A directory with somebody else's files in it is refused.
    type: path
    required: true
  state:
    description:
      - V(present) installs, or mends what is there.
      - V(absent) removes the prefix when it is a conda installation.
    type: str
    choices: [present, absent]
    default: present
  distribution:
    description: Which distribution to install.
    type: str
    choices: [miniconda, miniforge, anaconda]
    default: miniconda
  version:
    description:
      - Version of the installer as published, for example V(py312_25.3.1-1) for Miniconda, V(26.1.1-3) for
        Miniforge and V(2024.10-1) for Anaconda. There is no V(latest), because its bytes change.
      - An installation whose conda is older is upgraded in place to the conda of this version; a newer one
        is left alone.
      - Required unless O(installer_url) or O(installer_path) is given.
    type: str
  conda_version:
    description:
      - Version that conda itself must have, like V(25.3.1), or a condition on it, like V(>=25.3,<26).
      - Another version is brought by conda, from O(channels), without a new installation; environments and
        other packages of the installation stay. A newer conda is taken back only when this option says so.
      - When it is set, O(version) only chooses the installer of a new installation.
    type: str
  installer_url:
    description: Address of an installer to use instead of the published one.
    type: str
  installer_path:
    description:
      - An installer file to use instead of downloading one.
      - It is a file on the controller, looked for as M(ansible.builtin.copy) does it, unless O(remote_src) is
        true. It is copied to the host only when the installation needs it, into the task's temporary
        directory (C(remote_tmp)), and removed there afterwards; its checksum is checked on the host.
    type: path
  remote_src:
    description: Whether O(installer_path) is a file on the managed host, named by its absolute path.
    type: bool
    default: false
  checksum:
    description:
      - SHA-256 sum that the installer must have, written V(sha256:HEX).
      - Required for an installer whose file name is not in the catalogue.
    type: str
  owner:
    description:
      - User that owns everything in the installation but the environments in it, by name or number.
      - Without it the user who runs the task becomes the owner of what is installed.
    type: str
  group:
    description: Group of everything in the installation but the environments in it, by name or number.
    type: str
  mode:
    description:
      - Permissions of the directory O(prefix) as an octal number between quotes; V('0750') keeps everybody
        but O(owner) and O(group) out of the installation.
    type: raw
  group_writable:
    description:
      - What the members of O(group) may write. V(envs) lets them make environments in the installation,
        V(pkgs) lets them fill its package cache. New files there get the group, whoever makes them.
      - The directory of repodata in V(pkgs) gets a default ACL, where the file system has such, since conda
        must be able to write the files of whoever fetched them. One that is already there stays.
      - The base environment and the files of packages stay closed to them. Name these directories in the
        condarc (C(envs_dirs), C(pkgs_dirs)) as well; for a user who may not write the base environment, conda
        otherwise prefers those in C(~/.conda).
    type: list
    elements: str
    choices: [envs, pkgs]
    default: []
  mirror:
    description:
      - Base URL of a directory that holds the published installer, instead of its publisher's.
      - With O(checksum) also of a O(version) that is not in the catalogue.
    type: str
  catalogue:
    description:
      - "Internal: the collection sets this option on the controller. Leave it out."
      - The published installers that the task may need, one line each.
    type: list
    elements: str
    default: []
  channels:
    description:
      - Channels for a change of conda's version or a repair of the base environment, and no others
        (C(--override-channels)). When empty, the condarc decides.
    type: list
    elements: str
    default: []
  repair:
    description: Mend an installation that was cut off or damaged.
    type: bool
    default: true
  remove_environments:
    description:
      - Let O(state=absent) remove an installation that still holds environments, and them with it. An
        environment counts wherever it is below the prefix.
    type: bool
    default: false
  remove_foreign:
    description:
      - With O(state=absent), also remove the files that neither conda, pip nor an installer put there. By
        default such files stay where they are, with a warning that names the first ten, and the prefix counts
        as absent.
      - Volumes that are mounted below the prefix are never entered, whatever this option says.
    type: bool
    default: false
  minimum_glibc:
    description:
      - Version of the GNU C library that a Linux host must have for a new installation, like V(2.28). One
        with an older version is refused before anything is fetched.
      - Without it, what the published installers need is known for the newer versions of Miniconda; every
        other installer is left to find out for itself.
    type: str
  timeout:
    description:
      - Seconds that the download of the installer, the installer itself, one run of conda, or the wait for a
        lock may take.
    type: int
    default: 3600
notes:
  - A user of their own installs with C(become_user) and a O(prefix) in the home directory.
  - V(absent) also takes the lines of the installation and of its environments out of the user's list of
    environments (C(~/.conda/environments.txt)), and out of everybody's when root runs it. Condarc files in
    home directories and environments outside of O(prefix) stay.
  - The state of owner, group and permissions is read from the directories of the installation and from
    C(conda-meta); all files are only walked through after a change, or when one of those is wrong.
seealso:
  - module: llmfleet.conda.conda_config
  - module: llmfleet.conda.conda_env
"""

EXAMPLES = r"""
- name: Miniconda for everybody on the host
  llmfleet.conda.conda_installation:
    prefix: /opt/miniconda3
    version: py312_25.3.1-1

- name: Miniforge from a mirror of the site
  llmfleet.conda.conda_installation:
    prefix: /opt/miniforge3
    distribution: miniforge
    version: 26.1.1-3
    mirror: https://mirror.example.org/miniforge/26.1.1-3

- name: An installer of the site's own
  llmfleet.conda.conda_installation:
    prefix: /opt/miniconda3
    installer_url: https://mirror.example.org/Site-1.0-Linux-x86_64.sh
    checksum: sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    minimum_glibc: "2.28"

- name: From a file of the controller, for hosts without a network
  llmfleet.conda.conda_installation:
    prefix: /opt/miniconda3
    version: py312_25.3.1-1
    installer_path: installers/Miniconda3-py312_25.3.1-1-Linux-x86_64.sh

- name: From a file that every host has, without ever mending what is there
  llmfleet.conda.conda_installation:
    prefix: /opt/miniconda3
    installer_path: /mnt/software/Miniconda3-py312_25.3.1-1-Linux-x86_64.sh
    remote_src: true
    repair: false
    timeout: 7200

- name: Always this conda, whatever installer was used
  llmfleet.conda.conda_installation:
    prefix: /opt/miniforge3
    distribution: miniforge
    version: 26.1.1-3
    conda_version: 26.3.2
    channels: [conda-forge]

- name: For the members of a group, who make their own environments
  llmfleet.conda.conda_installation:
    prefix: /opt/miniconda3
    version: py312_25.3.1-1
    owner: root
    group: research
    mode: "0750"
    group_writable: [envs, pkgs]

- name: For one user
  llmfleet.conda.conda_installation:
    prefix: /home/ada/miniconda3
    version: py312_25.3.1-1
  become: true
  become_user: ada

- name: No conda any more
  llmfleet.conda.conda_installation:
    prefix: /opt/miniconda3
    state: absent
    remove_environments: true
    remove_foreign: true
    in_use: wait
    in_use_timeout: 900
"""

RETURN = r"""
prefix:
  description: Prefix of the installation.
  returned: success
  type: str
  sample: /opt/miniconda3
conda_version:
  description: Version of the installed conda, empty when there is none (in check mode, before the change).
  returned: success
  type: str
  sample: 25.3.1
python_version:
  description: Major and minor version of the base environment's Python, empty when there is none.
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
    action:
      description:
        - V(install), V(reinstall), V(repair), V(upgrade) or V(downgrade) of conda, V(access) (owner, group or
          permissions), V(remove), or empty.
      type: str
    installer:
      description: File name of the installer, where one was needed.
      type: str
    reasons:
      description: One sentence for each thing that was not as wanted.
      type: list
      elements: str
"""

from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._installation import (
    module as installation_module,
)


def _change(request: Any, check_mode: bool) -> Any:
    # Only where something is to be done: a host compiles what a module imports on each run.
    from ansible_collections.llmfleet.conda.plugins.module_utils._installation.change import (
        InstallationChange,
    )

    return InstallationChange(request, check_mode)


def main() -> None:
    """Entry point of the module."""
    installation_module.main(make_change=_change)


if __name__ == "__main__":
    main()
