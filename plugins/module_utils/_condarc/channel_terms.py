# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells which channels Anaconda's terms of service cover, in any notation.

A separate file, because the controller uses it to check role variables and needs nothing else.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import (
    PackageRecord,
    canonical_channel,
    is_subdir,
)

# The channels that Anaconda's terms of service cover: the parts of ``defaults`` under their canonical names,
# wherever they are mirrored (conda.base.constants.DEFAULT_CHANNELS, and the older ones).
_DEFAULTS = frozenset(
    {"defaults"}
    | {f"pkgs/{part}" for part in ("main", "r", "msys2", "free", "pro", "mro", "mro-archive")}
)
_DEFAULTS_HOSTS = ("repo.anaconda.com", "repo.continuum.io")
# Copies of the same on anaconda.org. On other hosts, a channel of such a name is unrelated.
_COPIES = frozenset({"anaconda", "main", "r", "msys2"})
_COPIES_HOST = "anaconda.org"

_BRACKETS = re.compile(r"\[(?P<items>[^\]]*)\]?")
_ITEM = re.compile(
    r"(?:^|[, ])(?:channel|url|base_url)\s*=\s*"
    r"(?:\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'|(?P<bare>[^,'\" ]*))"
)


def from_defaults(record: PackageRecord) -> bool:
    """Whether a package comes from Anaconda's ``defaults`` or a mirror of it."""
    if "://" in record.channel or not record.url:
        return has_terms(record.channel) or has_terms(record.url)
    # A bare name may be an unrelated channel; the URL tells.
    return record.channel_name in _DEFAULTS or has_terms(record.url)


def has_terms(channel: str) -> bool:
    """Whether a channel, by name or URL, is ``defaults``, a part of it, or a mirror or copy of that."""
    text = unquote(re.split(r"[?#]", channel.strip())[0])
    if canonical_channel(text).partition("/label/")[0] in _DEFAULTS:
        return True
    _scheme, separator, rest = text.rpartition("://")
    if any(host in rest.lower() for host in _DEFAULTS_HOSTS):
        return True
    host, _slash, path = rest.partition("/") if separator else ("", "", rest)
    if (separator and _COPIES_HOST not in host.lower()) or rest.startswith(("/", "~", ".")):
        return False
    words = [word for word in path.split("/") if word]
    if words[:1] == ["t"]:
        words = words[2:]
    if words and words[-1].endswith((".conda", ".tar.bz2")):
        words.pop()
    if words and is_subdir(words[-1]):
        words.pop()
    return bool(words) and words[0] in _COPIES and words[1:2] in ([], ["label"])


def channel_of_spec(spec: str) -> str:
    """The channel that a match spec names, or the URL of a package; empty if it names none.

    The forms are those of conda 24.7 (``models.match_spec``): ``CHANNEL::NAME``, ``CHANNEL:NAMESPACE:NAME``,
    ``NAME[channel=CHANNEL]``, ``NAME[url=ADDRESS]`` and the URL itself.
    """
    text = spec.strip()
    for brackets in _BRACKETS.finditer(text):
        for item in _ITEM.finditer(brackets["items"]):
            return (item["double"] or item["single"] or item["bare"] or "").strip()
    text = _BRACKETS.sub("", text).partition(" #")[0].strip()
    if re.search(r"\.(?:conda|tar\.bz2)(?:#|$)", text):
        return text.partition("#")[0]
    # As in conda: the parts after the last two colons are the namespace, usually empty, and the name.
    words = text.rsplit(":", 2)
    return words[0] if len(words) == 3 else ""
