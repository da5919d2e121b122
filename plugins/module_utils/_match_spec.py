# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conda's match specs: what a user writes to name a package, its version, its build and its channel.

The forms are those of conda's documentation ("Package match specifications", conda 24.7 to 26.7):
``numpy``, ``numpy 1.8``, ``numpy=1.8``, ``numpy==1.8``, ``numpy>=1.8,<2``, ``numpy=1.8=py39_0``,
``channel/subdir::numpy[version='>=1.8', build='*_0']``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from ansible_collections.llmfleet.conda.plugins.module_utils._prefix import (
    PackageRecord,
    canonical_channel,
    is_subdir,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._version import (
    InvalidSpecError,
    UnsupportedSpecError,
    VersionSpec,
)

_NAME_AND_REST = re.compile(r"(?P<name>[^ =<>!~\[]+)(?P<rest>[ =<>!~].*)?", re.DOTALL)
_NAME = re.compile(r"[a-z0-9_][a-z0-9_.-]*")
_BRACKET_ITEM = re.compile(
    r"\s*(?P<key>[a-zA-Z0-9_-]+)\s*=\s*(?:\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'|(?P<bare>[^\s,'\"]+))\s*(?:,|$)"
)
# conda allows no hyphen in a build, nor any character that belongs to a version's condition.
_NO_BUILD = re.compile(r"[-=<>!~,|]")
_BUILD_AFTER_EQUALS = re.compile(r"(?P<version>.*[^=<>!~,| ])=(?P<build>[^-=<>!~,| ]+)")
# An operator or separator and then two spaces, or a space and a single '=': conda reads what follows as
# the build, and what stands before it as a version that is not finished.
_LONE_BUILD = re.compile(r"[=<>!~,|]\s+[\s=][^-=<>~,|]+$")
_BRACKET_KEYS = frozenset(
    {"version", "build", "build_number", "channel", "subdir", "md5", "sha256"}
)
# The multichannel that Anaconda's own installers start with (conda, ``base.constants.DEFAULT_CHANNELS``).
_DEFAULTS = frozenset({"pkgs/main", "pkgs/r", "pkgs/msys2"})


def _glob(text: str) -> Callable[[str], bool]:
    if text.startswith("^") or text.endswith("$"):
        raise UnsupportedSpecError(f"{text!r} is a regular expression")
    pattern = re.compile(re.escape(text).replace(r"\*", ".*"))
    return lambda value: pattern.fullmatch(value) is not None


@dataclass(frozen=True)
class MatchSpec:
    """One parsed spec. Fields that the text does not name are None and match everything.

    Attributes:
        text: what the user wrote, without surrounding space: what conda is given.
        name: package name, lower case.
        version: condition on the version.
        build: glob for the build string.
        build_number, channel, subdir, md5, sha256: exact values; the channel in its canonical form.
    """

    text: str
    name: str
    version: VersionSpec | None = None
    build: str | None = None
    build_number: int | None = None
    channel: str | None = None
    subdir: str | None = None
    md5: str | None = None
    sha256: str | None = None
    _build_test: Callable[[str], bool] | None = field(default=None, compare=False, repr=False)

    def matches(self, record: PackageRecord) -> bool:
        """Whether the linked package ``record`` fulfils this spec.

        Raises:
            InvalidSpecError: the record's version is none.
        """
        return (
            record.name == self.name
            and (self.version is None or self.version.matches(record.version))
            and (self._build_test is None or self._build_test(record.build))
            and (self.build_number is None or self.build_number == record.build_number)
            and (self.channel is None or self._channel_matches(record))
            and (self.subdir is None or self.subdir == record.subdir)
            and (self.md5 is None or self.md5 == record.md5)
            and (self.sha256 is None or self.sha256 == record.sha256)
        )

    def _channel_matches(self, record: PackageRecord) -> bool:
        if self.channel == "defaults":
            return record.channel_name in _DEFAULTS
        return self.channel == record.channel_name


def _brackets(text: str, whole: str) -> dict[str, str]:
    items: dict[str, str] = {}
    position = 0
    while position < len(text):
        found = _BRACKET_ITEM.match(text, position)
        if not found:
            raise InvalidSpecError(f"{whole!r}: the brackets must hold key=value pairs")
        value = found["double"] or found["single"] or found["bare"]
        if not value:
            raise InvalidSpecError(f"{whole!r}: {found['key']} has no value")
        items[found["key"]] = value
        position = found.end()
    unknown = sorted(set(items) - _BRACKET_KEYS)
    if unknown:
        raise UnsupportedSpecError(f"{whole!r}: {', '.join(unknown)}")
    return items


def _version_and_build(rest: str, whole: str) -> tuple[str | None, str | None]:
    """Split what follows the name; the version comes back in the form of :class:`VersionSpec`."""
    if rest == "=":
        return None, None  # conda takes ``numpy=`` for ``numpy``
    if _LONE_BUILD.search(rest.strip()):
        raise InvalidSpecError(f"{whole!r} has an operator, ',' or '|' without a version after it")
    text = re.sub(r"\s*([,|])\s*", r"\1", rest.strip())
    text = re.sub(r"([=<>!~])\s+", r"\1", text)
    if not text:
        return None, None
    if re.search(r"=[<>]", text):
        raise InvalidSpecError(f"{whole!r}: the operators are written >= and <=")
    words = text.split()
    if len(words) > 2:
        raise InvalidSpecError(f"{whole!r} has more parts than name, version and build")
    if len(words) == 2:
        version, build = words[0], words[1][words[1].startswith("=") :]
        if not build or _NO_BUILD.search(build):
            raise InvalidSpecError(f"{whole!r}: after a space comes a build, or nothing")
        # ``numpy =1.8 py39_0`` and ``numpy 1.8 py39_0`` are exact, as a build makes no sense otherwise.
        return (version[1:] if _is_fuzzy(version) else version), build
    found = _BUILD_AFTER_EQUALS.fullmatch(text)
    if found and found["version"].strip("=<>!~") != "":
        version = found["version"]
        return (version[1:] if _is_fuzzy(version) else version), found["build"]
    if text.strip("=<>!~,|") == "":
        raise InvalidSpecError(f"{whole!r} ends with an operator")
    if text.startswith("==") and not text.startswith("==="):
        return text[
            2:
        ], None  # what is left is exact, unless it has a star: ``==1.8.*`` is ``1.8.*``
    if _is_fuzzy(text) and not text.endswith("*"):
        return f"{text[1:]}*", None
    return (text[1:] if _is_fuzzy(text) else text), None


def _is_fuzzy(version: str) -> bool:
    """Whether it is one version behind a single ``=``, conda's fuzzy form."""
    return version.startswith("=") and not any(mark in version[1:] for mark in "=,|")


def parse_match_spec(text: str) -> MatchSpec:
    """Parse one spec as a user writes it on conda's command line or in ``environment.yml``.

    Raises:
        InvalidSpecError: conda would refuse it; the message says why.
        UnsupportedSpecError: a URL, a feature, a regular expression, a glob in the name, or another form
            that is left to conda.
    """
    whole = text.strip()
    spec = whole.split("#", 1)[0].strip()
    if not spec:
        raise InvalidSpecError("a package spec is empty")
    if spec.endswith((".conda", ".tar.bz2", "@")) or "://" in spec:
        raise UnsupportedSpecError(f"{whole!r} names a file or a feature")
    if "(" in spec.split("[")[0]:
        # conda drops what stands in parentheses here; only inside version='...' do they group.
        raise UnsupportedSpecError(f"{whole!r} has parentheses outside of brackets")
    items: dict[str, str] = {}
    if "[" in spec:
        head, _bracket, tail = spec.partition("[")
        if not tail.endswith("]") or "[" in tail or "]" in tail[:-1]:
            raise InvalidSpecError(f"{whole!r}: one pair of brackets may stand at the end")
        spec, items = head.strip(), _brackets(tail[:-1], whole)
    channel, separator, spec = spec.rpartition("::")
    if not separator and ":" in spec:
        raise UnsupportedSpecError(f"{whole!r} has a namespace")
    found = _NAME_AND_REST.fullmatch(spec)
    if not found:
        raise InvalidSpecError(f"{whole!r} has no package name")
    name = found["name"].lower()
    if "*" in name:
        raise UnsupportedSpecError(f"{whole!r} has a glob for a name")
    if not _NAME.fullmatch(name):
        raise InvalidSpecError(f"{whole!r}: {name!r} is not a package name")
    version, build = _version_and_build(found["rest"] or "", whole)
    return _assemble(whole, name, version, build, channel, items)


def _assemble(
    whole: str,
    name: str,
    version: str | None,
    build: str | None,
    channel: str,
    items: dict[str, str],
) -> MatchSpec:
    # What stands in brackets overrides what stands before them, the name excepted (conda, MatchSpec).
    if re.search(r"[=<>!~]\s", items.get("version", "")):
        raise InvalidSpecError(f"{whole!r}: in brackets an operator takes no space after it")
    version = items.get("version", version)
    build = items.get("build", build)
    channel, subdir = _without_subdir(channel)
    if "channel" in items:
        channel, found = _without_subdir(items["channel"])
        subdir = found or subdir
    subdir = items.get("subdir", subdir)
    number = items.get("build_number")
    if number is not None and not number.isdigit():
        raise UnsupportedSpecError(f"{whole!r}: a condition on the build number")
    return MatchSpec(
        text=whole,
        name=name,
        version=VersionSpec(version) if version else None,
        build=build,
        build_number=int(number) if number is not None else None,
        channel=canonical_channel(channel) if channel else None,
        subdir=subdir,
        md5=items.get("md5"),
        sha256=items.get("sha256"),
        _build_test=_glob(build) if build else None,
    )


def _without_subdir(channel: str) -> tuple[str, str | None]:
    head, _slash, last = channel.rstrip("/").rpartition("/")
    return (head, last) if is_subdir(last) else (channel, None)
