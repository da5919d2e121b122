# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries out the plan for an environment. No other file lets conda change an environment."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from ansible_collections.llmfleet.conda.plugins.module_utils._conda.command import Conda
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.explicit_lock import (
    LockedPackage,
    other_files,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.frozen import (
    marker_lifted,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.metadata import (
    write_notes,
    write_pins,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.package_plan import Plan
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.pins import read_pins
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.relink import (
    relink,
    relink_damaged,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.removal import (
    remove_environment,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.request import (
    Observed,
    Request,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.settled_requests import (
    settle_requests,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.solve import (
    Forecast,
    conda_options,
    install_options,
    other_file_error,
    pins_for,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.aside import (
    Aside,
    refuse_without_room_for_both,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.claim import claim
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.handover import moved
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.leftovers import (
    UNREADABLE,
    guard_records,
    remove_unreadable,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.old_python import (
    remove_old_python,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import (
    PrefixState,
    observe_prefix,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.removal import (
    Contents,
    remove_half_made,
    undo,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.revisions import (
    add_requests,
    mend_revisions,
    preserve_history,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import (
    add_to_journal,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.two_owners import (
    PipCopy,
    doubled,
    replaced_by_pip,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.wanted import (
    spec_name,
    unneeded,
)


class Application:
    """Carries out the plan for one environment; the caller holds its lock and keeps a journal."""

    def __init__(
        self, request: Request, conda: Conda, forecast: Forecast, python: str | None = None
    ) -> None:
        """python: the Python (major.minor) whose directory goes if conda replaces or removes it."""
        self.request = request
        self.conda = conda
        self.forecast = forecast
        self.python = python

    def apply(self, plan: Plan, observed: Observed, contents: Contents | None) -> None:
        """Carry out the plan.

        Args:
            plan: the plan.
            observed: the environment.
            contents: everything at its prefix, if the plan removes or replaces it.

        Raises:
            CondaModuleError: conda failed or would fail; the environment is as before, as far as conda
                restored it.
        """
        request = self.request
        if plan.create and request.notes.pinned and request.lock is None and plan.install:
            self.forecast.creation(plan.install, observed)
        if plan.delete and contents is not None:
            remove_environment(request, contents, self.conda)
            return
        with self._room_for(plan, observed, contents):
            with guard_records(request.prefix):
                self._carry_out(plan, observed)
                if request.state != "absent":
                    self._take_over(observed)
            if self.python and (left := remove_old_python(request.prefix, self.python)):
                self.conda.warnings.append(left)
            if request.notes.exact:
                self._settle_requests()
            if replace(plan, notes=False):
                mend_revisions(request.prefix, observe_prefix(request.prefix).records.values())
            write_notes(request.prefix, request.notes)

    @contextmanager
    def _room_for(
        self, plan: Plan, observed: Observed, contents: Contents | None
    ) -> Iterator[None]:
        """Empty the prefix for the block if the plan recreates it; foreign files return afterwards."""
        request, state = self.request, observed.state
        if not plan.recreate or contents is None:
            yield
            return
        if state.is_environment:
            # Solve and download first: if that fails, the existing environment must stay.
            self.forecast.fetch(observed)
            refuse_without_room_for_both(request.prefix, contents.found.size, self.conda.caches)
        elif not state.cleared and not remove_half_made(request.prefix, caches=self.conda.caches):
            yield
            return
        aside = Aside(request.prefix, caches=() if state.is_environment else self.conda.caches)
        with aside.moved():
            yield
        self.conda.warnings += aside.warnings

    def _carry_out(self, plan: Plan, observed: Observed) -> None:
        request = self.request
        with self.forecast.pins_named(observed):
            if plan.create:
                self._create(plan)
            else:
                self._refuse_pinned(plan, observed)
                of_pip = copies_given_back(plan, observed)
                with (
                    marker_lifted(request.prefix, put_back=request.notes.frozen is not False),
                    moved(
                        request.prefix,
                        [one.copy for one in of_pip],
                        of={one.package for one in of_pip},
                    ),
                ):
                    self._change(plan, observed.state)
                self.conda.replaced += [one.copy.label for one in of_pip if one.told]
        relink_damaged(
            self.conda,
            request.prefix,
            observed.state.records,
            observed.damaged,
            conda_options(request),
            request.lock,
        )

    def _take_over(self, observed: Observed) -> None:
        """Remove pip's copies of what conda has just linked, and link it again over what they shared.

        conda names only files that collide before it links, and a package that it replaces hides those.
        """
        request, before = self.request, observed.state.records
        state = observe_prefix(request.prefix, thorough=True)
        found = {
            name: of_pip
            for name, of_pip in doubled(state).items()
            if name in observed.damaged or before.get(name) != state.records[name]
        }
        if not found:
            return
        of_pip = [one for each in found.values() for one in each]
        with moved(request.prefix, of_pip, of=found):
            relink(self.conda, request.prefix, list(found), conda_options(request), request.lock)
        self.conda.replaced += [one.label for one in of_pip]

    def _remove(self, names: Sequence[str], alone: bool) -> None:
        """Let conda remove packages; what pip has installed in their place stays."""
        prefix = self.request.prefix
        state = observe_prefix(prefix, thorough=True)
        of_pip = [one for each in doubled(state).values() for one in each]
        of_pip += replaced_by_pip(state).values()
        with moved(prefix, of_pip, of=state.records, back=True):
            (self.conda.remove_alone if alone else self.conda.remove)(prefix, names)

    def _refuse_pinned(self, plan: Plan, observed: Observed) -> None:
        """Solve first if conda might ignore a pin or a spec, or if the plan also removes packages."""
        pinned = {pin.spec.name for pin in pins_for(self.request, observed) if pin.spec}
        specs = plan.specs
        names = {item.spec.name for item in self.request.wanted if item.spec and item.text in specs}
        pinned_specs = pinned and (pinned & names or plan.not_requested)
        # With prune, unneeded packages go first: solve before that, so that a failure changes nothing.
        first_removes = specs and plan.remove and self.request.whole
        if self.request.lock is None and (pinned_specs or first_removes):
            self.forecast.change(plan, observed, observed.state.labels())

    def _create(self, plan: Plan) -> None:
        # Another process may have created the prefix without taking our lock; conda create would wipe it.
        request = self.request
        now = observe_prefix(request.prefix)
        if now.is_environment or not now.empty:
            raise CondaModuleError(
                f"{request.prefix} was created by another process while this task waited for the lock.",
                prefix=request.prefix,
                hint="run the task again.",
            )
        if self.conda.creates_in_directories:
            # If this run is interrupted, the next one must know which directory it created.
            add_to_journal(request.prefix, directory=claim(request.prefix))
        try:
            if request.lock:
                self._link(request.lock, "create")
            elif request.notes.pinned:
                self._create_pinned(plan.specs, request.notes.pinned)
            else:
                self.conda.create(request.prefix, plan.specs, conda_options(request))
        except CondaModuleError:
            # This removes only what this call created: the prefix was absent or empty before.
            undo(request.prefix, caches=self.conda.caches)
            with suppress(OSError):
                os.rmdir(request.prefix)
            raise

    def _create_pinned(self, specs: Sequence[str], pins: tuple[str, ...]) -> None:
        # conda create refuses a directory that contains pins, so a second step installs the packages.
        self.conda.create(self.request.prefix, [], conda_options(self.request))
        write_pins(self.request.prefix, pins)
        if specs:
            self.conda.install(self.request.prefix, specs, conda_options(self.request))

    def _link(self, packages: Sequence[LockedPackage], command: str) -> None:
        """Link the packages of a lock and check their digests.

        Raises:
            CondaModuleError: conda failed, or the digest of a package differs from the lock.
        """
        offline = ["--offline"] if self.request.offline else []
        lines = [package.line for package in packages]
        self.conda.link_explicitly(command, self.request.prefix, lines, offline)
        state = observe_prefix(self.request.prefix)
        if others := sorted(other_files(packages, state)):
            raise other_file_error(self.request, others, "linked")

    def _change_to_lock(self, plan: Plan, packages: Sequence[LockedPackage]) -> None:
        # Packages that are replaced need no removal first: conda unlinks them while it links.
        if gone := [*plan.remove, *plan.reinstall]:
            self.conda.remove_alone(self.request.prefix, gone)
        to_link = [
            package
            for package in packages
            if package.spec in plan.install or package.name in plan.reinstall
        ]
        if to_link:
            self._link(to_link, "install")

    def _change(self, plan: Plan, state: PrefixState) -> None:
        prefix = self.request.prefix
        with _set_aside(prefix, plan.quarantine), self._pinned():
            if self.request.lock is not None:
                self._change_to_lock(plan, self.request.lock)
            else:
                self._change_packages(plan, state)

    @contextmanager
    def _pinned(self) -> Iterator[None]:
        """Write the task's pins for the block; restore the old pins if it fails."""
        pins = self.request.notes.pinned
        if pins is None:
            yield
            return
        before = read_pins(self.request.prefix)
        write_pins(self.request.prefix, pins)
        try:
            yield
        except CondaModuleError:
            write_pins(self.request.prefix, before)
            raise

    def _change_packages(self, plan: Plan, state: PrefixState) -> None:
        prefix = self.request.prefix
        options = conda_options(self.request)
        # conda must know a package's files to remove it: first reinstall those with unreadable records.
        if plan.specs and self.request.state == "absent":
            with preserve_history(prefix):
                self.conda.install(prefix, plan.specs, options)
        if plan.remove and self.request.whole:
            # Alone: nothing that stays depends on them, and conda would also remove declared packages that it
            # had installed as dependencies of these.
            self._remove(plan.remove, alone=True)
        elif plan.remove:
            self._remove(plan.remove, alone=False)
        if plan.specs and self.request.notes.exact:
            self._settle_requests()
        if self.request.state == "absent":
            return
        if plan.reinstall:
            specs = [_exactly(state, name) for name in plan.reinstall]
            with preserve_history(prefix):
                self.conda.install(prefix, specs, [*options, "--force-reinstall"])
        if plan.restore:
            self._bring_back(plan)
        else:
            if plan.not_requested:
                with preserve_history(prefix):
                    self.conda.install(prefix, plan.not_requested, options)
            if plan.requested:
                self.conda.install(prefix, plan.requested, install_options(self.request, plan))
        if plan.specs and self.request.prune:
            # What only the replaced versions needed.
            records = observe_prefix(prefix).records
            if names := unneeded(self.request.wanted, records):
                self._remove(names, alone=True)

    def _settle_requests(self) -> None:
        request = self.request
        records = observe_prefix(request.prefix).records
        settle_requests(request.prefix, request.wanted, request.lock, records)

    def _bring_back(self, plan: Plan) -> None:
        """Let conda link lost and requested packages in one run: they may depend on each other."""
        prefix = self.request.prefix
        if plan.specs:
            with preserve_history(prefix):
                self.conda.install(prefix, plan.specs, install_options(self.request, plan))
        if plan.requested:
            records = observe_prefix(prefix).records.values()
            add_requests(prefix, plan.requested, (), records)


@dataclass(frozen=True)
class GivenBack:
    """A distribution of pip's that a package of conda replaces.

    Attributes:
        package: the name of the package.
        copy: the distribution.
        told: a task had let pip replace the package, so that nothing reports it as damage.
    """

    package: str
    copy: PipCopy
    told: bool


def copies_given_back(plan: Plan, observed: Observed) -> list[GivenBack]:
    """pip's copies of distributions that the plan lets conda link again."""
    state = observed.state
    relinked = {*plan.reinstall, *map(spec_name, plan.install)} - set(plan.remove)
    found = [
        GivenBack(name, one, told=False)
        for name, each in (doubled(state).items() if observed.damaged else ())
        for one in each
        if name not in plan.remove
    ]
    told = replaced_by_pip(state) if relinked else {}
    found += [
        GivenBack(name, one, told=True) for name, one in sorted(told.items()) if name in relinked
    ]
    return found


def foreseen(
    plan: Plan, observed: Observed, linked: Sequence[str], caches: Sequence[str]
) -> list[str]:
    """The diff lines of the distributions of pip's that conda's packages will replace.

    Args:
        plan: the plan.
        observed: the environment before it.
        linked: name, version, build and channel of each package that conda will link.
        caches: package caches.
    """
    from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.package_distributions import (
        to_be_replaced,
    )

    given_back = copies_given_back(plan, observed)
    seen = {one.copy.path for one in given_back}
    new = to_be_replaced(observed.state, linked, caches) if linked else []
    return [
        *(one.copy.label for one in given_back if one.told),
        *(one.label for one in new if one.path not in seen),
    ]


def _exactly(state: PrefixState, name: str) -> str:
    """An exact spec for the package that is linked now, so that a repair never upgrades."""
    record = state.records[name]
    return f"{name}={record.version}={record.build}"


@contextmanager
def _set_aside(prefix: str, file_names: Sequence[str]) -> Iterator[None]:
    """Rename unreadable records for the block, because conda fails on them.

    They are removed if the block succeeds, and restored if it fails.
    """
    moved = {}
    for file_name in file_names:
        original = os.path.join(prefix, "conda-meta", file_name)
        os.replace(original, f"{original}{UNREADABLE}")
        moved[original] = f"{original}{UNREADABLE}"
    try:
        yield
    except CondaModuleError:
        for original, aside in moved.items():
            os.replace(aside, original)
        raise
    for aside in moved.values():
        remove_unreadable(aside)
