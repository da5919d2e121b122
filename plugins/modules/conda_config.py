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
  - Sets and removes keys in a condarc file. Other keys and comments are not changed.
  - Records that you accept (O(accept_tos)) or refuse (O(reject_tos)) the terms of service of channels, in
    the format of conda's plugin for terms (conda-anaconda-tos).
  - The module reads and writes the files itself and never starts conda.
  - Passwords and tokens in URLs are masked in results, diffs and messages.
author:
  - llmfleet contributors (@llmfleet)
extends_documentation_fragment:
  - llmfleet.conda.environment.attributes
options:
  path:
    description:
      - Absolute path of the condarc file.
      - Exactly one of O(path) and O(scope) is required.
    type: path
  scope:
    description:
      - V(prefix) is C(.condarc) in O(installation), for everyone who uses that installation.
      - V(user) is C(~/.condarc) of the user who runs the task.
      - V(system) is C(/etc/conda/.condarc).
    type: str
    choices: [prefix, user, system]
  installation:
    description:
      - Prefix of the conda installation. Required with O(scope=prefix).
      - With O(accept_tos) and O(reject_tos), the module also uses the condarc of this installation to
        resolve channel names.
    type: path
  settings:
    description:
      - The settings by key, for example C(channels) or C(channel_alias).
      - A null value removes the key.
      - Settings of channels and proxies must be the list or mapping that conda expects, because conda
        refuses to start otherwise.
      - With O(state=absent), the values are ignored.
      - At least one of O(settings), O(accept_tos) and O(reject_tos) is required.
    type: dict
  mirrors:
    description:
      - Mirrors that can each serve the channels, in the order of preference. The settings of one of them
        replace the same keys of O(settings). Empty lists, mappings and strings mean that the mirror does
        not set this key; if another mirror of the list does, the key is removed.
      - A file that has the settings of one of these mirrors keeps them, without any request.
        Otherwise the first mirror is used, or with O(probe), the first that serves the channels itself.
      - Ignored with O(state=absent).
    type: list
    elements: dict
    default: []
    suboptions:
      channel_alias:
        description: Base URL of channels given by name.
        type: str
        default: ""
      custom_channels:
        description: Base URLs of individual channels by name.
        type: dict
        default: {}
      default_channels:
        description: URLs of the channels behind C(defaults).
        type: list
        elements: str
        default: []
      redirects:
        description:
          - Whether the mirror may redirect to other hosts, for example to an object storage. Such a mirror
            counts as one that serves the channels itself.
        type: bool
        default: false
      installers:
        description:
          - Not used by this module. It is here so that a mirror of
            C(install_miniconda_mirror_presets) can be passed as it is.
        type: dict
        default: {}
      newest_only:
        description: Not used by this module, like O(mirrors[].installers).
        type: list
        elements: str
        default: []
  accept_tos:
    description:
      - URLs of channels whose terms of service you have read and accept, for yourself or for your
        organisation. V(defaults) stands for the channels behind that name. Some terms require a licence for
        organisations. The module never accepts terms without this option.
      - The module reads the current terms from the channel and records them as accepted. If an acceptance
        is already recorded, it changes nothing and does not use the network. It does not accept later
        terms.
      - O(scope) sets who accepts. V(prefix) is for everyone who uses O(installation) (C(conda-meta/tos)),
        V(user) for the user who runs the task (C(~/.conda/tos)), V(system) for the whole host
        (C(/etc/conda/tos)). Cannot be combined with O(path).
      - With O(state=absent), the module removes the records of these channels.
    type: list
    elements: str
  reject_tos:
    description:
      - URLs of channels whose terms of service you refuse. V(defaults) stands for the channels behind that
        name. As after C(conda tos reject), conda's plugin then fails every command that would use one of
        these channels, even with C(plugins.auto_accept_tos). O(scope) sets for whom.
      - The module reads the current terms from the channel and records them as refused, in place of an
        acceptance. If a refusal is already recorded, it changes nothing and does not use the network. If
        the channel publishes newer terms, the plugin asks the user again, unless O(newer_tos) recorded
        them.
      - This requires conda's plugin. Independently of the plugin, conda 24.11.1 and newer rejects
        the channels in C(denylist_channels) of O(settings) (24.9.0 to 24.11.0 miss some), and every conda
        rejects all channels except those in C(allowlist_channels).
      - With O(state=absent), the module removes the records of these channels.
    type: list
    elements: str
  newer_tos:
    description:
      - On every run, ask the channels of O(accept_tos) and O(reject_tos) for newer terms, and accept or
        refuse those too.
    type: bool
    default: false
  merge:
    description:
      - Add to existing lists and mappings instead of replacing them.
    type: bool
    default: false
  probe:
    description:
      - Before writing the file, request the first bytes of C(noarch/repodata.json) from every channel whose
        address the change makes new. The host sends the requests, with the proxies and the CA file of the
        new settings. If a channel does not answer with repodata, the task fails and changes nothing.
      - With O(mirrors), a mirror that does not answer is passed over with a warning, and the task fails only
        if none answers. A mirror that redirects to another host is used only if no mirror serves the
        channels itself (see O(mirrors[].redirects)). A warning then names that host.
      - Only the key C(channels) is probed. If the file or the addresses do not change, no request is sent.
        Check mode sends the requests too.
    type: bool
    default: false
  state:
    description: Whether the keys in O(settings) must have these values or must be absent.
    type: str
    choices: [present, absent]
    default: present
  owner:
    description: Owner of the file, as a user name or ID. If omitted, the owner is not changed.
    type: str
  group:
    description: Group of the file, as a group name or ID. If omitted, the group is not changed.
    type: str
  mode:
    description:
      - Permissions of the file, as for M(ansible.builtin.file), for example V("0644").
      - If omitted, an existing file keeps its permissions and a new file gets those of the umask.
    type: raw
