# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the known name that a person probably meant."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], limit: int | None = None) -> str:
    """Return the known name with the fewest typing mistakes in it, or an empty string if none is similar.

    Args:
        name: the unknown name.
        known: the candidates; of two equally similar names the first in the alphabet is returned.
        limit: the most mistakes that still count as similar. Without it, one in five characters, at least one
            and at most three.
    """
    if limit is None:
        limit = max(1, min(3, len(name) // 5))
    best, found = limit + 1, ""
    for one in sorted(known):
        mistakes = distance(name, one, best - 1)
        if mistakes < best:
            best, found = mistakes, one
    return found


def distance(one: str, other: str, limit: int) -> int:
    """Count the insertions, deletions, substitutions and swaps of neighbours between two words.

    Returns:
        The count, or ``limit + 1`` if it is larger: most pairs are given up after a few letters.
    """
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for place, letter in enumerate(one, start=1):
        older, before = before, row
        row = [place]
        for column, against in enumerate(other, start=1):
            cost = before[column - 1] + (letter != against)
            cost = min(cost, before[column] + 1, row[column - 1] + 1)
            if older and column > 1 and letter == other[column - 2] and one[place - 2] == against:
                cost = min(cost, older[column - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
    return min(row[-1], limit + 1)
