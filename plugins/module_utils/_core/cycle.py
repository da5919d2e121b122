# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cycle of every module that changes a host: observe, plan, solve, apply, observe again.

What looks and plans is a :class:`Subject`; what changes the host is a :class:`Change`. They are apart because
Ansible sends a module with all that it imports: a task that only asks whether something is to be done has no
use for the second, and a run that finds nothing to do must not even compile it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

PlanT = TypeVar("PlanT")
SeenT = TypeVar("SeenT")
SideT = TypeVar("SideT")
_T = TypeVar("_T")


@dataclass(frozen=True)
class Outcome(Generic[PlanT, SeenT, SideT]):
    """What a module reports.

    Attributes:
        changed: whether something was changed, or would be.
        plan: what was to be done.
        before, after: the two sides of the diff.
        observed: the state at the end; in check mode, and where nothing was to be done, the state found.
        warnings: sentences on what was met on the way and went well in the end.
        in_use: the processes that use what is changed, as the option of this name returns them.
    """

    changed: bool
    plan: PlanT
    before: SideT
    after: SideT
    observed: SeenT
    warnings: tuple[str, ...] = ()
    in_use: tuple[dict[str, Any], ...] = ()


class Subject(Generic[PlanT, SeenT, SideT]):
    """The one thing on a host that a task declares. Nothing here changes the host or starts a program."""

    def observe(self) -> SeenT:
        """Read the state from disk.

        Raises:
            CondaModuleError: it cannot be read or understood.
        """
        raise NotImplementedError

    def plan(self, observed: SeenT) -> PlanT:
        """What has to be done; false where nothing has to.

        Raises:
            CondaModuleError: the request is refused.
        """
        raise NotImplementedError

    def describe(self, observed: SeenT) -> SideT:
        """One side of the diff."""
        raise NotImplementedError

    def warnings(self, observed: SeenT) -> list[str]:
        """What is to be said of the state, whether something is to be done or not."""
        return []

    def cut_off(self, observed: SeenT) -> bool:
        """Whether a run of this module was cut off, so that its traces are to go though all is as asked."""
        return False

    def undecided(self, observed: SeenT) -> bool:
        """Whether what is seen may be half of a change, so that nothing is planned without the lock."""
        return False

    def moved_aside(self, observed: SeenT) -> str:
        """Why a cut-off run has to be finished or taken back before anything can be planned; "" if not."""
        return ""

    def plan_to_go_on(self, reason: str) -> PlanT:
        """The plan where :meth:`moved_aside` has a reason: what is to be done after that is not known."""
        raise NotImplementedError

    def remove_old_locks(self) -> None:
        """Remove lock files that a killed run has left; nothing else is done where nothing is to do."""


class Change(Generic[PlanT, SeenT, SideT]):
    """Changes the subject; the methods are called in the order in which they stand here."""

    @property
    def warnings(self) -> list[str]:
        """As in :class:`Outcome`."""
        return []

    @property
    def in_use(self) -> list[dict[str, Any]]:
        """As in :class:`Outcome`."""
        return []

    def refuse(self, plan: PlanT, observed: SeenT) -> None:
        """Refuse what can be refused before anything is asked or changed.

        Raises:
            CondaModuleError: the host or its state does not allow the plan.
        """

    def until_unused(self, attempt: Callable[[], _T]) -> _T:
        """Return what ``attempt`` returns, which may be made again after a wait for others."""
        return attempt()

    def lock(self, plan: PlanT | None) -> AbstractContextManager[None]:
        """Keep everybody else away for the block; ``plan`` is what those who wait are told."""
        raise NotImplementedError

    def recover(self) -> bool:
        """Finish or take back what a cut-off run has left; whether that changed something."""
        return False

    def solve(self, plan: PlanT, observed: SeenT) -> PlanT:
        """The plan with what only conda or pip can tell; false where they find nothing to do.

        Raises:
            CondaModuleError: there is no solution.
        """
        return plan

    def examine(self, plan: PlanT, observed: SeenT) -> None:
        """Look closely at what would be changed.

        Raises:
            CondaModuleError: something there must not be changed, and nothing was.
        """

    def check_use(self, plan: PlanT, observed: SeenT, foresee: Callable[[], SideT]) -> None:
        """Refuse or report what unlinks files that programs run from.

        foresee: returns what :meth:`foresee` does.

        Raises:
            CondaModuleError: the option in_use forbids the change.
        """

    def close(self, observed: SeenT, recovered: bool) -> None:
        """Remove the traces of a cut-off run, where nothing else is left to do."""

    def journal(self, plan: PlanT, observed: SeenT) -> AbstractContextManager[None]:
        """Leave word for the next run, should this one be killed in the block."""
        raise NotImplementedError

    def apply(self, plan: PlanT, observed: SeenT) -> None:
        """Carry the plan out.

        Raises:
            CondaModuleError: a step failed.
        """
        raise NotImplementedError

    def look_again(self, plan: PlanT, observed: SeenT) -> SeenT:
        """Read the state after the change, and compare it with the plan.

        Raises:
            CondaModuleError: the disk does not show what was planned.
        """
        raise NotImplementedError

    def reached(self, plan: PlanT, observed: SeenT, seen: SeenT) -> SideT:
        """The other side of the diff, after the change."""
        raise NotImplementedError

    def differs(self, plan: PlanT, before: SideT, after: SideT) -> bool:
        """Whether the run of a plan that was not empty changes something."""
        return before != after

    # -- check mode -------------------------------------------------------------------------------

    def foresee_recovery(self) -> None:
        """In check mode, warn that :meth:`recover` has something to do.

        Raises:
            CondaModuleError: it could not be done.
        """
        raise NotImplementedError

    def foresee(self, plan: PlanT, observed: SeenT) -> SideT:
        """The other side of the diff, in check mode.

        Raises:
            CondaModuleError: the plan could not be carried out.
        """
        raise NotImplementedError


