#!/usr/bin/python
# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: proves, layer by layer, that a conda environment for LLM work is sound."""

from __future__ import annotations

DOCUMENTATION = r"""
module: llm_check
short_description: Prove that a conda environment for LLM work is sound
version_added: 0.1.0
author: llmfleet contributors (@llmfleet)
description:
  - Checks a host, its conda installation and one environment in layers, from the C library to a
    model that answers, and returns one structured result for each check.
  - The layers are C(host), C(installation), C(environment), C(drift), C(imports), C(framework),
    C(kernel) and C(workload), in this order. The checks of the first layer that fails are all
    carried out; those of later layers are reported as skipped.
  - An environment that is not as O(declared) has drifted, which is a status of its own, V(drift).
    It is neither a pass nor a failure, and the layers behind it are carried out.
  - A failed check does not fail the task. Look at RV(status) of the result, or use the role
    P(llmfleet.conda.verify#role), which fails the host and writes a report.
  - The module changes nothing on the host, in check mode and outside of it. conda is never
    started. What has to be imported is imported by the environment's own interpreter, which writes
    no bytecode and whose caches go to a temporary directory that is removed.
  - That interpreter works while the files are looked at. Where a check of the files fails, it is
    ended, and nothing that it did counts. It is not started on a host that fails, nor in a directory
    that is no environment.
notes:
  - 'Layer C(host). C(host.architecture): conda, and torch where it is asked for, have packages for
    this machine. C(host.glibc): the GNU C library is new enough. C(host.disk) and C(host.inodes):
    there is room at the prefix. C(host.memory): the memory, or a container''s limit of it.'
  - 'Layer C(installation), when O(installation) is given. C(installation.exists): it is a conda
    installation. C(installation.records): every package record can be read and is for this
    platform. C(installation.files): every file of every package is there and not truncated.'
  - 'Layer C(environment). C(environment.exists), C(environment.records) and C(environment.files):
    the same for the environment. C(environment.python): its Python is the one asked for.
    C(environment.distributions): what pip installed has all files that its C(RECORD) lists.
    C(environment.requirements): what conda''s packages and the Python distributions require is
    there in a version that will do. C(environment.channels): no package comes from C(defaults)
    unless O(allow_defaults). C(environment.in_use) never fails: it lists the processes that run from the
    environment, which would keep M(llmfleet.conda.conda_env) from changing it
    (O(llmfleet.conda.conda_env#module:in_use)).'
  - 'Layer C(drift), when O(declared) is given. C(drift.packages): the conda packages are there in
    versions and builds that the specs allow. C(drift.requirements): so are the Python
    distributions, with all that they need and within the constraints. C(drift.unneeded), with
    O(declared.prune): nothing else is there. There is drift where
    M(llmfleet.conda.conda_env) or M(llmfleet.conda.conda_pip) with the same specs would change
    packages; only conda knows whether there is something newer, so O(declared) means their state
    V(present).'
  - 'Layer C(imports). C(imports.interpreter): the environment''s Python starts from its own
    prefix. C(imports.NAME), one for each entry of O(imports): it is imported in a process without
    C(LD_LIBRARY_PATH), C(PYTHONPATH) and the like, and its version satisfies the specifier.
    C(imports.user_environment): with the variables and the user site-packages of the user for whom
    the task runs, the same code is imported.'
  - 'Layer C(framework). C(framework.torch): torch computes and sees O(expected_gpus) GPUs.'
  - 'Layer C(kernel). C(kernel.numpy) and C(kernel.torch): a matrix product is right within a
    tolerance on every device, compared with float64 and with sums in plain Python, and not slower
    than a floor.'
  - 'Layer C(workload). C(workload.regression_numpy) and C(workload.regression_torch): a linear
    regression recovers known coefficients, by least squares and by gradient descent.
    C(workload.plot): matplotlib draws a PNG into memory. C(workload.sentiment): the sentiment
    pipeline of transformers gives O(text) the label O(expect_label).'
  - The checks of the last three layers run when O(imports) names the packages that they use, or
    when O(checks) names the check itself; then a missing package is a failure.
extends_documentation_fragment:
  - llmfleet.conda.environment
attributes:
  check_mode:
    support: full
    description: Does the same work in check mode, because it never changes anything.
  diff_mode:
    support: none
    description: Nothing is changed, so there is no difference to show.
  idempotent:
    support: full
    description: Never reports a change; with the same host it returns the same statuses.
  platform:
    support: full
    platforms: posix
    description: Target systems on which the module works.
options:
  installation:
    description:
      - Prefix of the conda installation (the base environment), an absolute path.
      - Needed with O(name). Without it the checks of the layer C(installation) are left out.
  python_version:
    description:
      - Version of Python that the environment must have, such as V(3.11), V(3.11.9) or
        V(>=3.11,<3.13).
      - Without it any version will do.
    type: str
  imports:
    description:
      - What must be importable, by import name (V(sklearn)) or by distribution name
        (V(scikit-learn)), each with a version specifier of Python (PEP 440) such as V(>=2.0,<3),
        or an empty text for any version.
    type: dict
    default: {}
  checks:
    description:
      - Names of checks and of layers to run; see the notes for the names. Without it, all that
        apply.
      - What the named checks rest on (that the environment exists and its interpreter starts) is
        checked in any case.
    type: list
    elements: str
  skip_checks:
    description:
      - Names of checks and of layers that are left out.
      - What the others rest on is checked in any case.
    type: list
    elements: str
    default: []
  declared:
    description:
      - What the environment is declared to hold. Without it the layer C(drift) is left out.
    type: dict
    suboptions:
      packages:
        description: Specs of conda packages, as the option O(llmfleet.conda.conda_env#module:packages).
        type: list
        elements: str
        default: []
      requirements:
        description: Lines of pip's, as the option O(llmfleet.conda.conda_pip#module:requirements).
        type: list
        elements: str
        default: []
      constraints:
        description: Constraints on them, as the option O(llmfleet.conda.conda_pip#module:constraints).
        type: list
        elements: str
        default: []
      constraints_for_pip:
        description:
          - Constraints that do not count for what conda owns, as the option
            O(llmfleet.conda.conda_pip#module:constraints_for_pip).
        type: list
        elements: str
        default: []
      prune:
        description: Whether a package that nothing of O(declared) needs is drift.
        type: bool
        default: false
  model:
    description:
      - The sentiment model, as an absolute path of a directory on the host, or as the id of a
        model that is in the model cache of the user for whom the task runs. Nothing is ever
        downloaded.
    type: str
  text:
    description: What the sentiment model is asked about.
    type: str
    default: This is a great movie!
  expect_label:
    description: The label that the sentiment model must answer with. Empty accepts any.
    type: str
    default: POSITIVE
  expected_gpus:
    description:
      - How many GPUs torch must see; V(0) means that it must see none. Without it, any number will
        do.
    type: int
  allow_defaults:
    description:
      - Accept packages from Anaconda's C(defaults) channels, whose terms of service ask larger
        organisations for a licence.
    type: bool
    default: false
  thresholds:
    description: Bounds of single checks. The defaults are floors that only a broken or a tiny host misses.
    type: dict
    default: {}
    suboptions:
      min_glibc:
        description:
          - Oldest version of the GNU C library. Without it V(2.28) where O(imports) names torch,
            as its wheels need, and V(2.17) elsewhere, as conda packages need.
        type: str
      min_free_disk_mb:
        description: MiB that must be free for the user at the prefix.
        type: int
        default: 512
      min_free_inodes:
        description: Inodes that must be free at the prefix.
        type: int
        default: 10000
      min_memory_mb:
        description: MiB of memory that the host, or the container's limit, must have.
        type: int
        default: 1024
      matmul_size:
        description: Rows and columns of the matrices that are multiplied, from 2 to 4096.
        type: int
        default: 512
      matmul_tolerance:
        description: Largest error of a float32 matrix product, relative to its largest entry.
        type: float
        default: 0.0001
      min_cpu_gflops:
        description: Slowest acceptable matrix product on the CPU, in billions of operations a second.
        type: float
        default: 1.0
      min_gpu_gflops:
        description: Slowest acceptable matrix product on each GPU, in billions of operations a second.
        type: float
        default: 200.0
      regression_tolerance:
        description: How far a recovered coefficient may be from the known one.
        type: float
        default: 0.02
      min_sentiment_score:
        description: Lowest acceptable score of the sentiment model's answer, from 0 to 1.
        type: float
        default: 0.5
      min_plot_colours:
        description: Least number of different colours in the picture that matplotlib draws.
        type: int
        default: 5
  timeout:
    description: Seconds that all checks in the environment's interpreter may take together.
    type: int
    default: 900
  check_timeout:
    description: Seconds that a single check in the environment's interpreter may take.
    type: int
    default: 300
seealso:
  - module: llmfleet.conda.conda_env
  - module: llmfleet.conda.conda_pip
"""

