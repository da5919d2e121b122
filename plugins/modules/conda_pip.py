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
  - Installs, updates and removes Python distributions in a conda environment with the environment's own
    pip, or with uv (see O(installer)).
  - Whether anything has to be done is told from the metadata of the installed distributions, extras,
    markers and their requirements included. The installer is started only when something has to change,
    so a run that finds nothing to do costs milliseconds and takes no lock.
  - A distribution that conda owns is never replaced or removed, unless O(replace_conda_packages)
    says so. Each of them is passed to the installer as a constraint.
  - After a change the environment is read again, and C(pip check) or C(uv pip check) has to be content.
  - A change by another task in the same environment, by conda or by pip, is waited for. What a cut-off run
    of conda left (C(conda-meta/.llmfleet-journal)) has to be repaired first; what a cut-off run of this
    module left is repaired by the next one.
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
      - With O(state=latest) the installer has to be asked each time, and what it finds newest can change.
options:
  requirements:
    description:
      - Requirement lines as in a requirements file, with extras, specifiers, environment markers,
        C(name @ URL), comments and C(--hash=sha256:...).
      - Pip's options such as C(-r) and C(-e) are refused; the message names what to use instead.
      - With O(state=absent) the distributions that fulfil a line are removed.
      - At least one of O(requirements) and O(requirements_files) has to be given.
    type: list
    elements: str
  requirements_files:
    description:
      - Requirements files of pip's, whose lines are added to O(requirements).
      - They are files of the controller, looked for as C(ansible.builtin.copy) does it (below C(files)
        of the role or beside the playbook, or with absolute paths), unless O(remote_src) is set.
      - Comments, continued lines and C(--hash) are read as pip reads them. C(-r FILE) and C(-c FILE)
        include other files, relative to the file that says so.
      - Options about indexes (C(-i), C(--extra-index-url), C(--find-links), C(--no-index),
        C(--trusted-host)), C(--pre) and editable lines (C(-e)) are refused; the message names the option
        of this module to use instead. So are environment variables (C(${NAME})), which Ansible's
        templates do better, and files by address.
    type: list
    elements: str
  constraints:
    description:
      - Requirement lines that limit the versions of whatever is installed, without asking for anything.
      - An installed distribution that the requirements need counts as satisfied only if it keeps them.
    type: list
    elements: str
    default: []
  constraints_for_pip:
    description:
      - Lines like those of O(constraints) that do not count for distributions that conda owns, whose versions
        are conda's business.
      - So one full list, as C(pip freeze) or C(uv pip compile) makes it, serves environments that take
        different packages from conda. In O(constraints) a line that conda's package breaks is an error.
    type: list
    elements: str
    default: []
  constraints_files:
    description:
      - Constraints files of pip's, whose lines are added to O(constraints).
      - Everything that is said of O(requirements_files) holds for them too.
    type: list
    elements: str
    default: []
  remote_src:
    description:
      - Whether O(requirements_files) and O(constraints_files) are absolute paths of the managed host.
    type: bool
    default: false
  installer:
    description:
      - Which program installs and removes.
      - V(pip) is the environment's own pip, which has to be among its packages.
      - V(uv) is uv, which is told to do as pip does. All indexes count alike, files are copied and not
        linked, modules are compiled, newer versions are taken only where asked for, and one C(--hash)
        wants hashes for all. pip need not be in the environment.
      - V(auto) is V(uv) where it is found, else V(pip).
      - uv does not read pip's configuration, so what that says on the host of C(index-url),
        C(extra-index-url), C(find-links), C(no-index), C(trusted-host), C(pre), C(cert) and C(proxy) is
        passed on to it. uv's own configuration files and C(UV_...) variables are not used, except
        C(UV_SYSTEM_CERTS) and C(UV_NATIVE_TLS).
    type: str
    choices: [pip, uv, auto]
    default: pip
  uv_executable:
    description:
      - Absolute path of uv on the host.
      - Without it uv is looked for in C(bin) of the environment, in C(bin) of O(installation), and
        in C(PATH).
    type: path
  index_url:
    description:
      - Address of the package index to use instead of the one in the host's pip configuration.
      - The extra indexes and C(find-links) of that configuration are then not used either; its proxy
        and certificate settings are.
      - Credentials in it are masked in all output, and do not show in the process list.
    type: str
  extra_index_urls:
    description:
      - Addresses of further package indexes.
      - Pip does not prefer one index to another, so a name of your own can be taken by somebody on a
        public one.
    type: list
    elements: str
    default: []
  find_links:
    description:
      - Directories on the host (absolute paths) or addresses of pages with links, where distributions
        are looked for too.
    type: list
    elements: str
    default: []
  no_index:
    description: Use no package index, only O(find_links).
    type: bool
    default: false
  trusted_hosts:
    description:
      - Hosts, as C(name) or C(name:port), that may be used by plain HTTP or with a certificate that
        cannot be verified.
    type: list
    elements: str
    default: []
  cache_dir:
    description: Directory for the installer's cache, instead of the one in the user's home.
    type: path
  state:
    description:
      - V(present) installs what is not satisfied and leaves alone what is.
      - V(latest) also takes newer versions of the distributions in O(requirements), which asks the
        installer on every run.
      - V(absent) removes the distributions, and leaves alone what they had needed.
    type: str
    choices: [present, absent, latest]
    default: present
  replace_conda_packages:
    description:
      - Let the installer replace or remove distributions that conda owns.
      - Conda's own record of them stays, so a later repair by conda brings its version back.
    type: bool
    default: false
  repair:
    description:
      - Reinstall distributions that the requirements need and of whose files one is missing or has
        another size than was recorded.
      - Compiled files (C(.pyc)) are left alone, and so are distributions of conda's.
    type: bool
    default: true
  check:
    description:
      - After a change, fail if C(pip check), or C(uv pip check), finds distributions that do not fit
        together.
      - What did not fit together before is a warning only.
      - A removal that would break what stays is refused beforehand.
    type: bool
    default: true
  timeout:
    description: Seconds that all runs of the installer together, and the wait for the lock, may take.
    type: int
    default: 3600
