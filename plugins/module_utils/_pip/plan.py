# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans the changes of Python distributions: desired x observed -> Plan. Pure."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.closure import Closure, closure_of
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.consistency import (
    new_inconsistencies,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.direct_url import source_of
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.exact import (
    metadata_to_sweep,
    unneeded,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.request import Desired
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.python_packages import (
    CONDA,
    Distribution,
    Packages,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_requirement import (
    Requirement,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_version import (
    InvalidVersion,
    Version,
)

_OWNED_HINT = (
    "change it with llmfleet.conda.conda_package, correct the requirement, or set "
    "replace_conda_packages: true to let pip replace conda's package."
)


@dataclass(frozen=True)
class Plan:
    """The changes, in this order: sweep, remove, install, reinstall.

    Attributes:
        sweep: paths of metadata that interrupted installations left and on which pip fails.
        remove: names to uninstall.
        install: all lines for `pip install`, so that pip resolves them together.
        upgrade: look for newer versions; only pip can tell whether there are any.
        reinstall: requirements by name, to reinstall damaged distributions in the same version.
        pins: constraints that keep conda's distributions in their versions.
        reasons: one clause for each difference from the request.
    """

    sweep: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    install: tuple[str, ...] = ()
    upgrade: bool = False
    reinstall: Mapping[str, str] = field(default_factory=dict)
    pins: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether changes are needed, or only pip can tell."""
        return bool(self.remove or self.install or self.reinstall)


def plan_changes(
    desired: Desired,
    packages: Packages,
    environment: Mapping[str, str],
    damage: Mapping[str, tuple[str, ...]],
    prefix: str,
) -> Plan:
    """Plan the changes after which the environment is as desired.

    Args:
        damage: from `damage_of`, for the names of the closure.
        prefix: for messages only.

    Raises:
        CondaModuleError: the plan would change packages that conda owns, or break other distributions.
    """
    if desired.state == "absent":
        return _plan_removal(desired, packages, environment, prefix)
    closure = closure_of(desired, packages, environment)
    _refuse_owned(desired, closure, packages, prefix)
    pins = () if desired.replace_conda_packages else pins_of(packages)
    sweep: list[str] = []
    reinstall: dict[str, str] = {}
    reasons = [shortfall.reason for shortfall in closure.shortfalls]
    for shortfall in closure.shortfalls:
        one = packages.by_name.get(shortfall.name)
        if one is not None and not one.metadata:
            sweep.append(one.path)
        elif one is not None and shortfall.source:
            line = next(line for line in desired.requirements if line.name == one.name and line.url)
            reinstall[one.name] = line.text
    for name, files in damage.items() if desired.repair else ():
        one = packages.by_name[name]
        if not one.metadata:
            continue
        reasons.append(_damage_reason(one, files))
        reinstall.setdefault(name, _same_version(one, desired.requirements))
        sweep.extend(packages.doubles.get(name, ()))
        if not os.path.basename(one.path).endswith(".egg-info") and any(
            file.endswith(".dist-info/RECORD") for file in files
        ):
            sweep.append(one.path)  # pip cannot uninstall without a RECORD, but installs over it
    needed = bool(closure.shortfalls) or desired.state == "latest"
    remove: list[str] = []
    if desired.exact and not needed:
        # After an installation, other distributions may be unneeded: then PipChange removes them.
        remove = unneeded(desired.requirements, packages, environment)
        sweep += metadata_to_sweep(remove, packages)
        reasons += [f"{name} {packages.by_name[name].version} is not needed" for name in remove]
    return Plan(
        remove=tuple(remove),
        sweep=tuple(sorted(set(sweep))),
        install=tuple(line.text for line in desired.requirements) if needed else (),
        upgrade=desired.state == "latest",
        reinstall=reinstall,
        pins=pins if needed or reinstall else (),
        reasons=tuple(reasons),
    )


def pins_of(packages: Packages) -> tuple[str, ...]:
    """Constraints that keep each of conda's distributions in its installed version."""
    pins = []
    for one in packages.owned_by_conda():
        try:
            Version(one.version)
        except InvalidVersion:
            continue  # pip cannot parse such a pin
        pins.append(f"{one.name}=={one.version}")
    return tuple(pins)


def _damage_reason(one: Distribution, files: tuple[str, ...]) -> str:
    shown = ", ".join(files[:3]) + (", ..." if len(files) > 3 else "")
    count = f"{len(files)} damaged file" + ("" if len(files) == 1 else "s")
    return f"{one.name} {one.version} has {count}: {shown}"


def _same_version(one: Distribution, lines: Iterable[Requirement]) -> str:
    """The requirement that reinstalls a distribution in the same version from the same source."""
    for line in lines:
        if line.name == one.name and line.url:
            return line.text
    # With hashes in any line, pip requires hashes in all, so keep those of the line.
    hashes = {digest for line in lines if line.name == one.name for digest in line.hashes}
    source = source_of(one.direct_url, exactly=True)
    if source:
        return f"{one.name} @ {source}"
    return " ".join([f"{one.name}=={one.version}", *sorted(f"--hash={h}" for h in hashes)])


def _refuse_owned(desired: Desired, closure: Closure, packages: Packages, prefix: str) -> None:
    if desired.replace_conda_packages:
        return
    owned = [item for item in closure.shortfalls if item.direct and item.owner == CONDA]
    if owned:
        raise CondaModuleError(
            "pip would have to replace packages that conda owns: "
            + "; ".join(item.reason for item in owned)
            + ". Nothing was changed.",
            prefix=prefix,
            asked=[line.text for line in desired.requirements],
            hint=_OWNED_HINT,
            conda_owned=sorted({item.name for item in owned}),
        )
    twice = [
        name
        for name in sorted(closure.names)
        if any(one.name == name for one in packages.owned_by_conda()) and name in packages.doubles
    ]
    if twice:
        raise CondaModuleError(
            f"Both conda and pip have metadata for {', '.join(twice)}, so its files may be a mixture. "
            "Nothing was changed.",
            prefix=prefix,
            hint="let conda take it over with llmfleet.conda.conda_package: a task with the name of conda's "
            "package alone removes pip's files and links the package again.",
        )


def _plan_removal(
    desired: Desired, packages: Packages, environment: Mapping[str, str], prefix: str
) -> Plan:
    remove: dict[str, Distribution] = {}
    for line in desired.requirements:
        one = packages.by_name.get(line.name)
        if one is None or not line.applies(environment):
            continue
        if line.specifier.contains(one.version):
            remove[one.name] = one
    owned = [one for one in remove.values() if one.owner == CONDA]
    if owned and not desired.replace_conda_packages:
        raise CondaModuleError(
            "pip would have to remove packages that conda owns: "
            + ", ".join(f"{one.name} {one.version}" for one in owned)
            + ". Nothing was changed.",
            prefix=prefix,
            asked=[line.text for line in desired.requirements],
            hint="remove it with llmfleet.conda.conda_package, or set replace_conda_packages: true.",
            conda_owned=sorted(one.name for one in owned),
        )
    after = Packages({name: one for name, one in packages.by_name.items() if name not in remove})
    if desired.check:
        broken = new_inconsistencies(packages, after, environment)
        if broken:
            raise CondaModuleError(
                "Removing "
                + ", ".join(sorted(remove))
                + " would break other distributions: "
                + "; ".join(broken)
                + ". Nothing was changed.",
                prefix=prefix,
                asked=[line.text for line in desired.requirements],
                hint="remove those too, or set check: false.",
            )
    return Plan(
        remove=tuple(sorted(remove)),
        sweep=tuple(sorted(one.path for one in remove.values() if not one.metadata)),
        reasons=tuple(f"{one.name} {one.version} is installed" for one in remove.values()),
    )
