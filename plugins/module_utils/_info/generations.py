# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts about environments that are kept in generations."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import redact
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.generations import (
    Managed,
    managed_at,
    read_state,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.process_users import (
    look,
    places_of,
)


def generation_facts(prefix: str) -> list[dict[str, Any]]:
    """One entry for each generation of the environment at ``prefix``, by number; none for other environments.

    Files and processes of other users that cannot be inspected are left out.
    """
    try:
        managed = managed_at(prefix)
        return [] if managed is None else _facts(managed)
    except CondaModuleError:
        # state.json is damaged: conda_generations says so.
        return []


def _facts(managed: Managed) -> list[dict[str, Any]]:
    place = managed.place
    state, current = read_state(place), place.current()
    facts = []
    for number, known in sorted(state.known.items()):
        path = place.path(number)
        seen = look(places_of(path, nested=True))
        facts.append(
            {
                "number": number,
                "prefix": path,
                "created": known.created,
                "verified": known.verified,
                "failed": redact(known.failed),
                "run": known.run,
                "current": number == current,
                "previous": number == state.previous,
                "own_size": _own_size(path),
                "in_use": [user.as_dict() for user in seen.users],
            }
        )
    return facts


def _own_size(path: str) -> int:
    """Bytes on disk of the files that no other environment and no package cache shares."""
    total = 0
    for directory, _names, files in os.walk(path):
        for name in files:
            with suppress(OSError):
                status = os.lstat(os.path.join(directory, name))
                if status.st_nlink == 1:
                    total += status.st_blocks * 512
    return total
