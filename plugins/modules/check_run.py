# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_run
short_description: Check how a playbook was called (internal)
version_added: 0.1.0
description:
  - 'Internal: used by the roles and playbooks of this collection. Its options may change in any release.'
  - Looks for mistakes that Ansible silently ignores. These are tags that no task has, variables whose name is
    almost that of a variable of this collection, and playbook variables that the inventory sets although
    Ansible reads them before it loads the inventory's variables.
  - The first two are warnings, one for the whole wave, or failures if the variable C(llmfleet_strict) is
    true. The last one is always a failure.
  - Names with two underscores, and names that C(register), C(set_fact) or facts gave to a host, are not
    looked at.
  - The task runs on the controller. It does not connect to the host and changes nothing. Run it with
    C(run_once), as it looks at all hosts of the wave.
options:
  tags:
    description:
      - The tags of the playbook.
    type: list
    elements: str
    default: []
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
- name: Check tags and variable names
  llmfleet.conda.check_run:
    tags: [install, stack]
  run_once: true
  register: this_run
"""

RETURN = r"""
wave:
  description: The hosts of the wave that are still in the play.
  returned: always
  type: list
  elements: str
  sample: [gpu1.example.com]
later:
  description: The hosts of later waves, in the order in which Ansible reaches them.
  returned: always
  type: list
  elements: str
  sample: [gpu2.example.com, gpu3.example.com]
"""
