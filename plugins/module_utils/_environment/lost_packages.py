# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds and restores packages that an interrupted change unlinked and did not link again.

conda unlinks every package that it replaces before it links any; a change of Python replaces nearly all. If
it is killed in between, packages are missing that nobody asked to remove. The journal of a change lists the
packages that must be installed, in some version, after it; those that are missing are lost.
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

# Both become part of conda's command line.
_NAME = re.compile(r"[a-z0-9_][a-z0-9_.-]*")
_VERSION = re.compile(r"[A-Za-z0-9_.!+]+")


def held(
    records: Mapping[str, PackageRecord], removed: Iterable[str], lost: Iterable[PackageRecord] = ()
) -> list[list[str]]:
    """The packages that must be installed after a change, for its journal.

    Args:
        records: of the environment before the change.
        removed: names that the change removes. conda also removes their dependents, and dependencies that
            no package needs any longer and no user requested.
        lost: packages that an earlier change lost and this one restores.

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
    """The packages that must be installed after an interrupted change, but are missing.

    Args:
        journal: of that change; a journal of an earlier release, or a damaged one, lists none.
        state: the environment as it is.

    Returns:
        Name, version and build; ``requested`` is the name if a user requested the package.
    """
    listed = journal.get("held") if journal.get("operation") == "change" else None
    unreadable = {name.rsplit("-", 2)[0] for name in state.bad_records}
    found = [
        PackageRecord(*item)
        for item in (listed if isinstance(listed, list) else ())
        if _is_package(item) and item[0] not in state.records and item[0] not in unreadable
    ]
    requested = requested_names(state.path) if found else set()
    return tuple(
        replace(record, requested=record.name if record.name in requested else "")
        for record in found
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
    """The lost packages that the task does not remove.

    Args:
        lost: the packages.
        wanted: the specs of the task.
        state: ``present``, ``latest`` or ``absent``.
        prune: the task removes packages that its specs do not need.
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
    """Add the packages that an interrupted change lost, as alternatives; conda takes the first it can solve.

    The alternatives: all packages in their old versions; those that users requested in their old versions and
    the rest in any; all in any version. A package that the task names is restored in its old version if its
    spec allows that: without the interruption it would have stayed.

    Args:
        result: the plan without them.
        lost: the packages to restore.
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
    planned = {spec_name(spec) for spec in (*result.install, *result.update)}
    alternatives = (
        tuple(_exactly(record) for record in back),
        _mixed(back, planned),
        tuple(record.name for record in back if record.name not in planned),
    )
    return replace(
        result,
        not_requested=tuple(dict.fromkeys((*result.not_requested, *kept))),
        restore=tuple(dict.fromkeys(specs for specs in alternatives if specs)),
        reasons=(
            *result.reasons,
            *(f"an interrupted change lost {_exactly(record)}" for record in back),
        ),
    )


def _mixed(back: Iterable[PackageRecord], planned: Collection[str]) -> tuple[str, ...]:
    return tuple(
        _exactly(record) if record.requested else record.name
        for record in back
        if record.requested or record.name not in planned
    )


def _exactly(record: PackageRecord) -> str:
    """A spec without the build, which depends on the installed Python."""
    return f"{record.name}=={record.version}"


def _fits(item: Wanted, record: PackageRecord, loosely: bool = False) -> bool:
    """Whether a package from the journal satisfies a spec; ``loosely``: as far as the journal tells.

    The journal does not record the channel, and the build is not requested again.
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
