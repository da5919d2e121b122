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
    """How requests in the history differ from the task: ``requested: SPEC``, ``not requested: SPEC``.

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
        if name in stay and canonical(text) not in canonicals(wanted, name)
    ]
    found += [
        f"not requested: {item.text}"
        for item in wanted
        if item.spec and item.spec.name not in there and is_satisfied(item, records)
    ]
    return tuple(sorted(found))


def canonicals(wanted: Iterable[Wanted], name: str) -> set[str]:
    """The specs for one package in conda's own form."""
    return {item.spec.canonical for item in wanted if item.spec and item.spec.name == name}


def canonical(text: str) -> str:
    """The spec in conda's own form; the text itself if only conda can parse it."""
    try:
        return parse_match_spec(text).canonical
    except (InvalidSpecError, UnsupportedSpecError):
        return text
