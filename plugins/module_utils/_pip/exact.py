# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option ``exact``: which distributions no requirement of the task needs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ansible_collections.llmfleet.conda.plugins.module_utils._pip.closure import active_requirements
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.python_packages import (
    PIP,
    Packages,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_requirement import (
    Requirement,
)


def unneeded(
    requirements: Iterable[Requirement], packages: Packages, environment: Mapping[str, str]
) -> list[str]:
    """Names of the distributions to remove, sorted.

    These are distributions that conda does not own and that neither a requirement, nor a distribution of
    conda's, nor a dependency of these needs. pip stays, and so does every distribution of which conda has a
    record, even if pip has replaced it: only conda can remove that completely.
    """
    waiting: list[tuple[str, Iterable[str]]] = [
        (line.name, line.extras) for line in requirements if line.applies(environment)
    ]
    waiting += [(one.name, ()) for one in packages.owned_by_conda()]
    waiting += [(name, ()) for name in ("pip", *(name for name, _version in packages.of_conda))]
    seen: set[tuple[str, str]] = set()
    while waiting:
        name, extras = waiting.pop()
        one = packages.by_name.get(name)
        for extra in ("", *extras):
            if one is not None and (name, extra) not in seen:
                seen.add((name, extra))
                needed = active_requirements(one, environment, extra)
                waiting += [(line.name, line.extras) for line in needed]
    kept = {name for name, _extra in seen}
    return sorted(
        name for name, one in packages.by_name.items() if one.owner == PIP and name not in kept
    )


def metadata_to_sweep(names: Iterable[str], packages: Packages) -> list[str]:
    """Paths of metadata of these distributions that the installer cannot uninstall."""
    found: list[str] = []
    for name in names:
        one = packages.by_name[name]
        found += packages.doubles.get(name, ())
        found += () if one.metadata else (one.path,)
    return found