EXAMPLES = r"""
- name: Prove that the environment llm works
  llmfleet.conda.llm_check:
    installation: /opt/miniconda3
    name: llm
    python_version: "3.11"
    imports:
      numpy: ">=1.26"
      pandas: ""
      matplotlib: ""
      torch: ">=2.4"
      transformers: ">=4.46"
    model: /srv/models/tiny-sentiment
  register: proof

- name: Show which checks failed
  ansible.builtin.debug:
    msg: "{{ proof.checks | selectattr('status', 'equalto', 'fail') | map(attribute='detail') }}"

- name: A GPU host must show its eight GPUs and compute on each of them
  llmfleet.conda.llm_check:
    prefix: /opt/miniconda3/envs/train
    imports:
      torch: ""
    expected_gpus: 8
    thresholds:
      min_gpu_gflops: 5000
  register: proof
  failed_when: proof.status | default('fail') != 'pass'

- name: Another sentence, packages of any channel, and bounds of the site's own
  llmfleet.conda.llm_check:
    installation: /opt/miniconda3
    name: llm
    imports:
      numpy: ""
      matplotlib: ""
      torch: ""
      transformers: ""
    model: /srv/models/tiny-sentiment
    text: This is a terrible movie!
    expect_label: NEGATIVE
    allow_defaults: true
    timeout: 1800
    check_timeout: 600
    thresholds:
      min_glibc: "2.28"
      min_free_disk_mb: 2048
      min_free_inodes: 50000
      min_memory_mb: 2048
      matmul_size: 256
      matmul_tolerance: 0.001
      min_cpu_gflops: 0.5
      min_gpu_gflops: 100
      regression_tolerance: 0.05
      min_sentiment_score: 0.6
      min_plot_colours: 3
  register: proof

- name: Is the environment what the inventory declares?
  llmfleet.conda.llm_check:
    prefix: /opt/miniconda3/envs/llm
    checks:
      - drift
    declared:
      packages:
        - python=3.11
        - numpy>=1.26
      requirements:
        - torch
      constraints:
        - torch==2.13.0
      # numpy is conda's here, so this line does not count for it.
      constraints_for_pip:
        - numpy==1.26.4
      prune: true
  register: proof
  failed_when: proof.status | default('fail') != 'pass'

- name: Everything but the real work
  llmfleet.conda.llm_check:
    prefix: /opt/miniconda3/envs/llm
    imports:
      numpy: ""
    skip_checks:
      - kernel
      - workload

- name: Look at the files of the environment only
  llmfleet.conda.llm_check:
    prefix: /opt/miniconda3/envs/llm
    checks:
      - environment
"""

