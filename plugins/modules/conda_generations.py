#!/usr/bin/python

# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module llmfleet.conda.conda_generations."""

from __future__ import annotations

DOCUMENTATION = r"""
module: conda_generations
short_description: Keep a conda environment in generations, and go back to an earlier one
version_added: 0.1.0
description:
  - Keeps an environment in generations. C(envs/.NAME/1), C(envs/.NAME/2) and so on are whole environments,
    and C(envs/NAME) is a link to the current one.
  - A change builds the next generation beside the running one, verifies it there, and then switches the link
    atomically. If conda, pip or a check fails, the link still leads to the old generation.
  - A process keeps the generation with which it started, because the files of a generation are never changed
    or removed while programs run from it. Later imports of a running job therefore succeed.
  - Going back to an earlier generation (O(generation)) switches the link and downloads nothing.
  - A run with nothing to do reads the files of the current generation and starts no process.
author:
  - llmfleet contributors (@llmfleet)
extends_documentation_fragment:
  - llmfleet.conda.environment
  - llmfleet.conda.environment.in_use
  - llmfleet.conda.environment.attributes
options:
  state:
    description:
      - V(present) keeps the environment as declared. V(absent) removes the link and all generations.
    type: str
    choices: [present, absent]
    default: present
  environment:
    description:
      - Options of M(llmfleet.conda.conda_env) that declare the content, for example C(packages),
        C(lock_file), C(channels) or C(variables). C(state) may be V(present) or V(latest).
      - The options that name the environment, C(in_use), C(in_use_timeout), C(frozen), C(recreate) and
        C(remove_foreign) are not allowed.
      - If the next generation has another minor version of Python, it does not take over what pip installed.
        By default, the module refuses this if O(pip) names or needs not all of these distributions. With
        C(pip_on_python_change=remove), or with C(exact) in O(pip), it warns.
      - Without a lock, the next generation begins with the packages of the current one, so that one changed
        match spec does not move all other packages.
    type: dict
    default: {}
  pip:
    description:
      - Options of M(llmfleet.conda.conda_pip) that declare the Python distributions, for example
        C(requirements), C(constraints) or C(index_url).
      - The options that name the environment, C(in_use) and C(in_use_timeout) are not allowed.
      - The C(pip) section of an C(environment.yml) and the pip lines of a lock in O(environment) are added to
        C(requirements).
      - Distributions that pip installed into the current generation are hard-linked into the next one if
        their files have the hashes in C(RECORD).
    type: dict
    default: {}
  checks:
    description:
      - Options of M(llmfleet.conda.llm_check), for example C(imports), C(checks) or C(thresholds). The checks
        run in the new generation before the link is switched.
      - The options that name an environment are not allowed. An empty mapping runs the default checks.
      - Without this option, the module only starts the interpreter of the new generation.
    type: dict
  generation:
    description:
      - Switch the link to this generation instead of building one, a number or V(previous).
      - V(previous) is the generation that was current before the last switch forward. A second run with
        V(previous) changes nothing.
      - The module compares the packages of the generation with those that were verified, and fails if they
        differ.
      - O(environment), O(pip) and O(checks) are ignored. The next run without O(generation) switches to what
        these options declare. It builds nothing if a generation with the same declaration exists.
    type: str
  keep:
    description:
      - Number of generations to keep, including the current one. The others are removed when no program runs
        from them.
    type: int
    default: 3
  keep_days:
    description:
      - Days after which a generation is removed if the module cannot see all programs that may use it,
        because the user is not root or the environment is on a network file system.
    type: float
    default: 14
  keep_failed:
    description:
      - Keep a generation whose verification failed until the next one is verified, to examine it.
      - The link never leads to it.
    type: bool
    default: false
  adopt:
    description:
      - Take over an environment that is a plain directory. The next generation is built beside it. The
        directory becomes generation 0.
      - The option O(in_use) applies, because the directory is renamed.
    type: bool
    default: false
  plain:
    description:
      - Make a plain environment of the current generation, which M(llmfleet.conda.conda_env) then changes.
      - The environment is built at the path of the link, because conda writes the path into files. There is
        no environment at that path meanwhile, which takes as long as conda needs to create one.
      - Generations from which programs run stay, with a warning. The others are removed.
      - O(environment), O(pip) and O(checks) are ignored.
    type: bool
    default: false
  kernel:
    description:
      - If V(true), Jupyter has a kernel with the name of the environment, which starts in the current
        generation and stays in it. The environment needs the package C(ipykernel).
      - No test runs Jupyter itself.
      - The kernelspec is C(/usr/local/share/jupyter/kernels/NAME/kernel.json) if root runs the task, and
        otherwise in the directory of the user (C(JUPYTER_DATA_DIR), C(~/.local/share/jupyter), on macOS
        C(~/Library/Jupyter)).
      - V(false) removes that kernelspec. Without this option it is left alone. O(state=absent) removes it.
    type: bool
  run:
    description: A text that names the run in C(state.json), for example the number of a pipeline.
    type: str
    default: ""
  timeout:
    description: Seconds to wait for the lock of the environment.
    type: int
    default: 3600
  in_use:
    description:
      - What to do if programs run from a directory that the task renames (O(adopt)) or from a generation that
        O(state=absent) removes. V(fail) changes nothing and lists the processes. V(wait) waits up to
        O(in_use_timeout) seconds. V(warn) continues.
      - A change or a rollback never disturbs running programs, so this option does not apply to them.
notes:
  - A process keeps its generation if it was started by C(envs/NAME/bin/python) or C(python3), by a script
    of a
    conda or pip package, from an activated shell, by C(conda run), by C(multiprocessing), or as a Jupyter
    kernel. In a generation, C(bin/python) and C(bin/python3) are scripts that start the interpreter by
    its real path. A C(.pth) file in C(site-packages) and a script in C(etc/conda/activate.d) do the rest.
  - A process that is started as C(envs/NAME/bin/python3.11) at the moment of a switch can fail to start if
    the two generations have different versions of Python. The same holds on macOS for every start by the
    link, because macOS runs no script as the interpreter of another script.
  - Programs that are not Python and are started by the link, and C(python -S), do not keep their
    generation. A virtual environment that was made from a generation needs that generation.
  - A shell in which a generation is activated does not count as a program that runs from it. Keep enough
    generations for people who stay logged in.
  - Verified generations are read-only by the permissions of their directories and by C(conda-meta/frozen).
    Changes by hand are found, and the next run builds a generation without them.
  - M(llmfleet.conda.conda_env), M(llmfleet.conda.conda_package) and M(llmfleet.conda.conda_pip) refuse to
    change an environment that is kept in generations.
seealso:
  - module: llmfleet.conda.conda_env
  - module: llmfleet.conda.conda_pip
  - module: llmfleet.conda.llm_check
"""

