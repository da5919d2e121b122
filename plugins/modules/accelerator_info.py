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
  - Detects NVIDIA, AMD and Apple GPUs and their driver, and returns the PyTorch build that fits them, or
    the reason why none fits.
  - A host with an Intel GPU, Gaudi or Ascend gets the build V(cpu), and RV(backend.notice) names it.
  - The module reads files of the kernel first. It starts C(nvidia-smi), C(rocminfo) or C(sysctl) only if
    necessary and available.
  - The choice comes from a dated table (RV(backend.table_date)). It is a suggestion. The module installs
    nothing.
  - A host without a GPU, or one that PyTorch does not support, is not an error. Check RV(supported).
notes:
  - The lowest compute capability of all GPUs decides. The wheels must also have kernels for the highest.
  - AMD GPUs without kernels are ignored beside one with kernels, and in a processor. RV(backend.notice) names
    them.
  - A container without C(/dev/nvidia*) counts as a host without an NVIDIA GPU, and one without C(/dev/kfd) as
    a host without an AMD GPU.
  - An NVIDIA GPU without a driver beside an AMD GPU that torch supports, and a GPU that is reserved for
    virtual machines (C(vfio-pci)), do not count. RV(backend.notice) names them.
  - If an update has replaced the NVIDIA library while an older driver is loaded, no program can use the
    GPUs until the host is rebooted. The module reports this (RV(reboot_needed)) and does not reboot.
  - A GPU without a loaded driver still counts as a GPU, so that the module does not silently suggest a CPU
    build.
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
  timeout:
    description:
      - Timeout in seconds for each vendor tool. C(nvidia-smi) is slow without the persistence daemon and
        hangs if a GPU has fallen off the bus. RV(problem) reports the timeout.
    type: int
    default: 60
seealso:
  - module: llmfleet.conda.conda_info
  - module: llmfleet.conda.llm_check
"""

EXAMPLES = r"""
- name: Detect the GPUs of the host
  llmfleet.conda.accelerator_info:
  register: accelerator

- name: Detect the GPUs with a short timeout
  llmfleet.conda.accelerator_info:
    timeout: 20

- name: Fail on hosts that PyTorch does not support
  ansible.builtin.assert:
    that: accelerator.supported
    fail_msg: >-
      {{ accelerator.backend.reason }}
      {{ 'Driver needed: ' ~ accelerator.backend.driver_needed if accelerator.backend.driver_needed else '' }}

- name: Install the torch build that fits the host
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
  description: Conda's name for the host's platform. Empty if conda has no name for it.
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
      description: Index, starting at 0.
      type: int
      sample: 0
    name:
      description: Product name. Empty if unknown.
      type: str
      sample: NVIDIA H100 80GB HBM3
    memory_mib:
      description: Memory in MiB. On Apple silicon, the memory of the host. None if unknown.
      type: int
      sample: 81559
    compute_capability:
      description: Compute capability of an NVIDIA GPU. Empty for other vendors or if unknown.
      type: str
      sample: "9.0"
    uuid:
      description: Unique ID of the GPU. Empty if unknown.
      type: str
      sample: GPU-5f2d9d3a-6f0c-4d0a-8a5e-2f1c3b7d9e10
    architecture:
      description: Architecture of an AMD GPU. Empty for other vendors.
      type: str
      sample: gfx942
driver_version:
  description: Version of the loaded driver. Empty if no driver is loaded or it has no version.
  returned: success
  type: str
  sample: 580.65.06
driver_library_mismatch:
  description: Whether the loaded NVIDIA driver and the installed library have different versions.
  returned: success
  type: bool
  sample: false
reboot_needed:
  description: Whether the GPUs are unusable until a reboot.
  returned: success
  type: bool
  sample: false
problem:
  description: Why the vendor tool did not answer. Empty if it did.
  returned: success
  type: str
  sample: nvidia-smi is not installed
supported:
  description: Whether a PyTorch build fits the host. Same as RV(backend.supported).
  returned: success
  type: bool
  sample: true
backend:
  description: The PyTorch build.
  returned: success
  type: dict
  contains:
    name:
      description: V(pypi), V(cpu), V(cu126), V(cu128) or V(rocm7.2). Empty if none fits.
      type: str
      sample: cu126
    index_url:
      description: PyTorch's package index for the build. Empty for V(pypi), which is pip's default index.
      type: str
      sample: https://download.pytorch.org/whl/cu126
    torch_min:
      description: Oldest supported release of torch. Empty for any.
      type: str
      sample: ""
    torch_max:
      description: Newest supported release of torch. Empty for any.
      type: str
      sample: "2.14"
    constraints:
      description: Constraints for pip that these releases require.
      type: list
      elements: str
      sample: []
    alternatives:
      description: Names of other builds that also work.
      type: list
      elements: str
      sample: []
    reason:
      description: Why this build was chosen, or why none fits.
      type: str
      sample: drivers 525 to 579 use the wheels for CUDA 12.6, which end at torch 2.14
    notice:
      description: What users must know although the build fits, such as an unused GPU. Otherwise empty.
      type: str
      sample: ""
    supported:
      description: Whether a build fits.
      type: bool
      sample: true
    driver_needed:
      description: Oldest NVIDIA driver with which a build would fit. Empty if the driver is not the reason.
      type: str
      sample: ""
    table_date:
      description: Date of the table of builds.
      type: str
      sample: "2026-11-30"
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
    """Return the module's result."""
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
        module.fail_json(msg=f"Cannot read the root directory of the host: {error.strerror}.")
    else:
        facts = observe_accelerator(host, timeout=module.params["timeout"])
        module.exit_json(**result_of(facts))


if __name__ == "__main__":
    main()
