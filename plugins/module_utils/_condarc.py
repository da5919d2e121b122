# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads and edits condarc files without a YAML library, which a managed host need not have.

Understood is what condarc files consist of: top-level keys with scalars, block or flow lists, and one
level of nested mappings, with comments (conda, "Using the .condarc conda configuration file"). Anything
else, such as anchors or multi-line scalars, is refused with its line number: never guessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Union

Scalar = Union[str, int, float, bool, None]
Value = Union[Scalar, list[Any], dict[str, Any]]

_KEY = re.compile(
    r"(?P<indent> *)(?P<key>\"[^\"]*\"|'[^']*'|[^\s#:'\"\[\]{},&*!|>%@`-][^#:]*?)\s*:(?:\s+(?P<rest>.*))?$"
)
_ITEM = re.compile(r"(?P<indent> *)-(?:\s+(?P<rest>.*))?$")
_PLAIN = re.compile(r"[A-Za-z0-9_./$~][^\s#:'\"\[\]{},]*(?:(?: |:(?=\S))[^\s#:'\"\[\]{},]+)*")
_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"), False),
    **dict.fromkeys(("null", "Null", "NULL", "~", ""), None),
}


class CondarcError(ValueError):
    """The text is no condarc that this module understands; the message has the line number."""


@dataclass
class _Line:
    number: int
    text: str


@dataclass
class _Entry:
    """One top-level key: its raw lines, comments before it excluded, and its value."""

    key: str
    value: Value
    first: int
    last: int


def _strip_comment(text: str) -> str:
    """``text`` without a trailing comment; quotes protect the number sign."""
    quote = ""
    for index, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character == "#" and (index == 0 or text[index - 1].isspace()):
            return text[:index].rstrip()
    return text.rstrip()


def _scalar(text: str, number: int) -> Scalar:
    text = text.strip()
    if text in _WORDS:
        return _WORDS[text]
    if text[0] == '"':
        try:
            value = json.loads(text)
        except ValueError as error:
            raise CondarcError(f"line {number}: {text} is no quoted string") from error
        return str(value)
    if text[0] == "'":
        if len(text) < 2 or text[-1] != "'" or "'" in text[1:-1].replace("''", ""):
            raise CondarcError(f"line {number}: {text} is no quoted string")
        return text[1:-1].replace("''", "'")
    if text[0] in "[]{}&*!|>%@`,?":
        raise CondarcError(f"line {number}: {text!r} is a form of YAML that is not supported here")
    if ": " in text or text.endswith(":"):
        raise CondarcError(f"line {number}: {text!r} holds a mapping where a value is expected")
    for convert in (int, float):
        try:
            return convert(text)
        except ValueError:
            continue
    return text


def _flow(text: str, number: int) -> Value:
    """A flow list or mapping on one line, else a scalar."""
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        return [_flow(part, number) for part in _flow_parts(text[1:-1], number)]
    if text.startswith("{") and text.endswith("}"):
        pairs: dict[str, Any] = {}
        for part in _flow_parts(text[1:-1], number):
            key, separator, value = part.partition(": ")
            if not separator:
                raise CondarcError(f"line {number}: {part!r} is no pair of key and value")
            pairs[str(_scalar(key, number))] = _flow(value, number)
        return pairs
    return _scalar(text, number)


def _flow_parts(text: str, number: int) -> list[str]:
    parts, depth, quote, start = [], 0, "", 0
    for index, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "[{":
            depth += 1
        elif character in "]}":
            depth -= 1
        elif character == "," and not depth:
            parts.append(text[start:index])
            start = index + 1
    if depth or quote:
        raise CondarcError(f"line {number}: unbalanced brackets or quotes")
    parts.append(text[start:])
    return [part for part in parts if part.strip()]


def _indent(line: _Line) -> int:
    if "\t" in line.text[: len(line.text) - len(line.text.lstrip())]:
        raise CondarcError(f"line {line.number}: tabs cannot indent YAML")
    return len(line.text) - len(line.text.lstrip(" "))


def _block(lines: list[_Line]) -> Value:
    """The value made of the non-empty ``lines`` below a key."""
    if not lines:
        return None
    if _ITEM.fullmatch(lines[0].text):
        return _block_list(lines)
    return _block_mapping(lines)


def _block_list(lines: list[_Line]) -> list[Any]:
    indent = _indent(lines[0])
    items = []
    for line in lines:
        found = _ITEM.fullmatch(line.text)
        if not found or _indent(line) != indent:
            raise CondarcError(f"line {line.number}: an item of a plain list is expected")
        items.append(_flow(found["rest"] or "", line.number))
    return items


