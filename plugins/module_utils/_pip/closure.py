# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Follows requirement lines through the installed distributions, as pip's resolver does. Pure.

pip takes half a second and a process to answer "already satisfied"; this file answers from metadata that is
already read. Only the installer can tell what needs a download: the version of a missing distribution, and
its dependencies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._pip.direct_url import same_source
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.request import Desired
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.python_packages import (
    CONDA,
    Distribution,
    Packages,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_requirement import (
    Requirement,
    parse_metadata_requirement,
)


@dataclass(frozen=True)
class Shortfall:
    """One requirement that is not met.

    Attributes:
        name: normalized name of the distribution.
        reason: a clause for messages, such as "numpy 1.26.4 does not satisfy numpy>=2".
        direct: a requirement or constraint of the task, not a dependency of a distribution.
        owner: the owner of the installed distribution, None if it is not installed.
        source: the distribution was installed from another URL than the requirement names.
    """

    name: str
    reason: str
    direct: bool = True
    owner: str | None = None
    source: bool = False


@dataclass(frozen=True)
class Closure:
    """The installed distributions that the requirement lines need, and the requirements that are not met.

    Attributes:
        names: installed distributions that the lines need, directly or indirectly.
        shortfalls: requirements that are not met; empty if pip would install nothing.
        unknown_extras: "name[extra]" for each extra that its distribution does not provide.
    """

    names: frozenset[str]
    shortfalls: tuple[Shortfall, ...]
    unknown_extras: tuple[str, ...] = ()


class _Walk:
    """Follows requirements through the installed distributions, as pip's resolver does."""

    def __init__(
        self, packages: Packages, environment: Mapping[str, str], constraints: Iterable[Requirement]
    ) -> None:
        self._packages = packages
        self._environment = environment
        self._constraints: dict[str, list[Requirement]] = {}
        for constraint in constraints:
            if constraint.applies(environment):
                self._constraints.setdefault(constraint.name, []).append(constraint)
        self._seen: set[tuple[str, str]] = set()
        self.names: set[str] = set()
        self.shortfalls: dict[str, Shortfall] = {}
        self.unknown_extras: set[str] = set()

    def _short(self, requirement: Requirement, reason: str, **facts: Any) -> None:
        shortfall = Shortfall(requirement.name, reason, **facts)
        self.shortfalls.setdefault(shortfall.reason, shortfall)

    def visit(self, requirement: Requirement, by: Distribution | None = None) -> None:
        needed = f" (required by {by.name} {by.version})" if by else ""
        one = self._packages.by_name.get(requirement.name)
        if one is None:
            self._short(requirement, f"{requirement.name} is not installed{needed}", direct=not by)
            return
        if not one.metadata:
            reason = f"the installation of {requirement.name} is incomplete{needed}"
            self._short(requirement, reason, direct=not by, owner=one.owner)
            return
        self.names.add(one.name)
        have = f"{one.name} {one.version}"
        if not requirement.specifier.contains(one.version):
            wanted = f"{requirement.name}{requirement.specifier}"
            reason = f"{have} does not satisfy {wanted}{needed}"
            self._short(requirement, reason, direct=not by, owner=one.owner)
        if requirement.url and by is None and not same_source(requirement.url, one.direct_url):
            reason = f"{have} was not installed from the URL in its requirement"
            self._short(requirement, reason, owner=one.owner, source=True)
        for constraint in self._constraints.get(one.name, ()):
            if not constraint.specifier.contains(one.version):
                reason = f"{have} does not satisfy the constraint {constraint.text}"
                self._short(requirement, reason, owner=one.owner)
        self._descend(requirement, one)

    def _descend(self, requirement: Requirement, one: Distribution) -> None:
        for extra in sorted(requirement.extras - one.extras):
            self.unknown_extras.add(f"{one.name}[{extra}]")
        for extra in ("", *sorted(requirement.extras & one.extras)):
            if (one.name, extra) in self._seen:
                continue
            self._seen.add((one.name, extra))
            # conda decides what its packages need: it may leave out or rename distributions on purpose.
            # An extra is a request of the line itself, so follow it.
            if one.owner == CONDA and not extra:
                continue
            for needed in active_requirements(one, self._environment, extra):
                self.visit(needed, by=one)


def active_requirements(
    one: Distribution, environment: Mapping[str, str], extra: str = ""
) -> list[Requirement]:
    """The requirements of a distribution in `environment`: without extras, or of one extra only."""
    found = []
    for text in one.requires:
        requirement = parse_metadata_requirement(text)
        if requirement is None or not requirement.applies(environment, [extra]):
            continue
        if extra and requirement.applies(environment):
            continue  # needed without the extra too
        found.append(requirement)
    return found


def closure_of(desired: Desired, packages: Packages, environment: Mapping[str, str]) -> Closure:
    """Follow the requirement lines through the installed distributions."""
    walk = _Walk(packages, environment, desired.constraints_for(packages))
    for requirement in desired.requirements:
        if requirement.applies(environment):
            walk.visit(requirement)
    return Closure(
        frozenset(walk.names),
        tuple(walk.shortfalls.values()),
        tuple(sorted(walk.unknown_extras)),
    )
