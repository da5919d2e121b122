#!/usr/bin/python
# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module llmfleet.conda.llm_check."""

from __future__ import annotations

DOCUMENTATION = r"""
module: llm_check
short_description: Verify conda environments for LLM work
version_added: 0.1.0
author: llmfleet contributors (@llmfleet)
description:
  - Checks a host, its conda installation and one or more environments in layers, from the C library to a
    model that answers. Returns one structured result for each check and environment.
  - The layers are C(host), C(installation), C(environment), C(drift), C(imports), C(framework), C(kernel)
    and C(workload), in this order. If a check fails, the module completes the checks of that layer and
    reports those of later layers as skipped. A failed environment does not stop the checks of the others, and
    damage in the base environment does not stop those of any environment. The layer C(drift) is also checked
    in a damaged environment, unless the environment is missing, its records cannot be read, or a change of it
    was interrupted.
  - An environment that differs from O(declared) has the status V(drift), which is neither a pass nor a
    failure. Later layers are still checked.
  - A failed check does not fail the task. Check RV(status), or use the role P(llmfleet.conda.verify#role),
    which fails the host and writes a report.
  - The module never starts conda. The environment's own interpreter runs the imports. It writes no bytecode,
    and its caches go to a temporary directory that is removed. The module changes nothing on the host, except
    that with O(max_age) it notes a pass in C(conda-meta/.llmfleet-verified) of the environment.
  - If another run is changing the installation or an environment, the module waits up to O(lock_timeout)
    seconds. The check C(exists) of its layer then fails and names the process.
  - In check mode an installation or environment that does not exist has the status V(absent), because an
    earlier task of the play may create it.
  - The interpreter runs while the module checks files. If a check of the files fails, the module terminates
    the interpreter and ignores its results. It does not start the interpreter on a host that fails or in a
    directory that is not an environment.
notes:
  - 'Layer C(host). C(host.architecture): conda, and torch if requested, have packages for this machine.
    C(host.glibc): the GNU C library is new enough. C(host.disk) and C(host.inodes): the volume of the
    prefix has free space. C(host.memory): the host, or its container, has enough memory.'
  - 'Layer C(installation), if O(installation) is set. C(installation.exists): it is a conda installation.
    C(installation.records): every package record is readable and is for this platform.
    C(installation.files): no package file is missing or truncated.'
  - 'Layer C(environment). C(environment.exists), C(environment.records) and C(environment.files): the same
    for the environment. C(environment.python): Python has the requested version.
    C(environment.distributions): the distributions that pip installed have all files of their C(RECORD).
    C(environment.owners): no distribution has metadata of both conda and pip.
    C(environment.requirements): the dependencies of conda packages and Python distributions are installed
    in suitable versions. C(environment.channels): no package comes from C(defaults), unless
    O(allow_defaults). C(environment.other_pythons) never fails. It lists the distributions that pip
    installed for a version of Python that the environment no longer has. Its Python does not find them.
    C(environment.in_use) never fails. It lists the processes that run from the
    environment and would keep M(llmfleet.conda.conda_env) from changing it
    (O(llmfleet.conda.conda_env#module:in_use)).'
  - 'Layer C(drift), if O(declared) or O(models) is set. C(drift.packages): the conda packages are installed
    in versions and builds that satisfy the match specs or the lock and the pins, with O(declared.exact) no
    others. C(drift.requirements): the Python distributions and their dependencies are installed and satisfy
    the constraints, with O(declared.exact) no others of pip. C(drift.unneeded), with O(declared.prune): no
    other package is installed. C(drift.settings): pins, variables, frozen marker, owner and group are those
    that are declared, with O(declared.exact) also the requests in conda''s history.
    C(drift.models): the models are complete in their caches. C(drift.absent), for an entry of
    O(environments) with V(absent): the environment does not exist. An environment has drifted if
    M(llmfleet.conda.conda_env), M(llmfleet.conda.conda_pip) or M(llmfleet.conda.hub_model) with the same
    options and O(llmfleet.conda.conda_env#module:state=present) would change something. If one of them
    would refuse the declaration, the check fails.'
  - 'Layer C(imports). C(imports.interpreter): Python starts from the environment''s prefix.
    C(imports.NAME), for each entry of O(imports): the package is importable in a process without
    C(LD_LIBRARY_PATH), C(PYTHONPATH) and similar variables, and its version satisfies the specifier.
    C(imports.user_environment): with the variables and the user site-packages of the user who runs the
    task, the same code is imported.'
  - 'Layer C(framework). C(framework.torch): torch computes and sees O(expected_gpus) GPUs.'
  - 'Layer C(kernel). C(kernel.numpy) and C(kernel.torch): on every device a matrix product is correct
    within a tolerance, compared with float64 and with sums in plain Python, and is not slower than a
    threshold.'
  - 'Layer C(workload). C(workload.regression_numpy) and C(workload.regression_torch): a linear regression
    recovers known coefficients, by least squares and by gradient descent. C(workload.plot): matplotlib
    draws a PNG in memory. C(workload.sentiment): the sentiment pipeline of transformers classifies O(text)
    as O(expect_label).'
  - The checks of the last four layers, which run in the environment's interpreter, can take most of the time
    of a run. See O(max_age).
  - The checks of the last three layers run if O(imports) lists the packages that they use, or if O(checks)
    lists the check itself. In the second case a missing package is a failure.
extends_documentation_fragment:
  - llmfleet.conda.environment
attributes:
  check_mode:
    support: full
    description:
      - Runs the same checks and writes nothing. What does not exist yet has the status V(absent).
  diff_mode:
    support: none
    description: The module changes nothing, so there is no diff.
  idempotent:
    support: full
    description: Never reports a change. Returns the same statuses for the same host.
  platform:
    support: full
    platforms: posix
    description: Target systems on which the module works.
options:
  installation:
    description:
      - Absolute path of the conda installation (the prefix of its base environment).
      - Required with O(name). If omitted, the layer C(installation) is not checked.
  python_version:
    description:
      - Required version of Python in the environment, for example V(3.11), V(3.11.9) or V(>=3.11,<3.13).
      - If omitted, any version passes.
    type: str
  imports:
    description:
      - Packages that must be importable, by import name (V(sklearn)) or distribution name
        (V(scikit-learn)), each with a version specifier (PEP 440), for example V(>=2.0,<3), or an empty
        string for any version.
    type: dict
    default: {}
  checks:
    description:
      - Names of the checks and layers to run. The notes list the names. By default, all that apply.
      - V(quick) stands for the checks that take less than a second of CPU time, for example before every job
        of a scheduler. They read records and metadata and start the interpreter, but they neither inspect the
        files of packages nor import anything.
      - Checks that the others depend on (the environment exists and its interpreter starts) always run.
    type: list
    elements: str
  skip_checks:
    description:
      - Names of the checks and layers to skip.
      - Checks that the others depend on always run.
    type: list
    elements: str
    default: []
  declared:
    description:
      - The declared content of the environment. If omitted, the layer C(drift) is not checked.
    type: dict
    suboptions:
      packages:
        description: Match specs of conda packages, as in O(llmfleet.conda.conda_env#module:packages).
        type: list
        elements: str
        default: []
      environment:
        description: Content of an C(environment.yml), as in O(llmfleet.conda.conda_env#module:environment).
        type: raw
      environment_file:
        description: Path of an C(environment.yml), as in O(llmfleet.conda.conda_env#module:environment_file).
        type: path
      lock:
        description: Content of an explicit lock file, as in O(llmfleet.conda.conda_env#module:lock).
        type: raw
      lock_file:
        description: Path of an explicit lock file, as in O(llmfleet.conda.conda_env#module:lock_file).
        type: path
      remote_src:
        description: Whether C(environment_file) and C(lock_file) are on the managed host.
        type: bool
        default: false
      pinned:
        description: Pins, as in O(llmfleet.conda.conda_env#module:pinned).
        type: list
        elements: str
      variables:
        description: Variables, as in O(llmfleet.conda.conda_env#module:variables).
        type: dict
      frozen:
        description: Whether the environment is frozen, as in O(llmfleet.conda.conda_env#module:frozen).
        type: bool
      owner:
        description: Owner, as in O(llmfleet.conda.conda_env#module:owner).
        type: str
      group:
        description: Group, as in O(llmfleet.conda.conda_env#module:group).
        type: str
      requirements:
        description: Requirement lines, as in O(llmfleet.conda.conda_pip#module:requirements).
        type: list
        elements: str
        default: []
      constraints:
        description: Constraint lines, as in O(llmfleet.conda.conda_pip#module:constraints).
        type: list
        elements: str
        default: []
      constraints_for_pip:
        description:
          - Constraint lines that do not apply to packages that conda owns, as in
            O(llmfleet.conda.conda_pip#module:constraints_for_pip).
        type: list
        elements: str
        default: []
      prune:
        description: Whether a package that nothing in the declaration requires is drift.
        type: bool
        default: false
      exact:
        description:
          - Whether everything that is not declared is drift, as far as the options
            O(llmfleet.conda.conda_env#module:exact) and O(llmfleet.conda.conda_pip#module:exact) would remove
            it. This includes pins, variables and requests in conda's history.
        type: bool
        default: false
  environments:
    description:
      - Further environments of the host, each with its declared content. Their results have the name of the
        environment in C(environment).
      - The layers C(environment), C(drift) and C(imports) are checked for each of them, and the last three
        layers for the packages in its C(imports). O(checks) and O(skip_checks) count for all of them.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the environment in O(installation). Required without C(prefix).
        type: str
      prefix:
        description: Absolute path of the environment. Required without C(name).
        type: path
      imports:
        description: Packages that must be importable, as in O(imports).
        type: dict
        default: {}
      state:
        description: V(absent) for an environment that must not exist.
        type: str
        choices: [present, absent]
        default: present
      packages:
        description: Match specs of conda packages, as in O(llmfleet.conda.conda_env#module:packages).
        type: list
        elements: str
        default: []
      environment:
        description: Content of an C(environment.yml), as in O(llmfleet.conda.conda_env#module:environment).
        type: raw
      environment_file:
        description: Path of an C(environment.yml), as in O(llmfleet.conda.conda_env#module:environment_file).
        type: path
      lock:
        description: Content of an explicit lock file, as in O(llmfleet.conda.conda_env#module:lock).
        type: raw
      lock_file:
        description: Path of an explicit lock file, as in O(llmfleet.conda.conda_env#module:lock_file).
        type: path
      remote_src:
        description: Whether C(environment_file) and C(lock_file) are on the managed host.
        type: bool
        default: false
      pinned:
        description: Pins, as in O(llmfleet.conda.conda_env#module:pinned).
        type: list
        elements: str
      variables:
        description: Variables, as in O(llmfleet.conda.conda_env#module:variables).
        type: dict
      frozen:
        description: Whether the environment is frozen, as in O(llmfleet.conda.conda_env#module:frozen).
        type: bool
      owner:
        description: Owner, as in O(llmfleet.conda.conda_env#module:owner).
        type: str
      group:
        description: Group, as in O(llmfleet.conda.conda_env#module:group).
        type: str
      requirements:
        description: Requirement lines, as in O(llmfleet.conda.conda_pip#module:requirements).
        type: list
        elements: str
        default: []
      constraints:
        description: Constraint lines, as in O(llmfleet.conda.conda_pip#module:constraints).
        type: list
        elements: str
        default: []
      constraints_for_pip:
        description:
          - Constraint lines that do not apply to packages that conda owns, as in
            O(llmfleet.conda.conda_pip#module:constraints_for_pip).
        type: list
        elements: str
        default: []
      prune:
        description: Whether a package that nothing in the declaration requires is drift.
        type: bool
        default: false
      exact:
        description:
          - Whether everything that is not declared is drift, as far as the options
            O(llmfleet.conda.conda_env#module:exact) and O(llmfleet.conda.conda_pip#module:exact) would remove
            it. This includes pins, variables and requests in conda's history.
        type: bool
        default: false
  models:
    description: Models that must be complete in a cache.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: ID of the model, as in O(llmfleet.conda.hub_model#module:model).
        type: str
        required: true
      cache_dir:
        description: Absolute path of the cache. By default, O(model_cache).
        type: path
      revision:
        description: Branch, tag or commit.
        type: str
        default: main
      commit:
        description: Commit that the revision must have. If omitted, any.
        type: str
      path:
        description: Absolute path of a directory on the host with the files that the model must have.
        type: path
      include:
        description: Patterns of the wanted files, as in O(llmfleet.conda.hub_model#module:include).
        type: list
        elements: str
        default: []
      exclude:
        description: Patterns of files to ignore, as in O(llmfleet.conda.hub_model#module:exclude).
        type: list
        elements: str
        default: []
  model:
    description:
      - The sentiment model, as the absolute path of a directory on the host or as the ID of a model in
        O(model_cache). The module never downloads a model.
    type: str
  model_cache:
    description:
      - Absolute path of the model cache. By default, that of the user who runs the task.
    type: path
  text:
    description: The text that the sentiment model classifies.
    type: str
    default: This is a great movie!
  expect_label:
    description: The label that the sentiment model must return. Empty accepts any label.
    type: str
    default: POSITIVE
  expected_gpus:
    description:
      - Number of GPUs that torch must see. V(0) means none. If omitted, any number passes.
    type: int
  allow_defaults:
    description:
      - Accept packages from Anaconda's C(defaults) channels, whose terms of service require a licence for
        larger organisations.
    type: bool
    default: false
  thresholds:
    description: Thresholds of individual checks. Only a broken or very small host misses the defaults.
    type: dict
    default: {}
    suboptions:
      min_glibc:
        description:
          - Minimum version of the GNU C library. By default V(2.28) if O(imports) contains torch, as
            required by its wheels, otherwise V(2.17), as required by conda packages.
        type: str
      min_free_disk_mb:
        description: Minimum free space at the prefix, in MiB, available to the user.
        type: int
        default: 512
      min_free_inodes:
        description: Minimum number of free inodes at the prefix.
        type: int
        default: 10000
      min_memory_mb:
        description: Minimum memory of the host, or memory limit of the container, in MiB.
        type: int
        default: 1024
      matmul_size:
        description: Number of rows and columns of the multiplied matrices, from 2 to 4096.
        type: int
        default: 512
      matmul_tolerance:
        description: Maximum error of a float32 matrix product, relative to its largest entry.
        type: float
        default: 0.0001
      min_cpu_gflops:
        description: Minimum speed of the matrix product on the CPU, in billions of operations per second.
        type: float
        default: 1.0
      min_gpu_gflops:
        description: Minimum speed of the matrix product on each GPU, in billions of operations per second.
        type: float
        default: 200.0
      regression_tolerance:
        description: Maximum difference between a recovered and a known coefficient.
        type: float
        default: 0.02
      min_sentiment_score:
        description: Minimum score of the sentiment model's answer, from 0 to 1.
        type: float
        default: 0.5
      min_plot_colours:
        description: Minimum number of different colours in the plot.
        type: int
        default: 5
  timeout:
    description: Timeout in seconds for all checks in the environment's interpreter together.
    type: int
    default: 900
  check_timeout:
    description: Timeout in seconds for each check in the environment's interpreter.
    type: int
    default: 300
  lock_timeout:
    description:
      - Seconds to wait while another run of this collection is changing the installation or an environment.
    type: int
    default: 60
  max_age:
    description:
      - Hours for which the checks in the environment's interpreter are not repeated after all of them passed,
        as long as nothing changes that they depend on. V(0) runs them every time.
      - They run again if other checks are requested, if the host was restarted, if its clock was set back, or
        if one of the following changed. The package records, the distributions, the interpreter, a file or
        directory of a package, a file that the checks had loaded, the model, the kernel, the GPU driver, the
        list of GPUs. Files are compared by inode, size and times.
      - A new hard link changes the status of a file. So the checks also run again after another environment
        with the same packages was created or removed.
    type: float
    default: 0
seealso:
  - module: llmfleet.conda.conda_env
  - module: llmfleet.conda.conda_pip
"""