def _block_mapping(lines: list[_Line]) -> dict[str, Any]:
    indent = _indent(lines[0])
    pairs: dict[str, Any] = {}
    index = 0
    while index < len(lines):
        line = lines[index]
        found = _KEY.fullmatch(line.text)
        if not found or _indent(line) != indent:
            raise CondarcError(f"line {line.number}: 'key: value' is expected")
        below = index + 1
        while below < len(lines) and (
            _indent(lines[below]) > indent or _is_item(lines[below], indent)
        ):
            below += 1
        pairs[_key(found["key"], line.number)] = _value(
            found["rest"], lines[index + 1 : below], line.number
        )
        index = below
    return pairs


def _is_item(line: _Line, indent: int) -> bool:
    """A list may stand at the same indentation as its key."""
    return _indent(line) == indent and _ITEM.fullmatch(line.text) is not None


def _key(text: str, number: int) -> str:
    return str(_scalar(text, number))


def _value(rest: str | None, below: list[_Line], number: int) -> Value:
    if rest and rest.strip():
        if below:
            raise CondarcError(
                f"line {below[0].number}: a value over several lines is not supported here"
            )
        return _flow(rest, number)
    return _block(below)


class Condarc:
    """One condarc: its values by key, and its text with everything that was not touched kept as it was.

    Raises:
        CondarcError: the text is not understood.
    """

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        self._entries = self._parse()

    @property
    def values(self) -> dict[str, Value]:
        """All settings."""
        return {entry.key: entry.value for entry in self._entries}

    @property
    def text(self) -> str:
        """The file's text."""
        return "".join(f"{line}\n" for line in self._lines)

    def _parse(self) -> list[_Entry]:
        meaningful = []
        for number, raw in enumerate(self._lines, start=1):
            stripped = _strip_comment(raw)
            if stripped.strip() and not (stripped in ("---", "...") or stripped.startswith("%")):
                meaningful.append(_Line(number, stripped))
        entries: list[_Entry] = []
        index = 0
        while index < len(meaningful):
            line = meaningful[index]
            found = _KEY.fullmatch(line.text)
            if not found or _indent(line):
                raise CondarcError(f"line {line.number}: 'key: value' is expected")
            below = index + 1
            while below < len(meaningful) and (
                _indent(meaningful[below]) or _is_item(meaningful[below], 0)
            ):
                below += 1
            key = _key(found["key"], line.number)
            if any(entry.key == key for entry in entries):
                raise CondarcError(f"line {line.number}: the key {key} stands twice")
            value = _value(found["rest"], meaningful[index + 1 : below], line.number)
            entries.append(_Entry(key, value, line.number - 1, meaningful[below - 1].number - 1))
            index = below
        return entries

    def set(self, key: str, value: Value) -> None:
        """Give ``key`` this value; its place in the file is kept, a new key comes last."""
        self._replace(key, render(key, value).splitlines())

    def remove(self, key: str) -> None:
        """Remove ``key`` if it is there."""
        self._replace(key, [])

    def _replace(self, key: str, lines: list[str]) -> None:
        entry = next((entry for entry in self._entries if entry.key == key), None)
        if entry is None:
            self._lines.extend(lines)
        else:
            self._lines[entry.first : entry.last + 1] = lines
        self._entries = self._parse()


def _render_scalar(value: Scalar) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    plain = _PLAIN.fullmatch(value) is not None and value not in _WORDS
    if plain and isinstance(_scalar(value, 0), str):
        return value
    return json.dumps(value, ensure_ascii=False)


def render(key: str, value: Value) -> str:
    """The lines of one setting, in the block style that conda itself writes."""
    if isinstance(value, list):
        if not value:
            return f"{key}: []\n"
        items = "".join(f"  - {_render_item(item)}\n" for item in value)
        return f"{key}:\n{items}"
    if isinstance(value, dict):
        if not value:
            return f"{key}: {{}}\n"
        lines: list[str] = []
        for name, item in value.items():
            shown = render(_render_scalar(str(name)), item)
            lines.extend(f"  {line}\n" for line in shown.splitlines())
        return f"{key}:\n{''.join(lines)}"
    return f"{key}: {_render_scalar(value)}\n"


def _render_item(item: Any) -> str:
    # Lists of mappings (conda's channel_settings) are written as flow, which JSON is a part of.
    return (
        json.dumps(item, ensure_ascii=False)
        if isinstance(item, (dict, list))
        else _render_scalar(item)
    )


def merged(present: Value, wanted: Value) -> Value:
    """``present`` with what ``wanted`` adds: new list items at the end, new or changed pairs of a mapping."""
    if isinstance(present, list) and isinstance(wanted, list):
        return [*present, *(item for item in wanted if item not in present)]
    if isinstance(present, Mapping) and isinstance(wanted, Mapping):
        return {**present, **wanted}
    return wanted
