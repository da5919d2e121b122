#!/usr/bin/python
# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module llmfleet.conda.conda_info."""

from __future__ import annotations

DOCUMENTATION = r"""
module: conda_info
short_description: Read the facts of a conda installation and its environments
version_added: 0.1.0
author: llmfleet contributors (@llmfleet)
description:
  - Reads what there is of a conda installation, its environments, their packages and its settings.
  - Everything is read from files. Neither conda nor any other process is started, so that the facts cost
    milliseconds and come also from an installation that does not start any more.
  - An installation or an environment that is not there is no error. Look at RV(installed) and RV(exists).
  - Credentials in URLs and settings are masked.
extends_documentation_fragment:
  - llmfleet.conda.environment
attributes:
  check_mode:
    support: full
    description: Does the same work in check mode, because it never changes anything.
  diff_mode:
    support: none
    description: Nothing is changed, so there is no difference to show.
  idempotent:
    support: full
    description: Never reports a change.
  platform:
    support: full
    platforms: posix
    description: Target systems on which the module works.
options:
  installation:
    description:
      - Prefix of the conda installation (the base environment), an absolute path.
      - At least one of O(installation) and O(prefix) must be given.
  name:
    description:
      - Name of the one environment to read, below C(envs) of O(installation).
      - V(base) is the installation's own.
      - Without O(name) and O(prefix), RV(environments) has all environments, RV(packages) and
        RV(distributions) are those of the base environment.
  prefix:
    description:
      - Absolute path of the one environment to read.
      - At most one of O(name) and O(prefix) may be given.
  gather:
    description:
      - What to read. V(installation) gives RV(facts), V(environments), V(packages), V(distributions) and
        V(config) give the results of these names.
      - V(installation) and V(config) need O(installation); of the default, they are left out without it.
    type: list
    elements: str
    choices: [installation, environments, packages, distributions, config]
    default: [installation, environments, config]
notes:
  - An environment is a directory with C(conda-meta/history). They are looked for below the directories
    of the setting C(envs_dirs), C(envs) of O(installation) and C(~/.conda/envs), and in
    C(~/.conda/environments.txt) of the user for whom the task runs.
  - Variables such as C(CONDA_CHANNELS) and the markers C(#!final), C(#!top) and C(#!bottom) of condarc
    files are left out of account in RV(config.effective).
seealso:
  - module: llmfleet.conda.accelerator_info
  - module: llmfleet.conda.conda_config
  - module: llmfleet.conda.llm_check
"""

EXAMPLES = r"""
- name: Is conda there, and which one?
  llmfleet.conda.conda_info:
    installation: /opt/miniconda3
  register: conda

- name: Show the environments
  ansible.builtin.debug:
    msg: "{{ conda.environments | map(attribute='prefix') }}"
  when: conda.installed

- name: What is in the environment llm, from conda and from pip?
  llmfleet.conda.conda_info:
    installation: /opt/miniconda3
    name: llm
    gather: [packages, distributions]
  register: llm

- name: No package of the environment comes from Anaconda's channels
  ansible.builtin.assert:
    that: llm.packages | selectattr('channel', 'match', 'pkgs/|defaults') | length == 0

- name: An environment whose installation does not matter
  llmfleet.conda.conda_info:
    prefix: /srv/envs/llm
    gather: [environments]
"""

