# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits the block of a condarc key line by line, so that its comments stay."""

from __future__ import annotations

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.reader import (
    Line,
    Value,
    indent_of,
    is_item,
    read_pair,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.render import render


def edited_block(lines: list[str], present: Value, wanted: Value) -> list[str] | None:
    """The lines of a setting with a new value, or None if the setting has to be rewritten.

    Args:
        lines: of the current setting, first that of its key, with their line ends.
        present: the value of these lines.
        wanted: the new value; items or pairs that stay keep their lines.
    """
    block = _Block(lines)
    if block.rows and isinstance(present, list) and isinstance(wanted, list):
        return block.with_items(present, wanted)
    if block.rows and isinstance(present, dict) and isinstance(wanted, dict):
        return block.with_pairs(present, wanted)
    return None


class _Block:
    """The lines of a setting; ``rows`` are the indexes of the lines below the key that have content."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.end = "\r\n" if lines[0].endswith("\r\n") else "\n"
        self.rows = [
            row
            for row, line in enumerate(lines)
            if row and line.strip() and not line.lstrip().startswith("#")
        ]

    def _line(self, row: int) -> Line:
        return Line(row, self.lines[row].rstrip("\r\n").rstrip(" \t"))

    def _rendered(self, key: str, value: Value) -> list[str]:
        indent = " " * indent_of(self._line(self.rows[0]))
        return [f"{indent}{line}{self.end}" for line in render(key, value).splitlines()]

    def _copy(self) -> list[str]:
        # The last line of a file may have no line end, but lines may be added below it.
        return [*self.lines[:-1], self.lines[-1].rstrip("\r\n") + self.end]

    def with_items(self, present: list[Value], wanted: list[Value]) -> list[str] | None:
        """Remove items, and add others at the end; None if the order changes."""
        kept = [item for item in present if item in wanted]
        if not kept or wanted[: len(kept)] != kept or len(self.rows) != len(present):
            return None
        result = self._copy()
        added = wanted[len(kept) :]
        if added:
            # Items are rendered below a key and indented by two spaces.
            result.extend(
                f"{line[2:]}" for line in self._rendered("key", added)[1:] if line.strip()
            )
        for row, item in reversed(list(zip(self.rows, present))):
            if item not in wanted:
                del result[row]
        return result

    def with_pairs(self, present: dict[str, Value], wanted: dict[str, Value]) -> list[str] | None:
        """Remove, change and add pairs."""
        if not any(key in wanted for key in present):
            return None
        result = self._copy()
        for key, value in wanted.items():
            if key not in present:
                result.extend(self._rendered(key, value))
        for key, first, last in reversed(self._pairs()):
            if key not in wanted:
                del result[first : last + 1]
            elif present[key] != wanted[key]:
                result[first : last + 1] = self._rendered(key, wanted[key])
        return result

    def _pairs(self) -> list[tuple[str, int, int]]:
        """Each key of the mapping with its first and last line."""
        indent = indent_of(self._line(self.rows[0]))
        found: list[tuple[str, int, int]] = []
        for row in self.rows:
            line = self._line(row)
            if indent_of(line) == indent and not is_item(line, indent):
                found.append((read_pair(line, [], False)[0], row, row))
            else:
                key, first, _last = found.pop()
                found.append((key, first, row))
        return found
