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
  - Keeps a model in a cache of C(huggingface_hub), so that C(transformers) and others find it by its name,
    without a network (C(HF_HUB_OFFLINE=1)).
  - Whether it is there in full is told from the cache's own files. Python is started and the hub asked only
    when something is missing, so a run that finds nothing to do costs milliseconds.
  - Only what is missing is fetched, by the C(huggingface_hub) of an environment, or copied from a local
    directory (O(path)).
author:
  - llmfleet contributors (@llmfleet)
extends_documentation_fragment:
  - llmfleet.conda.environment.attributes
attributes:
  action:
    support: full
    description: Has an action on the controller, which copies O(path) to hosts that need it.
  async:
    support: partial
    description: Can be used with C(async).
    details: Not with O(path) on the controller.
options:
  installation:
    description:
      - Prefix of the conda installation, needed with O(name).
    type: path
    aliases: [conda_prefix]
  name:
    description:
      - Name of the environment whose C(huggingface_hub) downloads, below C(envs) of O(installation).
      - A download needs O(name) or O(prefix); with O(path) and with O(state=absent) neither is needed.
    type: str
  prefix:
    description:
      - Absolute path of that environment.
    type: path
  model:
    description:
      - Name of the model at the hub, as C(ORGANISATION/NAME).
    type: str
    required: true
  revision:
    description:
      - Branch, tag or commit (all forty digits).
      - A branch that is in the cache stays as it is when it moves on at the hub. O(commit) takes it further.
    type: str
    default: main
  commit:
    description:
      - The commit that O(revision) has to stand for in the cache, all forty digits. So what a name gives is
        fixed, and the same on each host.
      - With O(path) it is the name that the files get. Without it that name is made of the names, sizes and
        times of the files, so another file in O(path) is a change, as for C(rsync).
    type: str
  path:
    description:
      - A directory with the model's files, as C(save_pretrained) writes it, to take in place of the hub's.
        The files are copied into the cache; hidden ones are left out.
      - It is a directory on the controller, looked for as M(ansible.builtin.copy) does it (below C(files) of
        the role or beside the playbook, or an absolute path), unless O(remote_src) is set. It is copied only
        to hosts that need it, first into the task's temporary directory, so the host has it twice for a time.
    type: str
  remote_src:
    description: Whether O(path) is a directory of the managed host, given by its absolute path.
    type: bool
    default: false
  include:
    description:
      - Patterns (C(*.json), C(onnx/)) of the files to have. Empty means all.
    type: list
    elements: str
    default: []
  exclude:
    description:
      - Patterns of files to do without, for example weights for other frameworks.
    type: list
    elements: str
    default: []
  cache_dir:
    description:
      - Absolute path of the cache, what C(HF_HUB_CACHE) is for programs. It is made when it is not there.
      - In a directory with setgid that its group may write, the group may write what is added as well.
      - When omitted, it is the cache of the user who runs the task, by that user's C(HF_HUB_CACHE),
        C(HF_HOME) and C(XDG_CACHE_HOME).
    type: path
  endpoint:
    description:
      - Address of the hub or of a mirror of it. When omitted, C(HF_ENDPOINT) of the task's environment
        counts, and without it the hub's own address.
    type: str
  token:
    description:
      - Token for models that are not public. It is masked in all output, and neither in the process list nor
        in the environment of the process that downloads.
      - When omitted, the token of the user who runs the task is used at the official hub, where there is one.
        With another O(endpoint) or C(HF_ENDPOINT), and over HTTP without TLS, no token is sent unless this
        option gives it.
    type: str
  state:
    description:
      - V(present) keeps the model in the cache.
      - V(absent) removes it from the cache with all its revisions, whoever put them there.
    type: str
    choices: [present, absent]
    default: present
  timeout:
    description: Seconds that the download may take, and the wait for another run with the same model.
    type: int
    default: 3600
seealso:
  - module: llmfleet.conda.conda_pip
notes:
  - A file counts as there when its size is that of the cache's own list of the model's files, which
    C(huggingface_hub) keeps from version 2 on and this module writes for older ones. Contents are compared
    with the digests in that list right after they were downloaded, and not read again later.
  - What C(HF_HUB_OFFLINE) or a proxy in the task's C(environment) say counts for the download.
"""

EXAMPLES = r"""
- name: A model for everybody on the host
  llmfleet.conda.hub_model:
    installation: /opt/miniconda3
    name: llm
    model: example/tiny-sentiment
    cache_dir: /srv/models

- name: Exactly this state of it, without weights for other frameworks
  llmfleet.conda.hub_model:
    prefix: /opt/miniconda3/envs/llm
    model: example/tiny-sentiment
    revision: main
    commit: 8f3a2b1c4d5e6f708192a3b4c5d6e7f801234567
    exclude: ["*.h5", "onnx/"]
    cache_dir: /srv/models

- name: Only the settings and the vocabulary, from a mirror, with a token
  llmfleet.conda.hub_model:
    prefix: /opt/miniconda3/envs/llm
    model: example/tiny-sentiment
    include: ["*.json", "*.txt"]
    endpoint: https://hub.example.com
    token: "{{ hub_token }}"
    timeout: 7200

- name: From a directory beside the playbook, without a network
  llmfleet.conda.hub_model:
    model: example/ours
    path: models/ours
    cache_dir: /srv/models

- name: From a directory that is on the host already
  llmfleet.conda.hub_model:
    model: example/ours
    path: /srv/import/ours
    remote_src: true

- name: No longer wanted
  llmfleet.conda.hub_model:
    model: example/tiny-sentiment
    cache_dir: /srv/models
    state: absent
"""

RETURN = r"""
model:
  description: The model's name.
  returned: success
  type: str
  sample: example/tiny-sentiment
revision:
  description: The revision.
  returned: success
  type: str
  sample: main
cache_dir:
  description: The cache.
  returned: success
  type: str
  sample: /srv/models
commit:
  description: The commit that the revision stands for, in check mode before the change; empty without one.
  returned: success
  type: str
  sample: 8f3a2b1c4d5e6f708192a3b4c5d6e7f801234567
snapshot:
  description: The directory with the model's files, empty when they are not all there.
  returned: success
  type: str
  sample: /srv/models/models--example--tiny-sentiment/snapshots/8f3a2b1c4d5e6f708192a3b4c5d6e7f801234567
files:
  description: Relative paths of the wanted files, when they are all there.
  returned: success
  type: list
  elements: str
  sample: [config.json, model.safetensors]
size:
  description: Bytes of these files.
  returned: success
  type: int
  sample: 122880
plan:
  description: What had to be done, and why.
  returned: success
  type: dict
  contains:
    action:
      description: >-
        V(fetch), V(import), V(point) when only the revision had to be set to a commit that is there,
        V(remove), or empty.
      type: str
    reason:
      description: What was not as wanted.
      type: str
kind:
  description: The name of the error of C(huggingface_hub).
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
    # Only where something is to be done: a host compiles what a module imports on each run.
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
