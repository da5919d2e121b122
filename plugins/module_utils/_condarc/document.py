# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads and edits condarc files without a YAML library, which a managed host may not have.

Lines that are not changed keep their bytes, including comments. For other files of conda
(``environment.yml``), lists may contain nested blocks on request.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.edit import edited_block
from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.reader import (
    CondarcError,
    Line,
    Value,
    indent_of,
    is_item,
    read_pair,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.render import render

__all__ = ["Condarc", "CondarcError", "Value", "merged", "user_condarc"]

_PRINTABLE = re.compile(
    r"[\t\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]*"
)


@dataclass
class _Entry:
    """One top-level key: its raw lines, without the comments before it, and its value."""

    key: str
    value: Value
    first: int
    last: int


class Condarc:
    """One condarc: its values by key, and its text, in which unchanged lines are kept.

    Args:
        text: of the file.
        nested: lists may contain mappings in block style, which condarc files never do.

    Raises:
        CondarcError: the text is not supported YAML.
    """

    def __init__(self, text: str, *, nested: bool = False) -> None:
        self._nested = nested
        # Not splitlines(), which also splits at characters that are no line ends in YAML 1.2.
        self._lines = re.findall(r"[^\n]*\n|[^\n]+", text)
        self._entries = self._parse()

    @property
    def values(self) -> dict[str, Value]:
        """All settings."""
        return {entry.key: entry.value for entry in self._entries}

    @property
    def line_numbers(self) -> dict[str, int]:
        """The line of each key, counted from 1."""
        return {entry.key: entry.first + 1 for entry in self._entries}

    @property
    def text(self) -> str:
        """The file's text."""
        return "".join(self._lines)

    def _meaningful(self) -> list[Line]:
        """The lines that are neither empty nor a comment, without their line ends."""
        found: list[Line] = []
        started = ended = False
        for number, raw in enumerate(self._lines, start=1):
            text = raw.rstrip("\r\n").rstrip(" \t")
            if not _PRINTABLE.fullmatch(text):
                raise CondarcError(f"line {number}: a character that YAML does not allow")
            if not text or text.lstrip(" \t").startswith("#"):
                continue
            if ended or (text == "---" and started):
                raise CondarcError(f"line {number}: a second YAML document")
            started = True
            if text == "...":
                ended = True
            elif text != "---":
                found.append(Line(number, text))
        return found

    def _parse(self) -> list[_Entry]:
        meaningful = self._meaningful()
        entries: list[_Entry] = []
        index = 0
        while index < len(meaningful):
            line = meaningful[index]
            if indent_of(line):
                raise CondarcError(f"line {line.number}: 'key: value' is expected")
            below = index + 1
            while below < len(meaningful) and (
                indent_of(meaningful[below]) or is_item(meaningful[below], 0)
            ):
                below += 1
            key, value = read_pair(line, meaningful[index + 1 : below], self._nested)
            if any(entry.key == key for entry in entries):
                raise CondarcError(f"line {line.number}: the key {key} occurs twice")
            entries.append(_Entry(key, value, line.number - 1, meaningful[below - 1].number - 1))
            index = below
        return entries

    def set(self, key: str, value: Value) -> None:
        """Set the value of ``key`` in its place; a new key is added at the end.

        Comments between the items of a list or the pairs of a mapping are kept with those that stay.
        """
        entry = self._entry(key)
        if entry is not None:
            before = self._lines
            block = before[entry.first : entry.last + 1]
            edited = edited_block(block, entry.value, value)
            if edited is not None:
                self._lines = [*before[: entry.first], *edited, *before[entry.last + 1 :]]
                self._entries = self._parse()
                if self.values.get(key) == value:
                    return
                self._lines = before
                self._entries = self._parse()
        self._replace(key, render(key, value).splitlines())

    def _entry(self, key: str) -> _Entry | None:
        return next((entry for entry in self._entries if entry.key == key), None)

    def remove(self, key: str) -> None:
        """Remove ``key`` if it exists."""
        self._replace(key, [])

    def _replace(self, key: str, lines: list[str]) -> None:
        end = "\r\n" if self._lines and self._lines[0].endswith("\r\n") else "\n"
        new = [f"{line}{end}" for line in lines]
        entry = self._entry(key)
        if entry is not None:
            self._lines[entry.first : entry.last + 1] = new
        elif new:
            if self._lines and not self._lines[-1].endswith("\n"):
                self._lines[-1] += end
            # Nothing may follow the mark that ends a document.
            marks = [index for index, line in enumerate(self._lines) if line.rstrip() == "..."]
            place = marks[0] if marks else len(self._lines)
            self._lines[place:place] = new
        self._entries = self._parse()


def user_condarc() -> str:
    """The condarc of the current user, as in conda's scope user."""
    return os.path.expanduser("~/.condarc")


def merged(present: Value, wanted: Value) -> Value:
    """``present`` with the additions of ``wanted``: new list items at the end, new or changed pairs."""
    if isinstance(present, list) and isinstance(wanted, list):
        return [*present, *(item for item in wanted if item not in present)]
    if isinstance(present, Mapping) and isinstance(wanted, Mapping):
        return {**present, **wanted}
    return wanted
