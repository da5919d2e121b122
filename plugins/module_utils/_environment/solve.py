# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks conda's solver what it would do, without changing the environment."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from ansible_collections.llmfleet.conda.plugins.module_utils._conda.command import (
    Conda,
    Solution,
    ToLink,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._conda.failures import UNSOLVABLE
from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.denied_channels import (
    refuse_denied,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.package_cache import (
    package_caches,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import redact
from ansible_collections.llmfleet.conda.plugins.module_utils._core.scratch import roomy_directory
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.explicit_lock import (
    LockedPackage,
    wrong_archives,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.metadata import write_pins
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.package_plan import Plan
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.pins import (
    PINNED,
    parsed_pins,
    violations,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.request import (
    UNSOLVED,
    Observed,
    Request,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.settled_requests import (
    settle_requests,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.leftovers import (
    write_down_requests,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import (
    FROZEN,
    HISTORY,
    observe_prefix,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.revisions import old_history
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import PackageRecord
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.wanted import (
    Wanted,
    dependents,
    is_satisfied,
    spec_name,
)

# All error kinds of an unsolvable request, including "pinned" from this file.
_UNSOLVABLE = UNSOLVABLE | {"pinned"}


def conda_for(request: Request) -> Conda:
    """The conda of the request, with its settings.

    Raises:
        CondaModuleError: the condarc denies a channel that conda would use.
    """
    if request.state != "absent":
        locked = [package.url for package in request.lock or ()]
        refuse_denied(request.installation, request.channels, request.specs, locked)
    settings = {}
    if request.channel_priority is not None:
        # mamba reads its own configuration variables.
        settings = {
            f"{program}_CHANNEL_PRIORITY": request.channel_priority
            for program in ("CONDA", "MAMBA")
        }
    return Conda(request.installation, request.executable, request.timeout, settings)


def conda_options(request: Request) -> list[str]:
    """The conda options that select the sources of packages."""
    options: list[str] = []
    if request.channels:
        options.append("--override-channels")
        for channel in request.channels:
            options.extend(["--channel", channel])
    if request.offline:
        options.append("--offline")
    return options


def install_options(request: Request, plan: Plan) -> list[str]:
    """The options of ``conda install`` for the plan."""
    return [*conda_options(request), *(["--update-specs"] if plan.update else [])]


def pins_for(request: Request, observed: Observed) -> tuple[Wanted, ...]:
    """The pins that conda must honour: those of the task, else those of the environment."""
    if request.notes.pinned is not None:
        return parsed_pins(request.notes.pinned)
    return () if request.recreate else observed.pins


class Forecast:
    """Runs conda's dry runs for one request."""

    def __init__(self, request: Request, conda: Conda) -> None:
        self.request = request
        self.conda = conda
        self._packages_to_link: tuple[ToLink, ...] | None = None

    def packages_to_link(self, plan: Plan, observed: Observed) -> tuple[ToLink, ...]:
        """The packages that the plan's specs link; asks conda, unless a dry run has told already.

        Raises:
            CondaModuleError: conda finds no solution, or none that the pins allow.
        """
        if not plan.specs:
            return ()
        if self._packages_to_link is None:
            if plan.create:
                self.creation(plan.specs, observed)
            else:
                self._solution(plan, observed)
        return self._packages_to_link or ()

    @property
    def knows_packages(self) -> bool:
        """Whether a dry run has told the packages already."""
        return self._packages_to_link is not None

    def locked_packages(self, packages: Sequence[LockedPackage]) -> tuple[ToLink, ...]:
        """The packages of a lock with their sizes, if their channels still have them in their indexes.

        Raises:
            CondaModuleError: conda does not find one of them.
        """
        options = ["--no-deps", "--override-channels"]
        for channel in dict.fromkeys(one.url.rsplit("/", 2)[0] for one in packages):
            options += ["--channel", channel]
        specs = [package.spec for package in packages]
        with _nowhere(self.request) as prefix:
            self.conda.stand_ins[prefix] = self.request.prefix
            return self.conda.create(prefix, specs, options, dry_run=True).packages

    def lines(self, plan: Plan, observed: Observed) -> list[str] | None:
        """The lines of the environment after the run; None if there will be no environment.

        Raises:
            CondaModuleError: conda finds no solution, or none that the pins allow.
        """
        if plan.delete:
            return None
        if not (observed.state.is_environment or plan.create):
            # An earlier task of the same play would create the environment.
            return [f"{text}{UNSOLVED}" for text in sorted(plan.install)]
        return [*self.request.notes.lines(), *self._packages(plan, observed)]

    def _packages(self, plan: Plan, observed: Observed) -> list[str]:
        if self.request.lock is not None:
            # The lock lists all packages, so no solver is needed.
            return sorted(package.label for package in self.request.lock)
        if not self.conda_is_there():
            # Check mode on a new host: an earlier task of the same play would install conda.
            return sorted(
                [
                    *replace(observed, note_lines=()).lines(),
                    *(f"{text}{UNSOLVED}" for text in plan.specs),
                ]
            )
        labels = observed.state.labels()
        if plan.remove:
            if plan.quarantine and self.request.state == "absent":
                # conda's dry run ignores packages whose record it cannot read.
                gone_names = dependents(plan.remove, observed.state.records)
                return [
                    label
                    for label in self.change(plan, observed, labels)
                    if label.split(" ", 1)[0] not in gone_names
                ]
            if self.request.whole:
                gone = {observed.state.records[name].label for name in plan.remove}
                labels = [label for label in labels if label not in gone]
            else:
                with self.pins_named(observed):
                    solution = self.conda.remove(self.request.prefix, plan.remove, dry_run=True)
                labels = solution.apply_to(labels)
        if plan.create:
            return self.creation(plan.specs, observed).apply_to([])
        return self.change(plan, observed, labels)

    def settled(self, plan: Plan, observed: Observed) -> Plan:
        """The plan with the first alternative of ``restore`` that conda can solve.

        If there is none, the plan restores nothing and ``conda.warnings`` reports it.

        Raises:
            CondaModuleError: conda failed for another reason than a missing solution.
        """
        if not (plan.restore and self.conda_is_there()):
            return plan
        for specs in plan.restore:
            attempt = replace(plan, restore=(specs,))
            try:
                self.change(attempt, observed, observed.state.labels())
            except CondaModuleError as error:
                if error.facts.get("error_kind") not in _UNSOLVABLE:
                    raise
            else:
                return attempt
        left = replace(plan, restore=((),))
        planned = {spec_name(spec) for spec in left.specs}
        if lost := [spec for spec in plan.restore[0] if spec_name(spec) not in planned]:
            self.conda.warnings.append(
                f"An interrupted change of {self.request.prefix} lost packages that conda cannot reinstall"
                f" together with what the task requests: {', '.join(lost)}. They stay removed."
            )
        return left

    def change(self, plan: Plan, observed: Observed, labels: Sequence[str]) -> list[str]:
        """The package lines after conda installs the plan's specs, starting from ``labels``.

        Raises:
            CondaModuleError: conda finds no solution, or none that the pins allow.
        """
        if not plan.specs:
            return list(labels)
        solution = self._solution(plan, observed)
        self._refuse_pinned(solution, observed)
        result = solution.apply_to(labels)
        return self._needed(result) if self.request.prune and solution.link else result

    def _solution(self, plan: Plan, observed: Observed) -> Solution:
        with self.pins_named(observed), self._readable(plan, observed) as prefix:
            self.conda.stand_ins[prefix] = self.request.prefix
            options = install_options(self.request, plan)
            solution = self.conda.install(prefix, plan.specs, options, dry_run=True)
        self._packages_to_link = solution.packages
        return solution

    def _needed(self, labels: list[str]) -> list[str]:
        """The lines without packages that nothing declared needs in the versions after the run.

        conda's dry run does not say what new packages depend on. Another dry run tells it: of the declared
        specs for an empty environment in which these versions are pinned.
        """
        pins = tuple("{}=={}={}".format(*label.split(" ")) for label in labels)
        with _nowhere(self.request) as prefix:
            self.conda.stand_ins[prefix] = self.request.prefix
            _make_empty(prefix, pins)
            try:
                solution = self.conda.install(
                    prefix, self.request.specs, conda_options(self.request), dry_run=True
                )
            except CondaModuleError as error:
                if error.facts.get("error_kind") not in _UNSOLVABLE:
                    raise
                # A channel no longer has one of these versions.
                return labels
        needed = {_record_of(label).name for label in solution.link}
        return [label for label in labels if _record_of(label).name in needed]

    def creation(self, specs: Sequence[str], observed: Observed) -> Solution:
        """The packages that creating the environment would link; solved for another prefix, as conda refuses

        Raises:
            CondaModuleError: conda finds no solution, or none that the pins allow.
        """
        options = conda_options(self.request)
        with self.pins_named(observed), _nowhere(self.request) as prefix:
            self.conda.stand_ins[prefix] = self.request.prefix
            if self.request.notes.pinned:
                # conda create ignores pins: it requires a prefix that does not exist.
                _make_empty(prefix, self.request.notes.pinned)
                solution = self.conda.install(prefix, specs, options, dry_run=True)
            else:
                solution = self.conda.create(prefix, specs, options, dry_run=True)
        self._packages_to_link = solution.packages
        self._refuse_pinned(solution, observed)
        return solution

    def fetch(self, observed: Observed) -> None:
        """Solve a new environment and download its packages into the package cache.

        Raises:
            CondaModuleError: conda finds no solution, or a package cannot be downloaded.
        """
        request = self.request
        options = conda_options(request)
        with self.pins_named(observed), _nowhere(self.request) as prefix:
            self.conda.stand_ins[prefix] = self.request.prefix
            if request.lock is not None:
                lines = [package.line for package in request.lock]
                offline = ["--offline"] if request.offline else []
                self.conda.link_explicitly("create", prefix, lines, [*offline, "--download-only"])
                if wrong := wrong_archives(request.lock, package_caches(request.installation)):
                    raise other_file_error(request, wrong, "downloaded")
            elif request.notes.pinned:
                _make_empty(prefix, request.notes.pinned)
                self.conda.install(prefix, request.specs, [*options, "--download-only"])
            elif request.specs:
                self.conda.create(prefix, request.specs, [*options, "--download-only"])

    def conda_is_there(self) -> bool:
        """Whether there is a conda to ask; in check mode an earlier task may install it."""
        return bool(self.request.executable) or os.path.exists(
            os.path.join(self.request.installation, "bin", "python")
        )

    @contextmanager
    def _readable(self, plan: Plan, observed: Observed) -> Iterator[str]:
        """A prefix for conda's dry run: this one, or a copy of its records as the run will leave them."""
        request = self.request
        pins = request.notes.pinned if plan.notes else None
        left_out = {*plan.quarantine, *([] if pins is None else [os.path.basename(PINNED)])}
        if request.whole:
            # The run removes these before it solves.
            records = observed.state.records
            left_out |= {os.path.basename(records[name].record_path) for name in plan.remove}
        if observed.state.frozen:
            # The plan lifts the marker; newer versions of conda solve nothing for a frozen environment.
            left_out.add(os.path.basename(FROZEN))
        if not left_out and not observed.lost and not observed.wrong_requests:
            yield request.prefix
            return
        with _nowhere(self.request) as prefix:
            self.conda.stand_ins[prefix] = self.request.prefix
            shutil.copytree(
                os.path.join(request.prefix, "conda-meta"),
                os.path.join(prefix, "conda-meta"),
                ignore=lambda _directory, _names: left_out,
            )
            if pins is not None:
                write_pins(prefix, pins)
            if observed.lost:
                # Include requests that an interrupted run fulfilled but conda's history lacks.
                old_history(prefix)
                write_down_requests(prefix)
            if request.notes.exact:
                settle_requests(
                    prefix, request.wanted, request.lock, observe_prefix(prefix).records
                )
            yield prefix

    @contextmanager
    def pins_named(self, observed: Observed) -> Iterator[None]:
        """Add the pins to the error if conda finds no solution in the block."""
        try:
            yield
        except CondaModuleError as error:
            pins = [redact(pin.text) for pin in pins_for(self.request, observed)]
            said_already = "pins" in error.facts
            if not pins or said_already or error.facts.get("error_kind") not in UNSOLVABLE:
                raise
            raise CondaModuleError(
                f"{error.message} conda honours the pins of the environment: {', '.join(pins)}.",
                prefix=error.prefix,
                asked=error.asked,
                said=error.said,
                hint=f"{error.hint} If a pin is the cause: {self._about_pins()}",
                pins=pins,
                **error.facts,
            ) from error

    def _about_pins(self) -> str:
        if self.request.notes.pinned is not None:
            return "correct the option pinned or the specs of the task: they contradict each other."
        return (
            f"change the pins in {os.path.join(self.request.prefix, PINNED)} (with the option pinned of"
            " conda_env), or request versions that they allow."
        )

    def _refuse_pinned(self, solution: Solution, observed: Observed) -> None:
        """Fail if conda's solution ignores a pin, or ignores a spec because of a pin.

        The classic solver does the first with only a warning in its log, and the second without any.
        """
        records = {record.name: record for record in map(_record_of, solution.link)}
        pins = pins_for(self.request, observed)
        problems = [
            f"conda would install {record.label}, but the pin {redact(pin.text)} forbids it"
            for pin, record in violations(pins, records)
        ]
        pinned = {pin.spec.name for pin in pins if pin.spec}
        problems += [
            f"conda would install {records[item.spec.name].label} because of a pin, but not the requested"
            f" {item.text}"
            for item in self.request.wanted
            if item.spec
            and item.spec.name in pinned & set(records)
            and not is_satisfied(item, records)
        ]
        if problems:
            raise CondaModuleError(
                f"The pins of {self.request.prefix} conflict with the task: {'; '.join(problems)}."
                " Nothing was changed.",
                prefix=self.request.prefix,
                asked=list(self.request.specs),
                hint=self._about_pins(),
                error_kind="pinned",
            )


def other_file_error(request: Request, names: Sequence[str], done: str) -> CondaModuleError:
    """The error for packages whose files are not those of the lock; ``done``: downloaded or linked."""
    return CondaModuleError(
        f"conda {done} a different file than the lock names for {', '.join(names)}: the digest differs."
        + (" Nothing was changed." if done == "downloaded" else ""),
        prefix=request.prefix,
        asked=[redact(package.url) for package in request.lock or () if package.name in names],
        hint="if the channel has replaced the file, create a new lock; otherwise remove the file from the"
        " package cache (conda clean --packages --tarballs) and do not trust the channel.",
    )


def _record_of(label: str) -> PackageRecord:
    name, version, build, channel = [*label.split(" "), "", ""][:4]
    return PackageRecord(name=name, version=version, build=build, channel=channel)


@contextmanager
def _nowhere(request: Request) -> Iterator[str]:
    """A path for a prefix in a private directory; the prefix itself does not exist yet."""
    near = [os.path.dirname(request.prefix), request.installation]
    with roomy_directory(near) as directory:
        yield os.path.join(directory, "env")


def _make_empty(prefix: str, pins: tuple[str, ...]) -> None:
    """Create an environment without packages, with ``pins``."""
    os.makedirs(os.path.join(prefix, "conda-meta"))
    with open(os.path.join(prefix, HISTORY), "w", encoding="utf-8"):
        pass
    write_pins(prefix, pins)
