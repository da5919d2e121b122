# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads pip's requirements files and constraints files, with the files that they include.

The format is pip's ("Requirements File Format" in its documentation): requirements with hashes, comments,
continued lines, `-r FILE` and `-c FILE` relative to the including file. Options for indexes are refused,
because they would apply to the whole run and not only to the file; the message names the module's option.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_requirement import (
    InvalidRequirement,
    logical_lines,
    parse_line,
)

# `-r FILE`, `-rFILE`, `--requirement FILE` and `--requirement=FILE`; the same for constraints.
_INCLUDE = re.compile(
    r"(?:-(?P<short>[rc])|--(?P<long>requirement|constraint)(?:\s|=))(?P<name>.*)$"
)
_VARIABLE = re.compile(r"\$\{[A-Z0-9_]+\}")

Read = Callable[[str], str]


class RequirementsFileError(ValueError):
    """A file cannot be used; the message names the option, the file and the line."""


@dataclass
class FileLines:
    """The requirement and constraint lines of files, in order."""

    requirements: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)


def read_files(
    requirements_files: Iterable[str], constraints_files: Iterable[str], read: Read
) -> FileLines:
    """Read files and the files that they include.

    As in pip, `-c` includes constraints and `-r` requirements, in either kind of file.

    Args:
        requirements_files, constraints_files: absolute paths.
        read: returns the text of a file by its path; its exceptions are passed on.

    Raises:
        RequirementsFileError: a line cannot be used, or a file includes itself.
    """
    found = FileLines()
    for option, paths in (
        ("requirements_files", requirements_files),
        ("constraints_files", constraints_files),
    ):
        for path in paths:
            _Reader(option, read, found).file(path, option == "constraints_files", ())
    return found


class _Reader:
    """Reads one file of an option, and the files that it includes."""

    def __init__(self, option: str, read: Read, found: FileLines) -> None:
        self._option = option
        self._read = read
        self._found = found

    def file(self, path: str, constraint: bool, above: tuple[str, ...]) -> None:
        for number, text in logical_lines(self._read(path).lstrip("\ufeff")):
            try:
                self._line(path, text, constraint, above)
            except InvalidRequirement as error:
                raise RequirementsFileError(
                    f"The option {self._option}: {path}, line {number}: {error}"
                ) from error

    def _line(self, path: str, text: str, constraint: bool, above: tuple[str, ...]) -> None:
        variable = _VARIABLE.search(text)
        if variable:
            raise InvalidRequirement(
                f"{text!r}: {variable[0]} is not expanded; put the line into the option "
                "requirements or constraints, and use an Ansible variable there"
            )
        include = _INCLUDE.match(text)
        if include is None:
            lines = self._found.constraints if constraint else self._found.requirements
            lines.append(_checked(text, constraint))
            return
        target = os.path.join(os.path.dirname(path), _file_name(text, include["name"]))
        target = os.path.normpath(target)
        if target in (path, *above):
            raise InvalidRequirement(f"{text!r}: the file includes itself")
        self.file(target, (include["short"] or include["long"][0]) == "c", (path, *above))


def _file_name(text: str, name: str) -> str:
    try:
        words = shlex.split(name)
    except ValueError as error:
        raise InvalidRequirement(f"{text!r}: {error}") from error
    if len(words) != 1:
        raise InvalidRequirement(f"{text!r} does not name exactly one file")
    if "://" in words[0]:
        raise InvalidRequirement(
            f"{text!r}: files are not downloaded from URLs; use ansible.builtin.get_url first"
        )
    return words[0]


def _checked(text: str, constraint: bool) -> str:
    """The line for the installer.

    Raises:
        InvalidRequirement: the module does not accept the line.
    """
    line = parse_line(text)
    if constraint and line.extras:
        raise InvalidRequirement(
            f"extras are not allowed in the constraint {line.text!r}; name them in requirements"
        )
    return line.text
