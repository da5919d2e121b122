# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks conda and pip what the next generation will contain, without changing anything."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from ansible_collections.llmfleet.conda.plugins.module_utils._conda.command import Archive
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.change import (
    EnvironmentChange,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.explicit_lock import (
    LockedPackage,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.observe import Observed
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.request import Request
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.change import PipChange
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import PrefixState
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import PackageRecord


@dataclass
class Prediction:
    """What the next generation will contain.

    Attributes:
        conda: the lines of conda's packages; None if only the change itself tells them.
        packages: the same as an explicit list; None if a package's archive is not known.
        pip: the lines of the distributions; None if only the change itself tells them.
        changes: conda or pip finds something to do.
        warnings: of conda and pip.
    """

    conda: list[str] | None = None
    packages: tuple[LockedPackage, ...] | None = None
    pip: list[str] | None = None
    changes: bool = True
    warnings: tuple[str, ...] = ()


def predict(request: Request, seen: Observed, number: int, check_mode: bool) -> Prediction:
    """Predict the next generation.

    Args:
        request: the request.
        seen: the current generation, compared with the request.
        number: of the next generation.
        check_mode: also ask what only the diff needs.

    Raises:
        CondaModuleError: conda or pip finds no solution.
    """
    found = Prediction()
    if seen.conda is None:
        return found
    prefix = seen.base or request.place.path(number)
    frozen = True if seen.number is not None and seen.base else None
    change = EnvironmentChange(request.for_conda(prefix, frozen=frozen), True)
    change.in_place = False
    plan, before = seen.conda_plan, seen.conda.lines()
    if not plan:
        found.conda, conda_changes = before, False
    elif seen.base or check_mode:
        change.refuse(plan, seen.conda)
        plan = change.solve(plan, seen.conda)
        found.conda = change.foresee(plan, seen.conda)
        change.check_room(plan, seen.conda)
        all_before = change.also_before(before)
        conda_changes = bool(plan) and change.differs(plan, all_before, found.conda)
        if plan.pip_removed:
            found.warnings += (_not_taken_over(request, number, plan.pip_removed),)
    else:
        conda_changes = True
    found.warnings += tuple(change.warnings)
    if seen.base and found.conda is not None and seen.packages is not None:
        labels = [line for line in found.conda if not line.startswith("(")]
        found.packages = _packages(labels, seen.packages, change)
    pip_changes = _predict_pip(request, seen, prefix, check_mode, found)
    found.changes = conda_changes or pip_changes or not seen.base
    return found


def _predict_pip(
    request: Request, seen: Observed, prefix: str, check_mode: bool, found: Prediction
) -> bool:
    """Whether pip finds something to do."""
    wanted = request.for_pip(prefix)
    if wanted is None or seen.pip is None or seen.pip_plan is None:
        found.pip = []
        return False
    plan = seen.pip_plan
    if not plan:
        found.pip = seen.pip.lines()
        return False
    if not (plan.upgrade or check_mode):
        return True
    change = PipChange(wanted, True)
    change.in_place = False
    change.refuse(plan, seen.pip)
    plan = change.solve(plan, seen.pip)
    if plan and check_mode:
        found.pip = change.foresee(plan, seen.pip)
        change.check_room(plan, seen.pip)
    elif not plan:
        found.pip = seen.pip.lines()
    found.warnings += tuple(change.warnings)
    return bool(plan)


def _not_taken_over(request: Request, number: int, lines: Sequence[str]) -> str:
    """The warning of a generation that has another Python than the one before."""
    names = ", ".join(line.rsplit(" (pip,", 1)[0] for line in lines)
    return (
        f"Generation {number} of {request.place.link} has another Python than the current one, so it does not"
        f" take over what pip installed there: {names}. pip installs only what the task requires."
    )


def _packages(
    labels: Sequence[str], there: PrefixState, change: EnvironmentChange
) -> tuple[LockedPackage, ...] | None:
    """The packages of these lines with their archives; None if one is not known."""
    records = {record.label: record for record in there.records.values()}
    packages = []
    for label in labels:
        record = records.get(label)
        name, version, build = [*label.split(" "), "", ""][:3]
        archive = (
            _archive_of(record)
            if record
            else change.conda.archives.get(f"{name} {version} {build}")
        )
        if archive is None:
            archive = _cached(f"{name}-{version}-{build}", change.conda.caches)
        if archive is None or not archive.url:
            return None
        subdir = archive.url.split("/")[-2] if archive.url.count("/") > 1 else ""
        packages.append(
            LockedPackage(name, version, build, archive.url, subdir, archive.md5, archive.sha256)
        )
    return tuple(packages)


def packages_of(there: PrefixState) -> tuple[LockedPackage, ...] | None:
    """The packages of an environment with their archives; None if a record does not name its archive."""
    found = []
    for record in there.records.values():
        if not record.url or there.bad_records:
            return None
        found.append(
            LockedPackage(
                record.name,
                record.version,
                record.build,
                record.url,
                record.url.split("/")[-2] if record.url.count("/") > 1 else "",
                record.md5.lower(),
                record.sha256.lower(),
            )
        )
    return tuple(found)


def as_cached(
    packages: Sequence[LockedPackage], caches: Sequence[str]
) -> tuple[LockedPackage, ...]:
    """The packages with the URLs by which a package cache knows them.

    conda finds an unpacked package only by the URL from which it came (conda 24.7, ``misc.explicit``). The
    same file may have come from another mirror of the channel since.
    """
    found = []
    for package in packages:
        cached = _cached(f"{package.name}-{package.version}-{package.build}", caches)
        other = replace(package, url=cached.url) if cached else package
        same = cached and package.md5 and cached.md5.lower() == package.md5
        found.append(other if same and other.label == package.label else package)
    return tuple(found)


def _archive_of(record: PackageRecord) -> Archive | None:
    return Archive(record.url, record.md5.lower(), record.sha256.lower()) if record.url else None


def _cached(name: str, caches: Sequence[str]) -> Archive | None:
    """The archive of a package that a package cache has unpacked, by its directory."""
    for cache in caches:
        path = os.path.join(cache, name, "info", "repodata_record.json")
        with suppress(OSError, ValueError):
            with open(path, encoding="utf-8", opener=only_regular) as stream:
                data = json.load(stream)
            if isinstance(data, Mapping) and data.get("url"):
                return Archive(
                    str(data["url"]), str(data.get("md5") or ""), str(data.get("sha256") or "")
                )
    return None
