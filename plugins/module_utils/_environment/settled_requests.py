# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option ``exact``: writes what the task declares into the history of an environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.llmfleet.conda.plugins.module_utils._environment.exact import (
    canonical,
    canonicals,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.explicit_lock import (
    LockedPackage,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.history import requests
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.revisions import add_requests
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import PackageRecord
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.wanted import Wanted


def settle_requests(
    prefix: str,
    wanted: Sequence[Wanted],
    lock: Sequence[LockedPackage] | None,
    records: Mapping[str, PackageRecord],
) -> None:
    """Make the history request exactly what the task declares; the arguments are those of ``wrong_requests``.

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
        if name in records and canonical(there.get(name, "")) not in canonicals(wanted, name)
    ]
    if unwanted or missing:
        add_requests(prefix, missing, unwanted, records.values())
