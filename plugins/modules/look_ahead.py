# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells for several tasks in one module run whether they would change anything."""

from __future__ import annotations

DOCUMENTATION = r"""
module: look_ahead
short_description: Ask once whether the tasks of roles would change anything on a host
version_added: 0.1.0
description:
  - Works out the tasks of this collection's roles before they run, asks their modules on the host in check
    mode, all of them in one module run, and says whether the host is as they ask.
  - Where it is, the roles need not run at all, so that a converged host costs one module run. Where it is
    not, or where that cannot be said beforehand, the roles run as if nobody had asked.
  - Nothing is ever changed. A mistake in an option or a damage is no failure of this task. The role that runs
    then finds it, and says so.
options:
  roles:
    description:
      - Names of this collection's roles, in the order in which they would run. Their variables must be known
        to the play, which they are where it imports a part of them.
    type: list
    elements: str
    default: []
  tasks_from:
    description:
      - The file of each role's tasks to begin with.
    type: str
    default: converge
  steps:
    description:
      - Tasks to ask about before those of the roles, which the task's action plugin adds on the controller.
    type: list
    elements: dict
    default: []
    suboptions:
      module:
        description: The module that the task would run.
        type: str
        required: true
        choices:
          - llmfleet.conda.conda_installation
          - llmfleet.conda.conda_config
          - llmfleet.conda.conda_env
          - llmfleet.conda.conda_pip
          - ansible.builtin.blockinfile
      options:
        description: Its options. Files must be on the host.
        type: dict
        default: {}
notes:
  - These cannot be said beforehand, and make C(as_asked) false before the host is asked. Files on the
    controller, the state V(latest), tasks of other modules (models, volumes, an assertion), and tasks with
    keywords such as C(become) or C(delegate_to) of their own.
attributes:
  check_mode:
    description: Asks the same.
    support: full
  diff_mode:
    description: Has nothing to compare.
    support: none
  idempotent:
    description: Never reports a change.
    support: full
author:
  - llmfleet contributors (@llmfleet)
"""

EXAMPLES = r"""
- name: Look whether anything is to be done
  llmfleet.conda.look_ahead:
    roles: [install_miniconda, create_conda_env, install_llm_stack]
    tasks_from: converge
  register: look

- name: Say why the roles have to run
  ansible.builtin.debug:
    var: look.reasons
  when: not look.as_asked

- name: Ask two modules at once
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
  description: Whether none of the roles' tasks would change anything, fail or warn.
  returned: success
  type: bool
  sample: true
reasons:
  description: Why the roles have to run, one sentence for the first task that has to.
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
    """Entry point of the module: asks in the order of the steps, up to the first that has to run."""
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
    for step in module.params["steps"]:
        reason = reason_to_run(step["module"], step["options"])
        if reason:
            reasons.append(f"{step['module']}: {reason}")
            break
    module.exit_json(changed=False, as_asked=not reasons, reasons=reasons)


if __name__ == "__main__":
    main()
