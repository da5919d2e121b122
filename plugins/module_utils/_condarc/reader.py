# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses the values of condarc files; the rest of the collection uses :mod:`_condarc`.

Supports what condarc files contain: top-level keys with scalars, block or flow lists, and one level of nested
mappings, with comments (conda, "Using the .condarc conda configuration file"). Any other YAML, such as
anchors or multi-line scalars, is refused with its line number, never guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Union

from ansible_collections.llmfleet.conda.plugins.module_utils._core import json_document

Scalar = Union[str, int, float, bool, None]
Value = Union[Scalar, list[Any], dict[str, Any]]

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*:(?: |$)")
_ITEM = re.compile(r" *-(?:\s+(?P<rest>.*))?$")
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"(?:[-+]?[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+][0-9]+)?")
WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"), False),
    **dict.fromkeys(("null", "Null", "NULL", "~", ""), None),
}


class CondarcError(ValueError):
    """The text is not a condarc that this module supports; the message has the line number."""


@dataclass
class Line:
    number: int
    text: str


class _Reader:
    """Parses the value in one line from left to right: a scalar, a flow list or a flow mapping."""

    def __init__(self, text: str, number: int) -> None:
        self.text = text
        self.number = number
        self.position = 0

    def error(self, problem: str) -> CondarcError:
        return CondarcError(f"line {self.number}: {problem}: {self.text.strip()!r}")

    def _peek(self) -> str:
        return self.text[self.position : self.position + 1]

    def _blank(self) -> None:
        while self._peek() == " ":
            self.position += 1
        if self._peek() == "\t":
            raise self.error("a tab outside of quotes")

    def at_end(self) -> bool:
        """Whether only a comment follows."""
        start = self.position
        self._blank()
        rest = self.text[self.position :]
        return not rest or (rest[0] == "#" and (self.position > start or not start))

    def value(self) -> Value:
        """The value in the rest of the line.

        Raises:
            CondarcError: its form is not supported, or other text follows it.
        """
        if self.at_end():
            return None
        found = self._node(flow=False)
        if not self.at_end():
            raise self.error("unexpected text after the value")
        return found

    def key(self) -> str:
        """The key at the start of the line; also reads the colon after it."""
        quoted = self._peek() in {'"', "'"}
        found = self._quoted() if quoted else self._plain(flow=False, key=True)
        self._blank()
        if self._peek() != ":" or self.text[self.position + 1 : self.position + 2] not in {"", " "}:
            raise self.error("'key: value' is expected")
        self.position += 1
        if found == "<<" and not quoted:
            raise self.error("a merge key is not supported here")
        return found

    def _node(self, flow: bool) -> Value:
        self._blank()
        first = self._peek()
        if first == "[":
            return self._list()
        if first == "{":
            return self._mapping()
        if first in {'"', "'"}:
            return self._quoted()
        return _resolved(self._plain(flow))

    def _quoted(self) -> str:
        quote = self._peek()
        pattern = r"\"(?:[^\"\\]|\\.)*\"" if quote == '"' else r"'(?:[^']|'')*'"
        found = re.compile(pattern).match(self.text, self.position)
        if not found:
            raise self.error("a quote is not closed")
        self.position = found.end()
        if quote == "'":
            return found.group()[1:-1].replace("''", "'")
        try:
            # JSON knows the YAML escapes that occur in practice; a raw tab is allowed.
            return str(json_document.loads(found.group(), strict=False))
        except ValueError as error:
            raise self.error("an escape that is not supported here") from error

    def _plain(self, flow: bool, key: bool = False) -> str:
        start = self.position
        indicators = ",[]{}" if flow else ""
        following = self.text[start + 1 : start + 2]
        if self._peek() in "[]{}&*!|>%@`,?#" or (
            self._peek() in {"-", ":"} and (following in {"", " "} or following in indicators)
        ):
            raise self.error("a form of YAML that is not supported here")
        while self._peek():
            character = self._peek()
            following = self.text[self.position + 1 : self.position + 2]
            if character in indicators or (
                character == "#" and self.text[self.position - 1] == " "
            ):
                break
            if character == ":" and (following in {"", " "} or following in indicators):
                if key:
                    break
                raise self.error("a mapping where a value is expected")
            if character == "\t":
                raise self.error("a tab outside of quotes")
            self.position += 1
        found = self.text[start : self.position].rstrip(" ")
        self.position = start + len(found)
        return found

    def _list(self) -> list[Any]:
        items: list[Any] = []
        self.position += 1
        while not self._closed("]"):
            items.append(self._node(flow=True))
            self._separator("]")
        return items

    def _mapping(self) -> dict[str, Any]:
        pairs: dict[str, Any] = {}
        self.position += 1
        while not self._closed("}"):
            quoted = self._peek() in {'"', "'"}
            name = self._quoted() if quoted else self._plain(flow=True, key=True)
            self._blank()
            if self._peek() != ":" or self.text[self.position + 1 : self.position + 2] != " ":
                raise self.error("a pair of key and value is expected in braces")
            if name in pairs or (name == "<<" and not quoted):
                raise self.error(f"the key {name} occurs twice or is a merge key")
            self.position += 1
            self._blank()
            pairs[name] = None if self._peek() in {",", "}"} else self._node(flow=True)
            self._separator("}")
        return pairs

    def _closed(self, bracket: str) -> bool:
        self._blank()
        if self._peek() == bracket:
            self.position += 1
            return True
        return False

    def _separator(self, bracket: str) -> None:
        self._blank()
        if self._peek() == ",":
            self.position += 1
        elif self._peek() != bracket:
            raise self.error("brackets must be closed on the same line")


