# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Validates options of other modules that a task of conda_generations contains."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.options import LOCATION_OPTIONS

PLACE = frozenset(LOCATION_OPTIONS)
"""The options that name the environment; the task itself has them."""


def validated(
    option: str,
    given: Mapping[str, Any],
    spec: Mapping[str, Mapping[str, Any]],
    without: Collection[str],
    link: str,
    exclusive: list[tuple[str, ...]] | None = None,
) -> dict[str, Any]:
    """The suboptions of an option, with the types and defaults of the module that they belong to.

    Raises:
        CondaModuleError: there is no such suboption, or its value has another type.
    """
    allowed = {name: dict(one) for name, one in spec.items() if name not in without}
    result = ArgumentSpecValidator(allowed, mutually_exclusive=exclusive).validate(dict(given))
    if result.error_messages:
        raise CondaModuleError(
            f"The option {option} cannot be used: {'; '.join(result.error_messages)}. Nothing was changed.",
            prefix=link,
        )
    left = {name: spec[name].get("default") for name in without if name in spec}
    return {**left, **result.validated_parameters}
