# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_variables
short_description: Check the variables of a role on the controller (internal)
version_added: 0.1.0
description:
  - 'Internal: used by the roles and playbooks of this collection. Its options may change in any release.'
  - Checks the variables of a role in one task, before the role changes a host. Values must match
    C(meta/argument_specs.yml) of the role, variables with the role's prefix must be listed there, and rules
    must hold.
  - The task fails at the first mistake. The message says how to fix it.
  - The task runs on the controller. It does not connect to the host and changes nothing. One task for each
    rule would take many times as long on the controller.
options:
  role_path:
    description:
      - The directory of the role. Its last component is the prefix of the role's variables. C(main) in its
        C(meta/argument_specs.yml) lists the variables.
    type: path
    required: true
  once:
    description:
      - Variables to evaluate once, in this order, instead of in every rule that uses them. List variables
        that are slow to evaluate.
    type: list
    elements: str
    default: []
  rules:
    description:
      - The rules, in the order in which they are checked.
    type: list
    elements: dict
    default: []
    suboptions:
      that:
        description:
          - A condition, as for C(when), or a list of conditions.
        type: raw
        required: true
      fail_msg:
        description:
          - The message if a condition does not hold. It is evaluated only then.
        type: str
        required: true
attributes:
  action:
    description: Runs on the controller. Nothing runs on the host.
    support: full
  check_mode:
    description: Does the same in check mode.
    support: full
  diff_mode:
    description: The task changes nothing, so there is no diff.
    support: none
  idempotent:
    description: Never reports a change.
    support: full
author:
  - llmfleet contributors (@llmfleet)
"""

EXAMPLES = r"""
- name: Check the role variables
  llmfleet.conda.check_variables:
    role_path: "{{ role_path }}"
    once: [my_role__mirrors]
    rules:
      - that: my_role_prefix is match('/')
        fail_msg: my_role_prefix must be an absolute path, not {{ my_role_prefix | to_json }}.
      - that:
          - my_role_mirror in my_role__mirrors
          - my_role_checksum is match('^sha256:[0-9a-f]{64}$')
        fail_msg: >-
          Set my_role_mirror to one of {{ my_role__mirrors | join(', ') }}, and my_role_checksum to sha256:
          followed by 64 hexadecimal digits.
"""

RETURN = r"""
argument_errors:
  description: The values that do not match the role's argument specification.
  returned: when a value has the wrong type or is not one of the choices
  type: list
  elements: str
  sample: ["value of my_role_state must be one of: present, absent, got: gone"]
"""
