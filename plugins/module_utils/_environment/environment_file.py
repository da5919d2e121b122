# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses an ``environment.yml`` (conda, "Creating an environment file manually").

The condarc parser reads the YAML; it refuses constructs that it does not understand and never guesses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Not a channel: it says that the file lists all channels.
_NO_DEFAULTS = "nodefaults"
_KEYS = frozenset({"name", "prefix", "channels", "dependencies", "variables"})


class EnvironmentFileError(ValueError):
    """The declaration cannot be parsed; the message has the line number if it is known."""


@dataclass(frozen=True)
class EnvironmentFile:
    """Match specs, channels in order of priority, the requirement lines of the pip section, and variables.

    ``variables`` are as written; None if the file has no such section.
    """

    packages: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    pip_requirements: tuple[str, ...] = ()
    variables: Mapping[str, Any] | None = None


def parse_environment(declared: Any) -> EnvironmentFile:
    """Parse a declaration: the text of an ``environment.yml``, or its content as a mapping.

    Raises:
        EnvironmentFileError: it is neither, or a part of it is not supported.
    """
    if isinstance(declared, str):
        # Imported here because most tasks pass no text, and Python would compile it in every run.
        from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.document import (
            Condarc,
            CondarcError,
        )

        try:
            text = Condarc(declared, nested=True)
        except CondarcError as error:
            raise EnvironmentFileError(str(error)) from error
        return _read(text.values, text.line_numbers)
    if isinstance(declared, Mapping):
        return _read(declared, {})
    raise EnvironmentFileError("expected a mapping or the text of an environment.yml")


def _read(values: Mapping[str, Any], lines: Mapping[str, int]) -> EnvironmentFile:
    def where(key: str) -> str:
        return f"line {lines[key]}: " if key in lines else ""

    for key in values:
        if key not in _KEYS:
            raise EnvironmentFileError(f"{where(key)}the key {key!r} is not supported")
    variables = values.get("variables")
    if variables is not None and not isinstance(variables, Mapping):
        raise EnvironmentFileError(f"{where('variables')}variables: expected a mapping")
    if "dependencies" not in values:
        raise EnvironmentFileError("the key 'dependencies' is missing")
    channels = _strings(values.get("channels"), f"{where('channels')}channels")
    packages: list[str] = []
    requirements: list[str] = []
    place = f"{where('dependencies')}dependencies"
    for item in _items(values["dependencies"], place):
        if isinstance(item, Mapping) and list(item) == ["pip"]:
            requirements += _strings(item["pip"], f"{place}: the pip section")
        elif isinstance(item, Mapping):
            raise EnvironmentFileError(f"{place}: only 'pip' may be a section, not {list(item)}")
        else:
            packages += _strings([item], place)
    return EnvironmentFile(
        packages=tuple(dict.fromkeys(packages)),
        channels=tuple(dict.fromkeys(item for item in channels if item != _NO_DEFAULTS)),
        pip_requirements=tuple(requirements),
        variables=variables,
    )


def _items(value: Any, place: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, (list, tuple)):
        raise EnvironmentFileError(f"{place}: expected a list")
    return list(value)


def _strings(value: Any, place: str) -> list[str]:
    strings = []
    for item in _items(value, place):
        if not isinstance(item, str) or not item.strip():
            raise EnvironmentFileError(f"{place}: {item!r} is not a string")
        strings.append(item.strip())
    return strings
