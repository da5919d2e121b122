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
short_description: Convert channel names to URLs with the settings of a condarc
version_added: 0.1.0
author:
  - llmfleet contributors (@llmfleet)
description:
  - Converts channel names to the URLs that conda would use with the given condarc settings. No condarc file
    has to exist.
  - Environment variables in URLs are those of the controller.
positional: settings
options:
  _input:
    description: Channel names, URLs or absolute paths.
    type: list
    elements: str
    required: true
  settings:
    description:
      - Settings of a condarc. The filter uses C(channel_alias), C(custom_channels), C(custom_multichannels)
        and C(default_channels).
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Install conda from a mirror before the condarc is written
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
  description: The URLs in order, without duplicates and without trailing slashes.
  type: list
  elements: str
  sample: ["https://mirror.example.org/conda/conda-forge"]
"""


def channel_urls(channels: Iterable[str], settings: Mapping[str, Any] | None = None) -> list[str]:
    """Return the URLs of channels.

    Raises:
        AnsibleFilterError: the input is not a list of strings, or the settings are not a mapping.
    """
    if isinstance(channels, str) or not isinstance(channels, Iterable):
        raise AnsibleFilterError("channel_urls requires a list of channels")
    if not isinstance(settings or {}, Mapping):
        raise AnsibleFilterError("channel_urls requires the settings as a mapping")
    found: dict[str, None] = {}
    for channel in channels:
        if not isinstance(channel, str):
            raise AnsibleFilterError(f"channel_urls requires strings, not {type(channel).__name__}")
        found.update(dict.fromkeys(channel_addresses(channel, settings or {})))
    return list(found)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Return the filters by name."""
        return {"channel_urls": channel_urls}
