# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Predicts the distributions after an installer has done what its dry run reports. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ansible_collections.llmfleet.conda.plugins.module_utils._pip.closure import active_requirements
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.report import Reported
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.observe import Observed, line_of
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.plan import Plan
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.python_packages import (
    CONDA,
    PIP,
    Distribution,
    Packages,
)


def after_change(
    before: Packages, reported: Sequence[Reported], removed: Sequence[str]
) -> Packages:
    """The distributions after an installer has installed `reported` and removed `removed`."""
    after = {name: one for name, one in before.by_name.items() if name not in removed}
    for new in reported:
        old = before.by_name.get(new.name)
        # The same version uses the same dist-info directory, which conda's record names.
        owner = CONDA if (new.name, new.version) in before.of_conda else PIP
        after[new.name] = Distribution(
            name=new.name,
            version=new.version,
            path=old.path if old else "",
            owner=owner,
            requires=new.requires,
            extras=new.extras,
            direct_url=new.direct_url,
        )
    return replace(before, by_name=after, doubles={})


def predicted_lines(predicted: Packages, observed: Observed) -> list[str]:
    """One diff line for each predicted distribution."""
    lines = []
    for name, one in predicted.by_name.items():
        untouched = observed.packages.by_name.get(name) is one
        lines.append(line_of(one, damaged=untouched and name in observed.damage))
    return sorted(lines)


def exactly(plan: Plan, before: Packages, predicted: Packages) -> Plan:
    """The plan with the resolved versions as pins, so that the real run installs them."""
    pins = [
        f"{one.name}=={one.version}"
        for name, one in sorted(predicted.by_name.items())
        if before.by_name.get(name) is not one and not one.direct_url
    ]
    taken = {pin.partition("==")[0] for pin in pins}
    kept = [pin for pin in plan.pins if pin.partition("==")[0] not in taken]
    return replace(plan, pins=(*kept, *pins))


def owned_conflicts(observed: Observed, reported: Sequence[Reported]) -> dict[str, str]:
    """conda's packages that pip would replace, by name: both versions, and which distributions require it."""
    conflicts = {}
    after = after_change(observed.packages, reported, ())
    for one in reported:
        owned = observed.packages.by_name.get(one.name)
        if owned is None or owned.owner != CONDA or owned.version == one.version:
            continue
        requiring = [
            f"{other.name} {other.version} requires {needed.name}{needed.specifier}"
            for other in after.by_name.values()
            for needed in active_requirements(other, observed.environment)
            if needed.name == owned.name and not needed.specifier.contains(owned.version)
        ]
        because = f" because {', '.join(requiring)}" if requiring else ""
        conflicts[owned.name] = f"{owned.name} {owned.version} with {one.version}{because}"
    return conflicts
