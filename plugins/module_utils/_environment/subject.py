# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One conda environment as a task declares it: observes and plans, changes nothing."""

from __future__ import annotations

from typing import Any, Optional

from ansible_collections.llmfleet.conda.plugins.module_utils._core.cycle import Outcome, Subject
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.package_plan import Plan
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.plan import plan
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.request import (
    Observed,
    Request,
    observe,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import (
    moved_aside,
    moved_aside_reason,
    remove_old_locks,
)

# The operations of conda in the journal; those of pip belong to conda_pip.
OPERATIONS = ("create", "change", "remove")

Side = Optional[list[str]]
"""One side of the diff: a line per package; None without an environment."""

EnvironmentOutcome = Outcome[Plan, Observed, Side]


class EnvironmentSubject(Subject[Plan, Observed, Side]):
    """The environment of one request."""

    def __init__(self, request: Request, check_mode: bool) -> None:
        self.request = request
        self.check_mode = check_mode

    def observe(self) -> Observed:
        """Read the environment's files."""
        return observe(self.request)

    def plan(self, observed: Observed) -> Plan:
        """Compare the request with the observed environment."""
        if self.check_mode and self._missing_but_wanted(observed):
            reason = f"there is no environment at {self.request.prefix} yet"
            return Plan(install=self.request.specs, reasons=(reason,))
        return plan(self.request, observed)

    def _missing_but_wanted(self, observed: Observed) -> bool:
        """Whether the environment is missing, but an earlier task of the play may create it."""
        return not self.request.whole and observed.state.empty and self.request.state != "absent"

    def describe(self, observed: Observed) -> Side:
        """One line for each package."""
        return observed.lines() if observed.state.is_environment else None

    def cut_off(self, observed: Observed) -> bool:
        """Whether an earlier conda run was interrupted."""
        return observed.interrupted in OPERATIONS

    def moved_aside(self, observed: Observed) -> str:
        """Why an interrupted run must be completed first: the environment is still moved aside."""
        if observed.interrupted in OPERATIONS and moved_aside(self.request.prefix):
            return moved_aside_reason(self.request.prefix)
        return ""

    def plan_to_go_on(self, reason: str) -> Plan:
        """An empty plan with the reason."""
        return Plan(reasons=(reason,))

    def remove_old_locks(self) -> None:
        """Remove old lock files of the environment."""
        remove_old_locks(self.request.prefix)


def diff_of(request: Request, outcome: EnvironmentOutcome) -> dict[str, Any]:
    """The diff for Ansible: one line per package, before and after."""
    return {
        "before_header": request.prefix,
        "after_header": request.prefix,
        "before": _text(before_side(outcome)),
        "after": _text(outcome.after),
    }


def before_side(outcome: EnvironmentOutcome) -> Side:
    """The lines before the change, with pip's distributions that it removes."""
    if outcome.before is None:
        return None
    return [*outcome.before, *outcome.plan.pip_removed]


def _text(lines: Side) -> str:
    if lines is None:
        return ""
    return "".join(f"{line}\n" for line in ["environment present", *lines])
