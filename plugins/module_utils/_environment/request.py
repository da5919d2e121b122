# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task wants of an environment, and what is observed of it: files are read, nothing is changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ansible_collections.llmfleet.conda.plugins.module_utils._environment.explicit_lock import (
    LockedPackage,
    other_files,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.metadata import (
    Notes,
    observe_notes,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.pins import (
    parsed_pins,
    read_pins,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.linked_files import (
    damaged_files,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import (
    PrefixState,
    observe_prefix,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import (
    pending_journal,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import PackageRecord
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.wanted import (
    Wanted,
    is_satisfied,
)

# After these, what is left of a prefix without a history is ours to clear away.
_HALF = ("create", "remove")


@dataclass(frozen=True)
class Request:
    """What a task wants of one environment.

    Attributes:
        installation: base prefix of the conda to use.
        prefix: the environment's own prefix.
        wanted: the specs.
        whole: the task declares the environment (``conda_env``), not only some packages inside it.
        state: ``present``, ``latest`` or ``absent``.
        channels: in order of priority; empty leaves the choice to the condarc.
        channel_priority: ``strict``, ``flexible`` or ``disabled``; None leaves it to the condarc.
        prune, repair, offline: the options of these names.
        timeout: seconds for one run of conda and for each lock.
        in_use, in_use_timeout: the options of these names.
        executable: another conda to start.
        lock: the packages that the environment holds exactly, instead of ``wanted``; None without a lock.
        recreate: where something differs, the environment is removed and made anew.
        force_reinstall: packages that fulfil ``wanted`` are linked anew, sound or not.
        remove_foreign: with the environment, files go that neither conda nor pip put there.
        notes: what is to stand beside the packages in ``conda-meta``.
        pip_requirements: the pip section of an environment file, only handed back to the task.
    """

    installation: str
    prefix: str
    wanted: Sequence[Wanted]
    whole: bool
    state: str = "present"
    channels: Sequence[str] = ()
    channel_priority: str | None = None
    prune: bool = False
    repair: bool = True
    offline: bool = False
    timeout: float = 3600
    in_use: str = "fail"
    in_use_timeout: float = 600
    executable: str | None = None
    lock: Sequence[LockedPackage] | None = None
    recreate: bool = False
    force_reinstall: bool = False
    remove_foreign: bool = False
    notes: Notes = field(default_factory=Notes)
    pip_requirements: Sequence[str] = ()

    @property
    def asked(self) -> tuple[str, ...]:
        """The specs that the whole of the task comes to."""
        if self.lock is not None:
            return tuple(package.spec for package in self.lock)
        return tuple(item.text for item in self.wanted)


@dataclass(frozen=True)
class Observed:
    """The environment, and how it differs from what its lines and the task say.

    Attributes:
        state: the packages.
        damaged: files that are not as linked, by package name.
        interrupted: what a run was doing that was cut off, None without one.
        half: that run was making or removing the very directory that is there now.
        lost: packages that it was to leave there and did not, name, version and build.
        others: names of packages that are not the files of the lock.
        again: names of packages that the task wants linked anew.
        pins: those of the environment, whether the task is about them or not.
        notes: what stands beside the packages, as far as the task is about it.
        note_lines: the same as diffs show it.
    """

    state: PrefixState
    damaged: dict[str, list[str]] = field(default_factory=dict)
    interrupted: str | None = None
    half: bool = False
    lost: tuple[PackageRecord, ...] = ()
    others: frozenset[str] = frozenset()
    again: frozenset[str] = frozenset()
    pins: tuple[Wanted, ...] = ()
    notes: Notes = field(default_factory=Notes)
    note_lines: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """One line for each package, as diffs show it; damage is part of the line."""
        bad = [f"{name} (unreadable record)" for name in self.state.bad_records]
        return [*self.note_lines, *sorted([*map(self._line, self.state.records), *bad])]

    def _line(self, name: str) -> str:
        label = self.state.records[name].label
        if name in self.others:
            return f"{label} (not the locked file)"
        if files := self.damaged.get(name):
            return f"{label} (damaged: {files[0]})"
        return f"{label} (to be reinstalled)" if name in self.again else label


def observe(request: Request) -> Observed:
    """Read the environment's state from disk.

    Raises:
        CondaModuleError: a file of it cannot be read or understood.
    """
    journal = pending_journal(request.prefix)
    # After a run that was cut off, nothing is trusted.
    thorough = request.repair or journal is not None
    state = observe_prefix(request.prefix, thorough=thorough)
    interrupted = str(journal.get("operation") or "change") if journal else None
    if not state.is_environment:
        half = interrupted in _HALF and "unproved" not in (journal or {})
        return Observed(state, interrupted=interrupted, half=half)
    lost: tuple[PackageRecord, ...] = ()
    if journal and "held" in journal:
        # Imported where a run was cut off: most tasks do without.
        from ansible_collections.llmfleet.conda.plugins.module_utils._environment.lost_packages import (
            lost_packages,
        )

        lost = lost_packages(journal, state)
    # To remove an environment, nothing beside the marker has to be understood.
    gone = request.whole and request.state == "absent"
    wanted = Notes(frozen=request.notes.frozen) if gone else request.notes
    notes = observe_notes(request.prefix, wanted)
    again = [
        item.spec.name for item in request.wanted if item.spec and is_satisfied(item, state.records)
    ]
    return Observed(
        state,
        damaged=damaged_files(state) if thorough else {},
        interrupted=interrupted,
        lost=lost,
        others=frozenset(other_files(request.lock or (), state)),
        again=frozenset(again) if request.force_reinstall else frozenset(),
        pins=() if gone else parsed_pins(read_pins(request.prefix)),
        notes=notes,
        note_lines=tuple(notes.lines(wanted)),
    )