RETURN = r"""
status:
  description:
    - V(fail) when a check failed, else V(drift) when the environment is not as O(declared), else
      V(pass).
  returned: success
  type: str
  sample: pass
failed_layer:
  description: The layer in which a check failed; none when none failed.
  returned: success
  type: str
  sample: environment
msg:
  description: One sentence that sums up the run and names the failed checks.
  returned: always
  type: str
  sample: "1 of 14 checks failed in layer environment: environment.files; 9 were skipped."
prefix:
  description: The prefix of the environment that was checked.
  returned: success
  type: str
  sample: /opt/miniconda3/envs/llm
seconds:
  description: Seconds that all checks took together.
  returned: success
  type: float
  sample: 9.214
checks:
  description: One entry for each check, in the order in which they ran.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the check, its layer first.
      type: str
      sample: imports.numpy
    layer:
      description: Layer of the check.
      type: str
      sample: imports
    status:
      description: V(pass), V(fail), V(drift) or V(skip).
      type: str
      sample: pass
    detail:
      description: One sentence with what was measured and what was expected, or with the reason of a skip.
      type: str
      sample: numpy 1.26.4 is imported; expected >=1.26.
    seconds:
      description: Seconds that the check took. Some checks run at the same time, so the sum may be more than
        RV(seconds).
      type: float
      sample: 0.082
    measured:
      description:
        - The numbers behind the sentence, for programs; which they are depends on the check.
        - C(coefficients) and C(intercept) for a regression, C(label) and C(score) for the
          sentiment, C(gflops) and C(relative_error) for a kernel, C(version) and C(path) for an
          import, C(damaged) for files, C(in_use) for processes, C(differences) for drift.
      type: dict
      sample:
        coefficients: [2.0001, -3.3998]
        intercept: 4.1995
facts:
  description: What the checks learned on their way; a value that no check came to is empty.
  returned: success
  type: dict
  contains:
    sys_version:
      description: C(sys.version) of the environment's interpreter.
      type: str
      sample: 3.11.9 (main, Apr 19 2024, 16:48:06) [GCC 11.2.0]
    python_version:
      description: Version of the environment's Python.
      type: str
      sample: 3.11.9
    conda_version:
      description: Version of conda in O(installation), from its record.
      type: str
      sample: 24.7.1
    versions:
      description: Version of each entry of O(imports) that is installed.
      type: dict
      sample:
        numpy: 1.26.4
        torch: 2.13.0+cpu
"""