EXAMPLES = r"""
- name: Keep the environment llm in generations
  llmfleet.conda.conda_generations:
    installation: /opt/miniconda3
    name: llm
    environment:
      packages: [python=3.12, pip, numpy]
    pip:
      requirements: [tqdm]
    checks:
      imports: {numpy: "", tqdm: ""}
    keep: 4
    run: "{{ pipeline_number | default('by hand') }}"

- name: Go back to the previous generation
  llmfleet.conda.conda_generations:
    installation: /opt/miniconda3
    name: llm
    generation: previous

- name: Offer the environment no longer as a kernel in Jupyter
  llmfleet.conda.conda_generations:
    installation: /opt/miniconda3
    name: llm
    environment:
      packages: [python=3.12, pip, numpy]
    kernel: false

- name: Take over an environment that is a plain directory
  llmfleet.conda.conda_generations:
    installation: /opt/miniconda3
    prefix: /srv/envs/plain
    environment:
      packages: [python=3.12]
    adopt: true
    in_use: wait
    in_use_timeout: 1800

- name: Make a plain environment of it again
  llmfleet.conda.conda_generations:
    installation: /opt/miniconda3
    prefix: /srv/envs/plain
    plain: true

- name: Keep a generation that fails its checks for a look at it
  llmfleet.conda.conda_generations:
    installation: /opt/miniconda3
    name: llm
    environment:
      packages: [python=3.12, pip, numpy]
    checks: {}
    keep_failed: true
    keep_days: 30
    timeout: 7200
  register: llm

- name: Remove the environment with all its generations
  llmfleet.conda.conda_generations:
    installation: /opt/miniconda3
    name: llm
    state: absent
    in_use: warn
"""

