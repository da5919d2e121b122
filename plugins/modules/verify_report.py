# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: verify_report
short_description: Write and print the fleet's check results on the controller (internal)
version_added: 0.1.0
description:
  - 'Internal: used by the roles and playbooks of this collection. Its options may change in any release.'
  - Collects the results of M(llmfleet.conda.llm_check) from all hosts of the play. Writes one JSON file for
    the fleet and one for each host, and prints a table with a line for each check that failed or found
    drift.
  - The task runs on the controller and does not connect to hosts. Use it with C(run_once).
  - The task never reports a change, because C(changed) is about hosts. The files differ after every run,
    because they contain durations.
options:
  path:
    description:
      - Path of the fleet report, relative to the directory in which C(ansible-playbook) was started.
        Missing directories are created.
      - The host reports, with everything that the check returned, go to a directory next to it with the
        same name and C(.d) instead of C(.json).
    type: path
    required: true
  variable:
    description:
      - Name of the variable in which the hosts registered the result of M(llmfleet.conda.llm_check).
    type: str
    required: true
  hosts:
    description:
      - The hosts to report on, usually C(ansible_play_hosts_all).
    type: list
    elements: str
    required: true
  running:
    description:
      - The hosts that have not failed so far, usually C(ansible_play_hosts).
      - A host without a result is reported as not checked yet if it is in this list, and as failed if it is
        not.
    type: list
    elements: str
    required: true
attributes:
  action:
    description: Runs on the controller. Nothing runs on the host.
    support: full
  check_mode:
    description: In check mode the task prints the table and writes no file.
    support: full
  diff_mode:
    description: There is no diff.
    support: none
  idempotent:
    description: Never reports a change. Every run writes the files again.
    support: full
author:
  - llmfleet contributors (@llmfleet)
"""

EXAMPLES = r"""
- name: Check the environment
  llmfleet.conda.llm_check:
    installation: /opt/miniconda3
    name: llm
  register: checked

- name: Write the fleet report
  llmfleet.conda.verify_report:
    path: reports/report.json
    variable: checked
    hosts: "{{ ansible_play_hosts_all }}"
    running: "{{ ansible_play_hosts }}"
  run_once: true
"""

RETURN = r"""
path:
  description: Absolute path of the fleet report.
  returned: always
  type: str
  sample: /home/ops/reports/report.json
written:
  description: Whether the files were written. V(false) in check mode.
  returned: always
  type: bool
hosts:
  description:
    - For each host its status (V(pass), V(drift), V(absent), V(fail), V(skip)) and lists of lines. C(failed)
      has the failed checks, C(drift) those that found drift, and C(absent), in check mode, the installations
      and environments that are not there yet.
  returned: always
  type: dict
  sample:
    gpu1:
      status: fail
      failed: ["imports.numpy: ModuleNotFoundError"]
      drift: []
      absent: []
"""
