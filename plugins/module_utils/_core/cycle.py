# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cycle of every module that changes a host: observe, plan, solve, apply, observe again.

A :class:`Subject` observes and plans; a :class:`Change` changes the host. They are separate because Ansible
sends a module with everything that it imports: a task that only asks whether changes are needed does not need
the second part, and a run with nothing to do must not even compile it.
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
        changed: whether the run changed something, or would change something.
        plan: the plan.
        before, after: the two sides of the diff.
        observed: the state at the end; in check mode, or without changes, the state found.
        warnings: one sentence for each problem that the run met and solved.
        in_use: the processes that use what is changed, as the module returns them in ``in_use``.
    """

    changed: bool
    plan: PlanT
    before: SideT
    after: SideT
    observed: SeenT
    warnings: tuple[str, ...] = ()
    in_use: tuple[dict[str, Any], ...] = ()


class Subject(Generic[PlanT, SeenT, SideT]):
    """The one thing on a host that a task declares. No method changes the host or starts a program."""

    def observe(self) -> SeenT:
        """Read the state from disk.

        Raises:
            CondaModuleError: a file cannot be read or parsed.
        """
        raise NotImplementedError

    def plan(self, observed: SeenT) -> PlanT:
        """Decide what has to change; a false plan means nothing has to.

        Raises:
            CondaModuleError: the request is refused.
        """
        raise NotImplementedError

    def describe(self, observed: SeenT) -> SideT:
        """One side of the diff."""
        raise NotImplementedError

    def warnings(self, observed: SeenT) -> list[str]:
        """Warnings about the state, whether or not the plan is empty."""
        return []

    def cut_off(self, observed: SeenT) -> bool:
        """Whether an earlier run was interrupted, so that its traces must be removed even without changes."""
        return False

    def undecided(self, observed: SeenT) -> bool:
        """Whether the observed state may be half of a change, so that the plan needs the lock first."""
        return False

    def moved_aside(self, observed: SeenT) -> str:
        """Why an interrupted run must be completed or reverted before planning; empty if it need not."""
        return ""

    def plan_to_go_on(self, reason: str) -> PlanT:
        """The plan when :meth:`moved_aside` returns a reason: the changes after that are not known yet."""
        raise NotImplementedError

    def remove_old_locks(self) -> None:
        """Remove lock files that a killed run left behind; a run with nothing to do does only this."""


class Change(Generic[PlanT, SeenT, SideT]):
    """Changes the subject. The cycle calls the methods in the order in which they are defined here."""

    @property
    def warnings(self) -> list[str]:
        """As in :class:`Outcome`."""
        return []

    @property
    def in_use(self) -> list[dict[str, Any]]:
        """As in :class:`Outcome`."""
        return []

    def refuse(self, plan: PlanT, observed: SeenT) -> None:
        """Refuse a plan that can be refused before a solver runs and before anything changes.

        Raises:
            CondaModuleError: the host, or its state, does not allow the plan.
        """

    def until_unused(self, attempt: Callable[[], _T]) -> _T:
        """Return the result of ``attempt``; it may run again after a wait for programs that use the files."""
        return attempt()

    def lock(self, plan: PlanT | None) -> AbstractContextManager[None]:
        """Hold the lock for the block; waiting runs are shown ``plan``."""
        raise NotImplementedError

    def recover(self) -> bool:
        """Complete or revert an interrupted run; returns whether that changed something."""
        return False

    def solve(self, plan: PlanT, observed: SeenT) -> PlanT:
        """Complete the plan with what only conda or pip can tell; false if they find nothing to do.

        Raises:
            CondaModuleError: there is no solution.
        """
        return plan

    def examine(self, plan: PlanT, observed: SeenT) -> None:
        """Check in detail what the plan would change or remove.

        Raises:
            CondaModuleError: the plan would touch something that it must not; nothing was changed.
        """

    def check_use(self, plan: PlanT, observed: SeenT, foresee: Callable[[], SideT]) -> None:
        """Refuse or report a change that unlinks files of running programs.

        Args:
            foresee: :meth:`foresee`, with its arguments bound.

        Raises:
            CondaModuleError: the option in_use forbids the change.
        """

    def check_room(self, plan: PlanT, observed: SeenT) -> None:
        """Refuse a change for which a volume has too little room, as far as sizes are known.

        Raises:
            CondaModuleError: a volume lacks bytes or inodes; nothing was changed.
        """

    def close(self, observed: SeenT, recovered: bool) -> None:
        """Remove the traces of an interrupted run that left nothing else to do."""

    def journal(self, plan: PlanT, observed: SeenT) -> AbstractContextManager[None]:
        """Keep a journal for the block, so that the next run can recover if this one is killed."""
        raise NotImplementedError

    def apply(self, plan: PlanT, observed: SeenT) -> None:
        """Carry out the plan.

        Raises:
            CondaModuleError: a step failed.
        """
        raise NotImplementedError

    def look_again(self, plan: PlanT, observed: SeenT) -> SeenT:
        """Read the state after the change, and compare it with the plan.

        Raises:
            CondaModuleError: the state on disk does not match the plan.
        """
        raise NotImplementedError

    def reached(self, plan: PlanT, observed: SeenT, seen: SeenT) -> SideT:
        """The "after" side of the diff, following a change."""
        raise NotImplementedError

    def also_before(self, before: SideT) -> SideT:
        """The "before" side of the diff, with what only the change, or its prediction, found."""
        return before

    def differs(self, plan: PlanT, before: SideT, after: SideT) -> bool:
        """Whether running a plan that is not empty changes something."""
        return before != after

    # -- check mode -------------------------------------------------------------------------------

    def foresee_recovery(self) -> None:
        """In check mode, warn that :meth:`recover` would run.

        Raises:
            CondaModuleError: the recovery would fail.
        """
        raise NotImplementedError

    def foresee(self, plan: PlanT, observed: SeenT) -> SideT:
        """The "after" side of the diff, in check mode.

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
        """make_change: called when changes are needed. None: the cycle only tells whether they are."""
        self._subject = subject
        self._make_change = make_change
        self._check_mode = check_mode

    def run(self) -> Outcome[PlanT, SeenT, SideT]:
        """Observe, plan, apply and observe again.

        Raises:
            CondaModuleError: the request is refused, a step failed, or the disk does not match the plan.
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
        # Observe and plan again: another run may have done the work while this one waited for the lock.
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
        change.check_room(plan, observed)
        with change.journal(plan, observed):
            change.apply(plan, observed)
        seen = change.look_again(plan, observed)
        after = change.reached(plan, observed, seen)
        before = change.also_before(before)
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
        change.check_room(plan, observed)
        before = change.also_before(before)
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
