# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of variables that people wrote down, and those that tasks set."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Any

# Attributes of ansible-core's VariableManager.
_CACHES = ("_nonpersistent_fact_cache", "_vars_cache", "_fact_cache")

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


def set_by_tasks(hostvars: Any, host: str) -> set[str] | None:
    """The names that ``register``, ``set_fact`` and facts gave to a host, which are no mistakes.

    Returns:
        the names, or None if this release of ansible-core does not tell them.

    ansible-core 2.16 to 2.21 keeps them beside the inventory, but offers no public way to ask. Since 2.20 the
    cache of facts is a plugin with ``get``, but without ``[]``.
    """
    manager = getattr(hostvars, "_variable_manager", None)
    caches = [getattr(manager, name, None) for name in _CACHES]
    if not all(hasattr(cache, "get") for cache in caches):
        return None
    found: set[str] = set()
    cache: Any
    for cache in caches:
        # A cache plugin may raise anything for a host that it does not have.
        with contextlib.suppress(Exception):
            found |= set(cache.get(host) or ())
    return found
