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
      - Lists and mappings of channels and of proxies must be such. conda would refuse to start otherwise.
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
  - Where the file is a symbolic link, for instance into a directory of dotfiles, the file that it leads to is
    changed, with its permissions, and the link stays. A link that another user has made is followed only to
    files of that user.
  - Tasks that change one file at the same time wait for each other.
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

from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._config import module as config_module


def _change(subject: Any) -> Any:
    # Only where something is to be done: a host compiles what a module imports on each run.
    from ansible_collections.llmfleet.conda.plugins.module_utils._config.change import ConfigChange

    return ConfigChange(subject)


def main() -> None:
    """Entry point of the module."""
    config_module.main(make_change=_change)


if __name__ == "__main__":
    main()
