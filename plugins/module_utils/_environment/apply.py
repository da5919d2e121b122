# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries out the plan for an environment. No other file lets conda change an environment."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

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
    refuse_without_room,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.claim import claim
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.leftovers import (
    UNREADABLE,
    guard_records,
    remove_unreadable,
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
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.wanted import unneeded


class Application:
    """Carries out the plan for one environment; the caller holds its lock and keeps a journal."""

    def __init__(self, request: Request, conda: Conda, forecast: Forecast) -> None:
        self.request = request
        self.conda = conda
        self.forecast = forecast

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
            refuse_without_room(request.prefix, contents.found.size, self.conda.caches)
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
                with marker_lifted(request.prefix, put_back=request.notes.frozen is not False):
                    self._change(plan, observed.state)
        relink_damaged(
            self.conda,
            request.prefix,
            observed.state.records,
            observed.damaged,
            conda_options(request),
            request.lock,
        )

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
            self.conda.remove_alone(prefix, plan.remove)
        elif plan.remove:
            self.conda.remove(prefix, plan.remove)
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
                self.conda.remove_alone(prefix, names)

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
