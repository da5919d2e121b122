# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requirements of Python distributions: `name[extra]>=1; marker`, `name @ URL`, lines of a file.

The grammar is that of the "Dependency specifiers" specification (PEP 508). A *line* is what a
person writes into a requirements file for pip: a requirement, a comment, hashes. Options of pip's
own are refused there, because the module has options for what they say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_marker import (
    InvalidMarker,
    Marker,
    normalize_name,
    parse_marker,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_version import (
    InvalidSpecifier,
    SpecifierSet,
)

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_HEAD = re.compile(rf"\s*(?P<name>{_NAME})\s*(?:\[(?P<extras>[^\]]*)\])?\s*", re.ASCII)
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_HASH = re.compile(r"--hash[=\s]\s*(?P<hash>\S+)")
_OPTION = re.compile(r"(?:^|\s)(?P<option>--?[A-Za-z][A-Za-z-]*)")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_ARCHIVE = re.compile(r"\.(?:whl|zip|tar|tar\.gz|tgz|tar\.bz2|tar\.xz)$", re.IGNORECASE)
_WHEEL = re.compile(r"(?:.*/)?(?P<name>[A-Za-z0-9._]+)-[^/]+\.whl$", re.IGNORECASE | re.ASCII)

# What to write instead of an option of pip's, by its long name.
_INSTEAD = {
    "--requirement": "use the option requirements_files",
    "--constraint": "use the option constraints_files",
    "--index-url": "use the option index_url",
    "--pypi-url": "use the option index_url",
    "--extra-index-url": "use the option extra_index_urls",
    "--find-links": "use the option find_links",
    "--no-index": "use the option no_index",
    "--trusted-host": "use the option trusted_hosts",
    "--pre": "name the pre-release in the specifier, as in name>=2.0rc1",
    "--editable": "an editable install cannot be told from its source; write NAME @ URL instead",
    "--require-hashes": "give every line a --hash; pip then requires them for all",
}
_SHORT = {
    "-r": "--requirement",
    "-c": "--constraint",
    "-i": "--index-url",
    "-f": "--find-links",
    "-e": "--editable",
}


class InvalidRequirement(ValueError):
    """A text is not a requirement, or is one that the module does not take."""


@dataclass(frozen=True)
class Requirement:
    """One requirement, parsed.

    Attributes:
        text: the requirement as it was written, without comment and surrounding blanks.
        name: the normal form of the distribution's name.
        extras: normal forms of the extras asked for.
        specifier: the versions that will do; empty with a URL.
        url: where the distribution comes from, for `name @ URL`, else None.
        marker: the condition under which it counts, or None.
        hashes: what `--hash=` said, such as "sha256:HEX".
    """

    text: str
    name: str
    extras: frozenset[str] = frozenset()
    specifier: SpecifierSet = field(default_factory=SpecifierSet, compare=False)
    url: str | None = None
    marker: Marker | None = None
    hashes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.text

    def applies(self, environment: Mapping[str, str], extras: Iterable[str] = ()) -> bool:
        """Whether the marker holds for one of `extras`, or without any when there are none."""
        if self.marker is None:
            return True
        return any(self.marker.evaluate(environment, extra) for extra in (list(extras) or [""]))


def parse_requirement(text: str) -> Requirement:
    """A requirement as metadata hold it.

    Raises:
        InvalidRequirement: the text is not one; the message says where it stops being one.
    """
    match = _HEAD.match(text)
    if match is None:
        raise InvalidRequirement(f"{text!r} does not start with a distribution's name")
    extras = _extras(match["extras"] or "", text)
    rest = text[match.end() :]
    url = None
    specifier = SpecifierSet()
    if rest.startswith("@"):
        url, marker_text = _split_url(rest[1:].strip())
        if not _SCHEME.match(url):
            raise InvalidRequirement(f"{text!r}: after @ comes a URL with a scheme, as in file:///")
    else:
        versions, semicolon, marker_text = rest.partition(";")
        specifier = _specifier(versions, text)
        if semicolon and not marker_text.strip():
            raise InvalidRequirement(f"{text!r} ends where a marker belongs")
    try:
        marker = parse_marker(marker_text.strip()) if marker_text.strip() else None
    except InvalidMarker as error:
        raise InvalidRequirement(str(error)) from error
    return Requirement(
        text=text.strip(),
        name=normalize_name(match["name"]),
        extras=extras,
        specifier=specifier,
        url=url,
        marker=marker,
    )


@cache
def parse_metadata_requirement(text: str) -> Requirement | None:
    """`parse_requirement`, with None for what is not one: old metadata hold such lines."""
    try:
        return parse_requirement(text)
    except InvalidRequirement:
        return None


def _extras(text: str, whole: str) -> frozenset[str]:
    names = [part.strip() for part in text.split(",")] if text.strip() else []
    for name in names:
        if not re.fullmatch(_NAME, name, re.ASCII):
            raise InvalidRequirement(f"{whole!r}: {name!r} is not the name of an extra")
    return frozenset(normalize_name(name) for name in names)


def _split_url(text: str) -> tuple[str, str]:
    """URL and marker: a semicolon belongs to the URL unless a blank stands before it."""
    match = re.search(r"\s+;", text)
    if match is None:
        url, _blank, rest = text.partition(" ")
        if rest.strip():
            raise InvalidRequirement(f"{text!r}: nothing but '; marker' may follow a URL")
        return url, ""
    url = text[: match.start()]
    if re.search(r"\s", url):
        raise InvalidRequirement(f"{url!r}: a URL has no blanks in it")
    return url, text[match.end() :]


def _specifier(text: str, whole: str) -> SpecifierSet:
    text = text.strip()
    if text.startswith("(") and text.endswith(")"):
        text = text[1:-1].strip()
    # One comma too many at the end is common, one in the middle is a mistake.
    clauses = [part.strip() for part in text.split(",")]
    if clauses[-1] == "":
        clauses.pop()
    if "" in clauses:
        raise InvalidRequirement(f"{whole!r} has a comma too many")
    try:
        return SpecifierSet(",".join(clauses))
    except InvalidSpecifier as error:
        raise InvalidRequirement(f"{whole!r}: {error}") from error


def logical_lines(text: str) -> list[tuple[int, str]]:
    """What a requirements file of pip's says, line by line, without comments and empty lines.

    A backslash at the end of a line continues it, unless the line is a comment.

    Returns:
        Pairs of the number of the line where it begins, from 1, and the text without outer blanks.
    """
    found = []
    begun, parts = 0, ""
    physical = text.splitlines()
    for number, line in enumerate(physical, start=1):
        comment = line.lstrip().startswith("#")
        begun = begun or number
        if line.endswith("\\") and not comment:
            parts += line.strip("\\")
            if number < len(physical):
                continue
        else:
            # A comment that ends a continued line stays one, even where that line has no blank.
            parts += f" {line}" if comment else line
        whole = _COMMENT.sub("", parts).strip()
        if whole:
            found.append((begun, whole))
        begun, parts = 0, ""
    return found


def parse_lines(lines: Iterable[str], option: str) -> list[Requirement]:
    """The requirements among `lines`, which may hold comments and backslash continuations.

    Args:
        lines: as in a requirements file of pip's; an item may hold several lines.
        option: the module option they came from, for messages.

    Raises:
        InvalidRequirement: naming the option, the line and, for an option of pip's, what to use.
    """
    found = []
    for _number, text in logical_lines("\n".join(lines)):
        try:
            found.append(parse_line(text))
        except InvalidRequirement as error:
            raise InvalidRequirement(f"{option}: {error}") from error
    return found


def parse_line(text: str) -> Requirement:
    """The requirement of one line of a file, comment and continuation gone.

    Raises:
        InvalidRequirement: naming the line and, for an option of pip's, what to use.
    """
    hashes = tuple(match["hash"] for match in _HASH.finditer(text))
    for value in hashes:
        if not re.fullmatch(r"(?:sha256|sha384|sha512):[0-9a-fA-F]+", value):
            raise InvalidRequirement(f"{text!r}: a hash is written as sha256:HEX, not {value!r}")
    bare = _HASH.sub("", text).strip()
    option = _OPTION.search(bare)
    if option:
        raise InvalidRequirement(_refusal(text, option["option"]))
    if bare.startswith((".", "/", "~")) or _ARCHIVE.search(bare.split(" ")[0].split("#")[0]):
        if " @ " not in bare:
            raise InvalidRequirement(_unnamed(bare))
    elif _SCHEME.match(bare) and "//" in bare.split(" ")[0]:
        raise InvalidRequirement(_unnamed(bare))
    requirement = parse_requirement(bare)
    return Requirement(
        text=" ".join([bare, *(f"--hash={value}" for value in hashes)]),
        name=requirement.name,
        extras=requirement.extras,
        specifier=requirement.specifier,
        url=requirement.url,
        marker=requirement.marker,
        hashes=hashes,
    )


def _refusal(text: str, option: str) -> str:
    long_name = _SHORT.get(option[:2], option) if not option.startswith("--") else option
    reason = _INSTEAD.get(long_name, "only --hash may stand in a line")
    return f"{text!r}: pip's option {option} is not taken here: {reason}"


def _unnamed(text: str) -> str:
    target = text.split(" ")[0]
    wheel = _WHEEL.match(target.split("#")[0])
    name = normalize_name(wheel["name"]) if wheel else "NAME"
    url = target if _SCHEME.match(target) else "file://" + ("" if target[0] == "/" else "/PATH/")
    if not _SCHEME.match(target):
        url += target if target[0] == "/" else target.lstrip("./~")
    return f"{text!r} does not say which distribution it is: write '{name} @ {url}'"
