# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Computes the findings of `pip check` for a set of distributions, before or after a change. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ansible_collections.llmfleet.conda.plugins.module_utils._pip.closure import active_requirements
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.python_packages import Packages
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_marker import (
    normalize_name,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_requirement import (
    parse_metadata_requirement,
)

# Output of `pip check` (pip, commands/check.py); the last form since pip 24.1.
_OF_PIP = re.compile(
    r"(?P<name>\S+) (?P<version>\S+) (?:requires |has requirement |is not supported on this platform)"
    r"(?P<needed>.*?)(?:, which is not installed|, but you have .*)?\.?$"
)
# Output of `uv pip check` (uv 0.13); the last forms are about the distribution itself.
_OF_UV = re.compile(
    r"The package `(?P<name>[^`]+)` (?:requires `(?P<needed>[^`]+)`, but .*"
    r"|was built for a different platform|requires Python .*|has multiple installed .*"
    r"|is broken or incomplete .*)$"
)


def inconsistencies(
    packages: Packages, environment: Mapping[str, str]
) -> dict[tuple[str, str], str]:
    """The findings of `pip check`, in pip's words, by (distribution, name of the requirement)."""
    found: dict[tuple[str, str], str] = {}
    for name, one in packages.by_name.items():
        for needed in active_requirements(one, environment):
            other = packages.by_name.get(needed.name)
            if other is None:
                found[name, needed.name] = (
                    f"{one.name} {one.version} requires {needed.name}, which is not installed."
                )
            elif not needed.specifier.contains(other.version):
                found[name, needed.name] = (
                    f"{one.name} {one.version} has requirement {needed.name}{needed.specifier}, "
                    f"but you have {other.name} {other.version}."
                )
    return found


def new_inconsistencies(
    before: Packages, after: Packages, environment: Mapping[str, str]
) -> list[str]:
    """Conflicts after a change that did not exist before it."""
    known = inconsistencies(before, environment)
    return [
        text
        for key, text in sorted(inconsistencies(after, environment).items())
        if key not in known
    ]


def was_so_before(
    line: str, before: Packages, after: Packages, known: Mapping[tuple[str, str], str]
) -> bool:
    """Whether a line of `pip check` or `uv pip check` reports a problem that existed before the change.

    Args:
        before, after: the distributions.
        known: `inconsistencies` of `before`.
    """
    match = _OF_PIP.match(line) or _OF_UV.match(line)
    if match is None:
        return False
    name = normalize_name(match["name"])
    if match["needed"]:
        needed = parse_metadata_requirement(match["needed"])
        return needed is not None and (name, needed.name) in known
    old, new = before.by_name.get(name), after.by_name.get(name)
    if old is None or new is None:
        return False
    return old.version == match.groupdict().get("version", new.version)
