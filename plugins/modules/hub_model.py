#!/usr/bin/python

# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module llmfleet.conda.hub_model."""

from __future__ import annotations

DOCUMENTATION = r"""
module: hub_model
short_description: Manage models in a cache of the Hugging Face hub
version_added: 0.1.0
description:
  - Keeps a model in a cache of C(huggingface_hub), so that C(transformers) and other libraries find it by
    name without a network (C(HF_HUB_OFFLINE=1)).
  - The module checks the cache's own files. It starts Python and contacts the hub only if something is
    missing, so a run with nothing to do takes milliseconds.
  - The module downloads only missing files, with the C(huggingface_hub) of an environment, or copies them
    from a local directory (O(path)).
  - Before it downloads or copies files, the module compares their sizes with the free bytes and inodes of the
    volume of the cache, and fails without a change if they do not fit. Check mode never asks the hub, so it
    knows the sizes only with O(path), or if the cache has the list of the files of that commit. No module
    sees what a quota leaves.
author:
  - llmfleet contributors (@llmfleet)
extends_documentation_fragment:
  - llmfleet.conda.environment.attributes
attributes:
  action:
    support: full
    description: Runs an action plugin on the controller that copies O(path) to hosts that need it.
  async:
    support: partial
    description: Supports C(async).
    details: Not supported with O(path) on the controller.
options:
  installation:
    description:
      - Prefix of the conda installation. Required with O(name).
    type: path
    aliases: [conda_prefix]
  name:
    description:
      - Name of the environment whose C(huggingface_hub) downloads the model, in C(envs) of O(installation).
      - A download requires O(name) or O(prefix). With O(path) or O(state=absent), neither is required.
    type: str
  prefix:
    description:
      - Absolute path of the environment whose C(huggingface_hub) downloads the model.
    type: path
  model:
    description:
      - Name of the model at the hub, as C(ORGANISATION/NAME).
    type: str
    required: true
  revision:
    description:
      - Branch, tag or commit (40 hexadecimal digits).
      - If a cached branch moves on at the hub, the module does not update it. Set O(commit) to update it.
    type: str
    default: main
  commit:
    description:
      - The commit that O(revision) must point to in the cache (40 hexadecimal digits). It pins the model to
        the same files on every host.
      - With O(path) it names the commit under which the files are stored. If it is omitted, the module
        derives the name from the names, sizes and modification times of the files, so a changed file in
        O(path) is a change.
    type: str
  path:
    description:
      - A directory with the model's files, as C(save_pretrained) writes it, to use instead of the hub. The
        module copies the files into the cache, except hidden files.
      - The directory is on the controller, unless O(remote_src=true). A relative name is looked
        for as M(ansible.builtin.copy) does, which is C(files) of the role and then the directory of the
        playbook, then in the directory of the inventory, then in the working directory.
      - The files are copied only to hosts that need them, first to the task's temporary directory. During
        the task the host needs space for two copies.
    type: str
  remote_src:
    description: Whether O(path) is an absolute path on the managed host.
    type: bool
    default: false
  include:
    description:
      - Patterns of the required files, for example C(*.json) or C(onnx/). Empty for all files.
    type: list
    elements: str
    default: []
  exclude:
    description:
      - Patterns of files to leave out, for example weights for other frameworks.
    type: list
    elements: str
    default: []
  cache_dir:
    description:
      - Absolute path of the cache, as in C(HF_HUB_CACHE). The module creates it if it is missing.
      - If the directory is group-writable and has the setgid bit, files that the module adds are
        group-writable too.
      - By default, the cache of the user who runs the task, according to C(HF_HUB_CACHE), C(HF_HOME) and
        C(XDG_CACHE_HOME).
    type: path
  endpoint:
    description:
      - URL of the hub or of a mirror. By default, C(HF_ENDPOINT) of the task's environment, or else the
        official hub.
      - A hub other than the official one is used without Xet (C(HF_HUB_DISABLE_XET=1)), because hf-xet
        contacts the official hub's storage directly. C(HF_HUB_DISABLE_XET) in the task's environment
        overrides this.
      - Some mirrors, such as hf-mirror, redirect the download of large files to hosts below
        C(xethub.hf.co). The host must be able to reach these.
    type: str
  token:
    description:
      - Token for models that are not public. It is masked in all output and appears neither in the process
        list nor in the environment of the downloading process.
      - By default, the module uses the token of the user who runs the task, if there is one, and only for
        the official hub. It sends no token to another O(endpoint) or C(HF_ENDPOINT), or over HTTP without
        TLS, unless this option is set.
    type: str
  state:
    description:
      - V(present) keeps the model in the cache.
      - V(absent) removes the model with all its revisions from the cache, whoever stored them.
    type: str
    choices: [present, absent]
    default: present
  timeout:
    description: Timeout in seconds for the download, and for waiting for another run with the same model.
    type: int
    default: 3600
seealso:
  - module: llmfleet.conda.conda_pip
notes:
  - A file is present if its size matches the cache's list of the model's files. C(huggingface_hub) 2 and
    newer keeps this list. For older versions the module writes it. The module compares the content with the
    checksums in the list right after the download and does not read it again later.
  - C(HF_HUB_OFFLINE) and proxies in the task's C(environment) apply to the download.
"""

