# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides what pip has to do in an environment: desired x observed -> Plan. Pure.

pip itself answers "already satisfied" only after half a second and a process; here the same question
is answered from the metadata that were read. What has to be downloaded to be known (which version of
a missing distribution, and what that one needs) stays with pip.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from ansible_collections.llmfleet.conda.plugins.module_utils._errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._python_packages import (
    CONDA,
    Distribution,
    Packages,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._python_requirement import (
    Requirement,
    parse_metadata_requirement,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._python_version import (
    InvalidVersion,
    Version,
)

_OWNED_HINT = (
    "change it with llmfleet.conda.conda_package, correct the line, or set replace_conda_packages: "
    "true to let pip take the package over from conda."
)


@dataclass(frozen=True)
class Desired:
    """What the task asks for; see the options of conda_pip."""

    requirements: tuple[Requirement, ...]
    constraints: tuple[Requirement, ...] = ()
    state: str = "present"
    replace_conda_packages: bool = False
    repair: bool = True
    check: bool = True


@dataclass(frozen=True)
class Shortfall:
    """One thing that is not as asked.

    Attributes:
        name: normal form of the distribution's name.
        reason: a clause for a person, such as "numpy 1.26.4 does not satisfy numpy>=2".
        direct: it was a line or a constraint of the task, not a requirement of a distribution.
        owner: who owns the distribution now, None when it is not there.
    """

    name: str
    reason: str
    direct: bool = True
    owner: str | None = None
    source: bool = False


@dataclass(frozen=True)
class Closure:
    """What the requirement lines reach in the environment.

    Attributes:
        names: the distributions that the lines need, directly or not, and that are there.
        shortfalls: what is not as asked; empty when pip would have nothing to install.
        unknown_extras: "name[extra]" for each extra that its distribution does not provide.
    """

    names: frozenset[str]
    shortfalls: tuple[Shortfall, ...]
    unknown_extras: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What to do, in this order: sweep, remove, install, reinstall.

    Attributes:
        sweep: remains of cut-off installations that pip would stumble over (paths).
        remove: names to uninstall.
        install: lines for `pip install`; all of them, so that pip resolves them together.
        upgrade: whether newer versions are wanted; then only pip can say if anything is to do.
        reinstall: requirements to install again as they are, because files are damaged.
        pins: constraints that keep conda's distributions as they are.
        reasons: why, one clause each.
    """

    sweep: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    install: tuple[str, ...] = ()
    upgrade: bool = False
    reinstall: Mapping[str, str] = field(default_factory=dict)
    pins: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Nothing to do, and pip need not be asked either."""
        return not (self.remove or self.install or self.reinstall)


class _Walk:
    """Follows requirements through the installed distributions, as pip's resolver would."""

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
        needed = f", which {by.name} {by.version} needs" if by else ""
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
            reason = f"{have} was not installed from the URL of its line"
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
            # What conda's packages need is conda's business: it may have left out or renamed
            # distributions on purpose. An extra is what the line itself asks for.
            if one.owner == CONDA and not extra:
                continue
            for needed in active_requirements(one, self._environment, extra):
                self.visit(needed, by=one)


def active_requirements(
    one: Distribution, environment: Mapping[str, str], extra: str = ""
) -> list[Requirement]:
    """What a distribution needs in `environment`: without extras, or through one extra alone."""
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
    """Follow the requirement lines through what is installed."""
    walk = _Walk(packages, environment, desired.constraints)
    for requirement in desired.requirements:
        if requirement.applies(environment):
            walk.visit(requirement)
    return Closure(
        frozenset(walk.names),
        tuple(walk.shortfalls.values()),
        tuple(sorted(walk.unknown_extras)),
    )


def same_source(url: str, direct_url: Mapping[str, Any] | None) -> bool:
    """Whether a direct_url.json (PEP 610) tells of an installation from `url`, credentials aside.

    The content behind an unchanged URL is not looked at, unless the URL has a `#sha256=` fragment.
    """
    if not direct_url:
        return False
    bare, _hash, fragment = url.partition("#")
    vcs_info = direct_url.get("vcs_info")
    if isinstance(vcs_info, dict):
        vcs, plus, location = bare.partition("+")
        if not plus or vcs != vcs_info.get("vcs"):
            return False
        path_start = location.find("/", location.find("://") + 3)
        location, _at, revision = (
            (location[:at], "@", location[at + 1 :])
            if (at := location.rfind("@")) > path_start >= 0
            else (location, "", "")
        )
        revisions = (vcs_info.get("requested_revision") or "", vcs_info.get("commit_id") or "")
        return _plain(location) == _plain(direct_url.get("url", "")) and (
            revision in revisions if revision else not revisions[0]
        )
    if _plain(bare) != _plain(direct_url.get("url", "")):
        return False
    wanted = dict(part.partition("=")[::2] for part in fragment.split("&"))
    hashes = _hashes(direct_url)
    return all(hashes[name] == value for name, value in wanted.items() if name in hashes and value)


def _hashes(direct_url: Mapping[str, Any]) -> dict[str, str]:
    """Hashes by algorithm; `hashes` is the newer spelling, `hash` the older."""
    archive = direct_url.get("archive_info") or {}
    found = dict(archive.get("hashes") or {})
    algorithm, equals, value = str(archive.get("hash") or "").partition("=")
    if equals:
        found.setdefault(algorithm, value)
    return found


def source_of(direct_url: Mapping[str, Any] | None, *, exactly: bool = False) -> str:
    """What a direct_url.json tells, as a URL for a requirement; empty when it tells of none.

    Args:
        exactly: name the commit rather than the branch or tag that was asked for, and leave out the
            hash, under which a file that was replaced on purpose could not be had again.
    """
    url = str((direct_url or {}).get("url") or "")
    if not url or direct_url is None:
        return ""
    vcs_info = direct_url.get("vcs_info")
    if isinstance(vcs_info, dict):
        revision = vcs_info.get("commit_id")
        if not exactly:
            revision = vcs_info.get("requested_revision") or revision
        return f"{vcs_info.get('vcs')}+{url}@{revision}"
    digest = _hashes(direct_url).get("sha256", "")
    return url if exactly or not digest else f"{url}#sha256={digest}"


def _plain(url: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rsplit("@", 1)[-1]
    if parts.scheme == "file" and host == "localhost":
        host = ""
    path = unquote(parts.path).rstrip("/")
    return urlunsplit((parts.scheme, host, path, parts.query, ""))


def plan_changes(
    desired: Desired,
    packages: Packages,
    environment: Mapping[str, str],
    damage: Mapping[str, tuple[str, ...]],
    prefix: str,
) -> Plan:
    """What has to be done so that the environment is as desired.

    Args:
        damage: from `damage_of`, for the names of the closure.
        prefix: for messages only.

    Raises:
        CondaModuleError: it would mean to change what conda owns, or to break what stays.
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
        reinstall.setdefault(name, _again(one, desired.requirements))
        sweep.extend(packages.doubles.get(name, ()))
        if not os.path.basename(one.path).endswith(".egg-info") and any(
            file.endswith(".dist-info/RECORD") for file in files
        ):
            sweep.append(one.path)  # pip cannot uninstall what has no RECORD, but installs over it
    needed = bool(closure.shortfalls) or desired.state == "latest"
    return Plan(
        sweep=tuple(sorted(set(sweep))),
        install=tuple(line.text for line in desired.requirements) if needed else (),
        upgrade=desired.state == "latest",
        reinstall=reinstall,
        pins=pins if needed or reinstall else (),
        reasons=tuple(reasons),
    )


def pins_of(packages: Packages) -> tuple[str, ...]:
    """Constraints that hold each of conda's distributions at the version that it has."""
    pins = []
    for one in packages.owned_by_conda():
        try:
            Version(one.version)
        except InvalidVersion:
            continue  # pip could not read such a pin
        pins.append(f"{one.name}=={one.version}")
    return tuple(pins)


def _damage_reason(one: Distribution, files: tuple[str, ...]) -> str:
    shown = ", ".join(files[:3]) + (", ..." if len(files) > 3 else "")
    count = f"{len(files)} damaged file" + ("" if len(files) == 1 else "s")
    return f"{one.name} {one.version} has {count}: {shown}"


def _again(one: Distribution, lines: Iterable[Requirement]) -> str:
    """The requirement that brings back a distribution as it is."""
    for line in lines:
        if line.name == one.name and line.url:
            return line.text
    # Under hashes pip takes nothing without one, so the line's go along.
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
            "pip would have to replace what conda owns: "
            + "; ".join(f"{item.reason}, and conda owns it" for item in owned)
            + ".",
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
            f"{', '.join(twice)}: there are metadata of both conda and pip for it, so its files may "
            "be a mixture.",
            prefix=prefix,
            hint="uninstall it from pip (state: absent with replace_conda_packages: true), then "
            "repair conda's package with llmfleet.conda.conda_package.",
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
            "pip would have to remove what conda owns: "
            + ", ".join(f"{one.name} {one.version}" for one in owned)
            + ".",
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
                + " would break what stays: "
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


def inconsistencies(
    packages: Packages, environment: Mapping[str, str]
) -> dict[tuple[str, str], str]:
    """What `pip check` would say, by (distribution, requirement's name); the text is pip's."""
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
    """What would not fit together after a change and did fit, or was not there, before it."""
    known = inconsistencies(before, environment)
    return [
        text
        for key, text in sorted(inconsistencies(after, environment).items())
        if key not in known
    ]
