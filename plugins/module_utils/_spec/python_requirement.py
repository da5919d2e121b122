# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requirements of Python distributions: `name[extra]>=1; marker`, `name @ URL`, lines of a file.

The grammar is that of the "Dependency specifiers" specification (PEP 508). A *line* is a line of a
requirements file for pip: a requirement, a comment, hashes. pip's own options are refused there, because the
module has options for the same purposes.
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

# What to use instead of an option of pip, by its long name: an option of conda_pip if it has one.
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
    "--editable": "the source of an editable install cannot be identified; write NAME @ URL instead",
    "--require-hashes": "add --hash to every line; pip then requires hashes for all",
}
_SHORT = {
    "-r": "--requirement",
    "-c": "--constraint",
    "-i": "--index-url",
    "-f": "--find-links",
    "-e": "--editable",
}


class InvalidRequirement(ValueError):
    """A text is not a requirement, or the module does not accept it."""


@dataclass(frozen=True)
class Requirement:
    """One parsed requirement.

    Attributes:
        text: the requirement as written, without comment and surrounding white space.
        name: the normalized name of the distribution.
        extras: the normalized names of the requested extras.
        specifier: the accepted versions; empty with a URL.
        url: the URL of `name @ URL`, else None.
        marker: the condition under which the requirement applies, or None.
        hashes: the values of `--hash=`, such as "sha256:HEX".
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
        """Whether the marker is true for one of `extras`, or without extras if there are none."""
        if self.marker is None:
            return True
        return any(self.marker.evaluate(environment, extra) for extra in (list(extras) or [""]))


def parse_requirement(text: str) -> Requirement:
    """Parse a requirement from a distribution's metadata.

    Raises:
        InvalidRequirement: the text is not a requirement; the message names the error.
    """
    match = _HEAD.match(text)
    if match is None:
        raise InvalidRequirement(f"{text!r} does not start with the name of a distribution")
    extras = _extras(match["extras"] or "", text)
    rest = text[match.end() :]
    url = None
    specifier = SpecifierSet()
    if rest.startswith("@"):
        url, marker_text = _split_url(rest[1:].strip())
        if not _SCHEME.match(url):
            raise InvalidRequirement(f"{text!r}: a URL with a scheme must follow @, as in file:///")
    else:
        versions, semicolon, marker_text = rest.partition(";")
        specifier = _specifier(versions, text)
        if semicolon and not marker_text.strip():
            raise InvalidRequirement(f"{text!r} has no marker after the semicolon")
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
    """`parse_requirement`, or None for an invalid text: old metadata contain such lines."""
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
    """Split into URL and marker: a semicolon without a blank before it belongs to the URL."""
    match = re.search(r"\s+;", text)
    if match is None:
        url, _blank, rest = text.partition(" ")
        if rest.strip():
            raise InvalidRequirement(f"{text!r}: only '; marker' may follow a URL")
        return url, ""
    url = text[: match.start()]
    if re.search(r"\s", url):
        raise InvalidRequirement(f"{url!r}: a URL must not contain white space")
    return url, text[match.end() :]


def _specifier(text: str, whole: str) -> SpecifierSet:
    text = text.strip()
    if text.startswith("(") and text.endswith(")"):
        text = text[1:-1].strip()
    # A comma at the end is common; an additional one in the middle is an error.
    clauses = [part.strip() for part in text.split(",")]
    if clauses[-1] == "":
        clauses.pop()
    if "" in clauses:
        raise InvalidRequirement(f"{whole!r} has an unnecessary comma")
    try:
        return SpecifierSet(",".join(clauses))
    except InvalidSpecifier as error:
        raise InvalidRequirement(f"{whole!r}: {error}") from error


def logical_lines(text: str) -> list[tuple[int, str]]:
    """The lines of a pip requirements file, without comments and empty lines.

    A backslash at the end of a line continues it, unless the line is a comment.

    Returns:
        Pairs of the number of its first line, from 1, and the text without surrounding white space.
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
            # A comment that ends a continued line remains a comment, even without a blank before it.
            parts += f" {line}" if comment else line
        whole = _COMMENT.sub("", parts).strip()
        if whole:
            found.append((begun, whole))
        begun, parts = 0, ""
    return found


def parse_lines(lines: Iterable[str], option: str) -> list[Requirement]:
    """The requirements in `lines`, which may contain comments and continued lines.

    Args:
        lines: as in a pip requirements file; an item may contain several lines.
        option: the module option that contains them, for messages.

    Raises:
        InvalidRequirement: names the option, the line and, for an option of pip, what to use instead.
    """
    found = []
    for _number, text in logical_lines("\n".join(lines)):
        try:
            found.append(parse_line(text))
        except InvalidRequirement as error:
            raise InvalidRequirement(f"{option}: {error}") from error
    return found


def parse_line(text: str) -> Requirement:
    """The requirement of one line of a file, without comment and continuation.

    Raises:
        InvalidRequirement: names the line and, for an option of pip, what to use instead.
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
    reason = _INSTEAD.get(long_name, "a line may contain no option except --hash")
    return f"{text!r}: pip's option {option} is not supported here: {reason}"


def _unnamed(text: str) -> str:
    target = text.split(" ")[0]
    wheel = _WHEEL.match(target.split("#")[0])
    name = normalize_name(wheel["name"]) if wheel else "NAME"
    url = target if _SCHEME.match(target) else "file://" + ("" if target[0] == "/" else "/PATH/")
    if not _SCHEME.match(target):
        url += target if target[0] == "/" else target.lstrip("./~")
    return f"{text!r} does not name the distribution: write '{name} @ {url}'"
