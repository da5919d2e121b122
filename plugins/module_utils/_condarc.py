# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads and edits condarc files without a YAML library, which a managed host need not have.

Understood is what condarc files consist of: top-level keys with scalars, block or flow lists, and one
level of nested mappings, with comments (conda, "Using the .condarc conda configuration file"). Anything
else, such as anchors or multi-line scalars, is refused with its line number: never guessed. For other
files of conda (``environment.yml``), lists may hold blocks too, when that is asked for.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Union

Scalar = Union[str, int, float, bool, None]
Value = Union[Scalar, list[Any], dict[str, Any]]

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*:(?: |$)")
_ITEM = re.compile(r" *-(?:\s+(?P<rest>.*))?$")
# Written without quotes only where no version of YAML could take the text for something else.
_PLAIN = re.compile(r"(?:[A-Za-z_/$]|~/)[^\s#:'\"\[\]{},&*!|>%@`?\\]*(?::[^\s#:'\"\[\]{},?\\]+)*")
_PRINTABLE = re.compile(
    r"[\t\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]*"
)
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"(?:[-+]?[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+][0-9]+)?")
_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"), False),
    **dict.fromkeys(("null", "Null", "NULL", "~", ""), None),
}
# Booleans in some readers of YAML 1.1 only: always quoted, never read as such.
_QUOTED_WORDS = frozenset({"y", "Y", "n", "N", "="})


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


class _Reader:
    """Reads the value in one line from left to right: a scalar, a flow list or a flow mapping."""

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
        """Whether nothing but a comment follows."""
        start = self.position
        self._blank()
        rest = self.text[self.position :]
        return not rest or (rest[0] == "#" and (self.position > start or not start))

    def value(self) -> Value:
        """The value that takes up the rest of the line.

        Raises:
            CondarcError: it is of a form that is not supported, or something follows it.
        """
        if self.at_end():
            return None
        found = self._node(flow=False)
        if not self.at_end():
            raise self.error("something follows the value")
        return found

    def key(self) -> str:
        """The key at the start of the line, with its colon behind it."""
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
            # Of YAML's escapes, JSON knows those that occur in practice; a raw tab is allowed.
            return str(json.loads(found.group(), strict=False))
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
                raise self.error(f"the key {name} stands twice or merges")
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
            raise self.error("brackets have to be closed in the same line")


