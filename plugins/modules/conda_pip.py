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
    pip.
  - Whether anything has to be done is told from the metadata of the installed distributions, extras,
    markers and their requirements included. Pip is started only when something has to change, so a run
    that finds nothing to do costs milliseconds.
  - A distribution that conda owns is never replaced or removed by pip, unless O(replace_conda_packages)
    says so. Each of them is passed to pip as a constraint.
  - After a change the environment is read again, and C(pip check) has to be content.
author:
  - llmfleet contributors (@llmfleet)
extends_documentation_fragment:
  - llmfleet.conda.environment
  - llmfleet.conda.environment.attributes
attributes:
  idempotent:
    support: partial
    description: A second run with the same options changes nothing and starts no process.
    details:
      - With O(state=latest) pip has to be asked each time, and what it finds newest can change.
options:
  requirements:
    description:
      - Requirement lines as in a requirements file, with extras, specifiers, environment markers,
        C(name @ URL), comments and C(--hash=sha256:...).
      - Pip's options such as C(-r) and C(-e) are refused; the message names what to use instead.
      - With O(state=absent) the distributions that fulfil a line are removed.
    type: list
    elements: str
    required: true
  constraints:
    description:
      - Requirement lines that limit the versions of whatever is installed, without asking for anything.
      - An installed distribution that the requirements need counts as satisfied only if it keeps them.
    type: list
    elements: str
    default: []
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
    description: Directory for pip's cache, instead of the one in the user's home.
    type: path
  state:
    description:
      - V(present) installs what is not satisfied and leaves alone what is.
      - V(latest) also takes newer versions of the distributions in O(requirements), which asks pip on
        every run.
      - V(absent) removes the distributions, and leaves alone what they had needed.
    type: str
    choices: [present, absent, latest]
    default: present
  replace_conda_packages:
    description:
      - Let pip replace or remove distributions that conda owns.
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
      - After a change, fail if C(pip check) finds distributions that do not fit together.
      - What did not fit together before is a warning only.
      - A removal that would break what stays is refused beforehand.
    type: bool
    default: true
  timeout:
    description: Seconds that all runs of pip together, and the wait for the lock, may take.
    type: int
    default: 3600
seealso:
  - module: llmfleet.conda.conda_env
  - module: llmfleet.conda.conda_package
