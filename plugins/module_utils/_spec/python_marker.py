# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environment markers of Python requirements, such as `python_version < "3.9" and extra == "cli"`.

The grammar and the comparisons are those of the "Dependency specifiers" specification of the Python Packaging
User Guide (PEP 508, with PEP 685 for extras). A marker is evaluated for the managed environment, not for the
Python that runs the module.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator, Mapping
from typing import Union

from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_version import (
    InvalidSpecifier,
    Specifier,
)

_VARIABLES = frozenset(
    {
        "extra",
        "implementation_name",
        "implementation_version",
        "os_name",
        "platform_machine",
        "platform_python_implementation",
        "platform_release",
        "platform_system",
        "platform_version",
        "python_full_version",
        "python_version",
        "sys_platform",
    }
)
# Spellings from before PEP 508 that still occur in the metadata of old distributions.
_OLD_NAMES = {
    "os.name": "os_name",
    "platform.machine": "platform_machine",
    "platform.python_implementation": "platform_python_implementation",
    "platform.version": "platform_version",
    "python_implementation": "platform_python_implementation",
    "sys.platform": "sys_platform",
}
# Only these are compared as versions; all others are compared as strings.
_VERSIONS = frozenset(
    {"implementation_version", "platform_release", "python_full_version", "python_version"}
)

_TOKEN = re.compile(
    r"\s*(?:(?P<string>'[^']*'|\"[^\"]*\")|(?P<punctuation>[()])"
    r"|(?P<operator>===|~=|==|!=|<=|>=|<|>)|(?P<word>[A-Za-z_][A-Za-z0-9_.]*))"
)
_NAME_SEPARATORS = re.compile(r"[-_.]+")


class InvalidMarker(ValueError):
    """A text is not an environment marker, or compares values that cannot be compared."""


class _Literal(str):
    """A quoted string of a marker; a plain `str` is the name of a variable."""

    __slots__ = ()


# A tree of ("and" | "or", left, right) and ("compare", left, operator, right).
_Compare = tuple[str, str, str, str]
_Tree = Union[_Compare, tuple[str, "_Tree", "_Tree"]]


def normalize_name(name: str) -> str:
    """The normalized name of a distribution or an extra (PEP 503, PEP 685)."""
    return _NAME_SEPARATORS.sub("-", name).lower()


class Marker:
    """A parsed marker; `str()` returns its text as written.

    Raises:
        InvalidMarker: the text is not a marker.
    """

    __slots__ = ("_text", "_tree")

    def __init__(self, text: str) -> None:
        self._text = text.strip()
        self._tree: _Tree = _Parser(self._text).parse()

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"Marker({self._text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Marker) and self._tree == other._tree

    def __hash__(self) -> int:
        return hash(self._tree)

    def evaluate(self, environment: Mapping[str, str], extra: str = "") -> bool:
        """Whether the marker is true in `environment` for the requested `extra` (empty: none).

        Raises:
            InvalidMarker: an operator is not defined for its operands.
        """
        return _evaluate(self._tree, {**environment, "extra": normalize_name(extra)})


