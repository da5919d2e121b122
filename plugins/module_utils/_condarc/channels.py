# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where conda looks for a channel that is given by name, worked out from its settings alone.

The rules are those of conda 24.7.1 (``models.channel``): a multichannel stands for several, a custom channel
is served below its own base, any other name below ``channel_alias``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

# conda.base.constants.DEFAULT_CHANNEL_ALIAS: the base of all channels given by name.
DEFAULT_ALIAS = "https://conda.anaconda.org"
# conda.base.constants: what the name "defaults" stands for on Linux and macOS, and the custom channel that
# every conda knows.
DEFAULT_CHANNELS = ("https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r")
BUILT_IN_CHANNELS = {"pkgs/pro": "https://repo.anaconda.com"}

# conda.base.constants.KNOWN_SUBDIRS: the last part of an address that names one platform of a channel.
_SUBDIR = re.compile(
    r"noarch|emscripten-wasm32|wasi-wasm32|freebsd-64|zos-z|win-(?:32|64|arm64)|osx-(?:64|arm64)"
    r"|linux-(?:32|64|aarch64|armv6l|armv7l|ppc64|ppc64le|riscv64|s390x)"
)


def channel_addresses(channel: str, settings: Mapping[str, Any]) -> list[str]:
    """The URLs that a channel stands for, without a slash at the end.

    Args:
        channel: name, URL or absolute path, as in the key ``channels`` of a condarc.
        settings: of the condarc files that count.
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
    # A custom channel is known by the first parts of a name, too: conda-forge/label/rc.
    known = name
    while known:
        base = os.path.expandvars(str(custom.get(known) or ""))
        if "://" in base:
            return _whole(f"{base.rstrip('/')}/{name}")
        known = known.rpartition("/")[0]
    alias = os.path.expandvars(str(settings.get("channel_alias") or DEFAULT_ALIAS))
    return _whole(f"{alias.rstrip('/')}/{name}")


def _whole(address: str) -> str:
    """The address of a whole channel, where it may name one of its platforms."""
    whole, _slash, last = address.rstrip("/").rpartition("/")
    return whole if _SUBDIR.fullmatch(last) else f"{whole}/{last}"


def repodata_url(address: str) -> str:
    """The file by which a channel is known to be there: conda asks every channel for that of ``noarch``."""
    return f"{address}/noarch/repodata.json"
