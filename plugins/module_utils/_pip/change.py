# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes the Python distributions of an environment: the half of the cycle that a no-op never imports."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import (
    CondaModuleError,
    hint_for,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import redact
from ansible_collections.llmfleet.conda.plugins.module_utils._core.scratch import roomy_directory
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.consistency import (
    inconsistencies,
    new_inconsistencies,
    was_so_before,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.exact import (
    metadata_to_sweep,
    unneeded,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.base import Installer
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.forget_secrets import (
    forget_secrets,
    note_hashes,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.pip import Pip
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.report import Reported
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.scratch import (
    remove_abandoned,
    remove_leftovers,
    remove_metadata,
    remove_renamed,
    remove_unfinished,
    scratch_directory,
    scratch_parent,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.unfinished import (
    nothing_half_installed,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.observe import Observed, observe
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.plan import Plan, pins_of
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.prediction import (
    after_change,
    exactly,
    owned_conflicts,
    predicted_lines,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.request import Request
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.room import (
    refuse_installation_without_room,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.subject import OPERATION
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.verify import verify
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.generations import (
    refuse_managed,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.in_use import (
    GuardedChange,
    Unlinking,
    gone,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.python_packages import (
    PIP,
    Packages,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import observe_prefix
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import (
    forget_journal,
    journalled,
    locked,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.two_owners import note_replaced
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_requirement import (
    parse_lines,
)

# What pip downloads to foresee an installation of torch with its CUDA libraries, roughly.
_ROOM_FOR_WHEELS = 4 << 30


def _uv(*place: Any, **how: Any) -> Installer:
    # Imported only if uv is chosen, so that other runs do not compile it.
    from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.uv import Uv

    return Uv(*place, **how)


class PipChange(GuardedChange[Plan, Observed, "list[str]"]):
    """Changes the distributions of one request.

    Args:
        make_pip, make_uv: replace the installers in tests.

    Attributes:
        in_place: the environment itself is changed, not predicted for its next generation.
    """

    in_place = True

    def __init__(
        self,
        request: Request,
        check_mode: bool,
        make_pip: Callable[..., Installer] = Pip,
        make_uv: Callable[..., Installer] = _uv,
    ) -> None:
        GuardedChange.__init__(
            self, request.prefix, request.in_use, request.in_use_timeout, check_mode
        )
        self.request = request
        self.check_mode = check_mode
        self._make_pip = make_pip
        self._make_uv = make_uv
        self._deadline = time.monotonic() + request.timeout
        self._check_warnings: list[str] = []
        self._reported: list[Reported] = []
        self._foreseen: list[Reported] = []
        self._predicted_lines: list[str] | None = None

    @property
    def warnings(self) -> list[str]:
        """Warnings of `pip check` and of the guard for programs in use."""
        return [*self._check_warnings, *self.guard.warnings]

    def lock(self, plan: Plan | None) -> AbstractContextManager[None]:
        """Lock the environment."""
        # The wait for processes that use the environment has its own time limit.
        self._deadline = time.monotonic() + self.request.timeout
        return locked(self.request.prefix, operation=OPERATION, timeout=self._seconds_left())

    def _seconds_left(self) -> float:
        return max(1.0, self._deadline - time.monotonic())

    def refuse(self, plan: Plan, observed: Observed) -> None:
        """Refuse an environment that is kept in generations, or in which no installer can run."""
        if self.in_place and not plan.upgrade:
            refuse_managed(self.request.prefix, "; ".join(plan.reasons))
        if self.check_mode and observed.unready:
            # Check mode on a new host: an earlier task of the same play would prepare the environment.
            return
        self._refuse_unready(observed)
        self._refuse_interrupted(observed)

    def _refuse_unready(self, observed: Observed) -> None:
        request = self.request
        if observed.unready:
            hint = "create it first with llmfleet.conda.conda_env, with python and pip in packages."
            if observed.choice.not_found == observed.unready:
                hint = (
                    "set uv_executable to the path of uv, add uv to the environment with "
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
                    f"The option find_links names {path}, which does not exist. Nothing was changed.",
                    prefix=request.prefix,
                    hint="copy the wheels to the host first, or correct the path.",
                )

    def _refuse_interrupted(self, observed: Observed) -> None:
        if observed.interrupted in ("", OPERATION):
            return
        still_running = " or is still running" if self.check_mode else ""
        raise CondaModuleError(
            f"A conda run in {self.request.prefix} ({observed.interrupted}) was interrupted{still_running}, "
            "so the environment may be incomplete. Nothing was changed.",
            prefix=self.request.prefix,
            hint="repair it first with llmfleet.conda.conda_env or llmfleet.conda.conda_package.",
        )

    def solve(self, plan: Plan, observed: Observed) -> Plan:
        """For state: latest, ask the installer for the newest versions; only it can tell."""
        self._predicted_lines = None
        if observed.unready or not plan.upgrade:
            return plan
        predicted = self._predict(plan, observed)
        self._predicted_lines = predicted_lines(predicted, observed)
        if self._predicted_lines == observed.lines():
            return Plan(reasons=plan.reasons)
        if self.in_place:
            refuse_managed(self.request.prefix, "; ".join(plan.reasons))
        return exactly(plan, observed.packages, predicted)

    def check_use(self, plan: Plan, observed: Observed, foresee: Callable[[], list[str]]) -> None:
        """Apply the option in_use."""
        self.guard.check(unlinked(plan, observed, foresee))

    def check_room(self, plan: Plan, observed: Observed) -> None:
        """Compare what is installed with the room on the environment's volume, as far as sizes are known."""
        if not observed.unready:
            refuse_installation_without_room(self.request, plan, self._foreseen)

    def close(self, observed: Observed, recovered: bool) -> None:
        """Remove the traces of an interrupted run that had completed its work."""
        if observed.interrupted == OPERATION:
            self._finish_interrupted(observed)

    def journal(self, plan: Plan, observed: Observed) -> AbstractContextManager[None]:
        """Keep a journal with the plan."""
        details = {"install": [redact(line) for line in plan.install], "remove": list(plan.remove)}
        return journalled(self.request.prefix, operation=OPERATION, details=details)

    def apply(self, plan: Plan, observed: Observed) -> None:
        """Let the installer install and remove distributions."""
        self._clear_up(observed)
        for path in plan.sweep:
            remove_metadata(path)
        with self._installer(observed) as installer:
            with nothing_half_installed(observed.state):
                if plan.remove:
                    installer.uninstall(plan.remove)
                try:
                    self._reported = self._install_all(installer, plan, observed, dry_run=False)
                    lines = [*plan.install, *plan.reinstall.values()]
                    note_hashes(
                        str(observed.state.site_packages or ""), parse_lines(lines, "requirements")
                    )
                    self._note_replaced(plan, observed)
                finally:
                    forget_secrets(str(observed.state.site_packages or ""))
                    remove_abandoned(one.path for one in observed.packages.by_name.values())
                if plan.install and self.request.desired.exact:
                    self._remove_unneeded(installer)
            if observed.interrupted:
                seen = observe(self.request)
                remove_unfinished(seen.state)
                self._compile(installer, seen)

    def _note_replaced(self, plan: Plan, before: Observed) -> None:
        """Write down which packages of conda the task let pip replace, so that conda_env leaves them alone.

        Raises:
            CondaModuleError: the note cannot be written.
        """
        if (
            not self.request.desired.replace_conda_packages
            or self.request.desired.state == "absent"
        ):
            return
        done = {one.name for one in self._reported}
        seen = observe_prefix(self.request.prefix, thorough=True)
        packages = observe(self.request).packages.by_name
        names = [
            one.name
            for one in before.packages.owned_by_conda()
            if one.name in packages
            and (one.name in done or packages[one.name].version != one.version)
        ]
        try:
            if names:
                note_replaced(seen, names)
        except OSError as error:
            raise CondaModuleError(
                f"{error.filename} cannot be written: {error.strerror}.",
                prefix=self.request.prefix,
                hint=hint_for(error, "run the task as a user who may write there (become)."),
            ) from error

    def _remove_unneeded(self, installer: Installer) -> None:
        """Remove what nothing needs after an installation."""
        seen = observe(self.request)
        requirements = self.request.desired.requirements
        names = unneeded(requirements, seen.packages, seen.environment)
        for path in metadata_to_sweep(names, seen.packages):
            remove_metadata(path)
        if names:
            installer.uninstall(names)

    @contextmanager
    def _installer(self, observed: Observed) -> Iterator[Installer]:
        """The chosen installer, with a private directory."""
        choice = observed.choice
        name = os.path.basename(self.request.prefix)
        parent = scratch_parent(self.request.prefix)
        with (
            # Check mode must not change even the time stamp of the prefix's parent directory.
            roomy_directory([parent], _ROOM_FOR_WHEELS, f".{name}.llmfleet-pip-")
            if self.check_mode
            else scratch_directory(parent, name)
        ) as scratch:
            how = {"deadline": self._deadline, "writes": not self.check_mode}
            place = (self.request.prefix, observed.state.python)
            if choice.name == "uv":
                yield self._make_uv(*place, choice.executable, self.request.sources, scratch, **how)
            else:
                version = observed.packages.by_name["pip"].version
                yield self._make_pip(*place, version, self.request.sources, scratch, **how)

    def _clear_up(self, observed: Observed) -> None:
        """Remove what an interrupted run left; the caller holds the lock."""
        remove_leftovers(scratch_parent(self.request.prefix), os.path.basename(self.request.prefix))
        if observed.interrupted:
            remove_renamed(observed.state)

    def _finish_interrupted(self, observed: Observed) -> None:
        """After a run that was interrupted with everything installed: compile the rest, remove its traces."""
        self._clear_up(observed)
        remove_unfinished(observed.state)
        if not observed.unready:
            with self._installer(observed) as installer:
                self._compile(installer, observed)
        forget_journal(self.request.prefix)

    def _compile(self, installer: Installer, observed: Observed) -> None:
        there = observed.packages.by_name.values()
        installer.compile({one.name for one in there if one.owner == PIP})

    def _install_all(
        self, installer: Installer, plan: Plan, observed: Observed, *, dry_run: bool
    ) -> list[Reported]:
        reported: list[Reported] = []
        if plan.install:
            reported += self._install(installer, plan, observed, dry_run=dry_run)
        done = {one.name for one in reported}
        damaged = [line for name, line in plan.reinstall.items() if name not in done]
        if damaged:
            reported += installer.install(damaged, plan.pins, force_reinstall=True, dry_run=dry_run)
        return reported

    def _constraints(self, observed: Observed) -> list[str]:
        return [line.text for line in self.request.desired.constraints_for(observed.packages)]

    def _install(
        self, installer: Installer, plan: Plan, observed: Observed, *, dry_run: bool
    ) -> list[Reported]:
        constraints = [*self._constraints(observed), *plan.pins]
        try:
            return installer.install(
                plan.install, constraints, upgrade=plan.upgrade, dry_run=dry_run
            )
        except CondaModuleError as error:
            if error.facts.get("kind") in ("conflict", "no_match") and pins_of(observed.packages):
                self._explain_owned(installer, plan, observed, error)
            raise

    def _explain_owned(
        self, installer: Installer, plan: Plan, observed: Observed, error: CondaModuleError
    ) -> None:
        """Raise a better error if only conda's packages prevent a solution.

        A dry run without their pins tells whether that is so.
        """
        if self.request.desired.replace_conda_packages or not installer.can_report:
            return
        constraints = self._constraints(observed)
        try:
            reported = installer.install(
                plan.install, constraints, upgrade=plan.upgrade, dry_run=True
            )
        except CondaModuleError:
            return
        conflicts = owned_conflicts(observed, reported)
        if not conflicts:
            return
        raise CondaModuleError(
            "pip would have to replace packages that conda owns: "
            + "; ".join(conflicts.values())
            + ". Nothing was changed.",
            prefix=self.request.prefix,
            asked=list(plan.install),
            said=error.said,
            hint="install a compatible version with llmfleet.conda.conda_package, request versions that fit "
            "conda's, or set replace_conda_packages: true to let pip replace conda's packages.",
            kind="conda_owned",
            conda_owned=sorted(conflicts),
        ) from error

    # -- observe again ----------------------------------------------------------------------------

    def look_again(self, plan: Plan, observed: Observed) -> Observed:
        """Compare the disk with the plan, and let the installer check the dependencies."""
        seen = observe(self.request)
        looked_at = self.request.desired.repair or observed.interrupted
        seen = replace(seen, damage=seen.damage if looked_at else {})
        verify(self.request, plan, observed, seen, self._reported)
        if self.request.desired.check:
            with self._installer(observed) as installer:
                self._check(installer, observed, seen)
        return seen

    def reached(self, plan: Plan, observed: Observed, seen: Observed) -> list[str]:
        """One line for each installed distribution."""
        return seen.lines()

    def _check(self, installer: Installer, before: Observed, seen: Observed) -> None:
        lines = installer.check()
        if not lines:
            return
        known = inconsistencies(before.packages, before.environment)
        fresh = []
        for line in lines:
            if was_so_before(line, before.packages, seen.packages, known):
                self._check_warnings.append(
                    f"pip check reports a problem that existed before this task: {line}"
                )
            else:
                fresh.append(line)
        if fresh:
            raise self._unfit(fresh, "left")

    def _unfit(self, lines: Sequence[str], verb: str) -> CondaModuleError:
        return CondaModuleError(
            f"The change {verb} incompatible distributions: {' '.join(lines)}",
            prefix=self.request.prefix,
            asked=[line.text for line in self.request.desired.requirements],
            said="\n".join(lines),
            hint="add or loosen requirements until all are compatible, or set check: false to accept this.",
            kind="pip_check",
            changed=verb == "left",
        )

    # -- check mode -------------------------------------------------------------------------------

    def foresee(self, plan: Plan, observed: Observed) -> list[str]:
        """Ask the installer for the distributions after the run."""
        if observed.unready:
            pending = [f"{line} (to be resolved)" for line in plan.install]
            return sorted([*observed.lines(), *pending])
        return self._predicted_lines or predicted_lines(self._predict(plan, observed), observed)

    def _predict(self, plan: Plan, observed: Observed) -> Packages:
        """The distributions after the run, according to the installer's own resolver."""
        with self._installer(observed) as installer:
            if plan.sweep:
                installer.overlook(str(observed.state.site_packages), plan.sweep)
            if not installer.can_report and (plan.install or plan.reinstall):
                raise CondaModuleError(
                    f"pip {observed.packages.by_name['pip'].version} in {self.request.prefix} has no dry "
                    "run, so neither check mode nor state: latest is possible. Nothing was changed.",
                    prefix=self.request.prefix,
                    hint="update pip in the environment to 22.2 or later.",
                )
            reported = self._install_all(installer, plan, observed, dry_run=True)
            self._foreseen = reported
            told = installer.tells_requirements or not reported
        predicted = after_change(observed.packages, reported, plan.remove)
        if plan.install and self.request.desired.exact:
            requirements = self.request.desired.requirements
            names = set(unneeded(requirements, predicted, observed.environment))
            if names and not told:
                names -= self._resolved_anew(plan, observed, predicted)
            predicted = after_change(predicted, (), sorted(names))
        if self.request.desired.check:
            broken = new_inconsistencies(observed.packages, predicted, observed.environment)
            if broken:
                raise self._unfit(broken, "would leave")
        return predicted

    def _resolved_anew(self, plan: Plan, observed: Observed, predicted: Packages) -> set[str]:
        """Names of pip's distributions that the requirements need in the predicted versions.

        For uv, which does not say what new distributions require: a dry run without pip's distributions.
        """
        own = [one for one in predicted.by_name.values() if one.owner == PIP]
        pins = [f"{one.name}=={one.version}" for one in own if not one.direct_url]
        hidden = [one.path for one in observed.packages.by_name.values() if one.owner == PIP]
        constraints = [*self._constraints(observed), *plan.pins, *pins]
        with self._installer(observed) as installer:
            installer.overlook(str(observed.state.site_packages), hidden)
            try:
                found = installer.install(plan.install, constraints, dry_run=True)
            except CondaModuleError as error:
                if error.facts.get("kind") not in ("conflict", "no_match"):
                    raise
                # An installed version is not on the index any longer.
                return {one.name for one in own}
        return {one.name for one in found}


def unlinked(plan: Plan, observed: Observed, foresee: Callable[[], list[str]]) -> Unlinking:
    """The distributions that the plan unlinks.

    Args:
        foresee: asks the installer for the lines of the distributions after the run.
    """
    there = observed.packages.by_name
    short = {shortfall.name for shortfall in observed.closure.shortfalls}
    sure = {*plan.remove, *plan.reinstall, *(short if plan.install else ())} & set(there)

    def ask() -> set[str]:
        try:
            return gone(observed.lines(), foresee(), "==")
        except CondaModuleError as error:
            if "kind" in error.facts:
                raise
            # pip before 22.2 has no dry run that tells what it would replace.
            return {"distributions that pip cannot name in advance"}

    return Unlinking(frozenset(sure), ask if plan.install else None)
