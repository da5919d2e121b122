#!/usr/bin/python

# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module llmfleet.conda.conda_config."""

from __future__ import annotations

DOCUMENTATION = r"""
module: conda_config
short_description: Manage settings in a condarc file
version_added: 0.1.0
description:
  - Sets and removes keys of a condarc file and leaves everything else in it, comments included, as it is.
  - Records that you accept the terms of service of channels, where you say so with O(accept_tos), or that you
    refuse them (O(reject_tos)), in the way in which conda's own plugin for them (conda-anaconda-tos) does.
  - Reads and writes the files itself; conda is never started.
  - Passwords and tokens in URLs are masked in results, diffs and messages.
author:
  - llmfleet contributors (@llmfleet)
extends_documentation_fragment:
  - llmfleet.conda.environment.attributes
options:
  path:
    description:
      - Absolute path of the condarc file.
      - Exactly one of O(path) and O(scope) must be given.
    type: path
  scope:
    description:
      - V(prefix) is C(.condarc) in O(installation), which counts for everybody who uses that installation.
      - V(user) is C(~/.condarc) of the user who runs the task.
      - V(system) is C(/etc/conda/.condarc).
    type: str
    choices: [prefix, user, system]
  installation:
    description:
      - Prefix of the conda installation, needed for V(prefix) as O(scope).
      - With O(accept_tos) and O(reject_tos), the settings in its condarc count as well when conda's name of a
        channel is worked out.
    type: path
  settings:
    description:
      - The settings by key, for example C(channels) or C(channel_alias).
      - A key whose value is null is removed.
      - With O(state=absent), the values do not matter.
      - At least one of O(settings), O(accept_tos) and O(reject_tos) must be given.
    type: dict
  accept_tos:
    description:
      - URLs of channels whose terms of service you have read and accept, for yourself or for the
        organisation that you act for; V(defaults) stands for the channels behind that name. Some terms ask
        organisations for a licence. Nothing is ever accepted without this option.
      - The terms that are current now are read from the channel and recorded as accepted. Where an
        acceptance is recorded already, nothing is done and no network is used; later terms are not accepted
        by that.
      - O(scope) says for whom, V(prefix) for everybody who uses O(installation) (C(conda-meta/tos)),
        V(user) for the user who runs the task (C(~/.conda/tos)), V(system) for the whole host
        (C(/etc/conda/tos)). It cannot be used with O(path).
      - With O(state=absent), what is recorded for these channels there is removed.
    type: list
    elements: str
  reject_tos:
    description:
      - URLs of channels whose terms of service you refuse; V(defaults) stands for the channels behind that
        name. conda's plugin then fails each command that would use one of them, as after C(conda tos reject),
        for whom O(scope) says, with C(plugins.auto_accept_tos) as well.
      - The terms that are current now are read from the channel and recorded as refused, in place of an
        acceptance. Where a refusal is recorded already, nothing is done and no network is used. When the
        channel has newer terms later, the plugin asks the person again, unless O(newer_tos) followed them.
      - It needs conda's plugin to be there. Independently of it, conda from 24.9 on keeps channels out that
        the key C(denylist_channels) of O(settings) names, and any conda all but those that
        C(allowlist_channels) names.
      - With O(state=absent), what is recorded for these channels there is removed.
    type: list
    elements: str
  newer_tos:
    description:
      - Also ask the channels of O(accept_tos) and O(reject_tos), every time, whether their terms are newer
        than those recorded, and accept or refuse them as well.
    type: bool
    default: false
  merge:
    description:
      - Add to the lists and mappings that are there already, instead of replacing them.
    type: bool
    default: false
  probe:
    description:
      - Before the file is written, ask each channel whose address the change makes new for its
        C(noarch/repodata.json), from this host, with the proxies and the CA file of the new settings.
        When one does not answer, the task fails and nothing is changed.
      - Only the key C(channels) is asked about. Where nothing is to be written, or the addresses stay as they
        are, nobody is asked. Check mode asks as well.
    type: bool
    default: false
  state:
    description: Whether the keys in O(settings) must have these values, or must not be there.
    type: str
    choices: [present, absent]
    default: present
  owner:
    description: User that owns the file, by name or number. When omitted, it stays as it is.
    type: str
  group:
    description: Group of the file, by name or number. When omitted, it stays as it is.
    type: str
  mode:
    description:
      - Permissions of the file, as for M(ansible.builtin.file), for example V("0644").
      - When omitted, those of a file that is there stay, and a new one is readable for whom the umask lets.
    type: raw
seealso:
  - module: llmfleet.conda.conda_installation
notes:
  - conda's own setting C(plugins.auto_accept_tos) accepts the terms of every channel, whatever they will be;
    O(accept_tos) accepts those of the channels that it names, as they are now. A refusal that is recorded
    outweighs it.
  - Forms of YAML that condarc files do not need (anchors, values over several lines) are refused with their
    line number, because rewriting them could lose something.
"""

