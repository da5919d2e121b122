# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conda's version ordering and version specs, without conda.

The rules are conda's own (documentation of ``conda.models.version.VersionOrder``, conda 24.7), which
differ from PEP 440: ``1.1`` equals ``1.1.0``, strings sort before numbers, ``dev`` before every other
string, ``post`` after every number, ``1.0.1a`` before ``1.0.1``, epochs with ``!``, local parts with
``+``, and a trailing underscore for versions like those of OpenSSL.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache, total_ordering
from itertools import zip_longest
from typing import Union

Token = Union[int, float, str]
Component = tuple[Token, ...]

_ALLOWED = re.compile(r"[*.+!_0-9a-z]+")
_RUNS = re.compile(r"[0-9]+|[*]+|[^0-9*]+")
# Upper case sorts before lower case, so a development release comes before any other string.
_DEVELOPMENT = "DEV"


class InvalidSpecError(ValueError):
    """conda would refuse this version or spec; the message says why."""


class UnsupportedSpecError(ValueError):
    """conda may accept this form; this collection leaves the decision to conda."""


def _tokens(component: str, text: str) -> Component:
    runs = _RUNS.findall(component)
    if not runs:
        raise InvalidSpecError(f"the version {text!r} has an empty component")
    tokens: list[Token] = []
    for run in runs:
        if run.isdigit():
            tokens.append(int(run))
        elif run == "post":
            tokens.append(float("inf"))
        else:
            tokens.append(_DEVELOPMENT if run == "dev" else run)
    # A leading number aligns the numbers and strings of different versions.
    return tuple(tokens) if runs[0].isdigit() else (0, *tokens)


def _components(part: str, text: str) -> tuple[Component, ...]:
    # A final underscore belongs to the last component (1.0.1_ comes before 1.0.1a, as in OpenSSL).
    tail = "_" if part.endswith("_") else ""
    words = part[: len(part) - len(tail)].replace("_", ".").split(".")
    words[-1] += tail
    return tuple(_tokens(word, text) for word in words)


def _compare_tokens(left: Token, right: Token) -> int:
    if left == right:
        return 0
    if isinstance(left, str) or isinstance(right, str):
        if isinstance(left, str) and isinstance(right, str):
            return -1 if left < right else 1
        return -1 if isinstance(left, str) else 1
    return -1 if left < right else 1


def _compare(left: Iterable[Component], right: Iterable[Component]) -> int:
    for ours, theirs in zip_longest(left, right, fillvalue=()):
        for token, other in zip_longest(ours, theirs, fillvalue=0):
            result = _compare_tokens(token, other)
            if result:
                return result
    return 0


@total_ordering
class CondaVersion:
    """One version, comparable as conda compares.

    Args:
        text: for example ``1!2.0.0rc1+cuda``; case does not matter.

    Raises:
        InvalidSpecError: conda does not accept it as a version.
    """

    def __init__(self, text: str) -> None:
        version = text.strip().lower()
        if not version:
            raise InvalidSpecError("a version is empty")
        if not _ALLOWED.fullmatch(version) and "_" not in version:
            version = version.replace("-", "_")
        if not _ALLOWED.fullmatch(version):
            raise InvalidSpecError(
                f"the version {text!r} has characters that a version must not contain"
            )
        self.text = text.strip()
        epoch, separator, rest = version.rpartition("!")
        if separator and not epoch.isdigit():
            raise InvalidSpecError(
                f"the epoch of {text!r} must be one whole number before a single '!'"
            )
        release, plus, local = rest.partition("+")
        if "+" in local:
            raise InvalidSpecError(f"the version {text!r} has more than one '+'")
        if not release or (plus and not local):
            raise InvalidSpecError(f"the version {text!r} has an empty part")
        self.release = ((int(epoch) if separator else 0,), *_components(release, text))
        self.local: tuple[Component, ...] = ()
        if local:
            self.local = tuple(_tokens(word, text) for word in local.replace("_", ".").split("."))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CondaVersion) and self._compare(other) == 0

    def __lt__(self, other: CondaVersion) -> bool:
        return self._compare(other) < 0

    def __hash__(self) -> int:
        return hash((_without_padding(self.release), _without_padding(self.local)))

    def __repr__(self) -> str:
        return f"CondaVersion({self.text!r})"

    def _compare(self, other: CondaVersion) -> int:
        return _compare(self.release, other.release) or _compare(self.local, other.local)

    def startswith(self, other: CondaVersion) -> bool:
        """Whether ``other`` is a prefix of this version: ``1.2.3`` starts with ``1.2``, not with ``1.3``.

        The last token of ``other`` may itself be the beginning of a word (``1.0a`` of ``1.0alpha``).
        """
        if other.local:
            if _compare(self.release, other.release):
                return False
            ours, theirs = self.local, other.local
        else:
            ours, theirs = self.release, other.release
        last = len(theirs) - 1
        if _compare(ours[:last], theirs[:last]):
            return False
        component: Component = ours[last] if len(ours) > last else ()
        wanted = theirs[last]
        if _compare([component[: len(wanted) - 1]], [wanted[:-1]]):
            return False
        token: Token = component[len(wanted) - 1] if len(component) >= len(wanted) else 0
        if isinstance(wanted[-1], str):
            return isinstance(token, str) and token.startswith(wanted[-1])
        return token == wanted[-1]


