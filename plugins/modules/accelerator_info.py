#!/usr/bin/python
# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module llmfleet.conda.accelerator_info."""

from __future__ import annotations

DOCUMENTATION = r"""
module: accelerator_info
short_description: Find a host's GPUs and the PyTorch build that fits them
version_added: 0.1.0
author: llmfleet contributors (@llmfleet)
description:
  - Looks for GPUs of NVIDIA, AMD and Apple and for their driver, and names the build of PyTorch that fits, or
    the reason why none does.
  - Files of the kernel are read first. Then C(nvidia-smi), C(rocminfo) or C(sysctl) is started where it
    is needed and there.
  - The choice comes from a table with a date, see RV(backend.table_date). It is a suggestion; nothing is
    installed.
  - A missing GPU or a host that PyTorch does not support is no error. Look at RV(supported).
notes:
  - The compute capability that counts is the lowest of all GPUs, and the wheels must have kernels for the
    highest as well.
  - When an update has replaced the NVIDIA library under a loaded driver, nothing can use the GPUs until the
    host is rebooted. This is reported, never done.
  - A GPU without a loaded driver counts as a GPU, so that no CPU build is suggested for it in silence.
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
  timeout:
    description:
      - Seconds that each tool of a vendor's may take. C(nvidia-smi) is slow where no persistence daemon
        runs, and hangs where a GPU has gone from the bus; RV(problem) says so then.
    type: int
    default: 60
seealso:
  - module: llmfleet.conda.conda_info
  - module: llmfleet.conda.llm_check
"""

EXAMPLES = r"""
- name: What can this host compute on?
  llmfleet.conda.accelerator_info:
  register: accelerator

- name: Do not wait long for a GPU that hangs
  llmfleet.conda.accelerator_info:
    timeout: 20

- name: Only hosts that PyTorch supports go on
  ansible.builtin.assert:
    that: accelerator.supported
    fail_msg: >-
      {{ accelerator.backend.reason }}
      {{ 'Driver needed: ' ~ accelerator.backend.driver_needed if accelerator.backend.driver_needed else '' }}

- name: The torch that fits
  llmfleet.conda.conda_pip:
    prefix: /opt/miniconda3/envs/llm
    requirements:
      - "torch{{ '<=' ~ accelerator.backend.torch_max ~ '.99' if accelerator.backend.torch_max else '' }}"
    constraints: "{{ accelerator.backend.constraints }}"
    index_url: "{{ accelerator.backend.index_url or omit }}"
"""

RETURN = r"""
vendor:
  description: V(nvidia), V(amd), V(apple) or V(none).
  returned: success
  type: str
  sample: nvidia
platform:
  description: The host's platform as conda calls it, empty when conda has no name for it.
  returned: success
  type: str
  sample: linux-64
gpus:
  description: The GPUs, in the order of the driver.
  returned: success
  type: list
  elements: dict
  contains:
    index:
      description: Position, from 0.
      type: int
      sample: 0
    name:
      description: Name of the product, empty when the host does not tell.
      type: str
      sample: NVIDIA H100 80GB HBM3
    memory_mib:
      description: Memory in MiB, on Apple silicon the host's; none when the host does not tell.
      type: int
      sample: 81559
    compute_capability:
      description: Compute capability of an NVIDIA GPU, empty elsewhere or when the host does not tell.
      type: str
      sample: "9.0"
    uuid:
      description: Identifier of this one GPU, empty when the host does not tell.
      type: str
      sample: GPU-5f2d9d3a-6f0c-4d0a-8a5e-2f1c3b7d9e10
    architecture:
      description: Architecture of an AMD GPU, empty elsewhere.
      type: str
      sample: gfx942
driver_version:
  description: Version of the loaded driver, empty when none is loaded or it has no version.
  returned: success
  type: str
  sample: 580.65.06
driver_library_mismatch:
  description: Whether the loaded NVIDIA driver and the installed library differ.
  returned: success
  type: bool
  sample: false
reboot_needed:
  description: Whether the GPUs cannot be used before a reboot.
  returned: success
  type: bool
  sample: false
problem:
  description: What keeps the vendor's tool from answering, empty when nothing does.
  returned: success
  type: str
  sample: nvidia-smi is not there
supported:
  description: Whether there is a build of PyTorch for what the host has; the same as RV(backend.supported).
  returned: success
  type: bool
  sample: true
backend:
  description: The build of PyTorch.
  returned: success
  type: dict
  contains:
    name:
      description: V(pypi), V(cpu), V(cu126), V(cu128) or V(rocm7.2); empty when none fits.
      type: str
      sample: cu126
    index_url:
      description: PyTorch's package index for it, empty for V(pypi), which is pip's own.
      type: str
      sample: https://download.pytorch.org/whl/cu126
    torch_min:
      description: Oldest release of torch that will do, empty for any.
      type: str
      sample: ""
    torch_max:
      description: Newest release of torch that will do, empty for any.
      type: str
      sample: "2.14"
    constraints:
      description: Constraints for pip that these releases need.
      type: list
      elements: str
      sample: []
    alternatives:
      description: Names of other backends that work as well.
      type: list
      elements: str
      sample: []
    reason:
      description: Why this one, or why none.
      type: str
      sample: drivers 525 to 579 take the wheels for CUDA 12.6, which end at torch 2.14
    supported:
      description: Whether one fits.
      type: bool
      sample: true
    driver_needed:
      description: Oldest NVIDIA driver with which one would fit, empty when the driver is not the reason.
      type: str
      sample: ""
    table_date:
      description: Day on which the table of builds was right.
      type: str
      sample: "2026-11-22"
"""

from dataclasses import asdict
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.module import CondaModule
from ansible_collections.llmfleet.conda.plugins.module_utils._host.readings import read_host
from ansible_collections.llmfleet.conda.plugins.module_utils._info.accelerator import (
    TOOL_TIMEOUT,
    observe_accelerator,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._info.torch_build import (
    AcceleratorFacts,
    choose_backend,
)


def result_of(facts: AcceleratorFacts) -> dict[str, Any]:
    """What the module returns."""
    backend = choose_backend(facts)
    return {
        "changed": False,
        "vendor": facts.vendor,
        "platform": facts.platform or "",
        "gpus": [asdict(gpu) for gpu in facts.gpus],
        "driver_version": facts.driver_version,
        "driver_library_mismatch": facts.driver_library_mismatch,
        "reboot_needed": facts.driver_library_mismatch,
        "problem": facts.problem,
        "supported": backend.supported,
        "backend": backend.as_result(),
    }


def main() -> None:
    """Entry point of the module."""
    module = CondaModule(
        argument_spec={"timeout": {"type": "int", "default": TOOL_TIMEOUT}},
        supports_check_mode=True,
    )
    try:
        host = read_host("/")
    except OSError as error:
        module.fail_json(msg=f"The host's root file system cannot be read: {error.strerror}.")
    else:
        facts = observe_accelerator(host, timeout=module.params["timeout"])
        module.exit_json(**result_of(facts))


if __name__ == "__main__":
    main()
