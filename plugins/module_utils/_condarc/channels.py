# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resolves channel names to URLs from conda's settings alone.

The rules are those of conda 24.7.1 (``models.channel``): a multichannel stands for several channels, a custom
channel has its own base URL, and any other name is below ``channel_alias``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

# conda.base.constants.DEFAULT_CHANNEL_ALIAS: the base of all channels given by name.
DEFAULT_ALIAS = "https://conda.anaconda.org"
# conda.base.constants: the channels of the name "defaults" on Linux and macOS, and the custom channel that
# every conda knows.
DEFAULT_CHANNELS = ("https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r")
BUILT_IN_CHANNELS = {"pkgs/pro": "https://repo.anaconda.com"}

# conda.base.constants.KNOWN_SUBDIRS: the last part of a URL that names one platform of a channel.
_SUBDIR = re.compile(
    r"noarch|emscripten-wasm32|wasi-wasm32|freebsd-64|zos-z|win-(?:32|64|arm64)|osx-(?:64|arm64)"
    r"|linux-(?:32|64|aarch64|armv6l|armv7l|ppc64|ppc64le|riscv64|s390x)"
)


def channel_addresses(channel: str, settings: Mapping[str, Any]) -> list[str]:
    """The URLs of a channel, without a trailing slash.

    Args:
        channel: name, URL or absolute path, as in the key ``channels`` of a condarc.
        settings: the effective settings of the condarc files.
    """
    several = {
        "defaults": settings.get("default_channels") or DEFAULT_CHANNELS,
        **(settings.get("custom_multichannels") or {}),
    }
    if channel in several:
        return [_address(str(part), settings) for part in several[channel] or ()]
    return [_address(channel, settings)]


def _address(channel: str, settings: Mapping[str, Any]) -> str:
    text = os.path.expandvars(channel.strip())
    if "://" in text:
        return _whole(text)
    if text.startswith(("/", "~/")):
        return _whole(f"file://{os.path.expanduser(text)}")
    name = text.strip("/")
    custom = settings.get("custom_channels") or BUILT_IN_CHANNELS
    # A custom channel also matches the first parts of a name: conda-forge/label/rc.
    known = name
    while known:
        base = os.path.expandvars(str(custom.get(known) or ""))
        if "://" in base:
            return _whole(f"{base.rstrip('/')}/{name}")
        known = known.rpartition("/")[0]
    alias = os.path.expandvars(str(settings.get("channel_alias") or DEFAULT_ALIAS))
    return _whole(f"{alias.rstrip('/')}/{name}")


def _whole(address: str) -> str:
    """The URL of the channel, without the name of a platform."""
    whole, _slash, last = address.rstrip("/").rpartition("/")
    return whole if _SUBDIR.fullmatch(last) else f"{whole}/{last}"


def repodata_url(address: str) -> str:
    """The URL that shows whether a channel exists: conda requests ``noarch`` from every channel."""
    return f"{address}/noarch/repodata.json"