MakeChange = Callable[[], Change[PlanT, SeenT, SideT]]


class Cycle(Generic[PlanT, SeenT, SideT]):
    """Carries one request through the cycle."""

    def __init__(
        self,
        subject: Subject[PlanT, SeenT, SideT],
        make_change: MakeChange[PlanT, SeenT, SideT] | None,
        check_mode: bool,
    ) -> None:
        """make_change: called where something is to be done. None only asks whether it is."""
        self._subject = subject
        self._make_change = make_change
        self._check_mode = check_mode

    def run(self) -> Outcome[PlanT, SeenT, SideT]:
        """Observe, plan, apply and observe again.

        Raises:
            CondaModuleError: the request is refused, a step failed, or the disk does not show the plan.
        """
        subject, check_mode = self._subject, self._check_mode
        observed = subject.observe()
        if self._make_change and not check_mode and subject.undecided(observed):
            change = self._make_change()
            return change.until_unused(lambda: self._change_under_lock(change, None))
        reason = subject.moved_aside(observed)
        plan = subject.plan_to_go_on(reason) if reason else subject.plan(observed)
        if not (plan or reason) and (check_mode or not subject.cut_off(observed)):
            if not check_mode:
                subject.remove_old_locks()
            before = subject.describe(observed)
            return self._outcome(False, plan, before, before, observed)
        if self._make_change is None:
            before = subject.describe(observed)
            return self._outcome(True, plan, before, before, observed)
        change = self._make_change()
        if check_mode:
            return self._foresee(change, plan, observed, going_on=bool(reason))
        if plan:
            change.refuse(plan, observed)
        return change.until_unused(lambda: self._change_under_lock(change, plan))

    def _change_under_lock(
        self, change: Change[PlanT, SeenT, SideT], first_plan: PlanT | None
    ) -> Outcome[PlanT, SeenT, SideT]:
        with change.lock(first_plan):
            return self._change(change)

    def _change(self, change: Change[PlanT, SeenT, SideT]) -> Outcome[PlanT, SeenT, SideT]:
        # Observed and planned anew: another run may have done the work while this one waited for the lock.
        recovered = change.recover()
        observed = self._subject.observe()
        plan = self._subject.plan(observed)
        before = self._subject.describe(observed)
        if plan:
            change.refuse(plan, observed)
            plan = change.solve(plan, observed)
        if not plan:
            change.close(observed, recovered)
            return self._outcome(recovered, plan, before, before, observed, change)
        change.examine(plan, observed)
        change.check_use(plan, observed, lambda: change.foresee(plan, observed))
        with change.journal(plan, observed):
            change.apply(plan, observed)
        seen = change.look_again(plan, observed)
        after = change.reached(plan, observed, seen)
        return self._outcome(change.differs(plan, before, after), plan, before, after, seen, change)

    def _foresee(
        self, change: Change[PlanT, SeenT, SideT], plan: PlanT, observed: SeenT, going_on: bool
    ) -> Outcome[PlanT, SeenT, SideT]:
        before = self._subject.describe(observed)
        if going_on:
            change.foresee_recovery()
            return self._outcome(True, plan, before, before, observed, change)
        change.refuse(plan, observed)
        plan = change.solve(plan, observed)
        if not plan:
            return self._outcome(False, plan, before, before, observed, change)
        change.examine(plan, observed)
        after = change.foresee(plan, observed)
        change.check_use(plan, observed, lambda: after)
        return self._outcome(
            change.differs(plan, before, after), plan, before, after, observed, change
        )

    def _outcome(
        self,
        changed: bool,
        plan: PlanT,
        before: SideT,
        after: SideT,
        observed: SeenT,
        change: Change[PlanT, SeenT, SideT] | None = None,
    ) -> Outcome[PlanT, SeenT, SideT]:
        warnings = [*(change.warnings if change else ()), *self._subject.warnings(observed)]
        in_use = tuple(change.in_use) if change else ()
        return Outcome(changed, plan, before, after, observed, tuple(warnings), in_use)
