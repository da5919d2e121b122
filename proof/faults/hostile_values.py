"""Hostile values from a seeded generator: mutations of calls that are documented or shown to work."""

from __future__ import annotations

import json
from collections.abc import Mapping
from random import Random
from typing import Any

ATOMS = (
    "$(touch /canary)", "; touch /canary", "`touch /canary`", "| touch /canary #", "&& touch /canary",
    "\ntouch /canary\n", "' ; touch /canary '", '" $(touch /canary) "', "--prefix=/etc", "--file=/etc/passwd",
    "-e", "--help", "-", "%s%n%x", "{0.__class__}", "{{ 7 * 7 }}", "%(prefix)s", "${HOME}", "$IFS", "~ada",
    "~",
    "\x00", "\x1b[31m", "\ud800", "\udcff", "\u202e", "\ufeff", "\u00e9", "\u0661", "../../../etc/passwd",
    "/../..", "/etc/passwd", "/dev/zero/x", "file:///etc/passwd", "", " ", "\t", "\r\n", "\\", "'",
    '"', "*", "[",
    "(((((", "[[[[", "{", "}", "&a [*a, *a]", "*a", "!!python/object/apply:os.system ['touch /canary']",
    "<<: *a",
    "- - - - -", "? :", "| >", "# ", "nan", "-inf", "1e309", "9" * 400, "0x10", "-1", "@EXPLICIT",
    "#sha256:zz",
    "http://[::1", "http://127.0.0.1:99999/", "https://", "://", "::", "[version='>1',build=]", "==",
    "=>3", "!=*",
    ">=1,<", "|", "~=", " @ ", "-r /etc/passwd", "-e git+ssh://x", "; os_name=='",
    "[x", "x" * 120, "A" * 70_000,
)  # fmt: skip
"""What has broken programs before: for shells, option parsers, formats, paths, YAML, numbers, URLs, specs."""

NUMBERS = (0, -1, 1, 2**31, 2**63, -(2**63), 10**30, 0.1, -0.0, 1e308, float("nan"), float("inf"))
WILD: tuple[Any, ...] = (
    None,
    True,
    *NUMBERS,
    "",
    [],
    {},
    [[]],
    [None],
    {"": ""},
    {"a": {"b": []}},
    [{}],
)


