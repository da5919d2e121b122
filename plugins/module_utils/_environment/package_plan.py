# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans the package changes of an environment: pure functions of the requested specs and observed records."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import PrefixState
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.wanted import (
    Wanted,
    is_satisfied,
    missing_dependencies,
    spec_name,
    unneeded,
)


@dataclass(frozen=True)
class Plan:
    """The changes of an environment, in this order; an empty plan means that none are needed.

    Attributes:
        recreate: remove the prefix before anything else.
        create: run ``conda create`` with ``install``.
        remove: names to remove.
        reinstall: names of packages with damaged files, or that the option force_reinstall names.
        install: specs to install.
        not_requested: the specs in ``install`` that the task does not name. They repair an interrupted or
            damaged environment and are not recorded as user requests in its history.
        restore: alternatives that restore what an interrupted change lost; conda uses the first it can solve.
            The specs of an alternative replace other specs for the same package and are not recorded as user
            requests either.
        update: specs for which conda looks for newer packages; only conda can tell whether there are any.
        quarantine: unreadable record files in ``conda-meta``, set aside before ``install``.
        delete: remove the whole environment.
        notes: write the settings beside the packages (frozen marker, pins, variables, owner).
        pip_removed: diff lines of pip's distributions that go with the Python that conda replaces.
        reasons: one clause for each difference from the request.
    """

    recreate: bool = False
    create: bool = False
    remove: tuple[str, ...] = ()
    reinstall: tuple[str, ...] = ()
    install: tuple[str, ...] = ()
    not_requested: tuple[str, ...] = ()
    restore: tuple[tuple[str, ...], ...] = ()
    update: tuple[str, ...] = ()
    quarantine: tuple[str, ...] = ()
    delete: bool = False
    notes: bool = False
    pip_removed: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        steps = (self.remove, self.reinstall, self.install, self.update, self.quarantine)
        whole = self.recreate or self.create or self.delete
        return whole or self.notes or any(steps) or bool(self.restore)

    @property
    def specs(self) -> tuple[str, ...]:
        """All specs passed to conda, each once, with the first alternative of ``restore``."""
        restored = self.restore[0] if self.restore else ()
        names = {spec_name(spec) for spec in restored}
        others = [spec for spec in (*self.install, *self.update) if spec_name(spec) not in names]
        return tuple(dict.fromkeys((*others, *restored)))

    @property
    def requested(self) -> tuple[str, ...]:
        """The specs that the history records as user requests."""
        others = {*self.not_requested, *(self.restore[0] if self.restore else ())}
        return tuple(spec for spec in self.specs if spec not in others)

    def as_result(self) -> dict[str, object]:
        """The plan as a module returns it."""
        return {
            "create": self.create,
            "install": [
                spec for spec in self.specs if spec in self.install or spec not in self.update
            ],
            "update": list(self.update),
            "remove": list(self.remove),
            "reinstall": list(self.reinstall),
            "delete": self.delete,
            "pip_removed": list(self.pip_removed),
            "reasons": list(self.reasons),
        }


def plan_packages(
    wanted: Sequence[Wanted],
    observed: PrefixState,
    *,
    latest: bool = False,
    prune: bool = False,
    damaged: Mapping[str, Sequence[str]] | None = None,
    settled: Collection[str] = (),
) -> Plan:
    """Plan the changes after which the existing environment satisfies ``wanted``.

    Args:
        wanted: the specs of the task.
        observed: the environment, which exists.
        latest: look for newer packages that the specs allow.
        prune: remove packages that no spec in ``wanted`` needs.
        damaged: files that differ from what conda linked, by package name.
        settled: names of packages of which nothing newer is looked for.
    """
    records = observed.records
    reasons: list[str] = []
    unsatisfied = [item for item in wanted if not is_satisfied(item, records)]
    for item in unsatisfied:
        record = records.get(item.spec.name) if item.spec else None
        found = f"{record.label} is installed" if record else "not installed"
        reasons.append(f"{item.text} is requested, but {found}")
    install = [item.text for item in unsatisfied]
    missing: list[str] = []
    named = {item.spec.name for item in unsatisfied if item.spec}
    for spec in missing_dependencies(records):
        if spec_name(spec) not in named:
            install.append(spec)
            missing.append(spec)
            reasons.append(f"the dependency {spec} is missing")
    reinstall = []
    for name, files in sorted((damaged or {}).items()):
        reasons.append(
            f"{name} is damaged: {files[0]}"
            + (f" and {len(files) - 1} more" if len(files) > 1 else "")
        )
        if name not in named:
            reinstall.append(name)
    remove: list[str] = []
    if prune and all(item.spec for item in wanted):
        remove = unneeded(wanted, records)
        reasons.extend(f"{name} is no longer needed" for name in remove)
    return Plan(
        remove=tuple(remove),
        reinstall=tuple(name for name in reinstall if name not in remove),
        install=tuple(install),
        not_requested=tuple(missing),
        update=tuple(item.text for item in wanted if spec_name(item.text) not in settled)
        if latest
        else (),
        reasons=tuple(reasons),
    )


def plan_absent(wanted: Sequence[Wanted], observed: PrefixState) -> Plan:
    """Plan the removal of every linked package that satisfies one of ``wanted``."""
    names = [
        item.spec.name for item in wanted if item.spec and is_satisfied(item, observed.records)
    ]
    return Plan(
        remove=tuple(dict.fromkeys(names)),
        reasons=tuple(f"{name} is installed, but must be absent" for name in dict.fromkeys(names)),
    )


def unsatisfied_after(wanted: Sequence[Wanted], observed: PrefixState) -> list[str]:
    """The specs in ``wanted`` that no linked package satisfies, for the check after a change."""
    return [item.text for item in wanted if item.spec and not is_satisfied(item, observed.records)]