notes:
  - The environment must hold C(python) and C(pip). For check mode and V(latest) that pip has to be 22.2
    or newer.
  - A requirement by URL counts as satisfied when the distribution was installed from that URL. What the
    URL gives now is not looked at, unless it has a C(#sha256=) fragment.
  - The module sets no proxy. Set C(https_proxy) and C(SSL_CERT_FILE) in the task's C(environment), or
    configure pip on the host.
"""

EXAMPLES = r"""
- name: A training stack from the default index
  llmfleet.conda.conda_pip:
    installation: /opt/miniconda3
    name: llm
    requirements:
      - torch>=2.6
      - transformers[sentencepiece]>=4.50,<6
    constraints: "{{ lookup('ansible.builtin.file', 'constraints.txt').splitlines() }}"

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
      description: Who installed it, V(conda) or V(pip).
      type: str
      sample: pip
plan:
  description: What had to be done, and why.
  returned: success
  type: dict
  contains:
    install:
      description: Lines given to pip, all of them when one was not satisfied.
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
  description: Why pip failed, as one word.
  returned: failure of pip
  type: str
  sample: no_match
option:
  description: The module's option that decides about the failure.
  returned: failure of pip
  type: str
  sample: requirements
"""

import os
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llmfleet.conda.plugins.module_utils._environment_module import (
    LOCATION_OPTIONS,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._guards import environment_prefix
from ansible_collections.llmfleet.conda.plugins.module_utils._pip_command import (
    Sources,
    url_secrets,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip_environment import (
    Outcome,
    PipManager,
    Request,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip_plan import Desired
from ansible_collections.llmfleet.conda.plugins.module_utils._python_requirement import (
    InvalidRequirement,
    Requirement,
    parse_lines,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._redact import redact_value


def parsed_option(params: Mapping[str, Any], option: str, prefix: str) -> tuple[Requirement, ...]:
    """The requirement lines of an option.

    Raises:
        CondaModuleError: one of them cannot be used; option and line are named.
    """
    try:
        found = parse_lines(params[option], option)
    except InvalidRequirement as error:
        raise CondaModuleError(
            f"The option {error}. Nothing was changed.",
            prefix=prefix,
            asked=params[option],
            hint="write it like numpy, 'numpy>=2,<3', 'uvicorn[standard]' or 'name @ https://...'.",
        ) from error
    with_extras = [line.text for line in found if option == "constraints" and line.extras]
    if with_extras:
        raise CondaModuleError(
            f"The option constraints: extras have no meaning in {with_extras[0]!r}. Nothing was "
            "changed.",
            prefix=prefix,
            hint="name the extras in requirements.",
        )
    return tuple(found)


def checked_sources(params: Mapping[str, Any], prefix: str) -> Sources:
    """Where distributions come from.

    Raises:
        CondaModuleError: an address or a path cannot be used; the option is named.
    """
    urls = [("index_url", params["index_url"])] if params["index_url"] is not None else []
    urls += [("extra_index_urls", url) for url in params["extra_index_urls"]]
    problem = None
    for option, url in urls:
        if "://" not in url or url != url.strip() or len(url.split()) != 1:
            problem = (
                f"The option {option} takes an address such as https://host/simple, not {url!r}"
            )
    for link in params["find_links"]:
        if (not os.path.isabs(link) and "://" not in link) or "\n" in link:
            problem = f"The option find_links takes absolute paths and addresses, not {link!r}"
    for host in params["trusted_hosts"]:
        if "/" in host or len(host.split()) != 1:
            problem = f"The option trusted_hosts takes names of hosts, not {host!r}"
    if params["no_index"] and urls:
        problem = f"The options no_index and {urls[0][0]} exclude each other"
    if params["no_index"] and not params["find_links"] and params["state"] != "absent":
        problem = "The option no_index needs find_links: where else should distributions come from?"
    if problem:
        raise CondaModuleError(f"{problem}. Nothing was changed.", prefix=prefix)
    return Sources(
        index_url=params["index_url"],
        extra_index_urls=tuple(params["extra_index_urls"]),
        find_links=tuple(params["find_links"]),
        no_index=params["no_index"],
        trusted_hosts=tuple(params["trusted_hosts"]),
        cache_dir=params["cache_dir"],
    )


def request_from(params: Mapping[str, Any]) -> Request:
    """The request that the module's validated options make.

    Raises:
        CondaModuleError: an option cannot be used; it is named.
    """
    prefix = environment_prefix(params["installation"], params["name"], params["prefix"])
    return Request(
        prefix=prefix,
        desired=Desired(
            requirements=parsed_option(params, "requirements", prefix),
            constraints=parsed_option(params, "constraints", prefix),
            state=params["state"],
            replace_conda_packages=params["replace_conda_packages"],
            repair=params["repair"],
            check=params["check"],
        ),
        sources=checked_sources(params, prefix),
        timeout=params["timeout"],
    )


def result_of(request: Request, outcome: Outcome) -> dict[str, Any]:
    """What the module returns."""
    plan = outcome.plan
    result: dict[str, Any] = redact_value(
        {
            "prefix": request.prefix,
            "packages": [
                {"name": one.name, "version": one.version, "owner": one.owner}
                for _name, one in sorted(outcome.packages.by_name.items())
            ],
            "plan": {
                "install": list(plan.install),
                "reinstall": sorted(plan.reinstall),
                "remove": list(plan.remove),
                "reasons": list(plan.reasons),
            },
            "diff": {
                "before_header": f"{request.prefix} (distributions)",
                "after_header": f"{request.prefix} (distributions)",
                "before": "".join(f"{line}\n" for line in outcome.before),
                "after": "".join(f"{line}\n" for line in outcome.after),
            },
        }
    )
    result["changed"] = outcome.changed
    return result


def main() -> None:
    """Entry point of the module: options, the cycle of PipManager, result or one error."""
    module = AnsibleModule(
        argument_spec={
            **LOCATION_OPTIONS,
            "requirements": {"type": "list", "elements": "str", "required": True},
            "constraints": {"type": "list", "elements": "str", "default": []},
            "index_url": {"type": "str"},
            "extra_index_urls": {"type": "list", "elements": "str", "default": []},
            "find_links": {"type": "list", "elements": "str", "default": []},
            "no_index": {"type": "bool", "default": False},
            "trusted_hosts": {"type": "list", "elements": "str", "default": []},
            "cache_dir": {"type": "path"},
            "state": {
                "type": "str",
                "choices": ["present", "absent", "latest"],
                "default": "present",
            },
            "replace_conda_packages": {"type": "bool", "default": False},
            "repair": {"type": "bool", "default": True},
            "check": {"type": "bool", "default": True},
            "timeout": {"type": "int", "default": 3600},
        },
        mutually_exclusive=[("name", "prefix")],
        required_one_of=[("name", "prefix")],
        supports_check_mode=True,
    )
    # The values stay readable, what is secret in them does not show, not even in `invocation`.
    addresses = [module.params["index_url"] or "", *module.params["extra_index_urls"]]
    for text in (*module.params["find_links"], *module.params["requirements"]):
        addresses += [word for word in text.split() if "://" in word]
    module.no_log_values.update(url_secrets(addresses))
    try:
        request = request_from(module.params)
        outcome = PipManager(request, module.check_mode).run()
    except CondaModuleError as error:
        module.fail_json(**error.as_result())
    else:
        for warning in outcome.warnings:
            module.warn(warning)
        module.exit_json(**result_of(request, outcome))


if __name__ == "__main__":
    main()