seealso:
  - module: llmfleet.conda.conda_installation
notes:
  - If the file is a symbolic link, for example into a directory of dotfiles, the module changes the target
    with its permissions and keeps the link. It follows a link that another user created only to files of
    that user.
  - Tasks that change the same file at the same time wait for each other.
  - conda's setting C(plugins.auto_accept_tos) accepts the current and future terms of every channel.
    O(accept_tos) accepts only the current terms of the channels that it lists. A recorded refusal takes
    precedence over the setting.
  - YAML features that condarc files do not need, such as anchors and multi-line values, are an error that
    names the line, because rewriting them could lose data.
"""

EXAMPLES = r"""
- name: Use only conda-forge
  llmfleet.conda.conda_config:
    scope: prefix
    installation: /opt/miniconda3
    settings:
      channels: [conda-forge]
      channel_priority: strict

- name: Configure a mirror and a proxy
  llmfleet.conda.conda_config:
    scope: system
    mode: "0644"
    settings:
      channel_alias: https://mirror.example.org/conda
      proxy_servers:
        https: http://proxy.example.org:3128

- name: Configure a mirror after checking that it serves the channel
  llmfleet.conda.conda_config:
    scope: prefix
    installation: /opt/miniconda3
    settings:
      channels: [conda-forge]
      custom_channels:
        conda-forge: https://channels.example.org/conda
    probe: true

- name: Use the first mirror that serves the channel
  llmfleet.conda.conda_config:
    scope: prefix
    installation: /opt/miniconda3
    settings:
      channels: [conda-forge]
    mirrors:
      - custom_channels:
          conda-forge: https://channels.example.org/conda
        default_channels: [https://channels.example.org/pkgs/main]
        newest_only: []
      - channel_alias: https://joint.example.org/conda
        redirects: true
        installers:
          miniconda: https://joint.example.org/miniconda
    probe: true

- name: Add a channel for the current user
  llmfleet.conda.conda_config:
    scope: user
    merge: true
    settings:
      channels: [bioconda]

- name: Accept the terms of two channels for everyone who uses the installation
  llmfleet.conda.conda_config:
    scope: prefix
    installation: /opt/miniconda3
    accept_tos:
      - https://repo.anaconda.com/pkgs/main
      - https://repo.anaconda.com/pkgs/r

- name: Accept current and newer terms of the default channels
  llmfleet.conda.conda_config:
    scope: user
    accept_tos: [defaults]
    newer_tos: true

- name: Refuse the terms of two channels and deny the channels
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

- name: Configure a mirror with credentials that one group can read
  llmfleet.conda.conda_config:
    scope: prefix
    installation: /opt/miniconda3
    owner: root
    group: research
    mode: "0640"
    settings:
      custom_channels:
        site: https://user:{{ mirror_password }}@mirror.example.org/conda

- name: Remove the solver setting
  llmfleet.conda.conda_config:
    path: /opt/miniconda3/.condarc
    settings:
      solver:
    state: absent
"""

RETURN = r"""
path:
  description: Path of the file.
  returned: success
  type: str
  sample: /opt/miniconda3/.condarc
settings:
  description: All settings in the file after the task, with credentials masked.
  returned: success
  type: dict
  sample: {"channels": ["conda-forge"]}
probed:
  description: Addresses of the channels that O(probe) requested and that answered, with credentials masked.
  returned: success
  type: list
  elements: str
  sample: ["https://channels.example.org/conda/conda-forge"]
tos:
  description: The recorded terms of each channel of O(accept_tos) and O(reject_tos) after the task.
  returned: success
  type: list
  elements: dict
  contains:
    channel:
      description: URL of the channel.
      type: str
    accepted:
      description: Whether the terms are recorded as accepted.
      type: bool
    refused:
      description: Whether the terms are recorded as refused.
      type: bool
    version:
      description: Date and time of the recorded terms. Empty without a record.
      type: str
    path:
      description: Path of the record. Empty without a record, and in check mode if the record would be
        created.
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
    # Imported only if something has to change: hosts compile imported files on every run.
    from ansible_collections.llmfleet.conda.plugins.module_utils._config.change import ConfigChange

    return ConfigChange(subject)


def main() -> None:
    """Entry point of the module."""
    config_module.main(make_change=_change)


if __name__ == "__main__":
    main()
