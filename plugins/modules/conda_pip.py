#!/usr/bin/python

# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module llmfleet.conda.conda_pip."""

from __future__ import annotations

DOCUMENTATION = r"""
module: conda_pip
short_description: Manage pip requirements inside a conda environment
version_added: 0.1.0
description:
  - Installs, updates and removes Python distributions in a conda environment with the environment's own pip
    or with uv (see O(installer)).
  - The module compares the requirements with the metadata of the installed distributions, including extras,
    markers and dependencies. It starts the installer only if something has to change, so a run with nothing
    to do takes milliseconds and no lock.
  - The module never replaces or removes a distribution that conda owns, unless
    O(replace_conda_packages=true). It passes each of them to the installer as a constraint.
  - After a change the module reads the environment again and runs C(pip check) or C(uv pip check) (see
    O(check)).
  - Before an installation, the module compares the free bytes and inodes of the environment's volume with
    what is installed, and fails without a change if that does not fit. Wheels on the host count with the size
    of their content. Neither pip nor a package index tells the sizes of others, so for them the volume only
    needs 8 MiB and 40 inodes. No module sees what a quota leaves.
  - The module waits for other conda and pip tasks that change the same environment. It repairs what an
    interrupted run of this module left. What an interrupted run of conda left
    (C(conda-meta/.llmfleet-journal)) has to be repaired with M(llmfleet.conda.conda_env) first.
author:
  - llmfleet contributors (@llmfleet)
extends_documentation_fragment:
  - llmfleet.conda.environment
  - llmfleet.conda.environment.in_use
  - llmfleet.conda.environment.attributes
attributes:
  idempotent:
    support: partial
    description: A second run with the same options changes nothing and starts no process.
    details:
      - O(state=latest) asks the installer on every run, and the newest version can change.
options:
  requirements:
    description:
      - Requirement lines as in a requirements file, with extras, specifiers, environment markers,
        C(name @ URL), comments and C(--hash=sha256:...).
      - Options of pip such as C(-r) and C(-e) are an error. The message names what to use instead.
      - With O(state=absent) the module removes the distributions that satisfy a line.
      - At least one of O(requirements) and O(requirements_files) is required. With O(exact=true) the list may
        be empty.
    type: list
    elements: str
  requirements_files:
    description:
      - Requirements files whose lines are added to O(requirements).
      - The files are on the controller, unless O(remote_src=true). A relative name is looked
        for as M(ansible.builtin.copy) does, which is C(files) of the role and then the directory of the
        play, then in the directory of the inventory, then in the working directory.
      - The module reads comments, continued lines and C(--hash) as pip does. C(-r FILE) and C(-c FILE)
        include other files, relative to the including file.
      - Index options (C(-i), C(--extra-index-url), C(--find-links), C(--no-index), C(--trusted-host)),
        C(--pre) and editable lines (C(-e)) are an error. The message names the option of this module to use
        instead. Environment variables (C(${NAME})) and files by URL are an error too. Use Ansible's
        templates for variables.
    type: list
    elements: str
  constraints:
    description:
      - Requirement lines that limit the versions of all installed distributions, without requesting any.
      - An installed distribution that the requirements need counts as satisfied only if it matches its
        constraint.
    type: list
    elements: str
    default: []
  constraints_for_pip:
    description:
      - Lines like those of O(constraints) that do not apply to distributions that conda owns.
      - This allows you to use one complete list, for example from C(pip freeze) or C(uv pip compile), for
        environments that get different packages from conda. In O(constraints), a line that conda's package
        violates is an error.
    type: list
    elements: str
    default: []
  constraints_files:
    description:
      - Constraints files whose lines are added to O(constraints).
      - The rules of O(requirements_files) apply.
    type: list
    elements: str
    default: []
  remote_src:
    description:
      - Whether O(requirements_files) and O(constraints_files) are absolute paths on the managed host.
    type: bool
    default: false
  installer:
    description:
      - The program that installs and removes distributions.
      - V(pip) is the environment's own pip, which must be installed in it.
      - V(uv) is uv, with options that make it behave like pip. All indexes have the same priority, files
        are copied and not linked, modules are compiled, versions change only if requested, and one
        C(--hash) requires hashes for all. The environment does not need pip.
      - V(auto) is V(uv) if uv is found, otherwise V(pip).
      - uv does not read pip's configuration. The module therefore passes C(index-url), C(extra-index-url),
        C(find-links), C(no-index), C(trusted-host), C(pre), C(cert) and C(proxy) of the host's pip
        configuration to uv. It ignores uv's own configuration files and C(UV_...) variables, except
        C(UV_SYSTEM_CERTS) and C(UV_NATIVE_TLS).
    type: str
    choices: [pip, uv, auto]
    default: pip
  uv_executable:
    description:
      - Absolute path of uv on the host.
      - If omitted, the module looks for uv in C(bin) of the environment, in C(bin) of O(installation) and
        in C(PATH).
    type: path
  index_url:
    description:
      - URL of the package index to use instead of the one in the host's pip configuration.
      - Extra indexes and C(find-links) of that configuration are then ignored. Its proxy and certificate
        settings still apply.
      - Credentials in the URL are masked in all output and do not appear in the process list.
    type: str
  extra_index_urls:
    description:
      - URLs of additional package indexes.
      - pip does not prefer one index to another. Anyone can publish the name of your private package on a
        public index.
    type: list
    elements: str
    default: []
  find_links:
    description:
      - Directories on the host (absolute paths) or URLs of pages with links in which the installer also
        looks for distributions.
    type: list
    elements: str
    default: []
  no_index:
    description: Use no package index, only O(find_links).
    type: bool
    default: false
  trusted_hosts:
    description:
      - Hosts, as C(name) or C(name:port), that the installer may use over plain HTTP or with a certificate
        that cannot be verified.
    type: list
    elements: str
    default: []
  cache_dir:
    description: Directory for the installer's cache, instead of the one in the user's home directory.
    type: path
  state:
    description:
      - V(present) installs the distributions whose requirements are not satisfied. It does not change the
        others.
      - V(latest) also updates the distributions in O(requirements). It starts the installer on every run.
      - V(absent) removes the distributions but not their dependencies.
    type: str
    choices: [present, absent, latest]
    default: present
  exact:
    description:
      - Remove the distributions that neither the requirements, nor distributions that conda owns, nor the
        dependencies of these need. By default, the module only adds and changes.
      - pip stays, and so does every distribution that conda owns or has a record of. Only the
        C(site-packages) of the environment's current Python is considered.
      - Cannot be combined with O(state=absent).
    type: bool
    default: false
  replace_conda_packages:
    description:
      - Allow the installer to replace or remove distributions that conda owns.
      - conda keeps its record of a replaced package. The module writes the package into
        C(conda-meta/replaced-by-pip), and M(llmfleet.conda.conda_env) and M(llmfleet.conda.conda_package)
        then leave pip's distribution alone as long as its version satisfies their specs. If it does not,
        they refuse the task and name both versions.
      - The package belongs to conda again when conda links another version of it, or after
        M(llmfleet.conda.conda_package) with its name and C(force_reinstall=true).
    type: bool
    default: false
  repair:
    description:
      - Reinstall required distributions if a file is missing or its size differs from the recorded size.
      - Compiled files (C(.pyc)) and distributions that conda owns are not checked.
    type: bool
    default: true
  check:
    description:
      - After a change, fail if C(pip check) or C(uv pip check) finds incompatible distributions.
      - Incompatibilities that existed before the task are only a warning.
      - A removal that would break other distributions fails before it changes anything.
    type: bool
    default: true
  timeout:
    description: Timeout in seconds for all runs of the installer together, and for waiting for the lock.
    type: int
    default: 3600
seealso:
  - module: llmfleet.conda.conda_env
  - module: llmfleet.conda.conda_package
notes:
  - The environment must contain C(python), and C(pip) unless uv is the installer. Check mode and
    O(state=latest) require pip 22.2 or newer. uv was tested with version 0.13.
  - For C(git+https://TOKEN@host/x.git) the module passes the credentials to git (2.9 or newer) in its
    environment, so that they do not appear on git's command line. For other version control systems, store
    credentials in the user's configuration.
  - The module does not keep credentials and signatures in a requirement's URL (C(?sig=),
    C(X-Amz-Signature), C(token=)) in C(direct_url.json). A URL that differs only in its signature counts as
    the same URL. To install such a distribution again, give a URL that is valid.
  - A requirement by URL is satisfied if the distribution was installed from that URL. The module does not
    check whether the content behind the URL has changed, unless the URL has a C(#sha256=) fragment and pip
    installed the distribution (uv does not record the hash of a file).
  - In check mode uv downloads nothing, so only the real run detects a file whose hash differs from
    O(requirements). pip downloads the files in check mode too.
  - With several sources (indexes, O(find_links)), uv silently skips an index that denies access (401, 403)
    if another source has the package. pip warns or fails.
  - The module sets no proxy. Set C(https_proxy) and C(SSL_CERT_FILE) in the task's C(environment), or
    configure pip on the host. Put a proxy URL with a password in pip's configuration, because Ansible puts
    C(environment) on a command line that users of the host can read, and prints it with C(-vvv).
"""

