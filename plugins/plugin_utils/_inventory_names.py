# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of variables that people wrote down, and those that tasks set."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

ROLES = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(__file__))), "roles")


def role_names() -> list[str]:
    """The roles of this collection."""
    return sorted(name for name in os.listdir(ROLES) if os.path.isdir(os.path.join(ROLES, name)))


def options_of(role_path: str, loader: Any) -> Mapping[str, Any]:
    """The argument spec of a role; Ansible usually has the file in its cache.

    loader: Ansible's DataLoader.
    """
    path = os.path.join(role_path, "meta", "argument_specs.yml")
    specs = loader.load_from_file(path, unsafe=True)
    options: Mapping[str, Any] = specs["argument_specs"]["main"]["options"]
    return options


def set_by_tasks(hostvars: Any, host: str) -> set[str]:
    """The names that ``register``, ``set_fact`` and facts gave to a host, which are no mistakes.

    ansible-core (2.19 to 2.21) keeps them beside the inventory, but offers no public way to ask. If a later
    release keeps them elsewhere, nothing is excepted.
    """
    manager = getattr(hostvars, "_variable_manager", None)
    found: set[str] = set()
    for attribute in ("_nonpersistent_fact_cache", "_vars_cache", "_fact_cache"):
        try:
            found |= set(getattr(manager, attribute)[host])
        except Exception:
            # A cache plugin of a user may raise anything for a host that it does not have.
            continue
    return found