EXAMPLES = r"""
- name: Verify an environment
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

- name: Show the failed checks
  ansible.builtin.debug:
    msg: "{{ proof.checks | selectattr('status', 'equalto', 'fail') | map(attribute='detail') }}"

- name: Fail unless torch computes on eight GPUs
  llmfleet.conda.llm_check:
    prefix: /opt/miniconda3/envs/train
    imports:
      torch: ""
    expected_gpus: 8
    thresholds:
      min_gpu_gflops: 5000
  register: proof
  failed_when: proof.status | default('fail') != 'pass'

- name: Verify an environment with custom text, timeouts and thresholds
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

- name: Fail if an environment has drifted
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
      # conda owns numpy in this environment, so this line does not apply to it.
      constraints_for_pip:
        - numpy==1.26.4
      prune: true
  register: proof
  failed_when: proof.status | default('fail') != 'pass'

- name: Verify all environments of a host, and repeat imports only once a day or after a change
  llmfleet.conda.llm_check:
    installation: /opt/miniconda3
    name: llm
    model_cache: /srv/models
    models:
      - name: example/tiny-sentiment
        revision: main
        commit: 8f3a2b1c4d5e6f708192a3b4c5d6e7f801234567
        include: ["*.json"]
        exclude: ["*.h5"]
      - name: example/ours
        cache_dir: /srv/models
        path: /srv/import/ours
    environments:
      - name: tools
        imports:
          tqdm: ""
        packages:
          - python=3.11
          - tqdm
        pinned:
          - tqdm<5
        variables:
          OMP_NUM_THREADS: "4"
        frozen: false
        owner: root
        group: root
        requirements:
          - torch
        constraints:
          - torch==2.13.0
        constraints_for_pip:
          - numpy==1.26.4
        prune: true
      - name: old
        state: absent
      - prefix: /opt/miniconda3/envs/locked
        lock_file: locks/locked.txt
      - name: nothing-else
        packages: [python=3.11]
        exact: true
      - name: minimal
        lock:
          - https://conda.anaconda.org/conda-forge/noarch/six-1.17.0-pyhe01879c_1.conda
      - name: report
        environment:
          dependencies: [python=3.11]
      - name: training
        environment_file: /srv/environments/training.yml
        remote_src: true
    max_age: 24
    lock_timeout: 120

- name: Verify an environment before a job of the scheduler
  llmfleet.conda.llm_check:
    prefix: /opt/miniconda3/envs/llm
    checks:
      - quick
    declared:
      environment_file: environment.yml
      exact: true

- name: Compare an environment with its lock file and its settings
  llmfleet.conda.llm_check:
    prefix: /opt/miniconda3/envs/llm
    checks:
      - drift
    declared:
      lock_file: /srv/locks/llm.txt
      remote_src: true
      pinned:
        - numpy<3
      variables:
        OMP_NUM_THREADS: "4"
      frozen: true
      owner: root
      group: root
  register: proof

- name: Compare an environment with an environment file in the playbook
  llmfleet.conda.llm_check:
    prefix: /opt/miniconda3/envs/llm
    checks:
      - drift
    declared:
      environment:
        dependencies:
          - python=3.11
          - numpy>=1.26
  register: proof

- name: Compare an environment with a lock in the playbook
  llmfleet.conda.llm_check:
    prefix: /opt/miniconda3/envs/llm
    checks:
      - drift
    declared:
      lock:
        - https://conda.anaconda.org/conda-forge/noarch/six-1.17.0-pyhe01879c_1.conda
  register: proof

- name: Skip the checks that compute
  llmfleet.conda.llm_check:
    prefix: /opt/miniconda3/envs/llm
    imports:
      numpy: ""
    skip_checks:
      - kernel
      - workload

- name: Check only the files of an environment
  llmfleet.conda.llm_check:
    prefix: /opt/miniconda3/envs/llm
    checks:
      - environment
"""

