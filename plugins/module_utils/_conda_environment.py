# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cycle observe, plan, apply, observe for one conda environment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ansible_collections.llmfleet.conda.plugins.module_utils._environment_pins import (
    parsed_pins,
    violations,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment_plan import plan
from ansible_collections.llmfleet.conda.plugins.module_utils._environment_request import (
    Observed,
    Request,
    observe,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._explicit_lock import (
    unlike_lock,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._linked_files import (
    refuse_directories,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._plan import (
    Plan,
    missing_dependencies,
    unsatisfied_after,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix import (
    PrefixState,
    observe_prefix,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._transaction import (
    forget_journal,
    journalled,
    locked,
    pending_journal,
    remove_old_locks,
)

if TYPE_CHECKING:
    from ansible_collections.llmfleet.conda.plugins.module_utils._conda_command import Conda
    from ansible_collections.llmfleet.conda.plugins.module_utils._in_use import Guard
    from ansible_collections.llmfleet.conda.plugins.module_utils._prefix_removal import Contents
    from ansible_collections.llmfleet.conda.plugins.module_utils._set_aside import Aside

# What the journal calls the changes that this file makes; pip's belong to conda_pip.
_OPERATIONS = ("create", "change", "remove")


@dataclass(frozen=True)
class Outcome:
    """What a module reports: whether something changed (or would), and the two sides of the diff.

    ``warnings`` are sentences on what was met on the way and went well in the end.
    """

    changed: bool
    plan: Plan
    before: list[str] | None
    after: list[str] | None
    state: PrefixState
    warnings: tuple[str, ...] = ()


class EnvironmentManager:
    """Carries one request through the cycle."""

    def __init__(self, request: Request, check_mode: bool = False) -> None:
        self.request = request
        self.check_mode = check_mode
        self.in_use: list[dict[str, Any]] = []
        self.use_warnings: list[str] = []

    def run(self) -> Outcome:
        """Observe, plan, apply and observe again.

        Raises:
            CondaModuleError: the request is refused, conda failed, or the disk does not show the plan.
        """
        observed = observe(self.request)
        if observed.interrupted in _OPERATIONS and self._aside.waits():
            # What is at the prefix now is half of something: that is finished or taken back before the plan.
            return self._go_on(observed)
        if self.check_mode and self._is_yet_to_be_made(observed):
            return self._of_an_environment_to_come(observed)
        todo = plan(self.request, observed)
        before = observed.lines() if observed.state.is_environment else None
        if not todo and (self.check_mode or observed.interrupted not in _OPERATIONS):
            if not self.check_mode:
                remove_old_locks(self.request.prefix)
            return Outcome(False, todo, before, before, observed.state)
        if self.check_mode:
            self._foretell(todo, self._examined(todo))
            after = self._foresee(todo, observed)
            self._check_use(todo, observed, lambda: after)
            warnings = tuple(self.conda.warnings)
            changed = _differs(todo, before, after)
            return Outcome(changed, todo, before, after, observed.state, warnings)
        return self._guard.until_unused(lambda: self._run_with_lock(todo))

    def _go_on(self, observed: Observed) -> Outcome:
        """Have a run finished or taken back that was cut off while the environment was moved aside."""
        reason = f"a run was cut off that had moved {self.request.prefix} aside"
        todo = Plan(reasons=(reason,))
        if not self.check_mode:
            return self._guard.until_unused(lambda: self._run_with_lock(todo))
        self._aside.foresee()
        before = observed.lines() if observed.state.is_environment else None
        warning = f"{reason}: that is finished or taken back first, and what is to do then is not known yet."
        return Outcome(True, todo, before, before, observed.state, (warning,))

    def _run_with_lock(self, todo: Plan) -> Outcome:
        with locked(
            self.request.prefix,
            operation=_operation(todo),
            caches=self.conda.caches,
            timeout=self.request.timeout,
        ):
            return self._run_locked()

    # What starts conda is imported where something is to do: Ansible compiles a module and all that it
    # imports for each task, which would be most of what a task costs that finds nothing to do.

    @cached_property
    def conda(self) -> Conda:
        """The conda that the request names."""
        from ansible_collections.llmfleet.conda.plugins.module_utils._environment_forecast import (
            conda_for,
        )

        return conda_for(self.request)

    def _foresee(self, todo: Plan, observed: Observed) -> list[str] | None:
        from ansible_collections.llmfleet.conda.plugins.module_utils._environment_forecast import (
            Forecast,
        )

        return Forecast(self.request, self.conda).lines(todo, observed)

    @cached_property
    def _guard(self) -> Guard:
        from ansible_collections.llmfleet.conda.plugins.module_utils._in_use import Guard

        request = self.request
        return Guard(
            request.prefix, request.in_use, request.in_use_timeout, self.check_mode,
            self.in_use, self.use_warnings,
        )  # fmt: skip

    def _check_use(
        self, todo: Plan, observed: Observed, foresee: Callable[[], list[str] | None]
    ) -> None:
        """Apply the option in_use, where there is something that could be in use."""
        if observed.state.empty:
            return
        from ansible_collections.llmfleet.conda.plugins.module_utils._in_use import (
            unlinked_by_conda,
        )

        self._guard.check(unlinked_by_conda(self.request, todo, observed, foresee))

    def _foresee_aside(self, todo: Plan, observed: Observed) -> list[str] | None:
        """Ask a conda of its own, whose warnings are not those of the change."""
        from ansible_collections.llmfleet.conda.plugins.module_utils._environment_forecast import (
            Forecast,
            conda_for,
        )

        return Forecast(self.request, conda_for(self.request)).lines(todo, observed)

    def _apply(self, todo: Plan, observed: Observed, contents: Contents | None) -> None:
        from ansible_collections.llmfleet.conda.plugins.module_utils._environment_apply import (
            Change,
        )

        Change(self.request, self.conda).apply(todo, observed, contents)

    def _examined(self, todo: Plan) -> Contents | None:
        """All that is at the prefix, where it would be removed or give its place to another environment.

        Raises:
            CondaModuleError: a volume is mounted in it, it holds other environments, or a directory of
                people's is in the place of a file that would be linked or unlinked.
        """
        if not (todo.delete or todo.recreate):
            if todo.specs or todo.remove or todo.reinstall:
                refuse_directories(observe_prefix(self.request.prefix, thorough=True))
            return None
        from ansible_collections.llmfleet.conda.plugins.module_utils._environment_removal import (
            examine_environment,
        )

        contents = examine_environment(self.request, self.conda)
        state = contents.state
        if todo.recreate and (state.is_environment or state.cleared or contents.foreign):
            self._aside.refuse()
        return contents

    def _foretell(self, todo: Plan, contents: Contents | None) -> None:
        if contents is None or not todo.delete:
            return
        from ansible_collections.llmfleet.conda.plugins.module_utils._environment_removal import (
            foretell,
        )

        self.conda.warnings += foretell(self.request, contents)

    def _recover(self) -> bool:
        """Go on where a run was cut off that had moved the environment aside; whether one was."""
        aside = self._aside
        aside.caches = tuple(self.conda.caches)
        recovered = aside.recover()
        self.conda.warnings += aside.warnings
        return recovered

    @cached_property
    def _aside(self) -> Aside:
        from ansible_collections.llmfleet.conda.plugins.module_utils._set_aside import Aside

        return Aside(self.request.prefix)

    def _clear_up(self, observed: Observed) -> None:
        from ansible_collections.llmfleet.conda.plugins.module_utils._collisions import settle
        from ansible_collections.llmfleet.conda.plugins.module_utils._conda_leftovers import (
            clear_up,
        )
        from ansible_collections.llmfleet.conda.plugins.module_utils._environment_registry import (
            forget_environments,
            list_again,
        )

        journal = pending_journal(self.request.prefix) or {}
        self.conda.warnings += settle(self.request.prefix, self.conda.caches)
        list_again(journal.get("listed"))
        if observed.state.is_environment:
            clear_up(self.request.prefix)
        elif not observed.state.exists:
            forget_environments(self.request.prefix)

    def _is_yet_to_be_made(self, observed: Observed) -> bool:
        """Packages for an environment that is not there: an earlier task of the play may be to make it."""
        return not self.request.whole and observed.state.empty and self.request.state != "absent"

    def _of_an_environment_to_come(self, observed: Observed) -> Outcome:
        reason = f"there is no environment at {self.request.prefix} yet"
        todo = Plan(install=self.request.asked, reasons=(reason,))
        after = [f"{text} (to be solved)" for text in sorted(self.request.asked)]
        return Outcome(True, todo, None, after, observed.state)

    def _run_locked(self) -> Outcome:
        # Observed and planned anew: another run may have done the work while this one waited for the lock.
        recovered = self._recover()
        observed = observe(self.request)
        if observed.interrupted in _OPERATIONS:
            self._clear_up(observed)
            observed = observe(self.request)
        todo = plan(self.request, observed)
        before = observed.lines() if observed.state.is_environment else None
        if not todo:
            if recovered or observed.interrupted in _OPERATIONS:
                # What was cut off turned out to have left everything as wanted.
                forget_journal(self.request.prefix)
            warnings = tuple(self.conda.warnings)
            return Outcome(recovered, todo, before, before, observed.state, warnings)
        contents = self._examined(todo)
        self._check_use(todo, observed, lambda: self._foresee_aside(todo, observed))
        details = {
            "specs": list(todo.specs),
            # Of a lock, nothing goes down as a wish.
            "asked": [] if self.request.lock is not None else list(todo.asked),
            "remove": list(todo.remove),
            "held": self._held(todo, observed),
            "listed": self._listed(todo),
        }
        # What pip was at when it was cut off is still to be mended, unless all of it goes.
        keeps = () if todo.delete or todo.recreate else ("pip",)
        with journalled(
            self.request.prefix,
            operation=_operation(todo),
            details=details,
            keeps=keeps,
            until_done=bool(observed.lost),
        ):
            self._apply(todo, observed, contents)
        # What was to be linked anew has been.
        seen = replace(observe(self.request), again=frozenset())
        self._verify(todo, seen)
        after = seen.lines() if seen.state.is_environment else None
        changed = _differs(todo, before, after)
        warnings = tuple(self.conda.warnings)
        return Outcome(changed, todo, before, after, seen.state, warnings)

    def _listed(self, todo: Plan) -> list[str]:
        """The environments that conda lists, where it will write its list anew."""
        if not (todo.delete or todo.recreate):
            return []
        from ansible_collections.llmfleet.conda.plugins.module_utils._environment_registry import (
            listed_environments,
        )

        return listed_environments()

    def _held(self, todo: Plan, observed: Observed) -> list[list[str]]:
        """For the next run, should this one be cut off: the packages that it is to leave there."""
        from ansible_collections.llmfleet.conda.plugins.module_utils._lost_packages import (
            held,
            still_wanted,
        )

        request = self.request
        if todo.create or todo.delete or request.lock is not None:
            return []
        lost = still_wanted(observed.lost, request.wanted, request.state, request.prune)
        return held(observed.state.records, todo.remove, lost)

    def _verify(self, todo: Plan, seen: Observed) -> None:
        request = self.request
        missing: list[str] = []
        if request.state == "absent" and request.whole:
            if not (seen.state.empty or seen.state.cleared):
                missing = [f"{request.prefix} is still there"]
        elif request.state == "absent":
            missing = [
                f"{name} is still there" for name in todo.remove if name in seen.state.records
            ]
        elif not seen.state.is_environment:
            missing = [f"there is no environment at {request.prefix}"]
        elif request.lock is not None:
            missing += unlike_lock(request.lock, seen.state, seen.damaged)
        else:
            missing += [
                f"{text} is not there" for text in unsatisfied_after(request.wanted, seen.state)
            ]
            missing += [
                f"the dependency {text} is missing"
                for text in missing_dependencies(seen.state.records)
            ]
            missing += [
                f"{name} is still there" for name in todo.remove if name in seen.state.records
            ]
            missing += [
                f"{name} is still damaged: {seen.damaged[name][0]}"
                for name in todo.reinstall
                if name in seen.damaged
            ]
            missing += [
                f"{record.label} is there, which the pin {pin.text} forbids"
                for pin, record in violations(
                    parsed_pins(request.notes.pinned or ()), seen.state.records
                )
            ]
            missing += list(seen.state.problems)
        if not (request.whole and request.state == "absent"):
            missing += seen.notes.unlike(request.notes)
        if missing:
            raise CondaModuleError(
                f"conda reported success, yet {'; '.join(missing)}.",
                prefix=request.prefix,
                asked=list(request.asked),
                hint="look for specs in the option packages that exclude each other, then for a full disk.",
            )


def _operation(todo: Plan) -> str:
    """What the journal calls the change."""
    return "create" if todo.create else "remove" if todo.delete else "change"


def _differs(todo: Plan, before: list[str] | None, after: list[str] | None) -> bool:
    certain = todo.create or todo.delete or todo.remove or todo.reinstall or todo.quarantine
    return bool(certain) or before != after


def diff_of(request: Request, outcome: Outcome) -> dict[str, Any]:
    """The diff that Ansible shows: one line for each package, before and after."""
    return {
        "before_header": request.prefix,
        "after_header": request.prefix,
        "before": _text(outcome.before),
        "after": _text(outcome.after),
    }


def _text(lines: list[str] | None) -> str:
    if lines is None:
        return ""
    return "".join(f"{line}\n" for line in ["environment present", *lines])