EXAMPLES = r"""
- name: Install a training stack from the default index
  llmfleet.conda.conda_pip:
    installation: /opt/miniconda3
    name: llm
    requirements:
      - torch>=2.6
      - transformers[sentencepiece]>=4.50,<6
    constraints: ["transformers!=4.51.0"]
    constraints_for_pip: "{{ lookup('ansible.builtin.file', 'constraints.txt').splitlines() }}"

- name: Install from a wheelhouse on the host, without a network
  llmfleet.conda.conda_pip:
    prefix: /srv/envs/llm
    requirements: [torch, transformers]
    no_index: true
    find_links: [/srv/wheelhouse]

- name: Install CPU builds from another index
  llmfleet.conda.conda_pip:
    installation: /opt/miniconda3
    name: llm
    requirements: ["torch==2.7.1"]
    index_url: https://mirror.example.com/pytorch/cpu

- name: Install from requirements files on the controller
  llmfleet.conda.conda_pip:
    installation: /opt/miniconda3
    name: llm
    requirements_files: [requirements/llm.txt]
    constraints_files: [requirements/constraints.txt]

- name: Install from a requirements file on the host
  llmfleet.conda.conda_pip:
    prefix: /srv/envs/llm
    requirements_files: [/srv/project/requirements.txt]
    remote_src: true

- name: Install with uv
  llmfleet.conda.conda_pip:
    installation: /opt/miniconda3
    name: llm
    requirements: ["transformers>=4.50"]
    installer: uv
    cache_dir: /srv/cache/uv

- name: Install with uv from a given path
  llmfleet.conda.conda_pip:
    prefix: /srv/envs/llm
    requirements: [datasets]
    installer: uv
    uv_executable: /opt/uv/bin/uv

- name: Install from an additional index over plain HTTP
  llmfleet.conda.conda_pip:
    prefix: /srv/envs/llm
    requirements: [our-tools]
    extra_index_urls: ["http://packages.example.com/simple"]
    trusted_hosts: [packages.example.com]
    timeout: 7200

- name: Install a file with a known hash
  llmfleet.conda.conda_pip:
    prefix: /srv/envs/llm
    requirements:
      - >-
        tool==1.4.2
        --hash=sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03

- name: Update a distribution within its requirement
  llmfleet.conda.conda_pip:
    prefix: /srv/envs/llm
    requirements: ["datasets<6"]
    state: latest
    in_use: wait
    in_use_timeout: 900

- name: Replace conda's numpy without repairs and compatibility checks
  llmfleet.conda.conda_pip:
    prefix: /srv/envs/llm
    requirements: ["numpy>=2"]
    replace_conda_packages: true
    repair: false
    check: false

- name: Remove what no requirement needs
  llmfleet.conda.conda_pip:
    installation: /opt/miniconda3
    name: llm
    requirements: [transformers]
    exact: true

- name: Remove a distribution
  llmfleet.conda.conda_pip:
    prefix: /srv/envs/llm
    requirements: [tensorboard]
    state: absent
"""

