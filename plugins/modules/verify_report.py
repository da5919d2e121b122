# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents the action plugin of the same name, which does all the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: verify_report
short_description: Write what the checks of a fleet found on the controller, and show it as a table
version_added: 0.1.0
description:
  - Collects what M(llmfleet.conda.llm_check) returned on each host of the play, writes one JSON file for the
    fleet and one for each host, and prints a short table with a line for each check that failed or found
    drift.
  - Runs on the controller only; no host is reached. Use it with C(run_once).
  - It never reports a change. Times differ in each run, so the files always do, while C(changed) speaks of
    hosts.
options:
  path:
    description:
      - The fleet's report, relative to where C(ansible-playbook) was started; directories are made.
      - Each host's own report, with all that the check returned, goes to a directory beside it that is named
        like it with C(.d) in place of C(.json).
    type: path
    required: true
  variable:
    description:
      - The name under which the hosts registered the result of M(llmfleet.conda.llm_check).
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
      - A host without a result counts as one whose turn is still to come when it is listed here, and else as
        failed.
    type: list
    elements: str
    required: true
attributes:
  action:
    description: Runs on the controller, there is no code for the host.
    support: full
  check_mode:
    description: In check mode the table is shown and no file is written.
    support: full
  diff_mode:
    description: Has nothing to compare.
    support: none
  idempotent:
    description: Never reports a change; the files are written anew by each run.
    support: full
author:
  - llmfleet contributors (@llmfleet)
"""

EXAMPLES = r"""
- name: Check the host
  llmfleet.conda.llm_check:
    installation: /opt/miniconda3
    name: llm
  register: checked

- name: Report on the fleet
  llmfleet.conda.verify_report:
    path: reports/report.json
    variable: checked
    hosts: "{{ ansible_play_hosts_all }}"
    running: "{{ ansible_play_hosts }}"
  run_once: true
"""

RETURN = r"""
path:
  description: The absolute path of the fleet's report.
  returned: always
  type: str
  sample: /home/ops/reports/report.json
written:
  description: Whether the files were written; not so in check mode.
  returned: always
  type: bool
hosts:
  description:
    - For each host its status (V(pass), V(drift), V(fail), V(skip)), one line for each failed check
      (C(failed)), and one for each check that found the host other than declared (C(drift)).
  returned: always
  type: dict
  sample: {"gpu1": {"status": "fail", "failed": ["imports.numpy: ModuleNotFoundError"], "drift": []}}
"""