seealso:
  - module: llmfleet.conda.conda_env
  - module: llmfleet.conda.conda_package
notes:
  - The environment must hold C(python), and C(pip) unless uv installs. For check mode and V(latest) that
    pip has to be 22.2 or newer. uv was tested in version 0.13.
  - git gets the credentials of C(git+https://TOKEN@host/x.git) by its environment (git 2.9 or newer), so that
    its command line does not show them. For other version control systems keep them in a configuration of the
    user.
  - Credentials and signatures in the URL of a requirement (C(?sig=), C(X-Amz-Signature), C(token=)) are not
    kept in C(direct_url.json), and another signature is no other URL. To install such a distribution again,
    name it with a URL that is valid.
  - A requirement by URL counts as satisfied when the distribution was installed from that URL. What the
    URL gives now is not looked at, unless it has a C(#sha256=) fragment and pip installed it (uv does not
    record what hash a file had).
  - In check mode uv fetches no distribution, so a file with another hash than O(requirements) gives is found
    by the real run only. pip fetches them.
  - Where several places are given (indexes, O(find_links)), uv passes over an index that refuses it (401,
    403) without a word, as long as another place has what is needed; pip warns or fails.
  - The module sets no proxy. Set C(https_proxy) and C(SSL_CERT_FILE) in the task's C(environment), or
    configure pip on the host. A proxy with a password belongs into pip's configuration, because Ansible puts
    C(environment) on a command line, where users of the host can read it, and prints it with C(-vvv).
"""

EXAMPLES = r"""
- name: A training stack from the default index
  llmfleet.conda.conda_pip:
    installation: /opt/miniconda3
    name: llm
    requirements:
      - torch>=2.6
      - transformers[sentencepiece]>=4.50,<6
    constraints: ["transformers!=4.51.0"]
    constraints_for_pip: "{{ lookup('ansible.builtin.file', 'constraints.txt').splitlines() }}"

- name: The same from a wheelhouse on the host, without a network
  llmfleet.conda.conda_pip:
    prefix: /srv/envs/llm
    requirements: [torch, transformers]
    no_index: true
    find_links: [/srv/wheelhouse]

- name: CPU builds from an index of their own
  llmfleet.conda.conda_pip:
    installation: /opt/miniconda3
    name: llm
    requirements: ["torch==2.7.1"]
    index_url: https://mirror.example.com/pytorch/cpu

- name: Files that pip-compile made, kept with the playbook
  llmfleet.conda.conda_pip:
    installation: /opt/miniconda3
    name: llm
    requirements_files: [requirements/llm.txt]
    constraints_files: [requirements/constraints.txt]

- name: Files that are on the host already
  llmfleet.conda.conda_pip:
    prefix: /srv/envs/llm
    requirements_files: [/srv/project/requirements.txt]
    remote_src: true

- name: The same outcome, sooner, with uv from the environment, the installation or PATH
  llmfleet.conda.conda_pip:
    installation: /opt/miniconda3
    name: llm
    requirements: ["transformers>=4.50"]
    installer: uv
    cache_dir: /srv/cache/uv

- name: With a uv of its own place, where there is one
  llmfleet.conda.conda_pip:
    prefix: /srv/envs/llm
    requirements: [datasets]
    installer: uv
    uv_executable: /opt/uv/bin/uv

- name: A second index, plain HTTP inside the company, and a longer wait
  llmfleet.conda.conda_pip:
    prefix: /srv/envs/llm
    requirements: [our-tools]
    extra_index_urls: ["http://packages.example.com/simple"]
    trusted_hosts: [packages.example.com]
    timeout: 7200

- name: Exactly this file
  llmfleet.conda.conda_pip:
    prefix: /srv/envs/llm
    requirements:
      - >-
        tool==1.4.2
        --hash=sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03

- name: Newest version within the line
  llmfleet.conda.conda_pip:
    prefix: /srv/envs/llm
    requirements: ["datasets<6"]
    state: latest
    in_use: wait
    in_use_timeout: 900

- name: Take over numpy from conda, and leave old damage and misfits alone
  llmfleet.conda.conda_pip:
    prefix: /srv/envs/llm
    requirements: ["numpy>=2"]
    replace_conda_packages: true
    repair: false
    check: false

- name: No longer wanted
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
  description: The program that did the work, or would have done it, V(pip) or V(uv).
  returned: success
  type: str
  sample: pip
packages:
  description: The distributions in the environment, in check mode those before the change.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name in its normal form.
      type: str
      sample: transformers
    version:
      description: Version.
      type: str
      sample: 5.23.0
    owner:
      description: Who installed it, V(conda) or V(pip), which stands for everything that is not conda.
      type: str
      sample: pip
in_use:
  description:
    - Processes that run from the prefix, where the task removes or replaces files there; empty where it
      does not.
    - A failure because of them has it too.
  returned: success
  type: list
  elements: dict
  contains:
    pid:
      description: Process ID.
      type: int
      sample: 4711
    user:
      description: Effective user, as a name or a number.
      type: str
      sample: ada
    command:
      description: Command line with secrets masked, cut to 120 characters.
      type: str
      sample: /opt/miniconda3/envs/llm/bin/python serve.py
    age_seconds:
      description: Seconds since the process started.
      type: int
      sample: 7260
    how:
      description:
        - V(exe), its program lies in the prefix. V(maps), a library or another mapped file does. V(cwd),
          only its working directory does.
      type: str
      sample: exe
plan:
  description: What had to be done, and why.
  returned: success
  type: dict
  contains:
    install:
      description: Lines given to the installer, all of them when one was not satisfied.
      type: list
      elements: str
    reinstall:
      description: Names of damaged distributions, and of those installed from another URL.
      type: list
      elements: str
    remove:
      description: Names of distributions to remove.
      type: list
      elements: str
    reasons:
      description: One clause for each thing that was not as wanted.
      type: list
      elements: str
kind:
  description: Why the installer failed, as one word, the same for pip and uv.
  returned: failure of the installer
  type: str
  sample: no_match
option:
  description: The module's option that decides about the failure.
  returned: failure of the installer
  type: str
  sample: requirements
"""

from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._pip import module as pip_module


def _change(request: Any, check_mode: bool) -> Any:
    # Only where something is to be done: a host compiles what a module imports on each run.
    from ansible_collections.llmfleet.conda.plugins.module_utils._pip.change import PipChange

    return PipChange(request, check_mode)


def main() -> None:
    """Entry point of the module."""
    pip_module.main(make_change=_change)


if __name__ == "__main__":
    main()
