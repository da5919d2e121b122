# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents the action plugin of the same name, which does all the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_variables
short_description: Check the variables of a role on the controller
version_added: 0.1.0
description:
  - Does in one task what a role does before it touches a host. Values must be as C(meta/argument_specs.yml)
    of the role says, no variable may carry the role's name that is not listed there, and rules must hold.
  - The first mistake fails the host, and its message says what to do.
  - Runs on the controller only; no host is reached, and nothing is ever changed. A task for each rule would
    cost the controller many times as much, for each host.
options:
  role_path:
    description:
      - The directory of the role. Its last part is the name with which the role's variables begin, its
        C(meta/argument_specs.yml) lists them below C(main).
    type: path
    required: true
  once:
    description:
      - Variables that many rules need and that are costly to work out, in the order in which they need one
        another.
      - They are worked out once, while a rule would do so each time that it names one.
    type: list
    elements: str
    default: []
  rules:
    description:
      - What must hold, in this order.
    type: list
    elements: dict
    default: []
    suboptions:
      that:
        description:
          - A condition like those of C(when), or a list of them.
        type: raw
        required: true
      fail_msg:
        description:
          - What to say where a condition does not hold. It is worked out only then.
        type: str
        required: true
attributes:
  action:
    description: Runs on the controller, there is no code for the host.
    support: full
  check_mode:
    description: Checks the same.
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
- name: Check the variables
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
          Set my_role_mirror to one of {{ my_role__mirrors | join(', ') }}, and my_role_checksum as sha256:
          and 64 hexadecimal digits.
"""

RETURN = r"""
argument_errors:
  description: What does not agree with the role's argument specification.
  returned: when values have the wrong type or are no choice
  type: list
  elements: str
  sample: ["value of my_role_state must be one of: present, absent, got: gone"]
"""