from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._check.request import (
    DRIFT,
    Declared,
    Request,
    Thresholds,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._check.run import Checker, Outcome
from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.module import CondaModule
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.guards import (
    check_prefix,
    environment_prefix,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import secrets_in

THRESHOLD_OPTIONS: dict[str, dict[str, Any]] = {
    "min_glibc": {"type": "str"},
    "min_free_disk_mb": {"type": "int", "default": 512},
    "min_free_inodes": {"type": "int", "default": 10000},
    "min_memory_mb": {"type": "int", "default": 1024},
    "matmul_size": {"type": "int", "default": 512},
    "matmul_tolerance": {"type": "float", "default": 0.0001},
    "min_cpu_gflops": {"type": "float", "default": 1.0},
    "min_gpu_gflops": {"type": "float", "default": 200.0},
    "regression_tolerance": {"type": "float", "default": 0.02},
    "min_sentiment_score": {"type": "float", "default": 0.5},
    "min_plot_colours": {"type": "int", "default": 5},
}

DECLARED_OPTIONS: dict[str, dict[str, Any]] = {
    "packages": {"type": "list", "elements": "str", "default": []},
    "requirements": {"type": "list", "elements": "str", "default": []},
    "constraints": {"type": "list", "elements": "str", "default": []},
    "constraints_for_pip": {"type": "list", "elements": "str", "default": []},
    "prune": {"type": "bool", "default": False},
}

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "installation": {"type": "path", "aliases": ["conda_prefix"]},
    "name": {"type": "str"},
    "prefix": {"type": "path"},
    "python_version": {"type": "str"},
    "imports": {"type": "dict", "default": {}},
    "checks": {"type": "list", "elements": "str"},
    "skip_checks": {"type": "list", "elements": "str", "default": []},
    "declared": {"type": "dict", "options": DECLARED_OPTIONS},
    "model": {"type": "str"},
    "text": {"type": "str", "default": "This is a great movie!"},
    "expect_label": {"type": "str", "default": "POSITIVE"},
    "expected_gpus": {"type": "int"},
    "allow_defaults": {"type": "bool", "default": False},
    "thresholds": {"type": "dict", "default": {}, "options": THRESHOLD_OPTIONS},
    "timeout": {"type": "int", "default": 900},
    "check_timeout": {"type": "int", "default": 300},
}


def request_from(params: dict[str, Any]) -> Request:
    """The request that validated options make.

    Raises:
        CondaModuleError: an option cannot be used; it is named.
    """
    installation = params["installation"]
    return Request(
        prefix=environment_prefix(installation, params["name"], params["prefix"]),
        installation=None if installation is None else check_prefix(installation, "installation"),
        python_version=params["python_version"] or None,
        imports={
            str(name): "" if version is None else str(version)
            for name, version in params["imports"].items()
        },
        checks=params["checks"],
        skip_checks=params["skip_checks"],
        declared=None if params["declared"] is None else Declared(**params["declared"]),
        model=params["model"] or None,
        text=params["text"],
        expect_label=params["expect_label"],
        expected_gpus=params["expected_gpus"],
        allow_defaults=params["allow_defaults"],
        thresholds=Thresholds(**params["thresholds"]),
        timeout=params["timeout"],
        check_timeout=params["check_timeout"],
    )


def summary(outcome: Outcome) -> str:
    """One sentence about a run."""
    counts = dict.fromkeys(("pass", "fail", DRIFT, "skip"), 0)
    for result in outcome.results:
        counts[result.status] += 1
    skips = f"; {counts['skip']} were skipped" if counts["skip"] else ""
    ran = counts["pass"] + counts["fail"] + counts[DRIFT]
    drifted = _named(outcome, DRIFT)
    if outcome.failed_layer is None and drifted:
        return f"No check failed; {counts[DRIFT]} of {ran} found drift: {drifted}{skips}."
    if outcome.failed_layer is None:
        return f"All {counts['pass']} checks passed{skips}."
    also = f"; {counts[DRIFT]} found drift: {drifted}" if drifted else ""
    return (
        f"{counts['fail']} of {ran} checks failed in layer {outcome.failed_layer}:"
        f" {_named(outcome, 'fail')}{also}{skips}."
    )


def _named(outcome: Outcome, status: str) -> str:
    return ", ".join(result.name for result in outcome.results if result.status == status)


def result_of(request: Request, outcome: Outcome) -> dict[str, Any]:
    """What the module returns."""
    return {
        "changed": False,
        "msg": summary(outcome),
        "prefix": request.prefix,
        "status": outcome.status,
        "failed_layer": outcome.failed_layer,
        "checks": [result.as_dict() for result in outcome.results],
        "facts": dict(outcome.facts),
        "seconds": round(outcome.seconds, 3),
    }


def main() -> None:
    module = CondaModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    module.no_log_values.update(secrets_in(module.params["declared"]))
    try:
        request = request_from(module.params)
        # Not module.tmpdir: Ansible would leave its directory behind in the home of the user.
        outcome = Checker(request).run()
    except CondaModuleError as error:
        module.fail_json(**error.as_result())
    else:
        module.exit_json(**result_of(request, outcome))


if __name__ == "__main__":
    main()
