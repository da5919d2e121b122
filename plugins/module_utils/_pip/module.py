# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs conda_pip: options, cycle, result. plugins/modules/conda_pip.py documents the module."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

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
    IN_USE_OPTIONS,
    LOCATION_OPTIONS,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import redact_value
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.observe import Observed
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.options import request_from
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.plan import Plan
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.request import Request
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.sources import url_secrets
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.subject import (
    PipOutcome,
    PipSubject,
)

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    **LOCATION_OPTIONS,
    "requirements": {"type": "list", "elements": "str"},
    "requirements_files": {"type": "list", "elements": "str"},
    "constraints": {"type": "list", "elements": "str", "default": []},
    "constraints_for_pip": {"type": "list", "elements": "str", "default": []},
    "constraints_files": {"type": "list", "elements": "str", "default": []},
    "remote_src": {"type": "bool", "default": False},
    "installer": {"type": "str", "choices": ["pip", "uv", "auto"], "default": "pip"},
    "uv_executable": {"type": "path"},
    "index_url": {"type": "str"},
    "extra_index_urls": {"type": "list", "elements": "str", "default": []},
    "find_links": {"type": "list", "elements": "str", "default": []},
    "no_index": {"type": "bool", "default": False},
    "trusted_hosts": {"type": "list", "elements": "str", "default": []},
    "cache_dir": {"type": "path"},
    "state": {
        "type": "str",
        "choices": ["present", "absent", "latest"],
        "default": "present",
    },
    "exact": {"type": "bool", "default": False},
    "replace_conda_packages": {"type": "bool", "default": False},
    "repair": {"type": "bool", "default": True},
    "check": {"type": "bool", "default": True},
    "timeout": {"type": "int", "default": 3600},
    **IN_USE_OPTIONS,
}

MakeChange = Callable[[Request, bool], Change[Plan, Observed, "list[str]"]]
"""Makes the change of distributions from the request and the check mode flag."""


def run(request: Request, check_mode: bool, make_change: MakeChange | None) -> PipOutcome:
    """Run a request through the cycle; a run with nothing to do takes no lock.

    Raises:
        CondaModuleError: the request is refused, the installer failed, or the disk does not match the plan.
    """
    change = make_change and partial(make_change, request, check_mode)
    return Cycle(PipSubject(request), change, check_mode).run()


def result_of(request: Request, outcome: PipOutcome) -> dict[str, Any]:
    """The module's return values."""
    plan = outcome.plan
    result: dict[str, Any] = redact_value(
        {
            "prefix": request.prefix,
            "installer": outcome.observed.choice.name,
            "packages": [
                {"name": one.name, "version": one.version, "owner": one.owner}
                for _name, one in sorted(outcome.observed.packages.by_name.items())
            ],
            "plan": {
                "install": list(plan.install),
                "reinstall": sorted(plan.reinstall),
                "remove": list(plan.remove),
                "reasons": list(plan.reasons),
            },
            "diff": {
                "before_header": f"{request.prefix} (distributions)",
                "after_header": f"{request.prefix} (distributions)",
                "before": "".join(f"{line}\n" for line in outcome.before),
                "after": "".join(f"{line}\n" for line in outcome.after),
            },
        }
    )
    result["changed"] = outcome.changed
    result["in_use"] = list(outcome.in_use)
    return result


def main(make: MakeModule = CondaModule, make_change: MakeChange | None = None) -> None:
    """Entry point of the module: options, the cycle, result or one error.

    Args:
        make: creates the module from its argument spec.
        make_change: creates the change of distributions. Without it, the module only reports whether
            changes are needed.
    """
    module = make(
        argument_spec=ARGUMENT_SPEC,
        mutually_exclusive=[("name", "prefix")],
        required_one_of=[("name", "prefix"), ("requirements", "requirements_files")],
        supports_check_mode=True,
    )
    # Mask only the secrets in these values, also in `invocation`; the rest stays readable.
    addresses = [module.params["index_url"] or "", *module.params["extra_index_urls"]]
    for text in (*module.params["find_links"], *(module.params["requirements"] or [])):
        addresses += [word for word in text.split() if "://" in word]
    module.no_log_values.update(url_secrets(addresses))
    try:
        request = request_from(module.params)
        with volume_errors():
            outcome = run(request, module.check_mode, make_change)
    except CondaModuleError as error:
        module.fail_json(**error.as_result())
    else:
        for warning in outcome.warnings:
            module.warn(warning)
        module.exit_json(**result_of(request, outcome))