EXAMPLES = r"""
- name: Download a model for everyone on the host
  llmfleet.conda.hub_model:
    installation: /opt/miniconda3
    name: llm
    model: example/tiny-sentiment
    cache_dir: /srv/models

- name: Download a pinned commit without weights for other frameworks
  llmfleet.conda.hub_model:
    prefix: /opt/miniconda3/envs/llm
    model: example/tiny-sentiment
    revision: main
    commit: 8f3a2b1c4d5e6f708192a3b4c5d6e7f801234567
    exclude: ["*.h5", "onnx/"]
    cache_dir: /srv/models

- name: Download configuration and vocabulary from a mirror with a token
  llmfleet.conda.hub_model:
    prefix: /opt/miniconda3/envs/llm
    model: example/tiny-sentiment
    include: ["*.json", "*.txt"]
    endpoint: https://hub.example.com
    token: "{{ hub_token }}"
    timeout: 7200

- name: Copy a model from the controller
  llmfleet.conda.hub_model:
    model: example/ours
    path: models/ours
    cache_dir: /srv/models

- name: Copy a model from a directory on the host
  llmfleet.conda.hub_model:
    model: example/ours
    path: /srv/import/ours
    remote_src: true

- name: Remove a model
  llmfleet.conda.hub_model:
    model: example/tiny-sentiment
    cache_dir: /srv/models
    state: absent
"""

RETURN = r"""
model:
  description: Name of the model.
  returned: success
  type: str
  sample: example/tiny-sentiment
revision:
  description: The revision.
  returned: success
  type: str
  sample: main
cache_dir:
  description: Path of the cache.
  returned: success
  type: str
  sample: /srv/models
commit:
  description: The commit that the revision points to, in check mode before the change. Empty without one.
  returned: success
  type: str
  sample: 8f3a2b1c4d5e6f708192a3b4c5d6e7f801234567
snapshot:
  description: The directory with the model's files. Empty if files are missing.
  returned: success
  type: str
  sample: /srv/models/models--example--tiny-sentiment/snapshots/8f3a2b1c4d5e6f708192a3b4c5d6e7f801234567
files:
  description: Relative paths of the required files, if all of them are present.
  returned: success
  type: list
  elements: str
  sample: [config.json, model.safetensors]
size:
  description: Total size of these files in bytes.
  returned: success
  type: int
  sample: 122880
plan:
  description: The change that was necessary, and why.
  returned: success
  type: dict
  contains:
    action:
      description: >-
        V(fetch), V(import), V(point) if only the revision had to be set to a cached commit, V(remove), or
        empty.
      type: str
    reason:
      description: The difference between the cache and the task.
      type: str
kind:
  description: Name of the exception of C(huggingface_hub).
  returned: failure of a download
  type: str
  sample: RepositoryNotFoundError
"""

from functools import partial
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.module import CondaModule
from ansible_collections.llmfleet.conda.plugins.module_utils._core.cycle import Cycle
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.options import LOCATION_OPTIONS
from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import (
    redact_value,
    secrets_in,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._hub.subject import (
    HubSubject,
    request_from,
    result_of,
)


def _change(subject: Any, check_mode: bool) -> Any:
    # Imported only if something has to change: hosts compile imported files on every run.
    from ansible_collections.llmfleet.conda.plugins.module_utils._hub.change import HubChange

    return HubChange(subject, check_mode)


def main() -> None:
    """Entry point of the module."""
    module = CondaModule(
        argument_spec={
            **LOCATION_OPTIONS,
            "model": {"type": "str", "required": True},
            "revision": {"type": "str", "default": "main"},
            "commit": {"type": "str"},
            "path": {"type": "str"},
            "remote_src": {"type": "bool", "default": False},
            "include": {"type": "list", "elements": "str", "default": []},
            "exclude": {"type": "list", "elements": "str", "default": []},
            "cache_dir": {"type": "path"},
            "endpoint": {"type": "str"},
            "token": {"type": "str", "no_log": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "timeout": {"type": "int", "default": 3600},
        },
        mutually_exclusive=[("name", "prefix")],
        required_by={"name": ("installation",)},
        supports_check_mode=True,
    )
    module.no_log_values.update(secrets_in(module.params))
    try:
        request = request_from(module.params)
        subject = HubSubject(request)
        change = partial(_change, subject, module.check_mode)
        outcome = Cycle(subject, change, module.check_mode).run()
    except CondaModuleError as error:
        module.fail_json(**error.as_result())
    else:
        module.exit_json(**redact_value(result_of(request, outcome)))


if __name__ == "__main__":
    main()