EXAMPLES = r"""
- name: Packages come from conda-forge only
  llmfleet.conda.conda_config:
    scope: prefix
    installation: /opt/miniconda3
    settings:
      channels: [conda-forge]
      channel_priority: strict

- name: Through a mirror and a proxy
  llmfleet.conda.conda_config:
    scope: system
    mode: "0644"
    settings:
      channel_alias: https://mirror.example.org/conda
      proxy_servers:
        https: http://proxy.example.org:3128

- name: From a mirror of the site, once it is seen to have the channel
  llmfleet.conda.conda_config:
    scope: prefix
    installation: /opt/miniconda3
    settings:
      channels: [conda-forge]
      custom_channels:
        conda-forge: https://channels.example.org/conda
    probe: true

- name: One more channel for this user
  llmfleet.conda.conda_config:
    scope: user
    merge: true
    settings:
      channels: [bioconda]

- name: The organisation has a licence and accepts the terms of these channels
  llmfleet.conda.conda_config:
    scope: prefix
    installation: /opt/miniconda3
    accept_tos:
      - https://repo.anaconda.com/pkgs/main
      - https://repo.anaconda.com/pkgs/r

- name: The terms are accepted in whatever version they have by now
  llmfleet.conda.conda_config:
    scope: user
    accept_tos: [defaults]
    newer_tos: true

- name: Nobody on this host uses channels that ask for a licence, not by hand either
  llmfleet.conda.conda_config:
    scope: prefix
    installation: /opt/miniconda3
    reject_tos:
      - https://repo.anaconda.com/pkgs/main
      - https://repo.anaconda.com/pkgs/r
    settings:
      denylist_channels:
        - https://repo.anaconda.com/pkgs/main
        - https://repo.anaconda.com/pkgs/r

- name: Credentials of a mirror, for the members of one group
  llmfleet.conda.conda_config:
    scope: prefix
    installation: /opt/miniconda3
    owner: root
    group: research
    mode: "0640"
    settings:
      custom_channels:
        site: https://user:{{ mirror_password }}@mirror.example.org/conda

- name: No pinned solver any more
  llmfleet.conda.conda_config:
    path: /opt/miniconda3/.condarc
    settings:
      solver:
    state: absent
"""

RETURN = r"""
path:
  description: The file.
  returned: success
  type: str
  sample: /opt/miniconda3/.condarc
settings:
  description: All settings in the file after the task, with credentials masked.
  returned: success
  type: dict
  sample: {"channels": ["conda-forge"]}
probed:
  description: Addresses of the channels that O(probe) asked and that answered, with credentials masked.
  returned: success
  type: list
  elements: str
  sample: ["https://channels.example.org/conda/conda-forge"]
tos:
  description: What is recorded after the task for each channel of O(accept_tos) and O(reject_tos).
  returned: success
  type: list
  elements: dict
  contains:
    channel:
      description: URL of the channel.
      type: str
    accepted:
      description: Whether its terms are accepted.
      type: bool
    refused:
      description: Whether it is recorded that they are not.
      type: bool
    version:
      description: Date and time of the recorded terms, empty when nothing is recorded.
      type: str
    path:
      description: The record, empty when there is none, and in check mode when it is still to be made.
      type: str
  sample:
    - channel: https://repo.anaconda.com/pkgs/main
      accepted: true
      refused: false
      version: "2025-07-15T00:00:00Z"
      path: /opt/miniconda3/conda-meta/tos/0123456789abcdef/1752537600.0.json
"""