class Generator:
    """Mutations, the same for the same seed."""

    def __init__(self, seed: str) -> None:
        self.random = Random(seed)

    def text(self, text: str) -> str:
        """A text that resembles another."""
        for _ in range(self.random.choice((1, 1, 1, 2, 3))):
            at = self.random.randint(0, len(text))
            to = min(len(text), at + self.random.choice((0, 0, 1, 3, 10)))
            how = self.random.random()
            if how < 0.6:
                text = text[:at] + self.random.choice(ATOMS) + text[to:]
            elif how < 0.7:
                text = (
                    text[:at] + chr(self.random.choice((*range(256), 0x2028, 0x1F600))) + text[to:]
                )
            elif how < 0.8:
                text = text[:at] + text[to:]
            elif how < 0.9:
                text = text[:at]
            else:
                text = text + text[at:to] * self.random.choice((2, 50))
        return text

    def value(self, value: Any, depth: int = 0) -> Any:
        """A value that resembles another, mostly of the same type."""
        if self.random.random() < 0.06:
            return self.random.choice(WILD)
        if self.random.random() < 0.01:
            return self.nested(150)
        if isinstance(value, bool) or value is None:
            return self.random.choice((True, False, None, "yes", "no", "maybe", 1, self.text("no")))
        if isinstance(value, (int, float)):
            return self.random.choice((*NUMBERS, value, str(value), self.text(str(value))))
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return self._list(value, depth)
        if isinstance(value, dict):
            return self._dict(value, depth)
        return value

    def _list(self, value: list[Any], depth: int) -> list[Any]:
        found = list(value)
        at = self.random.randint(0, len(found))
        how = self.random.random()
        if found and at < len(found) and how < 0.6:
            found[at] = self.value(found[at], depth + 1)
        elif how < 0.75:
            found.insert(at, self.text(str(found[0]) if found else ""))
        elif how < 0.85:
            found.insert(at, self.random.choice(ATOMS))
        elif how < 0.9:
            found.insert(at, self.random.choice(WILD))
        elif how < 0.95:
            found = found * self.random.choice((0, 2, 200))
        else:
            found = [found]
        return found

    def _dict(self, value: dict[Any, Any], depth: int) -> dict[Any, Any]:
        found = dict(value)
        key = self.random.choice(list(found)) if found else ""
        how = self.random.random()
        if found and how < 0.65:
            found[key] = self.value(found[key], depth + 1)
        elif found and how < 0.75:
            found[self.text(str(key))] = found.pop(key)
        elif found and how < 0.85:
            del found[key]
        else:
            found[self.text(str(key))] = self.random.choice((*ATOMS, *WILD))
        return found

    def nested(self, depth: int) -> Any:
        """Lists or mappings in each other."""
        found: Any = self.random.choice(ATOMS)
        for _ in range(depth):
            found = [found] if self.random.random() < 0.5 else {"a": found}
        return found

    def content(self, text: str) -> bytes:
        """A file's content that resembles another: as a text, as a JSON document, or as bytes."""
        how = self.random.random()
        if how < 0.45 and text[:1] in "{[":
            try:
                return self._json(json.loads(text))
            except ValueError:
                pass
        if how < 0.75:
            return self.text(text).encode("utf-8", "surrogatepass")
        if how < 0.85:
            return self._lines(text).encode("utf-8", "surrogatepass")
        if how < 0.9:
            whole = bytearray(text.encode()) or bytearray(b"\0")
            for _ in range(self.random.choice((1, 3, 30))):
                whole[self.random.randrange(len(whole))] = self.random.randrange(256)
            return bytes(whole)
        return self.random.choice(
            (b"", b"\xff\xfe\x00", b"[" * 100_000, b'{"a":' * 20_000, b"9" * 6000, b"NaN",
             b"null", b"\0" * 5000,
             b"- " * 5000, b"{" * 3000, b"a: &a [x]\nb: [*a, *a]\n", b"x" * 300_000, b"a:\n " * 4000)
        )  # fmt: skip

    def _json(self, document: Any) -> bytes:
        for _ in range(self.random.choice((1, 1, 2, 4))):
            document = self._deep(document)
        return json.dumps(document).encode()

    def _deep(self, node: Any) -> Any:
        """Mutate one node, anywhere in a document."""
        below: list[Any] = []
        if isinstance(node, dict):
            below = [key for key in node if node[key] not in ("", [], {}, None)]
        elif isinstance(node, list):
            below = list(range(len(node)))
        if not below or self.random.random() < 0.3:
            return self.value(node)
        key = self.random.choice(below)
        copied = node.copy()
        copied[key] = self._deep(node[key])
        return copied

    def _lines(self, text: str) -> str:
        lines = text.splitlines(keepends=True) or [""]
        at = self.random.randrange(len(lines))
        lines[at] = self.random.choice(
            (
                lines[at] * 3,
                "",
                " " + lines[at],
                "\t" + lines[at],
                self.text(lines[at]),
                lines[0] + lines[at],
            )
        )
        return "".join(lines)


def merged(options: Mapping[str, Any], dotted: str, value: Any) -> dict[str, Any]:
    """The options with one set; ``option.suboption`` reaches into a mapping, or a list's first one."""
    name, _, below = dotted.partition(".")
    if not below:
        return {**options, name: value}
    inner = options.get(name)
    if isinstance(inner, list) and inner and isinstance(inner[0], dict):
        return {**options, name: [merged(inner[0], below, value), *inner[1:]]}
    return {**options, name: merged(inner if isinstance(inner, dict) else {}, below, value)}
