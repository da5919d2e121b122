# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shortens long texts between words, so that no path in a message is cut."""

from __future__ import annotations

# Characters. A single word may be a whole script (python -c).
_LONGEST_WORD = 1024


def beginning(text: str, limit: int) -> str:
    """The first words of ``text``, about ``limit`` characters, with ``...`` if words are missing.

    The first word is whole, unless it is longer than any path that a person would write.
    """
    text = text.rstrip()
    if len(text) <= limit:
        return text
    end = limit
    if not text[end].isspace():
        end = _last_space(text[:end])
    if end <= 0:
        end = _next_space(text, limit)
    if end > max(limit, _LONGEST_WORD):
        return f"{text[: max(limit, _LONGEST_WORD)]}..."
    kept = text[:end].rstrip()
    return kept if end >= len(text) else f"{kept} ..."


def ending(text: str, limit: int) -> str:
    """The last words of ``text``, about ``limit`` characters, with ``...`` if words are missing."""
    text = text.strip()
    if len(text) <= limit:
        return text
    start = _next_space(text, len(text) - limit)
    if start >= len(text):
        start = _last_space(text) + 1
    return text if start <= 0 else f"... {text[start:].lstrip()}"


def both_ends(text: str, limit: int) -> str:
    """``text`` without its middle, about ``limit`` characters, with ``[...]`` for what is missing."""
    if len(text) <= limit:
        return text
    first, last = beginning(text, limit // 2), ending(text, limit // 2)
    if len(first) + len(last) >= len(text):
        return text
    return f"{first[: -len(' ...')]}\n[...]\n{last[len('... ') :]}"


def _last_space(text: str) -> int:
    return max((place for place, char in enumerate(text) if char.isspace()), default=-1)


def _next_space(text: str, start: int) -> int:
    return next((i for i in range(start, len(text)) if text[i].isspace()), len(text))
