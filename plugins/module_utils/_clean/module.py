# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs conda_clean: options, cycle, result."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.llmfleet.conda.plugins.module_utils._clean.leftover import (
    ARCHIVES,
    KINDS,
    PACKAGES,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._clean.subject import (
    CleanSubject,
    Observed,
    Plan,
    request_from,
    result_of,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.module import CondaModule
from ansible_collections.llmfleet.conda.plugins.module_utils._core.cycle import Change, Cycle
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import (
    redact,
    redact_value,
)

MakeChange = Callable[[CleanSubject], Change[Plan, Observed, list[str]]]


def main(make_change: MakeChange) -> None:
    """Entry point of the module.

    Args:
        make_change: creates the change; called only if something has to be removed.
    """
    module = CondaModule(
        argument_spec={
            "installation": {"type": "path", "aliases": ["conda_prefix"]},
            "caches": {
                "type": "list",
                "elements": "str",
                "choices": list(KINDS),
                "default": [PACKAGES, ARCHIVES],
            },
            "pip_cache_dir": {"type": "path"},
            "uv_cache_dir": {"type": "path"},
            "hub_cache_dir": {"type": "path"},
            "keep_revisions": {"type": "list", "elements": "str", "default": []},
            "min_age": {"type": "int", "default": 86400},
            "timeout": {"type": "int", "default": 600},
        },
        supports_check_mode=True,
    )
    try:
        subject = CleanSubject(request_from(module.params))
        outcome = Cycle(subject, lambda: make_change(subject), module.check_mode).run()
    except CondaModuleError as error:
        module.fail_json(**error.as_result())
    else:
        for warning in outcome.warnings:
            module.warn(redact(warning))
        module.exit_json(**redact_value(result_of(outcome)))
