# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions and version specifiers of Python distributions (PEP 440).

Pure: reads no file and starts no process. conda orders versions by other rules, which are in conda_version.
Pre-releases are never excluded here: the version to check is already installed, and pip accepts an installed
pre-release too.
"""

from __future__ import annotations

import contextlib
import functools
import re
from typing import NamedTuple, Union

# A local segment is a number or a word; words sort before numbers (PEP 440, local versions).
_Local = tuple[Union[int, str], ...]

_PRE_NAMES = {"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}

_PRE = r"[-_.]?(?P<pre_name>alpha|beta|preview|pre|rc|a|b|c)(?:[-_.]?(?P<pre_number>[0-9]+)|[-_.])?"
_POST = (
    r"(?:-(?P<post_implicit>[0-9]+)"
    r"|[-_.]?(?P<post_name>post|rev|r)(?:[-_.]?(?P<post_number>[0-9]+)|[-_.])?)"
)
_DEV = r"[-_.]?(?P<dev_name>dev)(?:[-_.]?(?P<dev_number>[0-9]+)|[-_.])?"
_VERSION = re.compile(
    r"v?(?:(?P<epoch>[0-9]+)!)?(?P<release>[0-9]+(?:\.[0-9]+)*)"
    rf"(?:{_PRE})?(?:{_POST})?(?:{_DEV})?"
    r"(?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?",
    re.IGNORECASE | re.ASCII,
)
_WILDCARD = re.compile(
    r"v?(?:(?P<epoch>[0-9]+)!)?(?P<release>[0-9]+(?:\.[0-9]+)*)\.\*", re.IGNORECASE | re.ASCII
)
# Characters that must not follow `===`: they end the versions of a requirement.
_AFTER_ARBITRARY = re.compile(r"[\s;)]")
_SPECIFIER = re.compile(r"(?P<operator>~=|===|==|!=|<=|>=|<|>)\s*(?P<version>.*)", re.DOTALL)


class InvalidVersion(ValueError):
    """A text is not a version by PEP 440."""


class InvalidSpecifier(ValueError):
    """A text is not a version specifier by PEP 440."""


def _strip_zeros(release: tuple[int, ...]) -> tuple[int, ...]:
    """The release without trailing zeros, because 1.0 and 1.0.0 are the same release."""
    end = len(release)
    while end > 1 and release[end - 1] == 0:
        end -= 1
    return release[:end]


@functools.total_ordering
class Version:
    """A version by PEP 440, ordered and compared by its rules.

    `release` is a tuple of numbers; `pre` is ("a" | "b" | "rc", number) or None; `post` and `dev`
    are numbers or None; `local` is a tuple of numbers and words, empty without a local version.

    Raises:
        InvalidVersion: the text is not a version.
    """

    __slots__ = ("_key", "dev", "epoch", "local", "post", "pre", "release")

    def __init__(self, text: str) -> None:
        match = _VERSION.fullmatch(text.strip())
        if match is None:
            raise InvalidVersion(f"{text!r} is not a Python version (PEP 440)")
        self.epoch = int(match["epoch"] or 0)
        self.release = tuple(int(part) for part in match["release"].split("."))
        self.pre: tuple[str, int] | None = None
        if match["pre_name"]:
            name = match["pre_name"].lower()
            self.pre = (_PRE_NAMES.get(name, name), int(match["pre_number"] or 0))
        self.post: int | None = None
        if match["post_implicit"] or match["post_name"]:
            self.post = int(match["post_implicit"] or match["post_number"] or 0)
        self.dev: int | None = int(match["dev_number"] or 0) if match["dev_name"] else None
        self.local: _Local = ()
        if match["local"]:
            self.local = tuple(
                int(part) if part.isdigit() else part.lower()
                for part in re.split(r"[-_.]", match["local"])
            )
        self._key = self._sort_key()

    def _sort_key(self) -> tuple[object, ...]:
        # Missing parts sort as in PEP 440: 1.dev1 < 1a1 < 1 < 1.post1, and 1 < 1+local.
        if self.pre is not None:
            pre: tuple[int, str, int] = (1, *self.pre)
        elif self.post is None and self.dev is not None:
            pre = (0, "", 0)
        else:
            pre = (2, "", 0)
        post = -1 if self.post is None else self.post
        dev = (1, 0) if self.dev is None else (0, self.dev)
        local = tuple(
            (1, "", part) if isinstance(part, int) else (0, part, 0) for part in self.local
        )
        return (self.epoch, _strip_zeros(self.release), pre, post, dev, local)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self._key == other._key

    def __lt__(self, other: Version) -> bool:
        return self._key < other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return f"Version({str(self)!r})"

    def __str__(self) -> str:
        """The normalized form of PEP 440; trailing zeros of the release stay."""
        return self.public + (f"+{'.'.join(map(str, self.local))}" if self.local else "")

    @property
    def base(self) -> str:
        """Epoch and release only."""
        epoch = f"{self.epoch}!" if self.epoch else ""
        return epoch + ".".join(map(str, self.release))

    @property
    def public(self) -> str:
        """The version without its local part."""
        text = self.base
        if self.pre is not None:
            text += f"{self.pre[0]}{self.pre[1]}"
        if self.post is not None:
            text += f".post{self.post}"
        if self.dev is not None:
            text += f".dev{self.dev}"
        return text

    @property
    def is_prerelease(self) -> bool:
        return self.pre is not None or self.dev is not None

    @property
    def is_postrelease(self) -> bool:
        return self.post is not None

    def same_base(self, other: Version) -> bool:
        """Whether epoch and release are equal, whatever follows."""
        return (self.epoch, _strip_zeros(self.release)) == (
            other.epoch,
            _strip_zeros(other.release),
        )

    def without_local(self) -> Version:
        return Version(self.public) if self.local else self


class _Prefix(NamedTuple):
    """The prefix in `==1.2.*`: an epoch and the first numbers of a release."""

    epoch: int
    release: tuple[int, ...]

    def matches(self, version: Version) -> bool:
        padding = (0,) * (len(self.release) - len(version.release))
        head = (version.release + padding)[: len(self.release)]
        return version.epoch == self.epoch and head == self.release


class Specifier:
    """One clause such as `>=1.2`, `==1.*`, `~=2.1` or `===anything`.

    `===` compares strings, ASCII letters in either case ("Arbitrary equality" in the version specifiers
    specification, as clarified in November 2025). It accepts what packaging 26.4 accepts: at least one
    character, and no whitespace, semicolon or closing parenthesis. The grammar of the dependency specifiers
    specification requires one character as well.

    packaging 26.3 and older also parse a bare `===`, which no version matches: pip 26.3, which vendors
    packaging 26.3, fails with "Could not find a version that satisfies the requirement NAME===". Refusing it
    here fails before anything runs, with every pip.

    uv 0.13.9 accepts only versions by PEP 440 after `===` and compares them as `==` does, so that `===1.0.0`
    installs 1.0. The strings differ, so for this class 1.0 does not match, as for pip.

    Raises:
        InvalidSpecifier: the text is not a clause, or its operator does not accept such a version (`>=1.*`,
            `<1+local`, `~=1`).
    """

    __slots__ = ("_prefix", "_version", "operator", "version")

    def __init__(self, text: str) -> None:
        match = _SPECIFIER.fullmatch(text.strip())
        if match is None:
            raise InvalidSpecifier(f"{text!r} is not a version specifier (PEP 440)")
        self.operator: str = match["operator"]
        self.version: str = match["version"].strip()
        self._prefix: _Prefix | None = None
        self._version: Version | None = None
        if self.operator == "===":
            if not self.version or _AFTER_ARBITRARY.search(self.version):
                raise InvalidSpecifier(f"{text!r}: one word must follow ===")
            return
        wildcard = _WILDCARD.fullmatch(self.version)
        if wildcard and self.operator in ("==", "!="):
            self._prefix = _Prefix(
                int(wildcard["epoch"] or 0),
                tuple(int(part) for part in wildcard["release"].split(".")),
            )
            return
        try:
            version = Version(self.version)
        except InvalidVersion as error:
            raise InvalidSpecifier(f"{text!r} is not a version specifier (PEP 440)") from error
        if version.local and self.operator not in ("==", "!="):
            raise InvalidSpecifier(f"{text!r}: {self.operator} does not accept a local version")
        if self.operator == "~=":
            if len(version.release) < 2:
                raise InvalidSpecifier(f"{text!r}: ~= needs at least two numbers, as in ~=1.4")
            self._prefix = _Prefix(version.epoch, version.release[:-1])
        self._version = version

    def __str__(self) -> str:
        return f"{self.operator}{self.version}"

    def __repr__(self) -> str:
        return f"Specifier({str(self)!r})"

    def contains(self, version: Version | str) -> bool:
        """Whether this clause matches the version; pre-releases count.

        Only `===` can match a text that is not a version by PEP 440.
        """
        if self.operator == "===":
            return str(version).strip().lower() == self.version.lower()
        if isinstance(version, str):
            try:
                version = Version(version)
            except InvalidVersion:
                return False
        if self.operator == "==":
            return self._equal(version)
        if self.operator == "!=":
            return not self._equal(version)
        return self._ordered(version)

    def _equal(self, version: Version) -> bool:
        if self._prefix is not None:
            return self._prefix.matches(version)
        # A clause without a local version matches all local versions.
        return self._version == (version if self._clause.local else version.without_local())

    @property
    def _clause(self) -> Version:
        if self._version is None:
            raise AssertionError(f"{self} has no version to compare with")
        return self._version

    def _ordered(self, version: Version) -> bool:
        clause = self._clause
        if self.operator == "<=":
            return version.without_local() <= clause
        if self.operator == ">=":
            return version.without_local() >= clause
        if self.operator == "~=":
            if self._prefix is None:
                raise AssertionError(f"{self} has no release prefix")
            return version.without_local() >= clause and self._prefix.matches(version)
        if self.operator == "<":
            # <1.0 does not match pre-releases of 1.0, of which 1.0.dev0 is the first.
            bound = clause if clause.is_prerelease else Version(f"{clause.public}.dev0")
            return version < bound
        # >1.0 matches neither 1.0.post1 nor 1.0+local; >1.0.dev1 has no post-releases of its own.
        own_postrelease = (
            version.is_postrelease
            and not clause.is_postrelease
            and clause.dev is None
            and version.pre == clause.pre
            and version.same_base(clause)
        )
        return version.without_local() > clause and not own_postrelease


class SpecifierSet:
    """Clauses joined by commas, all of which must match; the empty text matches any version.

    Raises:
        InvalidSpecifier: one of the clauses is invalid.
    """

    __slots__ = ("clauses",)

    def __init__(self, text: str = "") -> None:
        parts = (part.strip() for part in text.split(","))
        self.clauses: tuple[Specifier, ...] = tuple(Specifier(part) for part in parts if part)

    def __str__(self) -> str:
        """The clauses sorted, so that equal sets have equal texts."""
        return ",".join(sorted(str(clause) for clause in self.clauses))

    def __repr__(self) -> str:
        return f"SpecifierSet({str(self)!r})"

    def __bool__(self) -> bool:
        return bool(self.clauses)

    def contains(self, version: Version | str) -> bool:
        """Whether every clause matches this version; pre-releases count."""
        if isinstance(version, str):
            # Only ===, which compares strings, can match a text that is not a version.
            with contextlib.suppress(InvalidVersion):
                version = Version(version)
        return all(clause.contains(version) for clause in self.clauses)
