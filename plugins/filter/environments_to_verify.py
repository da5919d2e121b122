# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter llmfleet.conda.environments_to_verify."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: environments_to_verify
short_description: Convert environments of create_conda_env to those of llm_check (internal)
version_added: 0.1.0
author:
  - llmfleet contributors (@llmfleet)
description:
  - 'Internal: used by the role verify. Its options may change in any release.'
  - Takes the entries of O(llmfleet.conda.create_conda_env#role:main:create_conda_env_environments) and keeps
    the keys that say what an environment contains.
positional: imports, installation, state
options:
  _input:
    description: The entries.
    type: list
    elements: dict
    required: true
  imports:
    description: Packages that must be importable, by name or prefix of the environment.
    type: dict
    default: {}
  installation:
    description: Prefix of the installation in which the environments are.
    type: str
    default: ""
  state:
    description: V(absent) if all environments must be absent.
    type: str
    default: present
"""

EXAMPLES = r"""
- name: Verify all environments
  llmfleet.conda.llm_check:
    installation: /opt/miniconda3
    name: llm
    environments: "{{ declared | llmfleet.conda.environments_to_verify({'tools': {'tqdm': ''}}) }}"
"""

RETURN = r"""
_value:
  description: The option O(llmfleet.conda.llm_check#module:environments).
  type: list
  elements: dict
  sample: [{"name": "tools", "packages": ["tqdm"], "imports": {"tqdm": ""}, "state": "present"}]
"""

_KEPT = (
    "packages",
    "environment_file",
    "lock_file",
    "remote_src",
    "pinned",
    "variables",
    "frozen",
    "owner",
    "group",
    "prune",
    "exact",
    "requirements",
    "constraints",
    "constraints_for_pip",
    "environment",
    "lock",
)


def environments_to_verify(
    entries: Iterable[Mapping[str, Any]],
    imports: Mapping[str, Mapping[str, str]] | None = None,
    installation: str = "",
    state: str = "present",
) -> list[dict[str, Any]]:
    """Return the entries as llm_check takes them.

    Args:
        entries: of create_conda_env_environments.
        imports: by name or prefix.
        installation: prefix of the environments' installation; empty for that of the task.
        state: create_conda_env_state.

    Raises:
        AnsibleFilterError: the entries are not a list of mappings.
    """
    if isinstance(entries, (str, Mapping)) or not isinstance(entries, Iterable):
        raise AnsibleFilterError("environments_to_verify requires a list of environments")
    return [_converted(entry, imports or {}, installation, state) for entry in entries]


def _converted(
    entry: Mapping[str, Any], imports: Mapping[str, Any], installation: str, state: str
) -> dict[str, Any]:
    if not isinstance(entry, Mapping):
        raise AnsibleFilterError("environments_to_verify requires mappings")
    prefix, name = entry.get("prefix"), entry.get("name")
    found: dict[str, Any] = {key: entry[key] for key in _KEPT if entry.get(key) is not None}
    if prefix:
        found["prefix"] = prefix
    elif installation:
        found["prefix"] = f"{installation.rstrip('/')}/envs/{name}"
    else:
        found["name"] = name
    found["imports"] = {
        **(entry.get("imports") or {}),
        **(imports.get(str(prefix or name)) or {}),
    }
    gone = "absent" in (state, entry.get("state"))
    found["state"] = "absent" if gone else "present"
    return found


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., list[dict[str, Any]]]]:
        """Return the filter by its name."""
        return {"environments_to_verify": environments_to_verify}
