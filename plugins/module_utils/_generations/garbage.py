# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides which generations go: those that need not stay and that nobody uses."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.llmfleet.conda.plugins.module_utils._generations.request import Request
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.generations import State
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.in_use import (
    described,
    shared_kind,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.process_users import (
    Seen,
    look,
    places_of,
)

_DAY = 86400


@dataclass(frozen=True)
class Sorted:
    """Generations that go, and one sentence for each other one that stays although it need not."""

    gone: tuple[int, ...] = ()
    stays: tuple[str, ...] = ()


def sort_out(request: Request, state: State, numbers: Iterable[int]) -> Sorted:
    """Look who uses each of ``numbers``, the generations that need not stay."""
    gone: list[int] = []
    stays: list[str] = []
    for number in numbers:
        why = _why_kept(request, state, number)
        if why:
            stays.append(f"Generation {number} of {request.place.link} stays: {why}.")
        else:
            gone.append(number)
    return Sorted(tuple(gone), tuple(stays))


def _why_kept(request: Request, state: State, number: int) -> str:
    path = request.place.path(number)
    seen: Seen = look(places_of(path, nested=True))
    if seen.users:
        return f"it is in use by {'; '.join(described(user) for user in seen.users[:3])}"
    if seen.suspects:
        return f"it may be in use by {'; '.join(described(user) for user in seen.suspects[:3])}"
    hidden = seen.problem or shared_kind(path) or (seen.unseen and "processes of other users")
    known = state.known[number]
    days = (time.time() - (known.retired or 0)) / _DAY
    if hidden and known.retired is None:
        # It never was current, as after a failed verification: nobody was led there.
        return "" if known.failed else f"its users cannot be seen here ({hidden})"
    if hidden and days < request.keep_days:
        return (
            f"its users cannot be seen here ({hidden}), and it was replaced {days:.1f} days ago; it goes"
            f" after {request.keep_days:g} days"
        )
    return ""
