# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Converts the options of conda_generations into a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.guards import (
    check_prefix,
    environment_prefix,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.options import (
    IN_USE_OPTIONS,
    LOCATION_OPTIONS,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.module import (
    ARGUMENT_SPEC as CONDA_OPTIONS,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.module import SOURCES
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.request import Request
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.suboptions import (
    PLACE,
    validated,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.module import (
    ARGUMENT_SPEC as PIP_OPTIONS,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.generations import Place

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    **LOCATION_OPTIONS,
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "environment": {"type": "dict", "default": {}},
    "pip": {"type": "dict", "default": {}},
    "checks": {"type": "dict"},
    "generation": {"type": "str"},
    "keep": {"type": "int", "default": 3},
    "keep_failed": {"type": "bool", "default": False},
    "keep_days": {"type": "float", "default": 14},
    "adopt": {"type": "bool", "default": False},
    "plain": {"type": "bool", "default": False},
    "kernel": {"type": "bool"},
    "run": {"type": "str", "default": ""},
    "timeout": {"type": "int", "default": 3600},
    **IN_USE_OPTIONS,
}

PREVIOUS = "previous"
# Where the environment is, and what a generation decides itself.
_NOT_OF_CONDA = PLACE | {"recreate", "remove_foreign", "frozen", *IN_USE_OPTIONS}
_NOT_OF_PIP = PLACE | {*IN_USE_OPTIONS}


def request_from(params: Mapping[str, Any]) -> Request:
    """Convert the module's validated options into a request.

    Raises:
        CondaModuleError: an option cannot be used; the message names it.
    """
    # The link itself is what this module changes.
    link = environment_prefix(
        params["installation"], params["name"], params["prefix"], keep_link=True
    )
    if params["installation"] is None:
        raise CondaModuleError(
            "The option installation is required: it names the prefix of the conda to run.",
            prefix=link,
        )
    installation = check_prefix(params["installation"], "installation")
    if link == installation:
        raise CondaModuleError(
            f"{link} is the base environment, which cannot be kept in generations. Nothing was changed.",
            prefix=link,
            hint="name another environment.",
        )
    place = Place(link)
    check_prefix(place.path(9999), "name" if params["name"] else "prefix")
    for name, least in (("keep", 1), ("keep_days", 0), ("timeout", 1)):
        if not params[name] >= least:
            raise CondaModuleError(
                f"The option {name} must be at least {least}, not {params[name]}. Nothing was changed.",
                prefix=link,
            )
    request = Request(
        place=place,
        installation=installation,
        state=params["state"],
        environment=_conda(params["environment"], link),
        pip=validated("pip", params["pip"], PIP_OPTIONS, _NOT_OF_PIP, link),
        checks=params["checks"],
        generation=_generation(params, link),
        keep=params["keep"],
        keep_failed=params["keep_failed"],
        keep_days=params["keep_days"],
        adopt=params["adopt"],
        plain=params["plain"],
        kernel=params["kernel"],
        run=params["run"],
        timeout=params["timeout"],
        in_use=params["in_use"],
        in_use_timeout=params["in_use_timeout"],
    )
    if request.plain and (
        request.state == "absent" or request.generation is not None or request.adopt
    ):
        raise CondaModuleError(
            "The option plain cannot be used with state: absent, generation or adopt. Nothing was changed.",
            prefix=link,
        )
    if request.declares:
        # An option that conda_env or conda_pip would refuse is refused here, before anything is built.
        request.for_conda(place.path(1))
        request.for_pip(place.path(1))
    return request


def _conda(given: Mapping[str, Any], link: str) -> dict[str, Any]:
    spec = {**CONDA_OPTIONS, "state": {**CONDA_OPTIONS["state"], "choices": ["present", "latest"]}}
    options = validated("environment", given, spec, _NOT_OF_CONDA, link, [SOURCES])
    return {**options, "recreate": False, "remove_foreign": False, "frozen": None}


def _generation(params: Mapping[str, Any], link: str) -> str | int | None:
    text = params["generation"]
    if text is None or text == PREVIOUS:
        return text if text is None else PREVIOUS
    if params["state"] == "absent" or not (text.isascii() and text.isdigit()):
        raise CondaModuleError(
            f"The option generation must be {PREVIOUS} or a number, with state: present, not {text!r}."
            " Nothing was changed.",
            prefix=link,
            hint="llmfleet.conda.conda_info with gather: [generations] lists the numbers.",
        )
    return int(text)
