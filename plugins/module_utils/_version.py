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
from functools import lru_cache, total_ordering
from itertools import zip_longest
from typing import Union

Token = Union[int, float, str]
Component = tuple[Token, ...]

_ALLOWED = re.compile(r"[*.+!_0-9a-z]+")
_RUNS = re.compile(r"[0-9]+|[*]+|[^0-9*]+")
# Upper case sorts before every lower case letter, so a development release comes before any other string.
_DEVELOPMENT = "DEV"


class InvalidSpecError(ValueError):
    """Conda would refuse this version or spec; the text says why."""


class UnsupportedSpecError(ValueError):
    """Conda may understand this form, we deliberately do not: the decision must be left to conda."""


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
    # A leading number keeps numbers and strings of different versions in step.
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
        InvalidSpecError: conda would not take it for a version.
    """

    def __init__(self, text: str) -> None:
        version = text.strip().lower()
        if not version:
            raise InvalidSpecError("a version is empty")
        if not _ALLOWED.fullmatch(version) and "_" not in version:
            version = version.replace("-", "_")
        if not _ALLOWED.fullmatch(version):
            raise InvalidSpecError(f"the version {text!r} has characters that no version may have")
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
    """The components with trailing zeros dropped, so that equal versions have equal hashes."""
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
    """:class:`CondaVersion` of ``text``, remembered: one environment asks for the same few again."""
    return CondaVersion(text)


Test = Callable[[CondaVersion], bool]

_COMPARISONS: dict[str, Callable[[CondaVersion, CondaVersion], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_RELATION = re.compile(r"(==|!=|<=|>=|~=|=|<|>)(?![=<>!~])(\S+)")


def _compatible(version: CondaVersion, wanted: CondaVersion) -> bool:
    series = wanted.text.rpartition(".")[0]
    if not series:
        raise InvalidSpecError(f"~={wanted.text} needs a version of at least two parts")
    return version >= wanted and version.startswith(parse_version(series))


def _relation(atom: str) -> Test:
    found = _RELATION.fullmatch(atom)
    if not found:
        raise InvalidSpecError(f"{atom!r} is not an operator followed by a version")
    symbol, text = found.groups()
    series = text.endswith(".*")
    if series and symbol == "~=":
        raise InvalidSpecError(f"{atom!r}: the operator ~= does not go with '.*'")
    wanted = parse_version(text[:-2] if series else text)
    if symbol == "~=":
        _compatible(wanted, wanted)
        return lambda version: _compatible(version, wanted)
    if symbol == "=":
        return lambda version: version.startswith(wanted)
    if symbol == "!=" and series:
        return lambda version: not version.startswith(wanted)
    compare = _COMPARISONS[symbol]
    return lambda version: compare(version, wanted)


def _glob(atom: str) -> Test:
    pattern = re.compile(re.escape(atom).replace(r"\*", ".*"))
    return lambda version: pattern.fullmatch(version.text) is not None


def _atom(atom: str) -> Test:
    if not atom:
        raise InvalidSpecError("a version spec has an empty alternative")
    if atom[0] in "=<>!~":
        return _relation(atom)
    if atom == "*":
        return lambda version: True
    if "@" in atom:
        raise UnsupportedSpecError(f"{atom!r} compares text, not versions")
    if "*" in atom.rstrip("*"):
        return _glob(atom)
    if atom.endswith("*"):
        series = parse_version(atom.rstrip("*").rstrip("."))
        return lambda version: version.startswith(series)
    wanted = parse_version(atom)
    return lambda version: version == wanted


def _split(text: str, separator: str) -> list[str]:
    """Split at ``separator`` outside parentheses."""
    parts, depth, start = [], 0, 0
    for index, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth < 0:
            break
        if character == separator and not depth:
            parts.append(text[start:index])
            start = index + 1
    if depth:
        raise InvalidSpecError(f"{text!r} has unbalanced parentheses")
    return [*parts, text[start:]]


def _tree(text: str) -> Test:
    alternatives = _split(text, "|")
    if len(alternatives) > 1:
        tests = [_tree(part) for part in alternatives]
        return lambda version: any(test(version) for test in tests)
    conditions = _split(text, ",")
    if len(conditions) > 1:
        tests = [_tree(part) for part in conditions]
        return lambda version: all(test(version) for test in tests)
    if text.startswith("(") and text.endswith(")"):
        return _tree(text[1:-1])
    return _atom(text)


class VersionSpec:
    """A condition on versions: ``>=1.8,<2``, ``1.7|1.8``, ``1.*``, ``~=1.8``, ``!=1.9`` and their like.

    A comma binds more tightly than a bar; parentheses group.

    Raises:
        InvalidSpecError: conda would refuse it.
        UnsupportedSpecError: a regular expression (``^...$``) or another form left to conda.
    """

    def __init__(self, text: str) -> None:
        self.text = re.sub(r"\s+", "", text)
        if "^" in self.text or "$" in self.text:
            raise UnsupportedSpecError(f"{text!r} is a regular expression")
        self._test = _tree(self.text)

    def matches(self, version: str) -> bool:
        """Whether the version with this text fulfils the condition."""
        return self._test(parse_version(version))
