# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans for environments: pure functions from what is wanted and what was observed to what must be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import PrefixState
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.wanted import (
    Wanted,
    closure,
    is_satisfied,
    missing_dependencies,
    spec_name,
)


@dataclass(frozen=True)
class Plan:
    """What must be done to an environment, in this order; an empty plan means that nothing must.

    Attributes:
        recreate: a half-made prefix is removed before anything else.
        create: ``conda create`` with ``install``.
        remove: names to remove.
        reinstall: names whose files are damaged, or that are to be linked anew.
        install: specs to install.
        unasked: those of them that the task did not name: what a cut-off or damaged environment has lost is
            put back, yet must not go down in its history as somebody's wish.
        restore: what a cut-off change has lost, in ways of which the first that conda can solve is taken; the
            specs of each stand instead of others for the same package, and are nobody's wish either.
        update: specs for which a newer package is looked for; only conda can say whether there is one.
        quarantine: unreadable record files in ``conda-meta`` that are set aside before ``install``.
        delete: the whole environment is removed.
        notes: what stands beside the packages (the marker of a frozen one, pins, variables) is written.
        reasons: one sentence for each thing that is not as wanted.
    """

    recreate: bool = False
    create: bool = False
    remove: tuple[str, ...] = ()
    reinstall: tuple[str, ...] = ()
    install: tuple[str, ...] = ()
    unasked: tuple[str, ...] = ()
    restore: tuple[tuple[str, ...], ...] = ()
    update: tuple[str, ...] = ()
    quarantine: tuple[str, ...] = ()
    delete: bool = False
    notes: bool = False
    reasons: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        steps = (self.remove, self.reinstall, self.install, self.update, self.quarantine)
        whole = self.recreate or self.create or self.delete
        return whole or self.notes or any(steps) or bool(self.restore)

    @property
    def specs(self) -> tuple[str, ...]:
        """All specs that conda is given, each once; with the first way to bring back what was lost."""
        back = self.restore[0] if self.restore else ()
        named = {spec_name(text) for text in back}
        others = [text for text in (*self.install, *self.update) if spec_name(text) not in named]
        return tuple(dict.fromkeys((*others, *back)))

    @property
    def asked(self) -> tuple[str, ...]:
        """Those of :attr:`specs` that go down in the history as wishes."""
        nobodys = {*self.unasked, *(self.restore[0] if self.restore else ())}
        return tuple(text for text in self.specs if text not in nobodys)

    def as_result(self) -> dict[str, object]:
        """The plan as a module returns it."""
        return {
            "create": self.create,
            "install": [
                text for text in self.specs if text in self.install or text not in self.update
            ],
            "update": list(self.update),
            "remove": list(self.remove),
            "reinstall": list(self.reinstall),
            "delete": self.delete,
            "reasons": list(self.reasons),
        }


def plan_packages(
    wanted: Sequence[Wanted],
    observed: PrefixState,
    *,
    latest: bool = False,
    prune: bool = False,
    damaged: Mapping[str, Sequence[str]] | None = None,
) -> Plan:
    """What must be done so that the existing environment holds ``wanted``.

    Args:
        wanted: the specs of the task.
        observed: the environment, which exists.
        latest: newer packages are wanted where the specs allow them.
        prune: packages that nothing in ``wanted`` needs are removed.
        damaged: files that are not as linked, by package name.
    """
    records = observed.records
    reasons: list[str] = []
    unsatisfied = [item for item in wanted if not is_satisfied(item, records)]
    for item in unsatisfied:
        record = records.get(item.spec.name) if item.spec else None
        found = f"{record.label} is installed" if record else "not installed"
        reasons.append(f"{item.text} is requested, but {found}")
    install = [item.text for item in unsatisfied]
    lost: list[str] = []
    named = {item.spec.name for item in unsatisfied if item.spec}
    for text in missing_dependencies(records):
        if spec_name(text) not in named:
            install.append(text)
            lost.append(text)
            reasons.append(f"the dependency {text} is missing")
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
        kept = closure((item.spec.name for item in wanted if item.spec), records)
        remove = sorted(set(records) - kept)
        reasons.extend(f"{name} is no longer needed" for name in remove)
    return Plan(
        remove=tuple(remove),
        reinstall=tuple(name for name in reinstall if name not in remove),
        install=tuple(install),
        unasked=tuple(lost),
        update=tuple(item.text for item in wanted) if latest else (),
        reasons=tuple(reasons),
    )


def plan_absent(wanted: Sequence[Wanted], observed: PrefixState) -> Plan:
    """What must be removed so that no linked package fulfils any of ``wanted``."""
    names = [
        item.spec.name for item in wanted if item.spec and is_satisfied(item, observed.records)
    ]
    return Plan(
        remove=tuple(dict.fromkeys(names)),
        reasons=tuple(f"{name} is installed, but must be absent" for name in dict.fromkeys(names)),
    )


def unsatisfied_after(wanted: Sequence[Wanted], observed: PrefixState) -> list[str]:
    """Those of ``wanted`` that the disk does not show, for the check after a change."""
    return [item.text for item in wanted if item.spec and not is_satisfied(item, observed.records)]
