# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter llmfleet.conda.channels_with_terms."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ansible.errors import AnsibleFilterError

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.channel_terms import (
    channel_of_spec,
    has_terms,
)

DOCUMENTATION = r"""
name: channels_with_terms
short_description: Those of a list of channels whose terms of service ask some organisations for a licence
version_added: 0.1.0
author:
  - llmfleet contributors (@llmfleet)
description:
  - Picks C(defaults) and the channels behind it, by name or by address, in the way in which
    M(llmfleet.conda.llm_check) judges packages that are installed.
options:
  _input:
    description:
      - Channels as names or URLs, or match specs with a channel, like V(defaults::numpy) and
        V(numpy[channel=defaults]), or addresses of packages.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Nobody accepts terms by accident
  ansible.builtin.assert:
    that: channels | llmfleet.conda.channels_with_terms | length == 0
"""

RETURN = r"""
_value:
  description: The channels with terms, in their order, each once.
  type: list
  elements: str
  sample: [defaults, "https://repo.anaconda.com/pkgs/main"]
"""


def channels_with_terms(channels: Iterable[str]) -> list[str]:
    """The channels with terms of service among names, URLs and match specs.

    Raises:
        AnsibleFilterError: the input is no list of texts.
    """
    if isinstance(channels, str) or not isinstance(channels, Iterable):
        raise AnsibleFilterError("channels_with_terms needs a list of channels")
    found: dict[str, None] = {}
    for channel in channels:
        if not isinstance(channel, str):
            raise AnsibleFilterError(
                f"channels_with_terms needs texts, not {type(channel).__name__}"
            )
        name = channel.strip()
        if "::" in name or "[" in name or name.partition("#")[0].endswith((".conda", ".tar.bz2")):
            name = channel_of_spec(name)
        elif "://" not in name and name.count(":") == 2:
            # CHANNEL:NAMESPACE:NAME
            name = channel_of_spec(name)
        if has_terms(name):
            found[name] = None
    return list(found)


class FilterModule:
    """Tells ansible the filter's name."""

    def filters(self) -> dict[str, Callable[[Iterable[str]], list[str]]]:
        """The filters of this file by name."""
        return {"channels_with_terms": channels_with_terms}
