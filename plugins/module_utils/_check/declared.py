# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Converts the declared content of an environment into the requests of conda_env and conda_pip.

The layer drift then asks the plans of those modules, so that both read a declaration the same way.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._check.request import Declared, Request
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._environment import (
    request as conda_request,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.options import (
    request_from,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.options import parsed_option
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.request import Desired
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.conda_version import (
    InvalidSpecError,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.wanted import parse_specs

# Options of conda_env that change nothing in what an environment must contain.
_ELSE: dict[str, Any] = {
    "name": None,
    "channels": [],
    "channel_priority": None,
    "repair": True,
    "offline": False,
    "timeout": 0,
    "pip_on_python_change": "remove",
    "pip_requirements": [],
    "in_use": "warn",
    "in_use_timeout": 0,
    "executable": None,
    "state": "present",
}
OPTIONS = (
    "environment",
    "environment_file",
    "lock",
    "lock_file",
    "remote_src",
    "pinned",
    "variables",
    "frozen",
    "owner",
    "group",
)
"""The options of conda_env, beside the packages, that a declaration may contain."""


def validate_declared(request: Request) -> None:
    """Refuse a declaration that conda or pip would refuse on every host.

    Raises:
        CondaModuleError: a spec or a line is invalid; the message names it.
    """
    for text in _declared(request).packages:
        try:
            parse_specs([text])
        except InvalidSpecError as error:
            raise CondaModuleError(
                f"declared: packages: {text!r} is not a match spec: {str(error).rstrip('.')}.",
                prefix=request.prefix,
                hint="write match specs that conda accepts, such as numpy>=2 or python=3.12.",
            ) from error
    _desired(request, ())


def for_conda(request: Request) -> conda_request.Request:
    """The request of conda_env.

    Raises:
        CondaModuleError: conda_env would refuse the declaration on this host.
    """
    declared = _declared(request)
    options = dict.fromkeys(OPTIONS)
    options.update(declared.options)
    options["remote_src"] = bool(options["remote_src"])
    wanted = request_from(
        {
            **_ELSE,
            **options,
            "installation": request.installation or request.prefix,
            "prefix": request.prefix,
            "packages": list(declared.packages),
            "exact": declared.exact,
        },
        whole=True,
    )
    # Without an installation, the plan must not take this environment for its base.
    return wanted if request.installation else replace(wanted, installation=os.devnull)


def for_pip(request: Request) -> Desired:
    """The request of conda_pip, with the pip section of an environment file or the lines of a lock.

    Raises:
        CondaModuleError: conda_pip would refuse the declaration.
    """
    declared = _declared(request)
    lines: tuple[str, ...] = ()
    if declared.has("environment", "environment_file", "lock", "lock_file"):
        lines = tuple(for_conda(request).pip_requirements)
    return _desired(request, lines)


def _desired(request: Request, more: tuple[str, ...]) -> Desired:
    declared = _declared(request)
    lines = [*declared.requirements, *more]
    return Desired(
        requirements=parsed_option("requirements", lines, request.prefix),
        constraints=parsed_option("constraints", declared.constraints, request.prefix),
        constraints_for_pip=parsed_option(
            "constraints_for_pip", declared.constraints_for_pip, request.prefix
        ),
        repair=not request.is_quick,
        exact=declared.exact,
    )


def _declared(request: Request) -> Declared:
    return request.declared or Declared()