@functools.cache
def parse_marker(text: str) -> Marker:
    """`Marker(text)`, cached: the same few markers occur in hundreds of requirements."""
    return Marker(text)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._split(text))
        self._next = 0

    def _split(self, text: str) -> Iterator[tuple[str, str]]:
        position = 0
        end = len(text.rstrip())
        while position < end:
            match = _TOKEN.match(text, position)
            if match is None or match.lastgroup is None:
                raise self._error(f"has an error after {text[:position]!r}")
            yield match.lastgroup, match[match.lastgroup]
            position = match.end()

    def _error(self, reason: str) -> InvalidMarker:
        return InvalidMarker(f"{self._text!r} is not an environment marker: it {reason}")

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._next] if self._next < len(self._tokens) else ("end", "")

    def _take(self) -> tuple[str, str]:
        token = self._peek()
        self._next += 1
        return token

    def parse(self) -> _Tree:
        tree = self._either()
        if self._peek()[0] != "end":
            raise self._error(f"has unexpected text before {self._peek()[1]!r}")
        return tree

    def _either(self) -> _Tree:
        tree = self._all()
        while self._peek() == ("word", "or"):
            self._take()
            tree = ("or", tree, self._all())
        return tree

    def _all(self) -> _Tree:
        tree = self._one()
        while self._peek() == ("word", "and"):
            self._take()
            tree = ("and", tree, self._one())
        return tree

    def _one(self) -> _Tree:
        if self._peek() == ("punctuation", "("):
            self._take()
            tree = self._either()
            if self._take() != ("punctuation", ")"):
                raise self._error("lacks a closing parenthesis")
            return tree
        left = self._operand()
        operator = self._operator()
        right = self._operand()
        if isinstance(left, _Literal) and isinstance(right, _Literal):
            raise self._error("compares two strings, but one operand must be a variable")
        if "extra" in (left, right):
            left, right = _normal_extra(left), _normal_extra(right)
        return ("compare", left, operator, right)

    def _operand(self) -> str:
        kind, text = self._take()
        if kind == "string":
            return _Literal(text[1:-1])
        name = _OLD_NAMES.get(text, text)
        if kind == "word" and name in _VARIABLES:
            return name
        raise self._error(f"has {text!r} in place of a variable or a quoted string")

    def _operator(self) -> str:
        kind, text = self._take()
        if kind == "operator" or (kind, text) == ("word", "in"):
            return text
        if (kind, text) == ("word", "not") and self._take() == ("word", "in"):
            return "not in"
        raise self._error(f"has {text!r} in place of an operator")


def _normal_extra(operand: str) -> str:
    return _Literal(normalize_name(operand)) if isinstance(operand, _Literal) else operand


def _evaluate(tree: _Tree, environment: Mapping[str, str]) -> bool:
    if len(tree) == 3:
        word, left, right = tree
        if word == "and":
            return _evaluate(left, environment) and _evaluate(right, environment)
        return _evaluate(left, environment) or _evaluate(right, environment)
    return _compare(tree, environment)


def _compare(comparison: _Compare, environment: Mapping[str, str]) -> bool:
    _word, left, operator, right = comparison
    variable = right if isinstance(left, _Literal) else left
    left_value = left if isinstance(left, _Literal) else environment[left]
    right_value = right if isinstance(right, _Literal) else environment[right]
    if variable in _VERSIONS:
        try:
            return Specifier(operator + right_value).contains(left_value)
        except InvalidSpecifier:
            pass  # not a version, or `in`: compared as strings below
    if operator == "in":
        return left_value in right_value
    if operator == "not in":
        return left_value not in right_value
    # Strings have no order: <= and >= are true for equal ones only (the specification's table).
    if operator in ("==", "<=", ">="):
        return left_value == right_value
    if operator == "!=":
        return left_value != right_value
    if operator in ("<", ">"):
        return False
    raise InvalidMarker(f"{operator} compares versions, but {variable} is a string")


_SYSTEMS = {"linux": ("linux", "Linux"), "osx": ("darwin", "Darwin")}
_MACHINES = {"64": "x86_64", "32": "i686"}


def environment_of(python: str, subdir: str, implementation: str = "CPython") -> dict[str, str]:
    """The marker variables of a conda environment, derived from the record of its Python package.

    No process is started: all variables follow from the record, except the kernel's release and version,
    which are this host's.

    Args:
        python: the Python's full version, such as "3.11.9".
        subdir: conda's name of the platform, such as "linux-64" or "osx-arm64"; for an unknown one, this
            host's platform is used.
        implementation: "CPython" or "PyPy".
    """
    host = os.uname()
    family, _dash, machine = subdir.partition("-")
    sys_platform, system = _SYSTEMS.get(family, (host.sysname.lower(), host.sysname))
    if family not in _SYSTEMS:
        machine = host.machine
    return {
        "implementation_name": implementation.lower(),
        "implementation_version": python,
        "os_name": "posix",
        "platform_machine": _MACHINES.get(machine, machine),
        "platform_python_implementation": implementation,
        "platform_release": host.release,
        "platform_system": system,
        "platform_version": host.version,
        "python_full_version": python,
        "python_version": ".".join(python.split(".")[:2]),
        "sys_platform": sys_platform,
    }
