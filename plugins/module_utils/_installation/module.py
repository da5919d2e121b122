# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The implementation of the module conda_installation; plugins/modules/conda_installation.py documents it."""

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
from ansible_collections.llmfleet.conda.plugins.module_utils._core.guards import check_prefix
from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import redact, secrets_in
from ansible_collections.llmfleet.conda.plugins.module_utils._installation.plan import (
    InstallationPlan,
    InstallationRequest,
    ObservedInstallation,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._installation.subject import (
    InstallationOutcome,
    InstallationSubject,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._installation.vulnerabilities import (
    known_vulnerabilities,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.access import access_of

MakeChange = Callable[
    [InstallationRequest, bool], Change[InstallationPlan, ObservedInstallation, str]
]
"""Creates the object that changes an installation from the request and whether this is check mode."""

ARGUMENT_SPEC = {
    "prefix": {"type": "path", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "distribution": {
        "type": "str",
        "choices": ["miniconda", "miniforge", "anaconda"],
        "default": "miniconda",
    },
    "version": {"type": "str"},
    "conda_version": {"type": "str"},
    "installer_url": {"type": "str"},
    "installer_path": {"type": "path"},
    "remote_src": {"type": "bool", "default": False},
    "checksum": {"type": "str"},
    "owner": {"type": "str"},
    "group": {"type": "str"},
    "mode": {"type": "raw"},
    "group_writable": {
        "type": "list",
        "elements": "str",
        "choices": ["envs", "pkgs"],
        "default": [],
    },
    "mirror": {"type": "list", "elements": "str", "default": []},
    "catalogue": {"type": "list", "elements": "str", "default": []},
    "channels": {"type": "list", "elements": "str", "default": []},
    "repair": {"type": "bool", "default": True},
    "remove_environments": {"type": "bool", "default": False},
    "remove_foreign": {"type": "bool", "default": False},
    "minimum_glibc": {"type": "str"},
    "timeout": {"type": "int", "default": 3600},
    "in_use": {"type": "str", "choices": ["fail", "wait", "warn"], "default": "fail"},
    "in_use_timeout": {"type": "int", "default": 600},
}


def _request(options: dict[str, Any]) -> InstallationRequest:
    # The action plugin has copied the file: here it is always on this host.
    del options["remote_src"]
    access = access_of(
        *(options.pop(name) for name in ("owner", "group", "mode", "group_writable"))
    )
    options["prefix"] = check_prefix(options["prefix"])
    return InstallationRequest(access=access, **options)


def _result(outcome: InstallationOutcome) -> dict[str, object]:
    installer = outcome.plan.installer
    prefix = outcome.observed.state.path
    return {
        "changed": outcome.changed,
        "prefix": prefix,
        "conda_version": outcome.observed.version or "",
        "python_version": outcome.observed.state.python_version or "",
        "environments": list(outcome.observed.environments),
        "plan": {
            "action": outcome.plan.action,
            "installer": installer.file_name if installer else "",
            "reasons": list(outcome.plan.reasons),
        },
        "diff": {
            "before_header": prefix,
            "after_header": prefix,
            "before": outcome.before,
            "after": outcome.after,
        },
        "in_use": list(outcome.in_use),
    }


def run(
    request: InstallationRequest, check_mode: bool, make_change: MakeChange | None
) -> InstallationOutcome:
    """Run a request through the cycle.

    Raises:
        CondaModuleError: the request is refused, a step failed, or the result differs from the plan.
    """
    change = make_change and partial(make_change, request, check_mode)
    return Cycle(InstallationSubject(request), change, check_mode).run()


def main(make: MakeModule = CondaModule, make_change: MakeChange | None = None) -> None:
    """Entry point of the module.

    Args:
        make: creates the module from its argument spec.
        make_change: creates the object that changes an installation. Without it, the module only reports
            whether a change is needed.
    """
    module = make(
        argument_spec=ARGUMENT_SPEC,
        mutually_exclusive=[("installer_url", "installer_path")],
        supports_check_mode=True,
    )
    module.no_log_values.update(secrets_in(module.params))
    try:
        with volume_errors():
            request = _request(dict(module.params))
            outcome = run(request, module.check_mode, make_change)
    except CondaModuleError as error:
        module.fail_json(**error.as_result())
    else:
        vulnerabilities = [
            redact(text) for text in known_vulnerabilities(request, outcome.plan, outcome.observed)
        ]
        for warning in [*map(redact, outcome.warnings), *vulnerabilities]:
            module.warn(warning)
        module.exit_json(vulnerabilities=vulnerabilities, **_result(outcome))