def _without_padding(components: tuple[Component, ...]) -> tuple[Component, ...]:
    """The components without trailing zeros, so that equal versions have equal hashes."""
    shortened = []
    for component in components:
        tokens = list(component)
        while tokens and tokens[-1] == 0:
            tokens.pop()
        shortened.append(tuple(tokens))
    while shortened and not shortened[-1]:
        shortened.pop()
    return tuple(shortened)


@lru_cache(maxsize=4096)
def parse_version(text: str) -> CondaVersion:
    """:class:`CondaVersion` of ``text``, cached: the versions of an environment are parsed repeatedly."""
    return CondaVersion(text)


Test = Callable[[str], bool]

COMPARISONS: dict[str, Callable[[CondaVersion, CondaVersion], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "=": CondaVersion.startswith,
}
RELATION = re.compile(r"(==|!=|<=|>=|~=|=|<|>)(?![=<>!~])(\S+)")
# conda turns a pattern like 1.*.0 into a regular expression in which only these characters are literal.
_PLAIN_PATTERN = re.compile(r"[-\w.+*!@=<>~%&:;,'\" ]+")
_TOKENS = re.compile(r"[()|,]|[^()|,]+")


@dataclass(frozen=True)
class _Node:
    """A part of a version spec: a condition, or several joined by one operator.

    Attributes:
        text: the result of conda's ``str(VersionSpec)``.
        test: whether the text of a version fulfils the part.
        joint: ``|`` or ``,`` if it has more than one part, else empty.
        parts: those parts.
    """

    text: str
    test: Test
    joint: str = ""
    parts: tuple[_Node, ...] = ()


def _series(wanted: CondaVersion) -> CondaVersion:
    """The prefix of all compatible releases of ``wanted``: all but its last part."""
    series = wanted.text.rpartition(".")[0]
    if not series:
        raise InvalidSpecError(f"~={wanted.text} needs a version of at least two parts")
    return parse_version(series)


def _relation(atom: str) -> Test:
    found = RELATION.fullmatch(atom)
    if not found:
        raise InvalidSpecError(f"{atom!r} is not an operator followed by a version")
    symbol, text = found.groups()
    starred = text.endswith(".*")
    if starred and symbol == "~=":
        raise InvalidSpecError(f"{atom!r}: the operator ~= cannot be combined with '.*'")
    wanted = parse_version(text[:-2] if starred else text)
    if symbol == "~=":
        series = _series(wanted)
        return lambda version: (
            parse_version(version) >= wanted and parse_version(version).startswith(series)
        )
    if symbol == "!=" and starred:
        return lambda version: not parse_version(version).startswith(wanted)
    compare = COMPARISONS[symbol]
    return lambda version: compare(parse_version(version), wanted)


def _pattern(atom: str) -> Test:
    if not _PLAIN_PATTERN.fullmatch(atom):
        raise UnsupportedSpecError(f"{atom!r} has characters of a regular expression")
    pattern = re.compile(re.escape(atom).replace(r"\*", ".*"))
    return lambda version: pattern.fullmatch(version) is not None


def _atom(atom: str) -> _Node:
    if not atom:
        raise InvalidSpecError("a version spec has an empty alternative")
    if atom[0] in "=<>!~":
        return _Node(atom, _relation(atom))
    if atom == "*":
        return _Node(atom, lambda version: True)
    if "*" in atom.rstrip("*"):
        return _Node(atom, _pattern(atom))
    if atom.endswith("*"):
        text = atom if atom.endswith(".*") else f"{atom[:-1]}.*"
        series = parse_version(text.rstrip("*").rstrip("."))
        return _Node(text, lambda version: parse_version(version).startswith(series))
    if "@" in atom:
        # A version cannot contain this character, so conda compares the text.
        return _Node(atom, lambda version: version == atom)
    wanted = parse_version(atom)
    return _Node(atom, lambda version: parse_version(version) == wanted)


def _join(joint: str, nodes: list[_Node]) -> _Node:
    if len(nodes) == 1:
        return nodes[0]
    parts: list[_Node] = []
    for node in nodes:
        # Parentheses around a part with the same operator are redundant: (1|2)|3 is 1|2|3.
        parts.extend(node.parts if node.joint == joint else [node])
    tests = [part.test for part in parts]
    quantifier = any if joint == "|" else all
    return _Node(
        text=joint.join(part.text for part in parts),
        test=lambda version: quantifier(test(version) for test in tests),
        joint=joint,
        parts=tuple(parts),
    )


class _Reader:
    """Parses a version spec from left to right: alternatives of conditions, each an atom or a group."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = [token.strip() for token in _TOKENS.findall(text)]
        # White space beside an operator or a parenthesis has no meaning.
        self._tokens = [token for token in self._tokens if token]

    def read(self) -> _Node:
        depth = 0
        for token in self._tokens:
            depth += (token == "(") - (token == ")")
            if depth < 0:
                break
        if depth:
            raise InvalidSpecError(f"{self._text!r} has unbalanced parentheses")
        if not self._tokens:
            raise InvalidSpecError("a version spec is empty")
        node = self._alternatives()
        if self._tokens:
            raise UnsupportedSpecError(f"{self._text!r} lacks a ',' or '|' between two conditions")
        return node

    def _alternatives(self) -> _Node:
        nodes = [self._conditions()]
        while self._take("|"):
            nodes.append(self._conditions())
        return _join("|", nodes)

    def _conditions(self) -> _Node:
        nodes = [self._operand()]
        while self._take(","):
            nodes.append(self._operand())
        return _join(",", nodes)

    def _operand(self) -> _Node:
        if self._take("("):
            if self._take(")"):
                raise UnsupportedSpecError(f"{self._text!r} has empty parentheses")
            node = self._alternatives()
            if not self._take(")"):
                raise UnsupportedSpecError(
                    f"{self._text!r} lacks a ',' or '|' between two conditions"
                )
            return node
        if not self._tokens or self._tokens[0] in ("|", ",", ")"):
            raise InvalidSpecError(f"{self._text!r} has an operator without an operand")
        return _atom(self._tokens.pop(0))

    def _take(self, token: str) -> bool:
        if self._tokens and self._tokens[0] == token:
            del self._tokens[0]
            return True
        return False


class VersionSpec:
    """A condition on versions: ``>=1.8,<2``, ``1.7|1.8``, ``1.*``, ``~=1.8``, ``!=1.9`` and similar.

    A comma binds more tightly than a bar; parentheses group. White space after an operator is not allowed.

    Attributes:
        text: as conda writes it (``str(conda.models.version.VersionSpec)``): ``1.8*`` becomes ``1.8.*``.
            conda omits parentheses, even necessary ones, so this text is only for comparison with what conda
            wrote; do not parse it again.

    Raises:
        InvalidSpecError: conda would refuse it.
        UnsupportedSpecError: a regular expression (``^...$``) or another form left to conda.
    """

    def __init__(self, text: str) -> None:
        if "^" in text or "$" in text:
            raise UnsupportedSpecError(f"{text!r} is a regular expression")
        node = _Reader(text).read()
        self.text = node.text
        self._test = node.test

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"VersionSpec({self.text!r})"

    def matches(self, version: str) -> bool:
        """Whether a version, given as text, fulfils the condition.

        Raises:
            InvalidSpecError: the condition compares versions, and the text is not a version.
        """
        return self._test(version)