RETURN = r"""
prefix:
  description: Path of the link.
  returned: success
  type: str
  sample: /opt/miniconda3/envs/llm
generation:
  description: Number of the current generation. In check mode, the one that would be current.
  returned: success
  type: int
  sample: 7
previous:
  description: Number of the generation before the last switch forward. Empty after a rollback.
  returned: success
  type: int
  sample: 6
kernel:
  description: Path of the kernelspec. Empty unless O(kernel) is V(true).
  returned: success
  type: str
  sample: ""
generations:
  description: The generations, in the order of their numbers.
  returned: success
  type: list
  elements: dict
  contains:
    number:
      description: The number.
      type: int
      sample: 7
    prefix:
      description: Path of the generation.
      type: str
      sample: /opt/miniconda3/envs/.llm/7
    created:
      description: When it was built.
      type: str
      sample: "2026-11-30T04:12:07+0000"
    verified:
      description: When it passed its verification. Empty if it failed.
      type: str
      sample: "2026-11-30T04:12:31+0000"
    failed:
      description: Why the verification failed. Empty if it passed.
      type: str
      sample: ""
    current:
      description: Whether the link leads to it.
      type: bool
      sample: true
    run:
      description: The option O(run) of the run that built it, or its user and process.
      type: str
      sample: nightly 4711
removed_generations:
  description: Numbers of the generations that were removed because they are not kept.
  returned: success
  type: list
  elements: int
  sample: [4]
kept:
  description: One sentence for each generation that need not be kept and was not removed.
  returned: success
  type: list
  elements: str
  sample: []
plan:
  description: What the module did, or would do in check mode.
  returned: success
  type: dict
  contains:
    action:
      description: V(build), V(switch), V(remove), V(plain) or empty.
      type: str
      sample: build
    reasons:
      description: One clause for each difference between the environment and the task.
      type: list
      elements: str
      sample: ["numpy>=2 is not installed"]
added:
  description: Packages and distributions that the new current generation has and the old one has not.
  returned: success
  type: list
  elements: str
  sample: ["six 1.17.0 pyhe01879c_1 conda-forge"]
removed:
  description: Packages and distributions that the old current generation has and the new one has not.
  returned: success
  type: list
  elements: str
  sample: ["six 1.16.0 pyh6c4a22f_0 conda-forge"]
distributions:
  description:
    - The Python distributions of the current generation, in check mode before the change. Empty if the task
      manages none.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name in normal form.
      type: str
      sample: tqdm
    version:
      description: Version.
      type: str
      sample: 4.67.1
    owner:
      description: V(conda) or V(pip).
      type: str
      sample: pip
in_use:
  description: The programs that run from what is renamed or removed.
  returned: success
  type: list
  elements: dict
  sample: []
"""

from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._generations import (
    module as generations_module,
)


def _change(request: Any, check_mode: bool) -> Any:
    # Imported only if something has to change: hosts compile imported files on every run.
    from ansible_collections.llmfleet.conda.plugins.module_utils._generations.change import (
        GenerationsChange,
    )

    return GenerationsChange(request, check_mode)


def main() -> None:
    """Entry point of the module."""
    generations_module.main(make_change=_change)


if __name__ == "__main__":
    main()
