# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Converts the options of conda_env and conda_package into a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.guards import (
    check_prefix,
    environment_prefix,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.owner import (
    Ownership,
    check_ownership,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.request import Request
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.source import (
    check_lock_against_pins,
    read_environment,
    read_lock,
    read_notes,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.conda_version import (
    InvalidSpecError,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.wanted import Wanted, parse_specs


def wanted_packages(specs: list[str], option: str = "packages") -> list[Wanted]:
    """Parse the specs of ``option``.

    Raises:
        CondaModuleError: one of them is not a valid match spec.
    """
    try:
        return parse_specs(specs)
    except InvalidSpecError as error:
        raise CondaModuleError(
            f"The option {option} contains an invalid match spec: {error}. Nothing was changed.",
            asked=specs,
            hint="write match specs such as numpy, numpy=1.26, 'numpy>=1.26,<2' or conda-forge::numpy.",
        ) from error


def request_from(params: Mapping[str, Any], *, whole: bool) -> Request:
    """Convert a module's validated options into a request.

    Raises:
        CondaModuleError: an option cannot be used; the message names it.
    """
    prefix = environment_prefix(params["installation"], params["name"], params["prefix"])
    if params["installation"] is None:
        raise CondaModuleError(
            "The option installation is required: it names the prefix of the conda to run.",
            prefix=prefix,
        )
    if params.get("force_reinstall") and params["state"] != "present":
        raise CondaModuleError(
            f"The option force_reinstall cannot be used with state: {params['state']}. Nothing was changed.",
            prefix=prefix,
            hint="set state: present to relink packages.",
        )
    if params.get("recreate") and params["state"] == "latest":
        raise CondaModuleError(
            "The option recreate cannot be used with state: latest, because only conda can tell whether newer"
            " packages exist. Nothing was changed.",
            prefix=prefix,
            hint="set state: present to recreate the environment.",
        )
    if params.get("exact") and params["state"] == "absent":
        raise CondaModuleError(
            "The option exact cannot be used with state: absent, which keeps nothing. Nothing was changed.",
            prefix=prefix,
            hint="remove exact from the task.",
        )
    declared = read_environment(params)
    option = "environment" if params.get("environment") is not None else "environment_file"
    from_file = wanted_packages(list(declared.packages), option)
    specs_in_file = {item.text for item in from_file}
    notes, (lock, pip_of_lock) = read_notes(params, declared), read_lock(params)
    check_lock_against_pins(lock or (), notes.pinned or ())
    check_ownership(prefix, Ownership(notes.owner, notes.group))
    wanted = [
        *from_file,
        *(item for item in wanted_packages(params["packages"]) if item.text not in specs_in_file),
    ]
    _refuse_unreadable_specs(params, wanted, prefix, whole)
    if notes.exact and not wanted and lock is None:
        raise CondaModuleError(
            "The option exact removes what the task does not name, but the task names no packages."
            " Nothing was changed.",
            prefix=prefix,
            hint="name the packages in packages, environment, environment_file, lock or lock_file.",
        )
    pip_section = (*declared.pip_requirements, *pip_of_lock)
    return Request(
        installation=check_prefix(params["installation"], "installation"),
        prefix=prefix,
        wanted=wanted,
        whole=whole,
        state=params["state"],
        channels=tuple(params["channels"] or declared.channels),
        channel_priority=params["channel_priority"],
        prune=params.get("prune", False) or notes.exact,
        repair=params["repair"],
        offline=params["offline"],
        timeout=params["timeout"],
        in_use=params["in_use"],
        in_use_timeout=params["in_use_timeout"],
        executable=params["executable"],
        lock=lock,
        recreate=params.get("recreate", False),
        force_reinstall=params.get("force_reinstall", False),
        remove_foreign=params.get("remove_foreign", False),
        notes=notes,
        on_python_change=params["pip_on_python_change"],
        pip_later=(*pip_section, *params["pip_requirements"]),
        pip_requirements=pip_section,
    )


def _refuse_unreadable_specs(
    params: Mapping[str, Any], wanted: Sequence[Wanted], prefix: str, whole: bool
) -> None:
    """Refuse specs that only conda understands if the task has to compare them with the disk.

    Raises:
        CondaModuleError: the task removes, prunes or reinstalls packages by such a spec.
    """
    only_conda = [item.text for item in wanted if item.spec is None]
    reason = None
    if params.get("force_reinstall"):
        reason = "force_reinstall"
    elif params.get("exact"):
        reason = "exact"
    elif params.get("prune"):
        reason = "prune"
    elif params["state"] == "absent" and not whole:
        reason = "state: absent"
    if only_conda and reason:
        raise CondaModuleError(
            f"{reason} cannot be used with {', '.join(only_conda)}: only conda can tell which packages match."
            " Nothing was changed.",
            prefix=prefix,
            asked=only_conda,
            hint="name each package in a simple form, such as numpy or numpy=1.26.",
        )