RETURN = r"""
prefix:
  description: Prefix of the environment.
  returned: always
  type: str
  sample: /opt/miniconda3/envs/llm
installer:
  description: The installer that was used, or would have been used, V(pip) or V(uv).
  returned: success
  type: str
  sample: pip
packages:
  description: The distributions in the environment. In check mode, those before the change.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Normalized name.
      type: str
      sample: transformers
    version:
      description: Version.
      type: str
      sample: 5.23.0
    owner:
      description: V(conda), or V(pip) for everything else.
      type: str
      sample: pip
in_use:
  description:
    - Processes that run from the prefix, if the task removes or replaces files there. Otherwise empty.
    - Also returned when the task fails because of them.
  returned: success
  type: list
  elements: dict
  contains:
    pid:
      description: Process ID.
      type: int
      sample: 4711
    user:
      description: Effective user, as a name or an ID.
      type: str
      sample: ada
    command:
      description: Command line with secrets masked, shortened to about 120 characters.
      type: str
      sample: /opt/miniconda3/envs/llm/bin/python serve.py
    age_seconds:
      description: Seconds since the process started.
      type: int
      sample: 7260
    how:
      description:
        - V(exe) if the program is in the prefix, V(maps) if a library or another mapped file is, V(cwd) if
          only the working directory is.
      type: str
      sample: exe
plan:
  description: The changes that were necessary, and why.
  returned: success
  type: dict
  contains:
    install:
      description: The lines passed to the installer. If one is not satisfied, all lines are passed.
      type: list
      elements: str
    reinstall:
      description: Names of damaged distributions and of distributions that were installed from another URL.
      type: list
      elements: str
    remove:
      description: Names of distributions to remove.
      type: list
      elements: str
    reasons:
      description: One clause for each difference between the environment and the task.
      type: list
      elements: str
kind:
  description: The kind of the installer's failure, as one word. The same for pip and uv.
  returned: failure of the installer
  type: str
  sample: no_match
option:
  description: The module option that is related to the failure.
  returned: failure of the installer
  type: str
  sample: requirements
"""

from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._pip import module as pip_module


def _change(request: Any, check_mode: bool) -> Any:
    # Imported only if something has to change: hosts compile imported files on every run.
    from ansible_collections.llmfleet.conda.plugins.module_utils._pip.change import PipChange

    return PipChange(request, check_mode)


def main() -> None:
    """Entry point of the module."""
    pip_module.main(make_change=_change)


if __name__ == "__main__":
    main()
