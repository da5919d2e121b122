# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option ``exact``: requests in the history of an environment that its task does not declare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.llmfleet.conda.plugins.module_utils._environment.explicit_lock import (
    LockedPackage,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.history import requests
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.revisions import add_requests
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.conda_version import (
    InvalidSpecError,
    UnsupportedSpecError,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.match_spec import (
    parse_match_spec,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import PackageRecord
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.wanted import (
    Wanted,
    is_satisfied,
    unneeded,
)


def wrong_requests(
    prefix: str,
    wanted: Sequence[Wanted],
    lock: Sequence[LockedPackage] | None,
    records: Mapping[str, PackageRecord],
) -> tuple[str, ...]:
    """How requests in the history differ from the task: ``requested: SPEC`` and ``not requested: SPEC``, sorted.

    conda keeps to a request whenever it solves. It removes a package that is not requested together with the
    last one that depends on it.

    Args:
        prefix: the environment.
        wanted: the specs of the task.
        lock: the packages of its lock.
        records: the packages of the environment. Requests for packages that the task changes or removes are
            left out: they change with the package.
    """
    if lock is not None:
        # Any request for one of its packages counts as declared.
        return ()
    there = requests(prefix)
    stay = set(records) - set(unneeded(wanted, records))
    found = [
        f"requested: {text}"
        for name, text in there.items()
        if name in stay and _canonical(text) not in _canonicals(wanted, name)
    ]
    found += [
        f"not requested: {item.text}"
        for item in wanted
        if item.spec and item.spec.name not in there and is_satisfied(item, records)
    ]
    return tuple(sorted(found))


def settle_requests(
    prefix: str,
    wanted: Sequence[Wanted],
    lock: Sequence[LockedPackage] | None,
    records: Mapping[str, PackageRecord],
) -> None:
    """Make the history request what the task declares, and nothing else; arguments as above.

    Raises:
        OSError: the history cannot be written.
    """
    there = requests(prefix)
    names = {item.spec.name: item for item in wanted if item.spec}
    names_kept = {*names, *(package.name for package in lock or ())}
    unwanted = sorted(name for name in there if name in records and name not in names_kept)
    missing = [
        item.text
        for name, item in names.items()
        if name in records and _canonical(there.get(name, "")) not in _canonicals(wanted, name)
    ]
    if unwanted or missing:
        add_requests(prefix, missing, unwanted, records.values())


def _canonicals(wanted: Iterable[Wanted], name: str) -> set[str]:
    return {item.spec.canonical for item in wanted if item.spec and item.spec.name == name}


def _canonical(text: str) -> str:
    """The spec in conda's own form; the text itself if only conda can parse it."""
    try:
        return parse_match_spec(text).canonical
    except (InvalidSpecError, UnsupportedSpecError):
        return text
