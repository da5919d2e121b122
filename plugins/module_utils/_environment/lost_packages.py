# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages that a change took away and did not put back, because it was cut off.

conda unlinks all that it replaces before it links anything, for another Python nearly everything. Killed in
between, it leaves an environment without packages that nobody asked to remove. The journal of a change names
what is to be there after it in some version; what of that is missing is lost.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._environment.package_plan import Plan
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.history import requested_names
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import PrefixState
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.conda_version import (
    InvalidSpecError,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import PackageRecord
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.wanted import (
    Wanted,
    closure,
    dependents,
    spec_name,
)

# What becomes a part of conda's command line.
_NAME = re.compile(r"[a-z0-9_][a-z0-9_.-]*")
_VERSION = re.compile(r"[A-Za-z0-9_.!+]+")


def held(
    records: Mapping[str, PackageRecord], removed: Iterable[str], lost: Iterable[PackageRecord] = ()
) -> list[list[str]]:
    """What the journal of a change says of the packages that are to be there after it.

    Args:
        records: of the environment before the change.
        removed: names that the change removes. conda removes what depends on them too, and what nothing
            needs any more that nobody asked for.
        lost: by an earlier change, and to be brought back.

    Returns:
        Name, version and build of each.
    """
    gone = dependents([name for name in removed if name in records], records)
    unsure = {
        name for name in closure(gone, records) - gone if records[name].requested in ("", "None")
    }
    kept = closure(set(records) - gone - unsure, records) - gone
    found = {record.name: record for record in lost}
    found.update((name, records[name]) for name in kept)
    return [[name, found[name].version, found[name].build] for name in sorted(found)]


def lost_packages(journal: Mapping[str, Any], state: PrefixState) -> tuple[PackageRecord, ...]:
    """What a cut-off change was to leave in the environment, and is not there.

    Args:
        journal: of that change; one of an earlier release, or a damaged one, names nothing.
        state: the environment as it is.

    Returns:
        Name, version and build; ``requested`` is the name where a user asked for the package.
    """
    listed = journal.get("held") if journal.get("operation") == "change" else None
    unreadable = {name.rsplit("-", 2)[0] for name in state.bad_records}
    found = [
        PackageRecord(*item)
        for item in (listed if isinstance(listed, list) else ())
        if _is_package(item) and item[0] not in state.records and item[0] not in unreadable
    ]
    wishes = requested_names(state.path) if found else set()
    return tuple(
        replace(record, requested=record.name if record.name in wishes else "") for record in found
    )


def _is_package(item: object) -> bool:
    return (
        isinstance(item, list)
        and len(item) == 3
        and all(isinstance(word, str) for word in item)
        and bool(_NAME.fullmatch(item[0]) and _VERSION.fullmatch(item[1]))
    )


def still_wanted(
    lost: Iterable[PackageRecord], wanted: Sequence[Wanted], state: str, prune: bool
) -> list[PackageRecord]:
    """Those of ``lost`` that a task leaves in the environment.

    Args:
        lost: the packages.
        wanted: the specs of the task.
        state: ``present``, ``latest`` or ``absent``.
        prune: the task removes what its specs do not need.
    """
    if state == "absent":
        return [
            record
            for record in lost
            if not any(_fits(item, record, loosely=True) for item in wanted)
        ]
    if prune:
        named = {spec_name(item.text) for item in wanted}
        return [record for record in lost if record.name in named]
    return list(lost)


def with_lost(
    result: Plan, lost: Sequence[PackageRecord], wanted: Sequence[Wanted], state: str
) -> Plan:
    """Add the packages that a cut-off change has lost, in ways of which conda is to take the first it can.

    All in the versions that were there; those that users asked for in these and the others in any; all in
    any. What the task names comes back in its old version where that is as wanted: without the cut it
    would have stayed.

    Args:
        result: the plan without them.
        lost: those that the task leaves in the environment.
        wanted: the specs of the task.
        state: ``present``, ``latest`` or ``absent``.
    """
    named = {} if state == "absent" else {spec_name(item.text): item for item in wanted}
    back: list[PackageRecord] = []
    kept: list[str] = []
    for record in lost:
        item = named.get(record.name)
        if item is None:
            back.append(record)
        elif state == "present" and _fits(item, record):
            back.append(replace(record, requested=record.name))
            kept.append(item.text)
    if not back:
        return result
    asked = {spec_name(text) for text in (*result.install, *result.update)}
    ways = (
        tuple(_exactly(record) for record in back),
        _mixed(back, asked),
        tuple(record.name for record in back if record.name not in asked),
    )
    return replace(
        result,
        unasked=tuple(dict.fromkeys((*result.unasked, *kept))),
        restore=tuple(dict.fromkeys(way for way in ways if way)),
        reasons=(
            *result.reasons,
            *(f"an interrupted change lost {_exactly(record)}" for record in back),
        ),
    )


def _mixed(back: Iterable[PackageRecord], asked: Collection[str]) -> tuple[str, ...]:
    return tuple(
        _exactly(record) if record.requested else record.name
        for record in back
        if record.requested or record.name not in asked
    )


def _exactly(record: PackageRecord) -> str:
    """A spec without the build, which hangs on the Python that is there."""
    return f"{record.name}=={record.version}"


def _fits(item: Wanted, record: PackageRecord, loosely: bool = False) -> bool:
    """Whether a package of the journal fulfils a spec; ``loosely``: as far as the journal tells.

    The journal does not tell the channel, and the build is not asked for again.
    """
    spec = item.spec
    if spec is None or spec.name != record.name:
        return False
    if loosely:
        spec = replace(spec, channel=None, subdir=None, md5=None, sha256=None)
    elif spec.build or spec.build_number or spec.channel or spec.subdir or spec.md5 or spec.sha256:
        return False
    try:
        return spec.matches(record)
    except InvalidSpecError:
        return False
