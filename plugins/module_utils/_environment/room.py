# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuses a change of an environment for which the volumes of the prefix or of the package cache lack room.

Sizes come from conda's dry run, from the records of linked packages and from the package cache. Check mode
has run the dry run anyway. Another run asks conda only if a volume has less than ``room.AMPLE``, so that a
change on a roomy host costs no second solve.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from urllib.parse import unquote

from ansible_collections.llmfleet.conda.plugins.module_utils._conda.command import ToLink
from ansible_collections.llmfleet.conda.plugins.module_utils._conda.package_room import (
    first_writable,
    needs_of,
    unknown,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.room import (
    are_ample,
    refuse_without_room,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.explicit_lock import (
    LockedPackage,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.package_plan import Plan
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.request import (
    Observed,
    Request,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.solve import Forecast
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import PackageRecord


def refuse_plan_without_room(
    request: Request, plan: Plan, observed: Observed, forecast: Forecast
) -> None:
    """Fail if a volume has too little room for the packages that the plan links; nothing is changed.

    Raises:
        CondaModuleError: the message says how much is needed and free, and on which volume.
    """
    if plan.delete or not (plan.specs or plan.reinstall):
        return
    caches = forecast.conda.caches_in_order
    ample = are_ample([request.prefix, first_writable(caches)])
    if request.lock is not None:
        packages = _locked(request.lock, plan, forecast, caches, ask=not (ample or request.offline))
    else:
        packages = [
            _of_record(observed.state.records[name])
            for name in plan.reinstall
            if name in observed.state.records
        ]
        if forecast.knows_packages or (not ample and forecast.conda_is_there()):
            # A failure that concerns the change will occur in it, with its retries and repairs.
            with suppress(CondaModuleError):
                packages += forecast.packages_to_link(plan, observed)
    needs = needs_of(packages, request.prefix, caches, not ample and forecast.conda.copies)
    refuse_without_room(
        needs,
        prefix=request.prefix,
        asked=list(plan.specs),
        instead="use a prefix or pkgs_dirs on another volume",
    )


def _locked(
    lock: Sequence[LockedPackage],
    plan: Plan,
    forecast: Forecast,
    caches: Sequence[str],
    ask: bool,
) -> list[ToLink]:
    """The packages of the lock that the plan links; ``ask``: conda, for sizes that only the channels tell."""
    wanted = [
        one for one in lock if plan.create or one.spec in plan.install or one.name in plan.reinstall
    ]
    packages = {one.spec: _of_lock(one) for one in wanted}
    missing = {one.stem for one in unknown(list(packages.values()), caches)}
    unsized = [one for one in wanted if packages[one.spec].stem in missing]
    if ask and unsized and forecast.conda_is_there():
        sizes: dict[str, int] = {}
        with suppress(CondaModuleError):
            sizes = {one.stem: one.size for one in forecast.locked_packages(unsized)}
        for one in unsized:
            package = packages[one.spec]
            packages[one.spec] = replace(package, size=sizes.get(package.stem, 0))
    return list(packages.values())


def _of_lock(package: LockedPackage) -> ToLink:
    stem = f"{package.name}-{package.version}-{package.build}"
    size = 0
    if package.url.lower().startswith("file://"):
        with suppress(OSError):
            size = os.stat(unquote(package.url[len("file://") :])).st_size
    file_name = unquote(package.url.rsplit("/", 1)[1])
    return ToLink(stem, file_name, size, package.md5, package.sha256)


def _of_record(record: PackageRecord) -> ToLink:
    stem = f"{record.name}-{record.version}-{record.build}"
    return ToLink(stem, record.fn, record.size, record.md5, record.sha256)
