# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The types that settings about channels must have: conda does not start with other types.

Source: conda 24.7, where each command then fails with ``InvalidTypeError`` (``conda info`` tried with each).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _addresses(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(item, str) for item in value.values())


def _proxies(value: Any) -> bool:
    # A scheme may have no proxy.
    return isinstance(value, Mapping) and all(
        item is None or isinstance(item, str) for item in value.values()
    )


def _groups(value: Any) -> bool:
    return isinstance(value, Mapping) and all(_texts(item) for item in value.values())


_SHAPES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "channels": (_texts, "a list of channels"),
    "default_channels": (_texts, "a list of channels"),
    "custom_channels": (_addresses, "a mapping of names to URLs"),
    "custom_multichannels": (_groups, "a mapping of names to lists of channels"),
    "proxy_servers": (_proxies, "a mapping of schemes or hosts to proxies"),
}


def misshapen(settings: Mapping[str, Any]) -> dict[str, str]:
    """The type that each wrongly typed setting must have, in words, by its key; null is always allowed."""
    return {
        key: words
        for key, (fits, words) in _SHAPES.items()
        if settings.get(key) is not None and not fits(settings[key])
    }