RETURN = r"""
installed:
  description: Whether there is a conda at O(installation).
  returned: when O(installation) is given
  type: bool
  sample: true
exists:
  description: Whether the environment of O(name) or O(prefix), or else the base environment, is there.
  returned: success
  type: bool
  sample: true
facts:
  description: The installation, empty when there is none.
  returned: when O(gather) has V(installation)
  type: dict
  contains:
    prefix:
      description: Prefix of the installation.
      type: str
      sample: /opt/miniconda3
    conda_version:
      description: Version of conda.
      type: str
      sample: 26.7.1
    python_version:
      description: Version of the base environment's Python.
      type: str
      sample: 3.12.7
    distribution:
      description:
        - V(miniconda), V(miniforge) or V(anaconda), empty when nothing tells it.
        - A guess where the installer has left no note of its name.
      type: str
      sample: miniconda
    distribution_told_by:
      description: What the distribution was concluded from.
      type: str
      sample: Miniconda3-py312_26.7.1-0-Linux-x86_64.sh
    platform:
      description: The platform as conda calls it.
      type: str
      sample: linux-64
    writable:
      description: Whether the user for whom the task runs may change the base environment.
      type: bool
      sample: true
environments:
  description: The environments, the base environment first; with O(name) or O(prefix), at most that one.
  returned: when O(gather) has V(environments)
  type: list
  elements: dict
  contains:
    prefix:
      description: Its prefix.
      type: str
      sample: /opt/miniconda3/envs/llm
    name:
      description: Its name, V(base) for the installation's own; empty where it is known by its prefix only.
      type: str
      sample: llm
    python_version:
      description: Version of its Python, empty when it has none.
      type: str
      sample: 3.12.7
    frozen:
      description: Whether it is frozen (C(conda-meta/frozen)).
      type: bool
      sample: false
    package_count:
      description: Number of packages linked in it.
      type: int
      sample: 250
    problems:
      description: One sentence for each record that cannot be read, or for the environment as a whole.
      type: list
      elements: str
      sample: []
    damaged:
      description: Packages with files that are missing or truncated.
      type: list
      elements: dict
      contains:
        name:
          description: Name of the package.
          type: str
          sample: numpy
        files:
          description: The files, relative to the prefix.
          type: list
          elements: str
          sample: [lib/python3.12/site-packages/numpy/__init__.py]
    interrupted:
      description: What a run of this collection was doing when it was cut off, empty when none was.
      type: str
      sample: ""
packages:
  description: The packages of the environment, by name.
  returned: when O(gather) has V(packages)
  type: list
  elements: dict
  contains:
    name:
      description: Name.
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
    requested:
      description: Whether somebody asked for it by name, by C(conda-meta/history); else it is a dependency.
      type: bool
      sample: true
distributions:
  description: The Python distributions of the environment, by name, whoever installed them.
  returned: when O(gather) has V(distributions)
  type: list
  elements: dict
  contains:
    name:
      description: Normal form of the name.
      type: str
      sample: torch
    version:
      description: Version.
      type: str
      sample: 2.15.0
    owner:
      description: V(conda), or V(pip), which stands for everything that is not conda.
      type: str
      sample: pip
config:
  description: The settings of the installation.
  returned: when O(gather) has V(config)
  type: dict
  contains:
    files:
      description: The condarc files, least important first.
      type: list
      elements: dict
      contains:
        path:
          description: The file.
          type: str
          sample: /opt/miniconda3/.condarc
        settings:
          description: What it sets, with credentials masked.
          type: dict
          sample: {"channels": ["conda-forge"]}
        problem:
          description: Why it could not be read, empty when it could.
          type: str
          sample: ""
    effective:
      description: What the files come to.
      type: dict
      contains:
        channels:
          description: Channels in order of priority, empty when no file sets them.
          type: list
          elements: str
          sample: [conda-forge]
        channel_alias:
          description: URL to which channel names are added.
          type: str
          sample: https://conda.anaconda.org
        envs_dirs:
          description: Directories in which environments are looked for by name.
          type: list
          elements: str
          sample: [/opt/miniconda3/envs]
        pkgs_dirs:
          description: Package caches.
          type: list
          elements: str
          sample: [/opt/miniconda3/pkgs]
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.module import CondaModule
from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.settings import (
    effective,
    read_condarcs,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.guards import (
    check_prefix,
    environment_prefix,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.options import LOCATION_OPTIONS
from ansible_collections.llmfleet.conda.plugins.module_utils._info.conda import (
    config_facts,
    distribution_facts,
    environment_facts,
    installation_facts,
    is_installation,
    known_prefixes,
    package_facts,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import observe_prefix

SUBSETS = ["installation", "environments", "packages", "distributions", "config"]
DEFAULT = ["installation", "environments", "config"]


def _environment(params: Mapping[str, Any]) -> str | None:
    """The one environment that the task names, None when it names none."""
    if params["name"] is None and params["prefix"] is None:
        return None
    return environment_prefix(params["installation"], params["name"], params["prefix"])


def gather(params: Mapping[str, Any]) -> dict[str, Any]:
    """What the module returns.

    Raises:
        CondaModuleError: an option cannot be used, or the installation or the environment cannot be read.
    """
    wanted = set(params["gather"])
    base = params["installation"] and check_prefix(params["installation"], "installation")
    chosen = _environment(params)
    if not base and wanted & {"installation", "config"} and params["gather"] != DEFAULT:
        raise CondaModuleError(
            "What the option gather asks for needs the option installation.",
            prefix=chosen,
            asked=list(params["gather"]),
            hint="give installation, or leave installation and config out of gather.",
        )
    result: dict[str, Any] = {"changed": False}
    settings: dict[str, Any] = {"envs_dirs": []}
    if base:
        root = observe_prefix(base, thorough=True, only_report=True)
        result["installed"] = is_installation(root)
        files = read_condarcs(base)
        settings = effective(base, files)
        if "installation" in wanted:
            result["facts"] = installation_facts(root) if result["installed"] else {}
        if "config" in wanted:
            result["config"] = config_facts(files, settings)
    state = (
        root
        if chosen is None or chosen == base
        else observe_prefix(chosen, thorough=True, only_report=True)
    )
    result["exists"] = state.is_environment
    if "environments" in wanted:
        prefixes = known_prefixes(base, settings["envs_dirs"]) if chosen is None else [state.path]
        result["environments"] = [
            environment_facts(prefix, base, settings["envs_dirs"])
            for prefix in prefixes
            if chosen is None or state.is_environment
        ]
    if "packages" in wanted:
        result["packages"] = package_facts(state)
    if "distributions" in wanted:
        result["distributions"] = distribution_facts(state)
    return result


def main() -> None:
    """Entry point of the module."""
    module = CondaModule(
        argument_spec={
            **LOCATION_OPTIONS,
            "gather": {
                "type": "list",
                "elements": "str",
                "choices": SUBSETS,
                "default": DEFAULT,
            },
        },
        mutually_exclusive=[("name", "prefix")],
        required_one_of=[("installation", "prefix")],
        required_by={"name": ["installation"]},
        supports_check_mode=True,
    )
    try:
        result = gather(module.params)
    except CondaModuleError as error:
        module.fail_json(**error.as_result())
    else:
        module.exit_json(**result)


if __name__ == "__main__":
    main()
