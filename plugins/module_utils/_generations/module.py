# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs conda_generations: options, cycle, result. Its documentation is in plugins/modules."""

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
from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import redact, secrets_in
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.variables import (
    secret_values,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.observe import Observed
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.options import (
    ARGUMENT_SPEC,
    request_from,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.plan import Plan
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.request import Request
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.subject import (
    GenerationsOutcome,
    GenerationsSubject,
    Side,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.generations import (
    read_state,
)

MakeChange = Callable[[Request, bool], Change[Plan, Observed, Side]]
"""Makes the change from the request and the check mode flag."""


def run(
    request: Request, check_mode: bool, make_change: MakeChange | None
) -> tuple[GenerationsOutcome, list[str]]:
    """Run a request through the cycle.

    Returns:
        The outcome, and a sentence for each generation that need not stay and cannot go.

    Raises:
        CondaModuleError: the request is refused, a step failed, or a check of the new generation failed.
    """
    subject = GenerationsSubject(request)
    change = make_change and partial(make_change, request, check_mode)
    outcome = Cycle(subject, change, check_mode).run()
    return outcome, subject.stays


def result_of(
    request: Request, outcome: GenerationsOutcome, stays: list[str], check_mode: bool
) -> dict[str, Any]:
    """The module's return values."""
    plan, seen = outcome.plan, outcome.observed
    state = read_state(request.place)
    foreseen = check_mode and bool(plan.action)
    return {
        "changed": outcome.changed,
        "prefix": request.place.link,
        "generation": plan.number if foreseen else seen.number,
        "previous": seen.number if foreseen else state.previous,
        "kernel": seen.kernel_path if request.kernel else "",
        "generations": [
            {
                "number": number,
                "prefix": request.place.path(number),
                "created": one.created,
                "verified": one.verified,
                "failed": redact(one.failed),
                "current": number == seen.number,
                "run": one.run,
            }
            for number, one in sorted(state.known.items())
        ],
        "removed_generations": list(plan.garbage),
        "kept": stays,
        "plan": {"action": plan.action, "reasons": [redact(reason) for reason in plan.reasons]},
        "added": _only_in(outcome.after, outcome.before),
        "removed": _only_in(outcome.before, outcome.after),
        "diff": {
            "before_header": request.place.link,
            "after_header": request.place.link,
            "before": _text(outcome.before),
            "after": _text(outcome.after),
        },
        "distributions": [
            {"name": one.name, "version": one.version, "owner": one.owner}
            for _name, one in sorted(seen.pip.packages.by_name.items())
        ]
        if seen.pip
        else [],
        "in_use": list(outcome.in_use),
    }


def _only_in(lines: Side, others: Side) -> list[str]:
    """The packages in ``lines`` and not in ``others``; settings are in parentheses."""
    return sorted(line for line in set(lines or ()) - set(others or ()) if not line.startswith("("))


def _text(lines: Side) -> str:
    return "".join(f"{line}\n" for line in lines or ())


def main(make: MakeModule = CondaModule, make_change: MakeChange | None = None) -> None:
    """Entry point of the module.

    Args:
        make: creates the module from its argument spec.
        make_change: creates the change of an environment. Without it, the module only reports whether changes
            are needed.
    """
    module = make(
        argument_spec=ARGUMENT_SPEC,
        mutually_exclusive=[("name", "prefix")],
        required_one_of=[("name", "prefix")],
        supports_check_mode=True,
    )
    module.no_log_values.update(secrets_in(module.params))
    module.no_log_values.update(
        secret_values((module.params["environment"] or {}).get("variables"))
    )
    try:
        request = request_from(module.params)
        with volume_errors():
            outcome, stays = run(request, module.check_mode, make_change)
    except CondaModuleError as error:
        module.fail_json(**error.as_result())
    else:
        for warning in outcome.warnings:
            module.warn(redact(warning))
        module.exit_json(**result_of(request, outcome, stays, module.check_mode))
