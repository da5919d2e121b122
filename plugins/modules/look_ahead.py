# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module llmfleet.conda.look_ahead."""

from __future__ import annotations

DOCUMENTATION = r"""
module: look_ahead
short_description: Check in one module run whether roles would change a host (internal)
version_added: 0.1.0
description:
  - 'Internal: used by the roles and playbooks of this collection. Its options may change in any release.'
  - Predicts the tasks of this collection's roles, runs their modules in check mode on the host within one
    module run, and returns whether the host is already as declared.
  - If it is, a playbook can skip the roles, so a converged host costs one module run. Otherwise, or if this
    cannot be decided up front, the roles run normally.
  - The module changes nothing. An invalid option or a damaged file does not fail this task. The role that
    runs afterwards reports it.
options:
  roles:
    description:
      - Names of this collection's roles, in the order in which they run. The play must know their
        variables, as it does if it imports any part of the roles.
    type: list
    elements: str
    default: []
  tasks_from:
    description:
      - The task file at which each role starts.
    type: str
    default: converge
  steps:
    description:
      - Module calls to check before those of the roles. The action plugin adds the roles' module calls on
        the controller.
    type: list
    elements: dict
    default: []
    suboptions:
      module:
        description: The module.
        type: str
        required: true
        choices:
          - llmfleet.conda.conda_installation
          - llmfleet.conda.conda_config
          - llmfleet.conda.conda_env
          - llmfleet.conda.conda_pip
          - llmfleet.conda.conda_generations
          - ansible.builtin.blockinfile
      options:
        description: The options of the module. Files must be on the host.
        type: dict
        default: {}
notes:
  - Some tasks cannot be decided up front. C(as_asked) is then V(false) and the host is not asked. These are
    tasks with files on the controller or with C(state=latest), tasks of other modules (models, volumes,
    assertions), and tasks with keywords such as C(become) or C(delegate_to).
attributes:
  check_mode:
    description: Does the same in check mode.
    support: full
  diff_mode:
    description: The module changes nothing, so there is no diff.
    support: none
  idempotent:
    description: Never reports a change.
    support: full
author:
  - llmfleet contributors (@llmfleet)
"""

EXAMPLES = r"""
- name: Check whether the roles would change anything
  llmfleet.conda.look_ahead:
    roles: [install_miniconda, create_conda_env, install_llm_stack]
    tasks_from: converge
  register: look

- name: Show why the roles have to run
  ansible.builtin.debug:
    var: look.reasons
  when: not look.as_asked

- name: Check two module calls at once
  llmfleet.conda.look_ahead:
    steps:
      - module: llmfleet.conda.conda_installation
        options:
          prefix: /opt/miniconda3
      - module: llmfleet.conda.conda_env
        options:
          installation: /opt/miniconda3
          name: llm
          packages: [python=3.11, numpy]
  register: both
"""

RETURN = r"""
as_asked:
  description:
    - Whether no task of the roles would change anything, fail or warn.
    - Warnings about known vulnerabilities do not count. The module reports them itself.
  returned: success
  type: bool
  sample: true
reasons:
  description: Why the roles have to run, as one sentence about the first task that has to.
  returned: success
  type: list
  elements: str
  sample: ["llmfleet.conda.conda_env: the module would change something"]
"""

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.module import CondaModule
from ansible_collections.llmfleet.conda.plugins.module_utils._look_ahead.ask import (
    MODULES,
    reason_to_run,
)


def main() -> None:
    """Entry point of the module: checks the steps in order and stops at the first that has to run."""
    module = CondaModule(
        argument_spec={
            "roles": {"type": "list", "elements": "str", "default": []},
            "tasks_from": {"type": "str", "default": "converge"},
            "steps": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "module": {"type": "str", "required": True, "choices": list(MODULES)},
                    "options": {"type": "dict", "default": {}},
                },
            },
        },
        supports_check_mode=True,
    )
    reasons: list[str] = []
    vulnerabilities: list[str] = []
    for step in module.params["steps"]:
        reason = reason_to_run(step["module"], step["options"], vulnerabilities)
        if reason:
            reasons.append(f"{step['module']}: {reason}")
            break
    else:
        # Otherwise the tasks run and report them.
        for warning in vulnerabilities:
            module.warn(warning)
    module.exit_json(changed=False, as_asked=not reasons, reasons=reasons)


if __name__ == "__main__":
    main()
