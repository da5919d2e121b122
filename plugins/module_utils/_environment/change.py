# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes one conda environment: the half of the cycle that a run with nothing to do never imports."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.apply import (
    Application,
    foreseen,
)
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
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.python_change import (
    installed_by_pip,
    minor_version,
    old_python,
    pip_removed,
    python_in,
    removal_warning,
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
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.room import (
    refuse_plan_without_room,
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
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.generations import (
    managed_at,
    refuse_managed,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.handover import put_back
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.in_use import (
    GuardedChange,
    Unlinking,
    gone,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.leftovers import clear_up
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.linked_files import (
    refuse_directories,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.old_python import (
    examine_old_python,
    remove_old_python,
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
    """Changes the environment of one request.

    Attributes:
        in_place: the environment itself is changed, not predicted for its next generation.
    """

    in_place = True

    def __init__(self, request: Request, check_mode: bool) -> None:
        GuardedChange.__init__(
            self, request.prefix, request.in_use, request.in_use_timeout, check_mode
        )
        self.request = request
        self.check_mode = check_mode
        self.conda = conda_for(request)
        self.forecast = Forecast(request, self.conda)
        self._contents: Contents | None = None
        self._asked: Forecast | None = None
        # The lines after the run, once conda was asked for them.
        self._foreseen: Side = None
        # The Python whose directory goes if the change replaces or removes it.
        self._python: str | None = None
        self._notices: list[str] = []
        self._replaced: list[str] = []
        self._aside = Aside(request.prefix)

    def also_before(self, before: Side) -> Side:
        """The lines with the distributions of pip's that packages of conda replaced, or would replace."""
        if before is None:
            return None
        return [*before, *dict.fromkeys((*self._replaced, *self.conda.replaced))]

    @property
    def warnings(self) -> list[str]:
        """Warnings of conda, of a change of Python, and of the guard for programs in use."""
        return [*self._notices, *self.conda.warnings, *self.guard.warnings]

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
            put_back(self.request.prefix)
            self.conda.warnings += settle(self.request.prefix, self.conda.caches)
            list_again(journal.get("listed"))
            if observed.state.is_environment:
                clear_up(self.request.prefix)
                self._remove_old_python(observed, journal.get("python"))
                mend_revisions(self.request.prefix, observed.state.records.values())
            elif not observed.state.exists:
                forget_environments(self.request.prefix)
        return recovered

    def _remove_old_python(self, observed: Observed, version: object) -> None:
        """Remove the old Python's directory if the interrupted change had linked another Python."""
        if isinstance(version, str) and observed.state.python_version:
            left = remove_old_python(self.request.prefix, version)
            self.conda.warnings += [left] if left else []

    def refuse(self, plan: Plan, observed: Observed) -> None:
        """Refuse to change an environment that is kept in generations."""
        if self.in_place and self._is_certain(plan):
            refuse_managed(self.request.prefix, "; ".join(plan.reasons))

    def _is_certain(self, plan: Plan) -> bool:
        """Whether the plan changes something, as far as can be told without conda."""
        steps = plan.create or plan.delete or plan.recreate or plan.remove or plan.reinstall
        if steps or plan.quarantine or plan.notes:
            return True
        request = self.request
        return request.state != "latest" and all(item.spec for item in request.wanted)

    def solve(self, plan: Plan, observed: Observed) -> Plan:
        """Choose how lost packages are restored, and find out whether Python changes; only conda can tell.

        Raises:
            CondaModuleError: Python would change, and pip installed distributions that the task does not
                allow to remove.
        """
        self._foreseen, self._python, self._notices = None, None, []
        self._asked = None
        with self.forecast.pins_named(observed):
            plan = self.forecast.settled(plan, observed)
        if self.in_place and managed_at(self.request.prefix):
            if self._lines(plan, observed) == observed.lines():
                return Plan(reasons=plan.reasons)
            refuse_managed(self.request.prefix, "; ".join(plan.reasons))
        return self._with_python_change(plan, observed)

    def _with_python_change(self, plan: Plan, observed: Observed) -> Plan:
        """Add pip's distributions that go with the Python that conda replaces."""
        whole = plan.create or plan.delete or plan.recreate
        python = old_python(observed)
        if whole or python is None or not (plan.specs or plan.remove):
            return plan
        before = minor_version(python.version)
        theirs = installed_by_pip(observed.state, before)
        self._python = before
        if not theirs:
            return plan
        after = python_in(self._lines(plan, observed))
        if after == before:
            self._python = None
            return plan
        removed = pip_removed(self.request, theirs, python, after)
        if self.in_place:
            self._notices.append(removal_warning(self.request, removed, before, after))
        return replace(plan, pip_removed=removed)

    def _lines(self, plan: Plan, observed: Observed) -> list[str]:
        """conda's forecast, asked once."""
        if self._foreseen is None:
            self._foreseen = self._forecast_before().lines(plan, observed)
        return self._foreseen or []

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
            self.guard.check(
                unlinked(self.request, plan, observed, lambda: self._lines(plan, observed))
            )
        else:
            self.guard.check(unlinked(self.request, plan, observed, foresee))

    def check_room(self, plan: Plan, observed: Observed) -> None:
        """Compare what the packages take with the room on the volumes of the prefix and of the cache."""
        refuse_plan_without_room(self.request, plan, observed, self._forecast_before())

    def _forecast_before(self) -> Forecast:
        """A real run asks a conda of its own, so that its warnings do not mix with those of the change."""
        if self._asked is None:
            separate = not self.check_mode
            self._asked = (
                Forecast(self.request, conda_for(self.request)) if separate else self.forecast
            )
        return self._asked

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
            "python": self._python,
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
        application = Application(self.request, self.conda, self.forecast, self._python)
        application.apply(plan, observed, self._contents)

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
                f"{text} is not installed"
                for text in unsatisfied_after(
                    request.wanted, replace(seen.state, records=seen.records)
                )
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
        lines = self._lines(plan, observed) if not plan.delete else None
        if self.in_place and self._python and python_in(lines or ()) != self._python:
            old = examine_old_python(self.request.prefix, self._python)
            self._notices += [old.remain()] if old and old.foreign else []
        if observed.state.is_environment and not plan.recreate and not plan.delete:
            known = set(observed.state.labels())
            linked = [
                line for line in lines or () if line not in known and not line.startswith("(")
            ]
            self._replaced = foreseen(plan, observed, linked, self.conda.caches)
        return lines


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
