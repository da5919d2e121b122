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
short_description: Select channels whose terms of service require a licence for some organisations
version_added: 0.1.0
author:
  - llmfleet contributors (@llmfleet)
description:
  - Selects C(defaults) and the channels behind it, by name or URL. M(llmfleet.conda.llm_check) applies the
    same rule to installed packages.
options:
  _input:
    description:
      - Channel names or URLs, match specs with a channel such as V(defaults::numpy) and
        V(numpy[channel=defaults]), or package URLs.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Fail if a channel has terms of service
  ansible.builtin.assert:
    that: channels | llmfleet.conda.channels_with_terms | length == 0
"""

RETURN = r"""
_value:
  description: The channels with terms, in order, without duplicates.
  type: list
  elements: str
  sample: [defaults, "https://repo.anaconda.com/pkgs/main"]
"""


def channels_with_terms(channels: Iterable[str]) -> list[str]:
    """Return the channels with terms of service among names, URLs and match specs.

    Raises:
        AnsibleFilterError: the input is not a list of strings.
    """
    if isinstance(channels, str) or not isinstance(channels, Iterable):
        raise AnsibleFilterError("channels_with_terms requires a list of channels")
    found: dict[str, None] = {}
    for channel in channels:
        if not isinstance(channel, str):
            raise AnsibleFilterError(
                f"channels_with_terms requires strings, not {type(channel).__name__}"
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
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[[Iterable[str]], list[str]]]:
        """Return the filters by name."""
        return {"channels_with_terms": channels_with_terms}