import os
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llmfleet.conda.plugins.module_utils._channel_probe import (
    probe_new_channels,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._condarc import (
    Condarc,
    CondarcError,
    merged,
    user_condarc,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._condarc_settings import settings_with
from ansible_collections.llmfleet.conda.plugins.module_utils._errors import (
    CondaModuleError,
    hint_for,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._guards import check_prefix
from ansible_collections.llmfleet.conda.plugins.module_utils._module_with_secrets import (
    ModuleWithSecrets,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._redact import (
    redact,
    redact_value,
    secrets_in,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._regular_file import only_regular
from ansible_collections.llmfleet.conda.plugins.module_utils._terms_change import TermsChange

SYSTEM_CONDARC = "/etc/conda/.condarc"


def _path(params: dict[str, Any]) -> str:
    if params["path"]:
        if not params["path"].startswith("/"):
            raise CondaModuleError(f"The option path must be absolute: {params['path']}.")
        return str(params["path"])
    if params["scope"] == "prefix":
        if params["installation"] is None:
            # To ansible-core an option that is null is given.
            raise CondaModuleError(
                "The option scope is prefix, and the option installation is empty: whose condarc is it?"
            )
        prefix = check_prefix(params["installation"], "installation")
        return os.path.join(prefix, ".condarc")
    return SYSTEM_CONDARC if params["scope"] == "system" else user_condarc()


def observe(path: str) -> str | None:
    """The file's text, or None when there is none.

    Raises:
        CondaModuleError: it cannot be read.
    """
    try:
        # newline="": the line ends of what is not touched stay as they are.
        with open(path, encoding="utf-8", newline="", opener=only_regular) as stream:
            return stream.read()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise CondaModuleError(f"The condarc {path} cannot be read: {error}.") from error


def plan(text: str | None, settings: dict[str, Any], *, merge: bool, absent: bool) -> str | None:
    """The text that the file should have; pure.

    Raises:
        CondarcError: the present text is not understood.
    """
    condarc = Condarc(text or "")
    for key, wanted in settings.items():
        present = condarc.values.get(key)
        if absent or wanted is None:
            condarc.remove(key)
        else:
            value = merged(present, wanted) if merge else wanted
            if key not in condarc.values or present != value:
                condarc.set(key, value)
    return None if text is None and not condarc.values else condarc.text


def write(module: AnsibleModule, path: str, text: str) -> None:
    """Replace the file whole, keeping its permissions.

    Raises:
        CondaModuleError: it cannot be written.
    """
    directory = os.path.dirname(path)
    if not os.path.isdir(directory) and module.params["scope"] != "system":
        raise CondaModuleError(
            f"The condarc {path} cannot be written: there is no directory {directory}.",
            hint="install conda there first, or correct the option installation (or path).",
        )
    try:
        os.makedirs(directory, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=module.tmpdir, prefix="condarc-")
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
        if not os.path.exists(path):
            # mkstemp makes private files; a condarc of an installation is for everybody who uses it.
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(temporary, 0o666 & ~mask)
        module.atomic_move(temporary, path)
    except Exception as error:
        # atomic_move of ansible-core 2.19 turns what the system refuses into a plain Exception.
        reason = getattr(error, "strerror", None) or str(error).rstrip(".")
        raise CondaModuleError(
            f"The condarc {path} cannot be written: {reason}.",
            hint=hint_for(error, "run the task as a user who may write there (become)."),
        ) from error


def _permissions(
    module: AnsibleModule, path: str, changed: bool, shown: dict[str, dict[str, Any]]
) -> bool:
    """Whether anything is changed, permissions included; what they were and become goes to ``shown``."""
    if not os.path.exists(path):
        return changed
    arguments = module.load_file_common_arguments({**module.params, "path": path})
    return bool(module.set_fs_attributes_if_different(arguments, changed, diff=shown))


def _with_permissions(text: str, permissions: dict[str, Any]) -> str:
    """The text for the diff, with permissions as comments below it."""
    lines = "".join(f"# {name}: {value}\n" for name, value in sorted(permissions.items()))
    return f"{text}\n{lines}" if lines and text and not text.endswith("\n") else text + lines


def _probe(params: dict[str, Any], path: str, before: str | None, after: str | None) -> list[str]:
    """The addresses of new channels, all of which answered; none where nothing is to be written."""
    if not params["probe"] or before == after:
        return []
    counting = [settings_with(params["installation"], path, text or "") for text in (before, after)]
    return probe_new_channels(*counting)


def run(module: AnsibleModule) -> dict[str, Any]:
    """Observe, plan, apply and observe again."""
    params = module.params
    path = _path(params)
    before = observe(path)
    try:
        after = plan(
            before,
            params["settings"] or {},
            merge=params["merge"],
            absent=params["state"] == "absent",
        )
    except CondarcError as error:
        raise CondaModuleError(
            f"The condarc {path} is not understood: {error}. Nothing was changed.",
            hint="write it in plain YAML, or move it away.",
        ) from error
    # What is removed was recorded under the settings that are removed with it.
    counting = before if params["state"] == "absent" else after
    terms = TermsChange(params, path, counting or "")
    probed = _probe(params, path, before, after)
    changed = before != after
    if changed and not module.check_mode:
        write(module, path, after or "")
        if observe(path) != after:
            raise CondaModuleError(f"The condarc {path} does not hold what was written.")
    permissions: dict[str, dict[str, Any]] = {"before": {}, "after": {}}
    changed = _permissions(module, path, changed, permissions) or terms.changed
    if before is None:
        # A new file has its permissions from the start; check mode could not show them either.
        permissions = {"before": {}, "after": {}}
    if not module.check_mode:
        terms.apply()
    return {
        "changed": changed,
        "path": path,
        "settings": redact_value(Condarc(after or "").values),
        "probed": redact_value(probed),
        "tos": terms.result(applied=not module.check_mode),
        "diff": {
            "before_header": path,
            "after_header": path,
            "before": _with_permissions(redact(before or ""), permissions["before"]) + terms.before,
            "after": _with_permissions(redact(after or ""), permissions["after"]) + terms.after,
        },
    }


def main() -> None:
    """Entry point of the module."""
    module = ModuleWithSecrets(
        argument_spec={
            "path": {"type": "path"},
            "scope": {"type": "str", "choices": ["prefix", "user", "system"]},
            "installation": {"type": "path"},
            "settings": {"type": "dict"},
            "accept_tos": {"type": "list", "elements": "str"},
            "reject_tos": {"type": "list", "elements": "str"},
            "newer_tos": {"type": "bool", "default": False},
            "merge": {"type": "bool", "default": False},
            "probe": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "mode": {"type": "raw"},
        },
        mutually_exclusive=[("path", "scope")],
        required_one_of=[("path", "scope"), ("settings", "accept_tos", "reject_tos")],
        required_if=[("scope", "prefix", ("installation",))],
        supports_check_mode=True,
    )
    module.no_log_values.update(secrets_in(module.params))
    try:
        result = run(module)
    except CondaModuleError as error:
        module.fail_json(**error.as_result())
    else:
        module.exit_json(**result)


if __name__ == "__main__":
    main()
