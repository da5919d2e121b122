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
  - Returns facts about a conda installation, its environments, their packages and its settings.
  - The module reads files only. It starts neither conda nor any other process, so it takes milliseconds and
    works for installations that no longer start.
  - A missing installation or environment is not an error. Check RV(installed) and RV(exists).
  - Credentials in URLs and settings are masked.
extends_documentation_fragment:
  - llmfleet.conda.environment
attributes:
  check_mode:
    support: full
    description: Does the same in check mode, because it never changes anything.
  diff_mode:
    support: none
    description: The module changes nothing, so there is no diff.
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
      - Absolute path of the conda installation (the prefix of its base environment).
      - At least one of O(installation) and O(prefix) is required.
  name:
    description:
      - Name of a single environment to read, in C(envs) of O(installation).
      - V(base) is the base environment of the installation.
      - Without O(name) and O(prefix), RV(environments) lists all environments, and RV(packages) and
        RV(distributions) are those of the base environment.
  prefix:
    description:
      - Absolute path of a single environment to read.
      - At most one of O(name) and O(prefix) is allowed.
  gather:
    description:
      - The facts to read. V(installation) returns RV(facts). V(environments), V(packages), V(distributions)
        and V(config) return the values of the same name.
      - V(generations) returns RV(generations). It requires O(name) or O(prefix). Reading the sizes of large
        environments takes a moment.
      - V(installation) and V(config) require O(installation). With the default value, they are omitted
        without O(installation).
    type: list
    elements: str
    choices: [installation, environments, packages, distributions, config, generations]
    default: [installation, environments, config]
