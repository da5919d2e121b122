# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observes and sets the owner and group of an environment, except for files shared with a package cache."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.access import (
    Access,
    AccessManager,
)


@dataclass(frozen=True)
class Ownership:
    """The owner and the group, by name or number; None if the task does not set it."""

    owner: str | None = None
    group: str | None = None


def check_ownership(prefix: str, wanted: Ownership) -> None:
    """Refuse unknown users and groups before anything changes.

    Raises:
        CondaModuleError: the owner or the group is unknown on this host.
    """
    _manager(prefix, wanted)


def observe_ownership(prefix: str, wanted: Ownership) -> Ownership:
    """Read the owner and the group of the environment, if ``wanted`` sets them.

    This checks its directories and records; the first one that differs stands for all.

    Raises:
        CondaModuleError: the owner or the group is unknown on this host.
    """
    others = _manager(prefix, wanted).others()
    return Ownership(
        others.get("owner", wanted.owner),
        others.get("group", wanted.group),
    )


def give_away(prefix: str, wanted: Ownership) -> None:
    """Change the owner and the group of the environment's files.

    Raises:
        CondaModuleError: this user may not change them, or the owner or the group is unknown.
    """
    if wanted.owner is not None or wanted.group is not None:
        _manager(prefix, wanted).apply()


def _manager(prefix: str, wanted: Ownership) -> AccessManager:
    access = Access(owner=wanted.owner, group=wanted.group)
    return AccessManager(os.path.realpath(prefix), access, shared=False, inherit=True)