RETURN = r"""
status:
  description:
    - V(fail) if a check failed. Otherwise V(drift) if an environment differs from its declaration. Otherwise,
      in check mode, V(absent) if the installation or an environment does not exist. Otherwise V(pass).
  returned: success
  type: str
  sample: pass
failed_layer:
  description: The first layer in which a check failed. None if no check failed.
  returned: success
  type: str
  sample: environment
msg:
  description: A one-sentence summary that names the failed checks.
  returned: always
  type: str
  sample: "1 of 14 checks failed in layer environment: environment.files; 9 were skipped."
prefix:
  description: Prefix of the checked environment.
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
      description: Name of the check, starting with its layer.
      type: str
      sample: imports.numpy
    environment:
      description:
        - Name or prefix of the environment. Empty for the layers C(host) and C(installation).
      type: str
      sample: llm
    layer:
      description: Layer of the check.
      type: str
      sample: imports
    status:
      description: V(pass), V(fail), V(drift), V(absent) or V(skip).
      type: str
      sample: pass
    detail:
      description: One sentence with the measured and the expected value, or with the reason for skipping.
      type: str
      sample: numpy 1.26.4 is imported; expected >=1.26.
    seconds:
      description: Seconds that the check took. Some checks run in parallel, so the sum can exceed
        RV(seconds).
      type: float
      sample: 0.082
    measured:
      description:
        - The measured values, for programs. They depend on the check.
        - C(coefficients) and C(intercept) for a regression, C(label) and C(score) for the sentiment,
          C(gflops) and C(relative_error) for a kernel, C(version) and C(path) for an import, C(damaged) for
          files, C(other_pythons) for distributions by version of Python, C(in_use) for processes,
          C(differences) for drift, C(both) for distributions of two owners.
      type: dict
      sample:
        coefficients: [2.0001, -3.3998]
        intercept: 4.1995
facts:
  description: Facts that the checks found. A value is empty if no check determined it.
  returned: success
  type: dict
  contains:
    sys_version:
      description: C(sys.version) of the environment's interpreter.
      type: str
      sample: 3.11.9 (main, Apr 19 2024, 16:48:06) [GCC 11.2.0]
    python_version:
      description: Version of Python in the environment.
      type: str
      sample: 3.11.9
    conda_version:
      description: Version of conda in O(installation), from its package record.
      type: str
      sample: 24.7.1
    versions:
      description: Version of each installed entry of O(imports).
      type: dict
      sample:
        numpy: 1.26.4
        torch: 2.13.0+cpu
last_passes:
  description:
    - One entry for each environment of which O(max_age) found an earlier pass.
  returned: success
  type: list
  elements: dict
  contains:
    environment:
      description: Name or prefix of the environment.
      type: str
      sample: llm
    reused:
      description: Whether the earlier pass still stands, so that the checks did not run again.
      type: bool
      sample: true
    since:
      description: Time of that pass.
      type: str
      sample: 2026-11-30 04:12 UTC
    reason:
      description: Why the checks ran again. Empty if they did not.
      type: str
      sample: ""
"""

from ansible_collections.llmfleet.conda.plugins.module_utils._check.options import (
    ARGUMENT_SPEC,
    request_from,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._check.result import result_of
from ansible_collections.llmfleet.conda.plugins.module_utils._check.run import Checker
from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.module import CondaModule
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import secrets_in
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.variables import (
    secret_values,
)


def main() -> None:
    module = CondaModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    for declared in (module.params["declared"] or {}, *module.params["environments"]):
        module.no_log_values.update(secrets_in(declared))
        module.no_log_values.update(secret_values(declared.get("variables")))
    try:
        request = request_from(module.params, module.check_mode)
        # Do not use module.tmpdir: Ansible would leave its directory in the user's home.
        outcome = Checker(request).run()
    except CondaModuleError as error:
        module.fail_json(**error.as_result())
    else:
        module.exit_json(**result_of(request, outcome))


if __name__ == "__main__":
    main()
