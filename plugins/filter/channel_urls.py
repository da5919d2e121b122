# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter llmfleet.conda.channel_urls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.channels import (
    channel_addresses,
)

DOCUMENTATION = r"""
name: channel_urls
short_description: The addresses of channels, as settings of a condarc make them
version_added: 0.1.0
author:
  - llmfleet contributors (@llmfleet)
description:
  - Turns names of channels into the URLs that conda would look at, before any condarc is written.
  - Variables of the environment in addresses are those of the controller.
positional: settings
options:
  _input:
    description: Channels as names, URLs or absolute paths.
    type: list
    elements: str
    required: true
  settings:
    description:
      - Keys of a condarc. C(channel_alias), C(custom_channels), C(custom_multichannels) and
        C(default_channels) count.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: A conda from the mirror, before any condarc names it
  llmfleet.conda.conda_installation:
    prefix: /opt/miniconda3
    version: py312_25.3.1-1
    conda_version: ">=25.3,<26"
    channels: "{{ ['conda-forge'] | llmfleet.conda.channel_urls(condarc) }}"
  vars:
    condarc:
      custom_channels:
        conda-forge: https://mirror.example.org/conda
"""

RETURN = r"""
_value:
  description: The addresses in their order, each once, without a slash at the end.
  type: list
  elements: str
  sample: ["https://mirror.example.org/conda/conda-forge"]
"""


def channel_urls(channels: Iterable[str], settings: Mapping[str, Any] | None = None) -> list[str]:
    """The addresses of channels.

    Raises:
        AnsibleFilterError: the input is no list of texts, or the settings are no mapping.
    """
    if isinstance(channels, str) or not isinstance(channels, Iterable):
        raise AnsibleFilterError("channel_urls needs a list of channels")
    if not isinstance(settings or {}, Mapping):
        raise AnsibleFilterError("channel_urls needs the settings as a mapping")
    found: dict[str, None] = {}
    for channel in channels:
        if not isinstance(channel, str):
            raise AnsibleFilterError(f"channel_urls needs texts, not {type(channel).__name__}")
        found.update(dict.fromkeys(channel_addresses(channel, settings or {})))
    return list(found)


class FilterModule:
    """Tells ansible the filter's name."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """The filters of this file by name."""
        return {"channel_urls": channel_urls}
