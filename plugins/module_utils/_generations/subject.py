# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An environment that is kept in generations, as a task declares it: observes and plans, changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

from ansible_collections.llmfleet.conda.plugins.module_utils._core.cycle import Outcome, Subject
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.lock import remove_if_free
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.observe import (
    DIRECTORY,
    MISSING,
    OTHER,
    Observed,
    compared,
    observe,
    unlike,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.plan import (
    REMOVE,
    SWITCH,
    Plan,
    beyond,
    plan_back,
    plan_kernel,
    plan_plain,
    plan_present,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.request import Request
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.generations import State
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import observe_prefix
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import (
    beside,
)

Side = Optional[list[str]]
"""One side of the diff: a line per package; None without an environment."""

GenerationsOutcome = Outcome[Plan, Observed, Side]


class GenerationsSubject(Subject[Plan, Observed, Side]):
    """The environment of one request.

    Attributes:
        stays: a sentence for each generation that need not stay and cannot go.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.stays: list[str] = []

    def observe(self) -> Observed:
        """Read the files of the current generation."""
        seen = observe(self.request)
        return compared(self.request, seen) if self.request.declares else seen

    def plan(self, observed: Observed) -> Plan:
        """Compare the request with the observed environment."""
        request, seen = self.request, observed
        self.stays = []
        if request.state == "absent":
            return self._plan_absent(seen)
        if request.generation is not None:
            return plan_back(request, seen)
        if request.plain:
            return plan_plain(request, seen)
        plan = plan_present(request, seen, request.place.following(seen.state))
        if plan.action:
            plan = self._with_existing(plan, seen)
        return self._with_garbage(plan_kernel(request, seen, plan), seen)

    def _plan_absent(self, seen: Observed) -> Plan:
        link = self.request.place.link
        if seen.kind in (DIRECTORY, OTHER) and not seen.state.found:
            raise CondaModuleError(
                f"{link} is not kept in generations. Nothing was changed.",
                prefix=link,
                hint="remove it with llmfleet.conda.conda_env (state: absent) if it is an environment.",
            )
        there = seen.state.found or self.request.place.numbers()
        if not there and seen.kind == MISSING:
            return Plan()
        return Plan(REMOVE, reasons=(f"{link} must be absent",))

    def _with_existing(self, plan: Plan, seen: Observed) -> Plan:
        """Switch to a generation that was built for the same request, as after a rollback."""
        if plan.action == SWITCH or not seen.state.known:
            return plan
        asked = self.request.asked
        for number, one in sorted(seen.state.known.items(), reverse=True):
            if number == seen.number or one.asked != asked or one.failed or one.adopted:
                continue
            packages = observe_prefix(self.request.place.path(number))
            if not packages.is_environment or unlike(one, packages):
                continue
            path = self.request.place.path(number)
            found = compared(
                self.request, replace(seen, number=number, base=path, packages=packages)
            )
            if not (found.conda_plan or found.pip_plan):
                return replace(plan, action=SWITCH, number=number)
        return plan

    def _with_garbage(self, plan: Plan, seen: Observed) -> Plan:
        state, current = seen.state, plan.number if plan.action else seen.number
        if plan.action and seen.number is not None:
            # As it will be after the switch.
            state = replace(state, previous=seen.number)
        numbers = beyond(state, self.request.keep, current)
        if not numbers:
            return plan
        # Imported only if a generation may go, so that other runs do not compile it.
        from ansible_collections.llmfleet.conda.plugins.module_utils._generations.garbage import (
            sort_out,
        )

        found = sort_out(self.request, state, numbers)
        self.stays = list(found.stays)
        reasons = [f"generation {number} is not kept" for number in found.gone]
        return replace(plan, garbage=found.gone, reasons=(*plan.reasons, *reasons))

    def describe(self, observed: Observed) -> Side:
        """One line for each package and distribution."""
        if self.request.state == "absent":
            return [f"(generation: {number})" for number in sorted(observed.state.known)] or None
        if not self.request.declares:
            if observed.number is None:
                return observed.packages.labels() if observed.packages else None
            return self.recorded(observed.state, observed.number)
        return observed.lines() or None

    @staticmethod
    def recorded(state: State, number: int | None) -> list[str]:
        """The lines of a generation as state.json has them."""
        known = state.known.get(-1 if number is None else number)
        lines = known.packages if known else ()
        return [f"(generation: {number})", *lines]

    def cut_off(self, observed: Observed) -> bool:
        """Whether a run was interrupted, or somebody switched the link."""
        return bool(observed.unfinished)

    def remove_old_locks(self) -> None:
        """Remove the lock file that a killed run left behind."""
        remove_if_free(beside(self.request.place.link, ".lock"))