def _resolved(text: str) -> Scalar:
    """The scalar that an unquoted text means.

    Forms on which YAML 1.1 and 1.2 disagree (``017``, ``1_000``, ``1:30``, dates) stay text.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _indent(line: _Line) -> int:
    if "\t" in line.text[: len(line.text) - len(line.text.lstrip())]:
        raise CondarcError(f"line {line.number}: tabs cannot indent YAML")
    return len(line.text) - len(line.text.lstrip(" "))


def _block(lines: list[_Line], nested: bool) -> Value:
    """The value made of the non-empty ``lines`` below a key; ``nested`` allows blocks inside a list."""
    if not lines:
        return None
    if _ITEM.fullmatch(lines[0].text):
        return _nested_list(lines) if nested else _block_list(lines)
    return _block_mapping(lines, nested)


def _block_list(lines: list[_Line]) -> list[Any]:
    indent = _indent(lines[0])
    items = []
    for line in lines:
        found = _ITEM.fullmatch(line.text)
        if not found or _indent(line) != indent:
            raise CondarcError(f"line {line.number}: an item of a plain list is expected")
        items.append(_Reader(found["rest"] or "", line.number).value())
    return items


def _nested_list(lines: list[_Line]) -> list[Any]:
    indent = _indent(lines[0])
    items: list[Any] = []
    index = 0
    while index < len(lines):
        line = lines[index]
        found = _ITEM.fullmatch(line.text)
        if not found or _indent(line) != indent:
            raise CondarcError(f"line {line.number}: an item of a list is expected")
        below = index + 1
        while below < len(lines) and _indent(lines[below]) > indent:
            below += 1
        rest = found["rest"] or ""
        if _KEY.match(rest):
            # The key after the dash is the first of a mapping that goes on in the lines below.
            first = _Line(line.number, " " * found.start("rest") + rest)
            items.append(_block_mapping([first, *lines[index + 1 : below]], True))
        elif below > index + 1:
            raise CondarcError(
                f"line {lines[index + 1].number}: this form of YAML is not supported here"
            )
        else:
            items.append(_Reader(rest, line.number).value())
        index = below
    return items


def _block_mapping(lines: list[_Line], nested: bool) -> dict[str, Any]:
    indent = _indent(lines[0])
    pairs: dict[str, Any] = {}
    index = 0
    while index < len(lines):
        line = lines[index]
        if _indent(line) != indent:
            raise CondarcError(f"line {line.number}: 'key: value' is expected")
        below = index + 1
        while below < len(lines) and (
            _indent(lines[below]) > indent or _is_item(lines[below], indent)
        ):
            below += 1
        key, value = _pair(line, lines[index + 1 : below], nested)
        if key in pairs:
            raise CondarcError(f"line {line.number}: the key {key} stands twice")
        pairs[key] = value
        index = below
    return pairs


def _is_item(line: _Line, indent: int) -> bool:
    """A list may stand at the same indentation as its key."""
    return _indent(line) == indent and _ITEM.fullmatch(line.text) is not None


def _pair(line: _Line, below: list[_Line], nested: bool) -> tuple[str, Value]:
    reader = _Reader(line.text[_indent(line) :], line.number)
    key = reader.key()
    if reader.at_end():
        return key, _block(below, nested)
    value = reader.value()
    if below:
        raise CondarcError(
            f"line {below[0].number}: a value over several lines is not supported here"
        )
    return key, value


class Condarc:
    """One condarc: its values by key, and its text with everything that was not touched kept as it was.

    Args:
        text: of the file.
        nested: lists may hold mappings in block style, which condarc files never do.

    Raises:
        CondarcError: the text is not understood.
    """

    def __init__(self, text: str, *, nested: bool = False) -> None:
        self._nested = nested
        # Not splitlines(), which also splits at characters that end no line in YAML 1.2.
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

    def _meaningful(self) -> list[_Line]:
        """The lines that are neither empty nor a comment, without their ends."""
        found: list[_Line] = []
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
                found.append(_Line(number, text))
        return found

    def _parse(self) -> list[_Entry]:
        meaningful = self._meaningful()
        entries: list[_Entry] = []
        index = 0
        while index < len(meaningful):
            line = meaningful[index]
            if _indent(line):
                raise CondarcError(f"line {line.number}: 'key: value' is expected")
            below = index + 1
            while below < len(meaningful) and (
                _indent(meaningful[below]) or _is_item(meaningful[below], 0)
            ):
                below += 1
            key, value = _pair(line, meaningful[index + 1 : below], self._nested)
            if any(entry.key == key for entry in entries):
                raise CondarcError(f"line {line.number}: the key {key} stands twice")
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
        end = "\r\n" if self._lines and self._lines[0].endswith("\r\n") else "\n"
        new = [f"{line}{end}" for line in lines]
        entry = next((entry for entry in self._entries if entry.key == key), None)
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


def _quoted(text: str) -> str:
    # What JSON leaves as it is and YAML does not allow; characters beyond U+FFFF stay, because JSON's
    # pairs of surrogates mean something else in YAML.
    return re.sub(
        r"[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]",
        lambda found: f"\\u{ord(found.group()):04x}",
        json.dumps(text, ensure_ascii=False),
    )


def _render_scalar(value: Scalar) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        # YAML 1.1 takes 1e-07 for a text: there has to be a dot.
        mantissa, exponent, power = repr(value).partition("e")
        return (
            f"{mantissa if '.' in mantissa or not exponent else mantissa + '.0'}{exponent}{power}"
        )
    if isinstance(value, int):
        return str(value)
    plain = (
        value.isascii()
        and value.isprintable()
        and _PLAIN.fullmatch(value)
        and value not in _WORDS
        and value not in _QUOTED_WORDS
    )
    return value if plain else _quoted(value)


def render(key: str, value: Value) -> str:
    """The lines of one setting, in the block style that conda itself writes."""
    name = _render_scalar(key)
    if isinstance(value, list):
        if not value:
            return f"{name}: []\n"
        items = "".join(f"  - {_render_item(item)}\n" for item in value)
        return f"{name}:\n{items}"
    if isinstance(value, dict):
        if not value:
            return f"{name}: {{}}\n"
        lines = [
            line for pair in value.items() for line in render(str(pair[0]), pair[1]).splitlines()
        ]
        return f"{name}:\n" + "".join(f"  {line}\n" for line in lines)
    return f"{name}: {_render_scalar(value)}\n"


def _render_item(item: Any) -> str:
    # Lists of mappings (conda's channel_settings) are written as flow.
    if isinstance(item, dict):
        pairs = (f"{_quoted(str(name))}: {_render_item(value)}" for name, value in item.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(item, list):
        return f"[{', '.join(map(_render_item, item))}]"
    return _render_scalar(item)


def user_condarc() -> str:
    """The condarc of the user that runs this, as conda's scope user has it."""
    return os.path.expanduser("~/.condarc")


def merged(present: Value, wanted: Value) -> Value:
    """``present`` with what ``wanted`` adds: new list items at the end, new or changed pairs of a mapping."""
    if isinstance(present, list) and isinstance(wanted, list):
        return [*present, *(item for item in wanted if item not in present)]
    if isinstance(present, Mapping) and isinstance(wanted, Mapping):
        return {**present, **wanted}
    return wanted