notes:
  - An environment is a directory with C(conda-meta/history). The module looks in the directories of the
    setting C(envs_dirs), in C(envs) of O(installation) and in C(~/.conda/envs), and reads
    C(~/.conda/environments.txt) of the user who runs the task.
  - RV(config.effective) ignores variables such as C(CONDA_CHANNELS) and the markers C(#!final), C(#!top)
    and C(#!bottom) in condarc files.
seealso:
  - module: llmfleet.conda.accelerator_info
  - module: llmfleet.conda.conda_config
  - module: llmfleet.conda.llm_check
"""

EXAMPLES = r"""
- name: Read the facts of an installation
  llmfleet.conda.conda_info:
    installation: /opt/miniconda3
  register: conda

- name: Show the environments
  ansible.builtin.debug:
    msg: "{{ conda.environments | map(attribute='prefix') }}"
  when: conda.installed

- name: List the conda and pip packages of an environment
  llmfleet.conda.conda_info:
    installation: /opt/miniconda3
    name: llm
    gather: [packages, distributions]
  register: llm

- name: Fail if a package comes from Anaconda's channels
  ansible.builtin.assert:
    that: llm.packages | selectattr('channel', 'match', 'pkgs/|defaults') | length == 0

- name: List the generations of an environment
  llmfleet.conda.conda_info:
    installation: /opt/miniconda3
    name: llm
    gather: [generations]
  register: history

- name: Read an environment without its installation
  llmfleet.conda.conda_info:
    prefix: /srv/envs/llm
    gather: [environments]
"""

RETURN = r"""
installed:
  description: Whether there is a conda installation at O(installation).
  returned: when O(installation) is given
  type: bool
  sample: true
exists:
  description: Whether the environment of O(name) or O(prefix), or else the base environment, exists.
  returned: success
  type: bool
  sample: true
facts:
  description: Facts about the installation. Empty if there is none.
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
      description: Version of Python in the base environment.
      type: str
      sample: 3.12.7
    distribution:
      description:
        - V(miniconda), V(miniforge) or V(anaconda). Empty if unknown.
        - This is a guess if the installer did not record its name.
      type: str
      sample: miniconda
    distribution_told_by:
      description: The evidence for the distribution.
      type: str
      sample: Miniconda3-py312_26.7.1-0-Linux-x86_64.sh
    platform:
      description: Conda's name for the platform.
      type: str
      sample: linux-64
    writable:
      description: Whether the user who runs the task can change the base environment.
      type: bool
      sample: true
environments:
  description: The environments, with the base environment first. With O(name) or O(prefix), at most that
    one.
  returned: when O(gather) has V(environments)
  type: list
  elements: dict
  contains:
    prefix:
      description: Prefix of the environment.
      type: str
      sample: /opt/miniconda3/envs/llm
    name:
      description: Name of the environment, V(base) for the base environment. Empty if it has only a prefix.
      type: str
      sample: llm
    python_version:
      description: Version of Python. Empty if the environment has no Python.
      type: str
      sample: 3.12.7
    frozen:
      description: Whether the environment is frozen (C(conda-meta/frozen)).
      type: bool
      sample: false
    package_count:
      description: Number of linked packages.
      type: int
      sample: 250
    problems:
      description: One sentence for each unreadable record and for each problem of the whole environment.
      type: list
      elements: str
      sample: []
    damaged:
      description: Packages with missing or truncated files.
      type: list
      elements: dict
      contains:
        name:
          description: Name of the package.
          type: str
          sample: numpy
        files:
          description: The missing or truncated files, relative to the prefix.
          type: list
          elements: str
          sample: [lib/python3.12/site-packages/numpy/__init__.py]
    interrupted:
      description: What an interrupted run of this collection was doing. Empty if no run was interrupted.
      type: str
      sample: ""
generations:
  description:
    - The generations of the environment, in the order of their numbers. Empty if it is not kept in
      generations, see M(llmfleet.conda.conda_generations).
  returned: when O(gather) has V(generations)
  type: list
  elements: dict
  contains:
    number:
      description: The number.
      type: int
      sample: 7
    prefix:
      description: Path of the generation.
      type: str
      sample: /opt/miniconda3/envs/.llm/7
    created:
      description: When it was built.
      type: str
      sample: "2026-11-30T04:12:07+0000"
    verified:
      description: When it passed its verification. Empty if it failed.
      type: str
      sample: "2026-11-30T04:12:31+0000"
    failed:
      description: Why the verification failed. Empty if it passed.
      type: str
      sample: ""
    run:
      description: The run that built it.
      type: str
      sample: nightly 4711
    current:
      description: Whether the link leads to it.
      type: bool
      sample: true
    previous:
      description: Whether a rollback to V(previous) leads to it.
      type: bool
      sample: false
    own_size:
      description: Bytes on disk that no other environment and no package cache shares.
      type: int
      sample: 24117248
    in_use:
      description: The processes that run from it, as far as this user can see them.
      type: list
      elements: dict
      sample: []
packages:
  description: The packages of the environment, sorted by name.
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
      description: Canonical name of the package's channel.
      type: str
      sample: conda-forge
    requested:
      description: Whether a user requested it by name (C(conda-meta/history)). Otherwise it is a
        dependency.
      type: bool
      sample: true
distributions:
  description: The Python distributions of the environment, sorted by name, from conda and from pip.
  returned: when O(gather) has V(distributions)
  type: list
  elements: dict
  contains:
    name:
      description: Normalized name.
      type: str
      sample: torch
    version:
      description: Version.
      type: str
      sample: 2.15.0
    owner:
      description: V(conda), or V(pip) for everything else.
      type: str
      sample: pip
config:
  description: The settings of the installation.
  returned: when O(gather) has V(config)
  type: dict
  contains:
    files:
      description: The condarc files, from lowest to highest precedence.
      type: list
      elements: dict
      contains:
        path:
          description: Path of the file.
          type: str
          sample: /opt/miniconda3/.condarc
        settings:
          description: The settings in the file, with credentials masked.
          type: dict
          sample: {"channels": ["conda-forge"]}
        problem:
          description: Why the file could not be read. Empty if it was read.
          type: str
          sample: ""
    effective:
      description: The settings that result from all files.
      type: dict
      contains:
        channels:
          description: Channels in order of priority. Empty if no file sets them.
          type: list
          elements: str
          sample: [conda-forge]
        channel_alias:
          description: Base URL for channel names.
          type: str
          sample: https://conda.anaconda.org
        envs_dirs:
          description: Directories of named environments.
          type: list
          elements: str
          sample: [/opt/miniconda3/envs]
        pkgs_dirs:
          description: Directories of the package cache.
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
from ansible_collections.llmfleet.conda.plugins.module_utils._info.generations import (
    generation_facts,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import observe_prefix

SUBSETS = ["installation", "environments", "packages", "distributions", "config", "generations"]
DEFAULT = ["installation", "environments", "config"]


def _environment(params: Mapping[str, Any]) -> str | None:
    """Return the prefix of the environment that the task names, or None."""
    if params["name"] is None and params["prefix"] is None:
        return None
    return environment_prefix(params["installation"], params["name"], params["prefix"])


def gather(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the module's result.

    Raises:
        CondaModuleError: an option has an invalid value, or the installation or environment cannot be read.
    """
    wanted = set(params["gather"])
    base = params["installation"] and check_prefix(params["installation"], "installation")
    chosen = _environment(params)
    if not base and wanted & {"installation", "config"} and params["gather"] != DEFAULT:
        raise CondaModuleError(
            "The values installation and config of the option gather require the option installation.",
            prefix=chosen,
            asked=list(params["gather"]),
            hint="set installation, or remove installation and config from gather.",
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
    if "generations" in wanted:
        if chosen is None:
            raise CondaModuleError(
                "The value generations of the option gather requires the option name or prefix.",
                prefix=base,
                asked=list(params["gather"]),
                hint="name one environment.",
            )
        result["generations"] = generation_facts(chosen)
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
