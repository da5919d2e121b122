# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The request of a task for an environment, and the observed environment. Reads files, changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import redact
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
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.two_owners import (
    PipCopy,
    named_in,
    replaced_by_pip,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import PackageRecord
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.wanted import (
    Wanted,
    is_satisfied,
)

# Ends the diff's line of a spec that check mode cannot solve for, because conda is not there yet.
UNSOLVED = " (to be solved)"

# After these operations, the remains of a prefix without a history are ours to remove.
_HALF = ("create", "remove")


@dataclass(frozen=True)
class Request:
    """The request of a task for one environment.

    Attributes:
        installation: base prefix of the conda to run.
        prefix: the prefix of the environment.
        wanted: the specs.
        whole: the task declares the whole environment (``conda_env``), not only packages in it.
        state: ``present``, ``latest`` or ``absent``.
        channels: in order of priority; empty means those of the condarc.
        channel_priority: ``strict``, ``flexible`` or ``disabled``; None means that of the condarc.
        prune, repair, offline: the options of these names.
        timeout: seconds for one run of conda and for each lock.
        in_use, in_use_timeout: the options of these names.
        executable: another conda program to run.
        lock: the exact packages of the environment, instead of ``wanted``; None without a lock.
        recreate: replace the environment if anything differs.
        force_reinstall: relink packages that satisfy ``wanted``, damaged or not.
        remove_foreign: with the environment, also remove files that neither conda nor pip installed.
        notes: the settings beside the packages: frozen marker, pins, variables, owner.
        on_python_change: the option pip_on_python_change.
        pip_later: requirement lines that a later task installs by pip.
        pip_requirements: the pip section of an environment file, or the lines for pip of a lock; only
            returned to the task.
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
    on_python_change: str = "fail"
    pip_later: Sequence[str] = ()
    pip_requirements: Sequence[str] = ()

    @property
    def specs(self) -> tuple[str, ...]:
        """The specs of the task: those of the lock, or those in ``wanted``."""
        if self.lock is not None:
            return tuple(package.spec for package in self.lock)
        return tuple(item.text for item in self.wanted)


@dataclass(frozen=True)
class Observed:
    """The observed environment.

    Attributes:
        state: the packages.
        damaged: files that differ from what conda linked, and copies that pip has of the same distribution,
            by package name.
        replaced: packages that a task let pip replace, with the distribution that pip installed instead.
        interrupted: the operation of an interrupted run, None without one.
        half: that run was creating or removing the directory that exists now.
        lost: packages that the interrupted run unlinked and did not link again: name, version and build.
        others: names of packages whose digest differs from the lock.
        force_relink: names of packages that the option force_reinstall relinks.
        pins: all pins of the environment, whether or not the task sets pins.
        notes: the settings beside the packages that the task sets.
        note_lines: the same as diff lines.
        wrong_requests: with the option exact, how the requests in conda's history differ from the task.
    """

    state: PrefixState
    damaged: dict[str, list[str]] = field(default_factory=dict)
    replaced: Mapping[str, PipCopy] = field(default_factory=dict)
    interrupted: str | None = None
    half: bool = False
    lost: tuple[PackageRecord, ...] = ()
    others: frozenset[str] = frozenset()
    force_relink: frozenset[str] = frozenset()
    pins: tuple[Wanted, ...] = ()
    notes: Notes = field(default_factory=Notes)
    note_lines: tuple[str, ...] = ()
    wrong_requests: tuple[str, ...] = ()

    @property
    def records(self) -> Mapping[str, PackageRecord]:
        """The packages by name, with pip's version of those that pip replaced; specs are compared with it."""
        found = dict(self.state.records)
        for name, one in self.replaced.items():
            found[name] = replace(found[name], version=one.version)
        return found

    def lines(self) -> list[str]:
        """One diff line for each package; the line names damage."""
        bad = [f"{name} (unreadable record)" for name in self.state.bad_records]
        requests = [f"({redact(text)})" for text in self.wrong_requests]
        return [*self.note_lines, *requests, *sorted([*map(self._line, self.state.records), *bad])]

    def _line(self, name: str) -> str:
        label = self.state.records[name].label
        if name in self.others:
            return f"{label} (not the locked file)"
        if files := self.damaged.get(name):
            return f"{label} (damaged: {files[0]})"
        return f"{label} (to be reinstalled)" if name in self.force_relink else label


def observe(request: Request) -> Observed:
    """Read the environment from disk.

    Raises:
        CondaModuleError: one of its files cannot be read or parsed.
    """
    journal = pending_journal(request.prefix)
    # After an interrupted run, check all files even with repair: false.
    thorough = request.repair or journal is not None
    state = observe_prefix(request.prefix, thorough=thorough)
    interrupted = str(journal.get("operation") or "change") if journal else None
    if not state.is_environment:
        half = interrupted in _HALF and "unproved" not in (journal or {})
        return Observed(state, interrupted=interrupted, half=half)
    lost: tuple[PackageRecord, ...] = ()
    if journal and "held" in journal:
        # Imported only after an interrupted run, so that other runs do not compile it.
        from ansible_collections.llmfleet.conda.plugins.module_utils._environment.lost_packages import (
            lost_packages,
        )

        lost = lost_packages(journal, state)
    # The removal of an environment needs only the frozen marker; other files may be unreadable.
    gone = request.whole and request.state == "absent"
    wanted = Notes(frozen=request.notes.frozen) if gone else request.notes
    notes = observe_notes(request.prefix, wanted)
    satisfied = [
        item.spec.name for item in request.wanted if item.spec and is_satisfied(item, state.records)
    ]
    relinked = frozenset(satisfied) if request.force_reinstall else frozenset()
    # force_reinstall gives a package back to conda.
    replaced = {} if gone else replaced_by_pip(state)
    replaced = {name: one for name, one in replaced.items() if name not in relinked}
    wrong: tuple[str, ...] = ()
    if request.notes.exact:
        # Imported only with this option, so that other runs do not compile it.
        from ansible_collections.llmfleet.conda.plugins.module_utils._environment.exact import (
            wrong_requests,
        )

        wrong = wrong_requests(request.prefix, request.wanted, request.lock, state.records)
    return Observed(
        state,
        damaged=named_in(damaged_files(state), state) if thorough else {},
        replaced=replaced,
        interrupted=interrupted,
        lost=lost,
        others=frozenset(other_files(request.lock or (), state)),
        force_relink=relinked,
        pins=() if gone else parsed_pins(read_pins(request.prefix)),
        notes=notes,
        note_lines=tuple(notes.lines(wanted)),
        wrong_requests=wrong,
    )
