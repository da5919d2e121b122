# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of a task for each mirror in its option ``mirrors``; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# The keys of a condarc that a mirror sets.
_KEYS = ("channel_alias", "custom_channels", "default_channels")


@dataclass(frozen=True)
class Candidate:
    """The file for one mirror.

    Attributes:
        text: the text that the file would have.
        redirects: whether another host may serve the channels for the mirror.
    """

    text: str | None
    redirects: bool


def settings_of(
    settings: Mapping[str, Any], mirrors: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The settings for each mirror; without mirrors, one element with ``settings``.

    A key that another mirror of the list sets and this one does not is null: changing mirrors removes it.
    """
    if not mirrors:
        return [dict(settings)]
    own = [_own_keys(mirror, mirrors) for mirror in mirrors]
    return [{**settings, **keys} for keys in own]


def candidates(
    text: str | None,
    settings: Mapping[str, Any],
    mirrors: Sequence[Mapping[str, Any]],
    changed: Callable[[Mapping[str, Any]], str | None],
) -> list[Candidate]:
    """The possible files, in the order in which their mirrors are asked.

    The mirror that the file already uses is the first, so that a host keeps its mirror; the others keep the
    order of the option.

    Args:
        text: of the file, None if it does not exist.
        settings, mirrors: the options.
        changed: the text that the file would have with these settings.
    """
    each = settings_of(settings, mirrors)
    redirects = [bool(mirror.get("redirects")) for mirror in mirrors] or [False]
    found = [Candidate(changed(one), allowed) for one, allowed in zip(each, redirects)]
    if len(found) == 1:
        return found
    in_use = [changed(_own_keys(mirror, mirrors)) == text for mirror in mirrors]
    # sorted is stable.
    return [found[place] for place in sorted(range(len(found)), key=lambda one: not in_use[one])]


def _own_keys(mirror: Mapping[str, Any], mirrors: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    used = [key for key in _KEYS if any(one.get(key) for one in mirrors)]
    return {key: mirror.get(key) or None for key in used}