def _resolved(text: str) -> Scalar:
    """The scalar of an unquoted text.

    Forms that YAML 1.1 and 1.2 read differently (``017``, ``1_000``, ``1:30``, dates) stay text.
    """
    if text in WORDS:
        return WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def indent_of(line: Line) -> int:
    if "\t" in line.text[: len(line.text) - len(line.text.lstrip())]:
        raise CondarcError(f"line {line.number}: tabs cannot indent YAML")
    return len(line.text) - len(line.text.lstrip(" "))


def _block(lines: list[Line], nested: bool) -> Value:
    """The value of the non-empty ``lines`` below a key; ``nested`` allows blocks inside a list."""
    if not lines:
        return None
    if _ITEM.fullmatch(lines[0].text):
        return _nested_list(lines) if nested else _block_list(lines)
    return _block_mapping(lines, nested)


def _block_list(lines: list[Line]) -> list[Any]:
    indent = indent_of(lines[0])
    items = []
    for line in lines:
        found = _ITEM.fullmatch(line.text)
        if not found or indent_of(line) != indent:
            raise CondarcError(f"line {line.number}: an item of a plain list is expected")
        items.append(_Reader(found["rest"] or "", line.number).value())
    return items


def _nested_list(lines: list[Line]) -> list[Any]:
    indent = indent_of(lines[0])
    items: list[Any] = []
    index = 0
    while index < len(lines):
        line = lines[index]
        found = _ITEM.fullmatch(line.text)
        if not found or indent_of(line) != indent:
            raise CondarcError(f"line {line.number}: an item of a list is expected")
        below = index + 1
        while below < len(lines) and indent_of(lines[below]) > indent:
            below += 1
        rest = found["rest"] or ""
        if _KEY.match(rest):
            # The key after the dash is the first of a mapping that continues in the lines below.
            first = Line(line.number, " " * found.start("rest") + rest)
            items.append(_block_mapping([first, *lines[index + 1 : below]], True))
        elif below > index + 1:
            raise CondarcError(
                f"line {lines[index + 1].number}: this form of YAML is not supported here"
            )
        else:
            items.append(_Reader(rest, line.number).value())
        index = below
    return items


def _block_mapping(lines: list[Line], nested: bool) -> dict[str, Any]:
    indent = indent_of(lines[0])
    pairs: dict[str, Any] = {}
    index = 0
    while index < len(lines):
        line = lines[index]
        if indent_of(line) != indent:
            raise CondarcError(f"line {line.number}: 'key: value' is expected")
        below = index + 1
        while below < len(lines) and (
            indent_of(lines[below]) > indent or is_item(lines[below], indent)
        ):
            below += 1
        key, value = read_pair(line, lines[index + 1 : below], nested)
        if key in pairs:
            raise CondarcError(f"line {line.number}: the key {key} occurs twice")
        pairs[key] = value
        index = below
    return pairs


def is_item(line: Line, indent: int) -> bool:
    """A list may have the same indentation as its key."""
    return indent_of(line) == indent and _ITEM.fullmatch(line.text) is not None


def read_pair(line: Line, below: list[Line], nested: bool) -> tuple[str, Value]:
    reader = _Reader(line.text[indent_of(line) :], line.number)
    key = reader.key()
    if reader.at_end():
        return key, _block(below, nested)
    value = reader.value()
    if below:
        raise CondarcError(
            f"line {below[0].number}: a value over several lines is not supported here"
        )
    return key, value
