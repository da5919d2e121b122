# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""conda's match specs: the name, version, build and channel of a package, as users write them.

The forms are those of conda's documentation ("Package match specifications", conda 24.7 to 26.7): ``numpy``,
``numpy 1.8``, ``numpy=1.8``, ``numpy==1.8``, ``numpy>=1.8,<2``, ``numpy=1.8=py39_0``,
``channel/subdir::numpy[version='>=1.8', build='*_0']``. A spec is parsed as conda parses it, or left to conda
(:class:`UnsupportedSpecError`) if its releases differ, if it silently drops a part of the text, or if the
form does not concern linked packages.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from ansible_collections.llmfleet.conda.plugins.module_utils._spec.conda_version import (
    COMPARISONS,
    RELATION,
    InvalidSpecError,
    UnsupportedSpecError,
    VersionSpec,
    parse_version,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import (
    PackageRecord,
    is_subdir,
)

_NAME_AND_REST = re.compile(r"(?P<name>[^ =<>!~]+)(?P<rest>[ =<>!~].*)?")
# CEP 26: releases of 2026 enforce it; conda 24.7 searches for a package of such a name and finds none.
_NAME = re.compile(r"[a-z0-9_][a-z0-9_.-]*")
_BRACKET_ITEM = re.compile(
    r"[, ]*(?P<key>[a-zA-Z0-9_-]+)="
    r"(?:\"(?P<double>[^'\"]*)\"|'(?P<single>[^'\"]*)'|(?P<bare>[^,'\" ]*))(?=[, ]|$)"
)
_KEYS = frozenset({"version", "build", "build_number", "channel", "subdir", "md5", "sha256"})
# Keys of conda (``MatchSpec.FIELD_NAMES`` of 24.7.1 and 26.7.1, and the arguments optional and target) that
# do not concern linked packages, or that their records do not contain. Only 26.7.1 has extras and flags.
_KEYS_OF_CONDA = frozenset(
    {
        "name",
        "track_features",
        "features",
        "url",
        "fn",
        "license",
        "license_family",
        "optional",
        "target",
        "extras",
        "flags",
    }
)
# conda 24.7 refuses this key; 26.7 silently installs nothing if the condition does not hold.
_REFUSED = {"when": "a condition belongs into the task (Ansible's when)"}
_LIST = re.compile(r"\b(?:extras|flags) *= *\[")
_CHANNEL = re.compile(r"\*|(?![./~])[\w./-]+", re.ASCII)
# conda's default multichannel on Linux and macOS (``base.constants.DEFAULT_CHANNELS_UNIX``).
_DEFAULTS = frozenset({"pkgs/main", "pkgs/r"})
# Hosts whose channels conda names by their whole path (``channel_alias`` and ``default_channels``).
_ALIASES = frozenset({"conda.anaconda.org", "repo.anaconda.com"})
# Characters that do not end a version: text after a blank beside them is not the build.
_UNFINISHED = frozenset("=!|,<>~")
_NOT_IN_BUILD = frozenset("-=,|<>~")

TextTest = Callable[[str], bool]


@dataclass(frozen=True)
class MatchSpec:
    """One parsed spec. Fields that the text does not contain are None and match everything.

    Attributes:
        text: as the user wrote it, without surrounding white space; this is passed to conda.
        name: package name, lower case.
        version: condition on the version.
        build: glob for the build string.
        build_number: a number, or an operator and a number.
        channel: ``conda-forge``, ``pkgs/main``, ``conda-forge/label/dev``, or ``*`` for any.
        subdir, md5, sha256: exact values.
    """

    text: str
    name: str
    version: VersionSpec | None = None
    build: str | None = None
    build_number: str | None = None
    channel: str | None = None
    subdir: str | None = None
    md5: str | None = None
    sha256: str | None = None
    _build_test: TextTest | None = field(default=None, compare=False, repr=False)
    _number_test: TextTest | None = field(default=None, compare=False, repr=False)

    def matches(self, record: PackageRecord) -> bool:
        """Whether the linked package ``record`` fulfils this spec.

        Raises:
            InvalidSpecError: the record's version is not a version.
        """
        return (
            record.name == self.name
            and (self.version is None or self.version.matches(record.version))
            and (self._build_test is None or self._build_test(record.build))
            and (self._number_test is None or self._number_test(str(record.build_number)))
            and (self.channel is None or _is_from(record, self.channel))
            and (self.subdir is None or self.subdir == record.subdir)
            and (self.md5 is None or self.md5 == record.md5)
            and (self.sha256 is None or self.sha256 == record.sha256)
        )

    @property
    def canonical(self) -> str:
        """The spec as conda writes it in its history, its records and its messages.

        It is ``str(conda.models.match_spec.MatchSpec)``: ``numpy[version='>=1.8,<2']``,
        ``conda-forge/linux-64::numpy==1.8=py_0``. Use it only for comparison with those: conda is always
        given :attr:`text`, because conda omits necessary parentheses.
        """
        place, items = _canonical_channel(self.channel, self.subdir)
        version, more = _canonical_version(self.version, self.build)
        items += more
        for key, value in (
            ("build_number", self.build_number),
            ("md5", self.md5),
            ("sha256", self.sha256),
        ):
            if value is not None:
                items.append(f"{key}={_quoted(value, ', =')}")
        brackets = f"[{','.join(items)}]" if items else ""
        return f"{place}{self.name}{version}{brackets}"


def _quoted(value: str, marks: str) -> str:
    return f"'{value}'" if any(mark in value for mark in marks) else value


def _canonical_channel(channel: str | None, subdir: str | None) -> tuple[str, list[str]]:
    """The text before the name, and the items in brackets."""
    if channel is None or channel == "*":
        return "", [f"subdir={subdir}"] if subdir else []
    return f"{channel}/{subdir}::" if subdir else f"{channel}::", []


def _canonical_version(version: VersionSpec | None, build: str | None) -> tuple[str, list[str]]:
    """The text after the name, and the items in brackets."""
    text = version.text if version else ""
    items: list[str] = []
    outside, exact = "", False
    if any(mark in text for mark in "><$^|,") or (build and text.startswith(("!=", "~="))):
        items.append(f"version='{text}'")
    elif text.startswith(("!=", "~=")):
        outside = text
    elif text.endswith("*"):
        outside = f"={text[:-2] if text.endswith('.*') else text[:-1]}"
    elif text:
        outside, exact = (text if text.startswith("==") else f"=={text}"), True
    if build and exact and not any(mark in build for mark in "><$^|,*"):
        outside += f"={build}"
    elif build:
        items.append(f"build={_quoted(build, '><$^|,')}")
    return outside, items


def _is_from(record: PackageRecord, channel: str) -> bool:
    """Whether the record's channel has that name, whichever mirror it came from.

    If conda's configuration gives a mirror's path another beginning, only its end identifies the channel.
    """
    if channel == "*":
        return True
    if channel == "defaults":
        return record.channel_name in _DEFAULTS
    scheme, _separator, place = (record.channel or record.url).rpartition("://")
    words = [word for word in place.split("/") if word]
    if words and words[-1].endswith((".conda", ".tar.bz2")):
        words.pop()
    if words and is_subdir(words[-1]):
        words.pop()
    host = words.pop(0) if words and scheme not in ("", "file") else ""
    if host and words[:1] == ["t"]:
        del words[:2]  # a token
    if not scheme or host in _ALIASES:
        return "/".join(words) == channel
    # The end of the path must contain all of pkgs/main and of NAME/label/dev.
    wanted = channel.split("/")
    known = record.channel_name.split("/")
    return len(wanted) >= len(known) and words[-len(wanted) :] == wanted


def _glob(text: str) -> TextTest:
    if text.startswith("^") and text.endswith("$"):
        raise UnsupportedSpecError(f"{text!r} is a regular expression")
    pattern = re.compile(re.escape(text).replace(r"\*", ".*"))
    return lambda value: pattern.fullmatch(value) is not None


def _number(text: str, whole: str) -> tuple[str, TextTest]:
    """conda's text of a condition on the build number, and its test."""
    if re.fullmatch(r"[0-9]+", text):
        number = str(int(text))
        return number, lambda value: value == number
    if text == "*":
        return text, lambda value: True
    if text[0] not in "=<>!":
        raise UnsupportedSpecError(f"{whole!r}: {text!r} is not a condition on the build number")
    found = RELATION.fullmatch(text)
    if not found:
        raise InvalidSpecError(f"{whole!r}: {text!r} is not an operator followed by a number")
    compare, wanted = COMPARISONS[found[1]], parse_version(found[2])
    return text, lambda value: compare(parse_version(value), wanted)


def _brackets(text: str, whole: str) -> dict[str, str]:
    """The ``key=value`` pairs, separated by commas or blanks; for duplicate keys, the last one counts."""
    items: dict[str, str] = {}
    position = 0
    while text[position:].strip(", "):
        found = _BRACKET_ITEM.match(text, position)
        if not found:
            # conda ignores text that it cannot read here, without a word.
            raise InvalidSpecError(
                f"{whole!r}: the brackets must contain key=value pairs, such as version='>=1.8,<2', but"
                f" contain {text[position:].strip(', ')!r}"
            )
        value = found["double"] or found["single"] or found["bare"]
        if not value:
            raise InvalidSpecError(f"{whole!r}: {found['key']} has no value")
        items[found["key"]] = value
        position = found.end()
    for key in sorted(set(items) & set(_REFUSED)):
        raise InvalidSpecError(f"{whole!r}: the key {key} is not supported; {_REFUSED[key]}")
    unknown = sorted(set(items) - _KEYS - _KEYS_OF_CONDA)
    if unknown:
        raise InvalidSpecError(f"{whole!r}: conda has no field {', '.join(unknown)}")
    foreign = sorted(set(items) & _KEYS_OF_CONDA)
    if foreign:
        raise UnsupportedSpecError(f"{whole!r}: {', '.join(foreign)}")
    return items


def _without_brackets(spec: str, whole: str) -> tuple[str, dict[str, str]]:
    """Remove the last pair of brackets; remaining brackets are an error of the name or version."""
    if _LIST.search(spec):
        raise UnsupportedSpecError(f"{whole!r} has a list in brackets")
    end = spec.rfind("]")
    start = spec.rfind("[", 0, max(end, 0))
    if start < 0:
        return spec, {}
    section = spec[start : end + 1]
    return spec.replace(section, ""), _brackets(section[1:-1], whole)


def _split_build(text: str) -> tuple[str, str | None]:
    """Split ``1.8 py39_0``, ``1.8=py39_0`` or ``>=1.8 , <2 py39_0`` into version and build.

    The build is the text after the first blank or ``=`` that no operator, separator or hyphen follows, unless
    the version before it is incomplete.
    """
    for index in range(1, len(text) - 1):
        if (
            text[index] in " ="
            and text[index - 1] not in _UNFINISHED
            and not _NOT_IN_BUILD.intersection(text[index + 1 :])
        ):
            return text[:index].replace(" ", ""), text[index + 1 :].strip()
    return text.replace(" ", ""), None


def _version_and_build(rest: str, whole: str) -> tuple[str | None, str | None]:
    """Split the text after the name; the version is returned in the form of :class:`VersionSpec`."""
    text = rest.strip()
    if len(rest) < 2 or not text:
        return None, None  # conda reads ``numpy=`` and even ``numpy>`` as ``numpy``
    if "[" in text:
        raise InvalidSpecError(f"{whole!r}: one pair of brackets is allowed, at the end")
    version, build = _split_build(text)
    if version in ("=", "=="):
        return version, build  # not a version, so VersionSpec refuses it
    if version.startswith("==="):
        raise UnsupportedSpecError(f"{whole!r}: releases of conda read === differently")
    if version.startswith("==") and build is None:
        return version[2:], None
    wanted = version[1:]
    if version.startswith("=") and not any(mark in wanted for mark in "=,|"):
        # A single = means the series, but one exact version if a build is given as well.
        series = build is None and not wanted.endswith("*")
        return f"{wanted}*" if series else wanted, build
    return version, build


# The dependencies of an environment repeat few specs, and its further environments the same ones.
@lru_cache(maxsize=8192)
def parse_match_spec(text: str) -> MatchSpec:
    """Parse one spec as a user writes it on conda's command line or in ``environment.yml``.

    Raises:
        InvalidSpecError: conda would refuse it; the message says why.
        UnsupportedSpecError: a URL, a feature, a regular expression, a glob in the name, or another form
            that is left to conda.
    """
    whole = text.strip()
    # A blank before a comment stays: conda reads ``numpy~`` differently from ``numpy~ # why``.
    spec = whole.split("#", 1)[0]
    if not spec.strip():
        raise InvalidSpecError("a package spec is empty")
    if whole.endswith("@") or "://" in spec or spec.rstrip().endswith((".conda", ".tar.bz2")):
        raise UnsupportedSpecError(f"{whole!r} names a file or a feature")
    if " if " in spec or "\n" in spec or "\r" in spec:
        raise UnsupportedSpecError(f"{whole!r} has a condition or several lines")
    spec, items = _without_brackets(spec, whole)
    if "(" in spec and ")" in spec:
        # conda drops text in parentheses here; only inside version='...' do they group.
        raise UnsupportedSpecError(f"{whole!r} has parentheses outside of brackets")
    channel, _separator, spec = spec.rpartition("::")
    if ":" in spec:
        raise UnsupportedSpecError(f"{whole!r} has a namespace")
    found = _NAME_AND_REST.match(spec)
    if not found:
        raise InvalidSpecError(f"{whole!r} has no package name")
    version, build = _version_and_build(found["rest"] or "", whole)
    return _assemble(whole, _name(found["name"], whole), version, build, channel, items)


def _name(text: str, whole: str) -> str:
    name = text.lower()
    if "[" in name or "]" in name:
        raise InvalidSpecError(f"{whole!r}: one pair of brackets is allowed, at the end")
    if "*" in name or (name.startswith("^") and name.endswith("$")):
        raise UnsupportedSpecError(f"{whole!r} has a pattern instead of a name")
    if not _NAME.fullmatch(name):
        raise InvalidSpecError(f"{whole!r}: {name!r} is not a package name")
    return name


def _assemble(
    whole: str,
    name: str,
    version: str | None,
    build: str | None,
    channel: str,
    items: dict[str, str],
) -> MatchSpec:
    # Items in brackets override the text before them, except the name (conda, MatchSpec).
    version = items.get("version", version)
    build = items.get("build", build)
    place, subdir = _channel(channel, whole)
    if "channel" in items:
        inner, found = _channel(items["channel"], whole)
        place, subdir = inner or place, found or subdir
    if version and version.startswith("==") and "*" in re.split("[,|]", version)[0]:
        # In brackets or with a build: conda 24.7 drops the star, later releases read it as the series.
        raise UnsupportedSpecError(f"{whole!r}: releases of conda read == with a star differently")
    number, number_test = None, None
    if "build_number" in items:
        number, number_test = _number(items["build_number"], whole)
    return MatchSpec(
        text=whole,
        name=name,
        version=VersionSpec(version) if version else None,
        build=build,
        build_number=number,
        channel=place,
        subdir=items.get("subdir", subdir),
        md5=items.get("md5"),
        sha256=items.get("sha256"),
        _build_test=_glob(build) if build else None,
        _number_test=number_test,
    )


def _channel(text: str, whole: str) -> tuple[str | None, str | None]:
    """Channel and platform of ``conda-forge``, ``conda-forge/linux-64``, ``*/noarch``."""
    if not text:
        return None, None
    head, slash, last = text.rstrip("/").rpartition("/")
    channel, subdir = (head, last) if slash and is_subdir(last) else (text.rstrip("/"), None)
    if (
        not _CHANNEL.fullmatch(channel)
        or "//" in channel
        or channel == "local"
        or any(is_subdir(word) for word in channel.split("/")[1:])
    ):
        # A URL, a path, a pattern, or a channel that only conda's configuration defines.
        raise UnsupportedSpecError(f"{whole!r}: the channel {text!r} is not supported")
    return channel, subdir
