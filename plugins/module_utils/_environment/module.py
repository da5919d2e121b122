# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs conda_env and conda_package: options, cycle, result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.module import (
    CondaModule,
    MakeModule,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.cycle import Change, Cycle
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import (
    CondaModuleError,
    volume_errors,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.options import (
    CONDA_OPTIONS,
    LOCATION_OPTIONS,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import redact, secrets_in
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.options import (
    request_from,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.package_plan import Plan
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.request import (
    UNSOLVED,
    Observed,
    Request,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.subject import (
    EnvironmentOutcome,
    EnvironmentSubject,
    Side,
    before_side,
    diff_of,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.variables import (
    secret_values,
)

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    **LOCATION_OPTIONS,
    **CONDA_OPTIONS,
    "packages": {"type": "list", "elements": "str", "default": []},
    "environment": {"type": "raw"},
    "environment_file": {"type": "path"},
    "lock": {"type": "raw"},
    "lock_file": {"type": "path"},
    "remote_src": {"type": "bool", "default": False},
    "pinned": {"type": "list", "elements": "str"},
    "variables": {"type": "dict"},
    "state": {
        "type": "str",
        "choices": ["present", "absent", "latest"],
        "default": "present",
    },
    "prune": {"type": "bool", "default": False},
    "exact": {"type": "bool", "default": False},
    "recreate": {"type": "bool", "default": False},
    "remove_foreign": {"type": "bool", "default": False},
    "frozen": {"type": "bool"},
    "owner": {"type": "str"},
    "group": {"type": "str"},
}
# At most one of them is given.
SOURCES = ("environment", "environment_file", "lock", "lock_file")

MakeChange = Callable[[Request, bool], Change[Plan, Observed, Side]]
"""Makes the change of an environment from the request and the check mode flag."""


def result_of(request: Request, outcome: EnvironmentOutcome) -> dict[str, Any]:
    """The module's return values."""
    records = sorted(outcome.observed.state.records.values(), key=lambda record: record.name)
    more = {"pip_requirements": list(request.pip_requirements)} if request.whole else {}
    return {
        **more,
        "changed": outcome.changed,
        "prefix": request.prefix,
        "plan": outcome.plan.as_result(),
        "added": _only_in(outcome.after, outcome.before),
        "removed": _only_in(before_side(outcome), outcome.after),
        "unresolved": [
            line[: -len(UNSOLVED)] for line in outcome.after or () if line.endswith(UNSOLVED)
        ],
        "python_version": outcome.observed.state.python_version or "",
        "packages": [
            {
                "name": record.name,
                "version": record.version,
                "build": record.build,
                "channel": record.channel_name,
            }
            for record in records
        ],
        "diff": diff_of(request, outcome),
        "in_use": list(outcome.in_use),
    }


def _only_in(lines: list[str] | None, others: list[str] | None) -> list[str]:
    return sorted(set(lines or ()) - set(others or ()))


def run_module(
    module: AnsibleModule,
    make_request: Callable[[Mapping[str, Any]], Request],
    make_change: MakeChange | None,
) -> None:
    """Run the module's request through the cycle and exit, with a result or with one error."""
    module.no_log_values.update(secrets_in(module.params))
    module.no_log_values.update(secret_values(module.params.get("variables")))
    try:
        request = make_request(module.params)
        module.no_log_values.update(secret_values(request.notes.variables))
        with volume_errors():
            outcome = run(request, module.check_mode, make_change)
    except CondaModuleError as error:
        module.fail_json(**error.as_result())
    else:
        for warning in outcome.warnings:
            module.warn(redact(warning))
        module.exit_json(**result_of(request, outcome))


def run(request: Request, check_mode: bool, make_change: MakeChange | None) -> EnvironmentOutcome:
    """Run a request through the cycle.

    Raises:
        CondaModuleError: the request is refused, conda failed, or the disk does not match the plan.
    """
    subject = EnvironmentSubject(request, check_mode)
    change = make_change and partial(make_change, request, check_mode)
    return Cycle(subject, change, check_mode).run()


def main(make: MakeModule = CondaModule, make_change: MakeChange | None = None) -> None:
    """Entry point of the module.

    Args:
        make: creates the module from its argument spec.
        make_change: creates the change of an environment. Without it, the module only reports whether
            changes are needed.
    """
    module = make(
        argument_spec=ARGUMENT_SPEC,
        mutually_exclusive=[("name", "prefix"), SOURCES],
        required_one_of=[("name", "prefix")],
        supports_check_mode=True,
    )
    run_module(module, lambda params: request_from(params, whole=True), make_change)
