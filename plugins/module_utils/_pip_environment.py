# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cycle observe, plan, apply, observe for the Python distributions of one conda environment."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ansible_collections.llmfleet.conda.plugins.module_utils._errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._pip_consistency import (
    inconsistencies,
    new_inconsistencies,
    was_so_before,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip_forget import forget_secrets
from ansible_collections.llmfleet.conda.plugins.module_utils._pip_observation import (
    Observed,
    observe,
    plan,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip_plan import Plan, pins_of
from ansible_collections.llmfleet.conda.plugins.module_utils._pip_prediction import (
    after_change,
    exactly,
    owned_conflicts,
    predicted_lines,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip_report import Reported
from ansible_collections.llmfleet.conda.plugins.module_utils._pip_request import Request
from ansible_collections.llmfleet.conda.plugins.module_utils._pip_scratch import (
    remove_leftovers,
    remove_metadata,
    remove_renamed,
    remove_unfinished,
    scratch_directory,
    scratch_parent,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip_unfinished import (
    nothing_half_installed,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip_verification import verify
from ansible_collections.llmfleet.conda.plugins.module_utils._python_packages import PIP, Packages
from ansible_collections.llmfleet.conda.plugins.module_utils._redact import redact
from ansible_collections.llmfleet.conda.plugins.module_utils._transaction import (
    forget_journal,
    journalled,
    locked,
    remove_old_locks,
)

if TYPE_CHECKING:
    from ansible_collections.llmfleet.conda.plugins.module_utils._in_use import Guard
    from ansible_collections.llmfleet.conda.plugins.module_utils._pip_installer import (
        Installer,
    )

# What the journal calls the changes that this file makes; conda's belong to conda_env.
OPERATION = "pip"


@dataclass(frozen=True)
class Outcome:
    """What the module reports."""

    changed: bool
    plan: Plan
    before: list[str]
    after: list[str]
    packages: Packages
    installer: str = "pip"
    warnings: tuple[str, ...] = ()


# Ansible compiles a module anew for each run, and most runs find nothing to do: these two are imported when
# they are needed, which saves a fifth of the time to start.
def _pip(*place: Any, **how: Any) -> Installer:
    from ansible_collections.llmfleet.conda.plugins.module_utils._pip_command import Pip

    return Pip(*place, **how)


def _uv(*place: Any, **how: Any) -> Installer:
    from ansible_collections.llmfleet.conda.plugins.module_utils._pip_uv import Uv

    return Uv(*place, **how)


class PipManager:
    """Carries one request through the cycle.

    Args:
        make_pip, make_uv: replace the installers in tests.
    """

    def __init__(
        self,
        request: Request,
        check_mode: bool,
        make_pip: Callable[..., Installer] | None = None,
        make_uv: Callable[..., Installer] | None = None,
    ) -> None:
        self.request = request
        self.check_mode = check_mode
        self._make_pip = make_pip or _pip
        self._make_uv = make_uv or _uv
        self._deadline = time.monotonic() + request.timeout
        self._warnings: list[str] = []
        self.in_use: list[dict[str, Any]] = []
        self.use_warnings: list[str] = []

    def run(self) -> Outcome:
        """Observe, plan, apply and observe again; without anything to do, no lock is taken.

        Raises:
            CondaModuleError: the request is refused, the installer failed, or the disk does not show
                the plan.
        """
        observed = observe(self.request)
        if self.check_mode:
            return self._foresee(observed)
        # A journal tells of a run that is at work, or was cut off. What is seen then may be half of
        # something, so nothing is decided before the lock is there.
        if not observed.interrupted:
            todo = plan(self.request, observed)
            if todo.empty:
                remove_old_locks(self.request.prefix)
                return self._unchanged(todo, observed)
            self._refuse_unready(observed)
        return self._guard.until_unused(self._run_with_lock)

    def _run_with_lock(self) -> Outcome:
        # The wait for processes that use the environment has a time limit of its own.
        self._deadline = time.monotonic() + self.request.timeout
        with locked(self.request.prefix, operation=OPERATION, timeout=self._seconds_left()):
            return self._run_locked()

    def _run_locked(self) -> Outcome:
        # Observed and planned anew: another run may have done the work while this one waited.
        observed = observe(self.request)
        todo = plan(self.request, observed)
        if todo.empty:
            if observed.interrupted == OPERATION:
                # The work was done when that run was cut off: only its traces have to go.
                self._come_to_an_end(observed)
            return self._unchanged(todo, observed)
        self._refuse_unready(observed)
        self._refuse_interrupted(observed)
        if todo.upgrade:
            predicted = self._predict(todo, observed, scratch_parent(self.request.prefix))
            after = predicted_lines(predicted, observed)
            if after == observed.lines():
                if observed.interrupted:
                    self._come_to_an_end(observed)
                return self._unchanged(todo, observed)
            todo = exactly(todo, observed.packages, predicted)
            self._check_use(todo, observed, lambda: after)
        else:
            self._check_use(todo, observed, lambda: self._foresee_lines(todo, observed))
        details = {"install": [redact(line) for line in todo.install], "remove": list(todo.remove)}
        with journalled(self.request.prefix, operation=OPERATION, details=details):
            seen = self._apply(todo, observed)
        return self._outcome(todo, observed, seen.lines(), seen.packages)

    def _unchanged(self, todo: Plan, observed: Observed) -> Outcome:
        return self._outcome(todo, observed, observed.lines(), observed.packages)

    def _outcome(
        self, todo: Plan, observed: Observed, after: list[str], packages: Packages
    ) -> Outcome:
        for text in observed.closure.unknown_extras:
            self._warnings.append(f"{text}: the installed distribution has no such extra")
        before = observed.lines()
        return Outcome(
            before != after,
            todo,
            before,
            after,
            packages,
            observed.choice.name,
            tuple(self._warnings),
        )

    def _seconds_left(self) -> float:
        return max(1.0, self._deadline - time.monotonic())

    # -- processes that use the environment -------------------------------------------------------

    @cached_property
    def _guard(self) -> Guard:
        from ansible_collections.llmfleet.conda.plugins.module_utils._in_use import Guard

        request = self.request
        return Guard(
            request.prefix, request.in_use, request.in_use_timeout, self.check_mode,
            self.in_use, self.use_warnings,
        )  # fmt: skip

    def _check_use(self, todo: Plan, observed: Observed, foresee: Callable[[], list[str]]) -> None:
        """Apply the option in_use."""
        from ansible_collections.llmfleet.conda.plugins.module_utils._in_use import (
            unlinked_by_pip,
        )

        self._guard.check(unlinked_by_pip(todo, observed, foresee))

    def _foresee_lines(self, todo: Plan, observed: Observed) -> list[str]:
        predicted = self._predict(todo, observed, scratch_parent(self.request.prefix))
        return predicted_lines(predicted, observed)

    # -- what is refused --------------------------------------------------------------------------

    def _refuse_unready(self, observed: Observed) -> None:
        request = self.request
        if observed.unready:
            hint = "make it first with llmfleet.conda.conda_env, with python and pip among its packages."
            if observed.choice.looked == observed.unready:
                hint = (
                    "name uv in uv_executable, add it to the environment with "
                    "llmfleet.conda.conda_env, or use installer: pip."
                )
            raise CondaModuleError(
                f"{observed.unready[0].upper()}{observed.unready[1:]}. Nothing was changed.",
                prefix=request.prefix,
                asked=[line.text for line in request.desired.requirements],
                hint=hint,
            )
        for link in request.sources.find_links:
            path = link[len("file://") :] if link.startswith("file://") else link
            if path.startswith("/") and not os.path.exists(path):
                raise CondaModuleError(
                    f"The option find_links names {path}, which is not there. Nothing was changed.",
                    prefix=request.prefix,
                    hint="copy the wheels to the host first, or correct the path.",
                )

    def _refuse_interrupted(self, observed: Observed) -> None:
        if observed.interrupted in ("", OPERATION):
            return
        at_work = " or is still at work" if self.check_mode else ""
        raise CondaModuleError(
            f"A run of conda in {self.request.prefix} ({observed.interrupted}) was cut off{at_work}, "
            "so the environment may be incomplete. Nothing was changed.",
            prefix=self.request.prefix,
            hint="repair it first with llmfleet.conda.conda_env or llmfleet.conda.conda_package.",
        )

    # -- check mode -------------------------------------------------------------------------------

    def _foresee(self, observed: Observed) -> Outcome:
        todo = plan(self.request, observed)
        if todo.empty:
            return self._unchanged(todo, observed)
        if observed.unready:
            # A bare host in check mode: an earlier task of the same play would have made it ready.
            after = [*observed.lines(), *(f"{line} (to be resolved)" for line in todo.install)]
            return self._outcome(todo, observed, sorted(after), observed.packages)
        self._refuse_unready(observed)
        self._refuse_interrupted(observed)
        # Not even the time stamp of the directory that holds the prefix may change.
        predicted = self._predict(todo, observed, tempfile.gettempdir())
        after = predicted_lines(predicted, observed)
        self._check_use(todo, observed, lambda: after)
        return self._outcome(todo, observed, after, observed.packages)

    def _predict(self, todo: Plan, observed: Observed, parent: str) -> Packages:
        """The distributions as they would be after the run, by the installer's own resolver."""
        with self._installer(observed, parent) as installer:
            if todo.sweep:
                installer.overlook(str(observed.state.site_packages), todo.sweep)
            if not installer.can_report and (todo.install or todo.reinstall):
                raise CondaModuleError(
                    f"pip {observed.packages.by_name['pip'].version} in {self.request.prefix} cannot "
                    "say what it would do, so neither check mode nor state latest can be had.",
                    prefix=self.request.prefix,
                    hint="update pip in the environment to 22.2 or later.",
                )
            reported = self._install_all(installer, todo, observed, dry_run=True)
        predicted = after_change(observed.packages, reported, todo.remove)
        if self.request.desired.check:
            broken = new_inconsistencies(observed.packages, predicted, observed.environment)
            if broken:
                raise self._unfit(broken, "would leave")
        return predicted

    # -- apply ------------------------------------------------------------------------------------

    @contextmanager
    def _installer(self, observed: Observed, parent: str) -> Iterator[Installer]:
        """The installer of choice, with a private directory in `parent`."""
        choice = observed.choice
        with scratch_directory(parent, os.path.basename(self.request.prefix)) as scratch:
            how = {"deadline": self._deadline, "writes": not self.check_mode}
            place = (self.request.prefix, observed.state.python)
            if choice.name == "uv":
                yield self._make_uv(*place, choice.executable, self.request.sources, scratch, **how)
            else:
                version = observed.packages.by_name["pip"].version
                yield self._make_pip(*place, version, self.request.sources, scratch, **how)

    def _apply(self, todo: Plan, observed: Observed) -> Observed:
        self._clear_up(observed)
        for path in todo.sweep:
            remove_metadata(path)
        with self._installer(observed, scratch_parent(self.request.prefix)) as installer:
            with nothing_half_installed(observed.state):
                if todo.remove:
                    installer.uninstall(todo.remove)
                try:
                    reported = self._install_all(installer, todo, observed, dry_run=False)
                finally:
                    forget_secrets(str(observed.state.site_packages or ""))
            seen = observe(self.request)
            if observed.interrupted:
                remove_unfinished(seen.state)
                self._compile(installer, seen)
            # The journal that is there now is this run's own, so it says nothing about damage.
            looked_at = self.request.desired.repair or observed.interrupted
            seen = replace(seen, interrupted="", damage=seen.damage if looked_at else {})
            verify(self.request, todo, observed, seen, reported)
            if self.request.desired.check:
                self._check(installer, observed, seen)
        return seen

    def _clear_up(self, observed: Observed) -> None:
        """Remove what a cut-off run left; to be called under the lock."""
        remove_leftovers(scratch_parent(self.request.prefix), os.path.basename(self.request.prefix))
        if observed.interrupted:
            remove_renamed(observed.state)

    def _come_to_an_end(self, observed: Observed) -> None:
        """After a run that was cut off when all was installed: what it may not have compiled, its traces."""
        self._clear_up(observed)
        remove_unfinished(observed.state)
        if not observed.unready:
            with self._installer(observed, scratch_parent(self.request.prefix)) as installer:
                self._compile(installer, observed)
        forget_journal(self.request.prefix)

    def _compile(self, installer: Installer, observed: Observed) -> None:
        there = observed.packages.by_name.values()
        installer.compile({one.name for one in there if one.owner == PIP})

    def _install_all(
        self, installer: Installer, todo: Plan, observed: Observed, *, dry_run: bool
    ) -> list[Reported]:
        reported: list[Reported] = []
        if todo.install:
            reported += self._install(installer, todo, observed, dry_run=dry_run)
        done = {one.name for one in reported}
        again = [text for name, text in todo.reinstall.items() if name not in done]
        if again:
            reported += installer.install(again, todo.pins, again=True, dry_run=dry_run)
        return reported

    def _constraints(self, observed: Observed) -> list[str]:
        return [line.text for line in self.request.desired.constraints_for(observed.packages)]

    def _install(
        self, installer: Installer, todo: Plan, observed: Observed, *, dry_run: bool
    ) -> list[Reported]:
        constraints = [*self._constraints(observed), *todo.pins]
        try:
            return installer.install(
                todo.install, constraints, upgrade=todo.upgrade, dry_run=dry_run
            )
        except CondaModuleError as error:
            if error.facts.get("kind") in ("conflict", "no_match") and pins_of(observed.packages):
                self._explain_owned(installer, todo, observed, error)
            raise

    def _explain_owned(
        self, installer: Installer, todo: Plan, observed: Observed, error: CondaModuleError
    ) -> None:
        """Raise a better error when conda's packages alone are in the way.

        Only a resolution without their pins can tell, so that is tried, dry.
        """
        if self.request.desired.replace_conda_packages or not installer.can_report:
            return
        constraints = self._constraints(observed)
        try:
            reported = installer.install(
                todo.install, constraints, upgrade=todo.upgrade, dry_run=True
            )
        except CondaModuleError:
            return
        conflicts = owned_conflicts(observed, reported)
        if not conflicts:
            return
        raise CondaModuleError(
            "pip would have to replace what conda owns: "
            + "; ".join(conflicts.values())
            + ". Nothing was changed.",
            prefix=self.request.prefix,
            asked=list(todo.install),
            said=error.said,
            hint="install a fitting version with llmfleet.conda.conda_package, ask for versions that "
            "go with conda's, or set replace_conda_packages: true to let pip take it over.",
            kind="conda_owned",
            conda_owned=sorted(conflicts),
        ) from error

    # -- observe again ----------------------------------------------------------------------------

    def _check(self, installer: Installer, before: Observed, seen: Observed) -> None:
        lines = installer.check()
        if not lines:
            return
        known = inconsistencies(before.packages, before.environment)
        fresh = []
        for line in lines:
            if was_so_before(line, before.packages, seen.packages, known):
                self._warnings.append(f"pip check, as before this task: {line}")
            else:
                fresh.append(line)
        if fresh:
            raise self._unfit(fresh, "left")

    def _unfit(self, lines: Sequence[str], verb: str) -> CondaModuleError:
        return CondaModuleError(
            f"The change {verb} distributions that do not fit together: {' '.join(lines)}",
            prefix=self.request.prefix,
            asked=[line.text for line in self.request.desired.requirements],
            said="\n".join(lines),
            hint="add or loosen requirements until all fit, or set check: false to accept this.",
            kind="pip_check",
            changed=verb == "left",
        )
