# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cycle observe, plan, apply, observe for one conda environment."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._conda_command import (
    Conda,
    Solution,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment_plan import (
    Observed,
    Request,
    observe,
    plan,
    with_marker,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._explicit_lock import (
    LockedPackage,
    other_files,
    unlike_lock,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._frozen_marker import (
    marker_lifted,
    set_marker,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._package_cache import (
    package_caches,
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
from ansible_collections.llmfleet.conda.plugins.module_utils._redact import redact
from ansible_collections.llmfleet.conda.plugins.module_utils._transaction import (
    forget_journal,
    journalled,
    locked,
    remove_tree,
    same_history,
)

# What the journal calls the changes that this file makes; pip's belong to conda_pip.
_OPERATIONS = ("create", "change", "remove")


@dataclass(frozen=True)
class Outcome:
    """What a module reports: whether something changed (or would), and the two sides of the diff."""

    changed: bool
    plan: Plan
    before: list[str] | None
    after: list[str] | None
    state: PrefixState


class EnvironmentManager:
    """Carries one request through the cycle."""

    def __init__(self, request: Request, check_mode: bool = False) -> None:
        self.request = request
        self.check_mode = check_mode
        self.conda = Conda(request.installation, request.executable, request.timeout)

    def run(self) -> Outcome:
        """Observe, plan, apply and observe again.

        Raises:
            CondaModuleError: the request is refused, conda failed, or the disk does not show the plan.
        """
        observed = observe(self.request)
        todo = plan(self.request, observed)
        before = observed.lines() if observed.state.is_environment else None
        if not todo and (self.check_mode or observed.interrupted not in _OPERATIONS):
            return Outcome(False, todo, before, before, observed.state)
        if self.check_mode:
            after = self._predict(todo, observed)
            if after is not None and self.request.frozen is not None:
                after = with_marker(after, self.request.frozen)
            return Outcome(_differs(todo, before, after), todo, before, after, observed.state)
        with locked(
            self.request.prefix,
            operation=_operation(todo),
            caches=package_caches(self.request.installation),
            timeout=self.request.timeout,
        ):
            return self._run_locked()

    def _run_locked(self) -> Outcome:
        # Observed and planned anew: another run may have done the work while this one waited for the lock.
        observed = observe(self.request)
        todo = plan(self.request, observed)
        before = observed.lines() if observed.state.is_environment else None
        if not todo:
            if observed.interrupted in _OPERATIONS:
                # What was cut off turned out to have left everything as wanted.
                forget_journal(self.request.prefix)
            return Outcome(False, todo, before, before, observed.state)
        details = {"specs": list(_specs(todo)), "remove": list(todo.remove)}
        with journalled(self.request.prefix, operation=_operation(todo), details=details):
            self._apply(todo, observed)
        seen = observe(self.request)
        self._verify(todo, seen)
        after = seen.lines() if seen.state.is_environment else None
        return Outcome(_differs(todo, before, after), todo, before, after, seen.state)

    # -- check mode ---------------------------------------------------------------------------------

    def _predict(self, todo: Plan, observed: Observed) -> list[str] | None:
        """The package lines after the run, as conda's own solver foresees them."""
        if todo.delete:
            return None
        if self.request.lock is not None:
            # The lock says it all: nothing is left for a solver to find out.
            return sorted(package.label for package in self.request.lock)
        if not self._conda_is_there():
            # A bare host in check mode: conda would be installed by an earlier task of the same play.
            return sorted(
                [
                    *replace(observed, shows_frozen=False).lines(),
                    *(f"{text} (to be solved)" for text in (*todo.install, *todo.update)),
                ]
            )
        labels = observed.state.labels()
        if todo.remove:
            if self.request.whole:
                gone = {observed.state.records[name].label for name in todo.remove}
                labels = [label for label in labels if label not in gone]
            else:
                labels = self.conda.remove(self.request.prefix, todo.remove, dry_run=True).apply_to(
                    labels
                )
        specs = _specs(todo)
        if todo.create:
            labels = self._solve(specs).apply_to([])
        elif specs:
            with _solvable(self.request.prefix, todo.quarantine) as prefix:
                solution = self.conda.install(
                    prefix, specs, self._install_options(todo), dry_run=True
                )
            labels = solution.apply_to(labels)
        return labels

    def _solve(self, specs: Sequence[str]) -> Solution:
        """What ``conda create`` would link; asked of another prefix, since it refuses an existing one."""
        with tempfile.TemporaryDirectory(prefix="llmfleet-conda-") as directory:
            prefix = os.path.join(directory, "env")
            return self.conda.create(prefix, specs, self._options(), dry_run=True)

    def _conda_is_there(self) -> bool:
        return bool(self.request.executable) or os.path.exists(
            os.path.join(self.request.installation, "bin", "python")
        )

    # -- apply --------------------------------------------------------------------------------------

    def _options(self) -> list[str]:
        options: list[str] = []
        if self.request.channels:
            options.append("--override-channels")
            for channel in self.request.channels:
                options.extend(["--channel", channel])
        if self.request.offline:
            options.append("--offline")
        return options

    def _install_options(self, todo: Plan) -> list[str]:
        return [*self._options(), *(["--update-specs"] if todo.update else [])]

    def _apply(self, todo: Plan, observed: Observed) -> None:
        if todo.recreate:
            if observed.state.is_environment and not self.request.lock:
                # What cannot be solved must not cost the environment that is there.
                self._solve(_specs(todo))
            with marker_lifted(self.request.prefix, put_back=False):
                self._delete(observed.state)
        if todo.delete:
            with marker_lifted(self.request.prefix, put_back=False):
                self._delete(observed.state)
        elif todo.create:
            self._create(todo)
        else:
            with marker_lifted(self.request.prefix, put_back=self.request.frozen is not False):
                self._change(todo, observed.state)
        if todo.freeze:
            set_marker(self.request.prefix)

    def _create(self, todo: Plan) -> None:
        # conda create would wipe what somebody without our lock has made meanwhile.
        now = observe_prefix(self.request.prefix)
        if now.is_environment or not now.empty:
            raise CondaModuleError(
                f"{self.request.prefix} came into being while this task waited for its turn.",
                prefix=self.request.prefix,
                hint="run the task again.",
            )
        try:
            if self.request.lock:
                self._link(self.request.lock, "create")
            else:
                self.conda.create(self.request.prefix, _specs(todo), self._options())
        except CondaModuleError:
            # Only what this call made is removed: the prefix was absent or empty when it began.
            shutil.rmtree(self.request.prefix, ignore_errors=True)
            raise

    def _link(self, packages: Sequence[LockedPackage], command: str) -> None:
        """Link the packages of a lock, and nothing that is not the locked file.

        Raises:
            CondaModuleError: conda failed, or a package has another SHA-256 than the lock gives.
        """
        offline = ["--offline"] if self.request.offline else []
        lines = [package.line for package in packages]
        self.conda.link_explicitly(command, self.request.prefix, lines, offline)
        state = observe_prefix(self.request.prefix)
        if others := sorted(other_files(packages, state)):
            raise CondaModuleError(
                f"{', '.join(others)}: what was linked into {self.request.prefix} is not the file of the lock"
                " (its digest differs).",
                prefix=self.request.prefix,
                asked=[redact(package.url) for package in packages if package.name in others],
                hint="make the lock anew if the channel has replaced the file; else remove it from the"
                " package cache (conda clean --packages --tarballs) and do not trust the channel.",
            )

    def _change_to_lock(self, todo: Plan, packages: Sequence[LockedPackage]) -> None:
        # What is replaced need not be removed first: conda does that while it links.
        if gone := [*todo.remove, *todo.reinstall]:
            self.conda.remove_alone(self.request.prefix, gone)
        asked = [
            package
            for package in packages
            if package.spec in todo.install or package.name in todo.reinstall
        ]
        if asked:
            self._link(asked, "install")

    def _delete(self, state: PrefixState) -> None:
        if state.is_environment:
            self.conda.remove_environment(self.request.prefix)
        # conda leaves what no package owns (pip's files, notes of its own); the task wants all of it gone.
        if os.path.lexists(self.request.prefix):
            remove_tree(self.request.prefix)

    def _change(self, todo: Plan, state: PrefixState) -> None:
        prefix = self.request.prefix
        aside = _set_aside(prefix, todo.quarantine)
        try:
            if self.request.lock is not None:
                self._change_to_lock(todo, self.request.lock)
            else:
                self._change_packages(todo, state)
        except CondaModuleError:
            for original, moved in aside.items():
                os.replace(moved, original)
            raise
        for moved in aside.values():
            os.unlink(moved)

    def _change_packages(self, todo: Plan, state: PrefixState) -> None:
        prefix = self.request.prefix
        if todo.remove:
            self.conda.remove(prefix, todo.remove)
        if todo.reinstall:
            specs = [_exactly(state, name) for name in todo.reinstall]
            with same_history(prefix):
                self.conda.install(prefix, specs, [*self._options(), "--force-reinstall"])
        if todo.unasked:
            with same_history(prefix):
                self.conda.install(prefix, todo.unasked, self._options())
        asked = [text for text in _specs(todo) if text not in todo.unasked]
        if asked:
            self.conda.install(prefix, asked, self._install_options(todo))

    # -- observe again ------------------------------------------------------------------------------

    def _verify(self, todo: Plan, seen: Observed) -> None:
        request = self.request
        missing: list[str] = []
        if request.frozen not in {None, seen.state.frozen} and request.state != "absent":
            marker = "is not there" if request.frozen else "is still there"
            missing = [f"the marker conda-meta/frozen {marker}"]
        if request.state == "absent" and request.whole:
            if seen.state.exists:
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
            missing += list(seen.state.problems)
        if missing:
            raise CondaModuleError(
                f"conda reported success, yet {'; '.join(missing)}.",
                prefix=request.prefix,
                asked=list(request.asked),
                hint="look for specs in the option packages that exclude each other, then for a full disk.",
            )


@contextmanager
def _solvable(prefix: str, unreadable: Sequence[str]) -> Iterator[str]:
    """A prefix that conda's dry run can read: this one, or a copy of its readable records."""
    if not unreadable:
        yield prefix
        return
    directory = tempfile.mkdtemp(prefix="llmfleet-conda-")
    try:
        shutil.copytree(
            os.path.join(prefix, "conda-meta"),
            os.path.join(directory, "conda-meta"),
            ignore=lambda _directory, _names: unreadable,
        )
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _operation(todo: Plan) -> str:
    """What the journal calls the change."""
    return "create" if todo.create else "remove" if todo.delete else "change"


def _specs(todo: Plan) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*todo.install, *todo.update)))


def _exactly(state: PrefixState, name: str) -> str:
    """A spec for the very package that is linked now, so that a repair is never an upgrade."""
    record = state.records[name]
    return f"{name}={record.version}={record.build}"


def _set_aside(prefix: str, file_names: Sequence[str]) -> dict[str, str]:
    """Rename unreadable records so that conda does not stumble over them; return old and new paths."""
    moved = {}
    for file_name in file_names:
        original = os.path.join(prefix, "conda-meta", file_name)
        os.replace(original, f"{original}.unreadable")
        moved[original] = f"{original}.unreadable"
    return moved


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
