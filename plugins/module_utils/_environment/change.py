# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes one conda environment: the half of the cycle that a run with nothing to do never imports."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.apply import Application
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.explicit_lock import (
    unlike_lock,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.lost_packages import (
    held,
    still_wanted,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.package_plan import (
    Plan,
    unsatisfied_after,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.pins import (
    parsed_pins,
    violations,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.removal import (
    examine_environment,
    foretell,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.request import (
    Observed,
    Request,
    observe,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.solve import (
    Forecast,
    conda_for,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.subject import (
    OPERATIONS,
    Side,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.aside import Aside
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.collisions import settle
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.in_use import (
    GuardedChange,
    Unlinking,
    gone,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.leftovers import clear_up
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.linked_files import (
    refuse_directories,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import observe_prefix
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.registry import (
    forget_environments,
    list_again,
    listed_environments,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.removal import Contents
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.revisions import mend_revisions
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import (
    forget_journal,
    journalled,
    locked,
    moved_aside_reason,
    pending_journal,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.wanted import (
    missing_dependencies,
    spec_name,
    unneeded,
)


class EnvironmentChange(GuardedChange[Plan, Observed, Side]):
    """Changes the environment of one request."""

    def __init__(self, request: Request, check_mode: bool) -> None:
        GuardedChange.__init__(
            self, request.prefix, request.in_use, request.in_use_timeout, check_mode
        )
        self.request = request
        self.check_mode = check_mode
        self.conda = conda_for(request)
        self.forecast = Forecast(request, self.conda)
        self._contents: Contents | None = None
        self._aside = Aside(request.prefix)

    @property
    def warnings(self) -> list[str]:
        """Warnings of conda and of the guard for programs in use."""
        return [*self.conda.warnings, *self.guard.warnings]

    def lock(self, plan: Plan | None) -> AbstractContextManager[None]:
        """Lock the environment and conda's package caches."""
        return locked(
            self.request.prefix,
            operation=_operation(plan or Plan()),
            caches=self.conda.caches,
            timeout=self.request.timeout,
        )

    def recover(self) -> bool:
        """Restore what an interrupted run moved aside, and remove its leftovers."""
        self._aside.caches = tuple(self.conda.caches)
        recovered = self._aside.recover()
        self.conda.warnings += self._aside.warnings
        observed = observe(self.request)
        if observed.interrupted in OPERATIONS:
            journal = pending_journal(self.request.prefix) or {}
            self.conda.warnings += settle(self.request.prefix, self.conda.caches)
            list_again(journal.get("listed"))
            if observed.state.is_environment:
                clear_up(self.request.prefix)
                mend_revisions(self.request.prefix, observed.state.records.values())
            elif not observed.state.exists:
                forget_environments(self.request.prefix)
        return recovered

    def solve(self, plan: Plan, observed: Observed) -> Plan:
        """Choose how lost packages are restored; only conda can tell what is solvable."""
        with self.forecast.pins_named(observed):
            return self.forecast.settled(plan, observed)

    def examine(self, plan: Plan, observed: Observed) -> None:
        """Check everything at the prefix if the plan removes or replaces the environment.

        Raises:
            CondaModuleError: a volume is mounted in it, it contains other environments, or a foreign
                directory is in the place of a file that would be linked or unlinked.
        """
        self._contents = None
        if not (plan.delete or plan.recreate):
            if plan.specs or plan.remove or plan.reinstall:
                refuse_directories(observe_prefix(self.request.prefix, thorough=True))
            return
        self._contents = contents = examine_environment(self.request, self.conda)
        state = contents.state
        if plan.recreate and (state.is_environment or state.cleared or contents.foreign):
            self._aside.refuse()
        if plan.delete and self.check_mode:
            self.conda.warnings += foretell(self.request, contents)

    def check_use(self, plan: Plan, observed: Observed, foresee: Callable[[], Side]) -> None:
        """Apply the option in_use, unless the prefix is empty."""
        if observed.state.empty:
            return
        if not self.check_mode:
            # A separate conda, so that its warnings do not mix with those of the change.
            forecast = Forecast(self.request, conda_for(self.request))
            self.guard.check(
                unlinked(self.request, plan, observed, lambda: forecast.lines(plan, observed))
            )
        else:
            self.guard.check(unlinked(self.request, plan, observed, foresee))

    def close(self, observed: Observed, recovered: bool) -> None:
        """Remove the journal of an interrupted run that left the requested state."""
        if recovered or observed.interrupted in OPERATIONS:
            forget_journal(self.request.prefix)

    def journal(self, plan: Plan, observed: Observed) -> AbstractContextManager[None]:
        """Keep a journal with the plan and the packages that must remain."""
        details = {
            "specs": list(plan.specs),
            # Packages from a lock file are not recorded as user requests in conda's history.
            "asked": [] if self.request.lock is not None else list(plan.requested),
            "remove": list(plan.remove),
            "held": self._held(plan, observed),
            # conda rewrites its lists of environments; after an interruption, recover() restores these.
            "listed": listed_environments() if plan.delete or plan.recreate else [],
        }
        # Keep pip's journal entry unless the whole environment is replaced: the interrupted pip run still
        keeps = () if plan.delete or plan.recreate else ("pip",)
        return journalled(
            self.request.prefix,
            operation=_operation(plan),
            details=details,
            keeps=keeps,
            until_done=bool(observed.lost),
        )

    def _held(self, plan: Plan, observed: Observed) -> list[list[str]]:
        """The packages that remain after the change; the next run needs them if this one is interrupted."""
        request = self.request
        if plan.create or plan.delete or request.lock is not None:
            return []
        lost = still_wanted(observed.lost, request.wanted, request.state, request.prune)
        return held(observed.state.records, plan.remove, lost)

    def apply(self, plan: Plan, observed: Observed) -> None:
        """Let conda change the environment, or remove it."""
        Application(self.request, self.conda, self.forecast).apply(plan, observed, self._contents)

    def look_again(self, plan: Plan, observed: Observed) -> Observed:
        """Compare the disk with the plan; conda's exit status is not enough."""
        # The forced relink is done.
        seen = replace(observe(self.request), force_relink=frozenset())
        self._verify(plan, seen)
        return seen

    def _verify(self, plan: Plan, seen: Observed) -> None:
        request = self.request
        missing: list[str] = []
        if request.state == "absent" and request.whole:
            if not (seen.state.empty or seen.state.cleared):
                missing = [f"{request.prefix} still exists"]
        elif request.state == "absent":
            missing = [
                f"{name} is still installed" for name in plan.remove if name in seen.state.records
            ]
        elif not seen.state.is_environment:
            missing = [f"there is no environment at {request.prefix}"]
        elif request.lock is not None:
            missing += unlike_lock(request.lock, seen.state, seen.damaged)
        else:
            missing += [
                f"{text} is not installed" for text in unsatisfied_after(request.wanted, seen.state)
            ]
            missing += [
                f"the dependency {text} is missing"
                for text in missing_dependencies(seen.state.records)
            ]
            gone = unneeded(request.wanted, seen.state.records) if request.prune else plan.remove
            missing += [f"{name} is still installed" for name in gone if name in seen.state.records]
            missing += [
                f"{name} is still damaged: {seen.damaged[name][0]}"
                for name in plan.reinstall
                if name in seen.damaged
            ]
            missing += [
                f"{record.label} is installed, but the pin {pin.text} forbids it"
                for pin, record in violations(
                    parsed_pins(request.notes.pinned or ()), seen.state.records
                )
            ]
            missing += list(seen.state.problems)
        if not (request.whole and request.state == "absent"):
            missing += seen.notes.unlike(request.notes)
            missing += [f"the history still says {text}" for text in seen.wrong_requests]
        if missing:
            raise CondaModuleError(
                f"conda reported success, but {'; '.join(missing)}.",
                prefix=request.prefix,
                asked=list(request.specs),
                hint="check the option packages for contradicting specs, and the volume for free space.",
            )

    def reached(self, plan: Plan, observed: Observed, seen: Observed) -> Side:
        """The lines of the environment after the change."""
        return seen.lines() if seen.state.is_environment else None

    def differs(self, plan: Plan, before: Side, after: Side) -> bool:
        """Whether the plan certainly changes something, or the lines differ."""
        certain = plan.create or plan.delete or plan.remove or plan.reinstall or plan.quarantine
        return bool(certain) or before != after

    # -- check mode -------------------------------------------------------------------------------

    def foresee_recovery(self) -> None:
        """Warn that a real run first completes or reverts an interrupted one."""
        self._aside.foresee()
        self.conda.warnings.append(
            f"{moved_aside_reason(self.request.prefix)}. A real run completes or reverts that first;"
            " check mode cannot tell what else it will change."
        )

    def foresee(self, plan: Plan, observed: Observed) -> Side:
        """Ask conda for the environment after the run."""
        return self.forecast.lines(plan, observed)


def _operation(plan: Plan) -> str:
    """The name of the change in the journal."""
    return "create" if plan.create else "remove" if plan.delete else "change"


def unlinked(
    request: Request, plan: Plan, observed: Observed, foresee: Callable[[], list[str] | None]
) -> Unlinking:
    """The packages that the plan unlinks.

    Args:
        foresee: asks conda for the lines of the environment after the run.
    """
    if plan.delete or plan.recreate:
        return Unlinking(removal=True)
    records = observed.state.records
    # Only conda can tell whether a spec that only conda understands changes anything.
    only_conda = {spec_name(item.text) for item in request.wanted if item.spec is None}
    named = {spec_name(spec) for spec in plan.install} & set(records) - only_conda
    quarantined = {name.rsplit("-", 2)[0] for name in plan.quarantine}
    sure = frozenset({*plan.remove, *plan.reinstall, *named, *quarantined})

    def ask() -> set[str]:
        return gone(observed.lines(), foresee() or (), " ")

    return Unlinking(sure, ask if plan.specs or plan.remove else None)
