# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task wants of an environment, what is observed of it, and the plan that follows: no change."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ansible_collections.llmfleet.conda.plugins.module_utils._errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._explicit_lock import (
    LockedPackage,
    other_files,
    plan_lock,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._linked_files import damaged_files
from ansible_collections.llmfleet.conda.plugins.module_utils._plan import (
    Plan,
    Wanted,
    plan_absent,
    plan_packages,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix import (
    PrefixState,
    observe_prefix,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._transaction import (
    pending_journal,
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
        prune, repair, offline: the options of these names.
        timeout: seconds for one run of conda and for each lock.
        executable: another conda to start.
        lock: the packages that the environment holds exactly, instead of ``wanted``; None without a lock.
        recreate: where something differs, the environment is removed and made anew.
        frozen: whether the environment is to have the marker of CEP 22; None leaves it as it is.
        pip_requirements: the pip section of an environment file, only handed back to the task.
    """

    installation: str
    prefix: str
    wanted: Sequence[Wanted]
    whole: bool
    state: str = "present"
    channels: Sequence[str] = ()
    prune: bool = False
    repair: bool = True
    offline: bool = False
    timeout: float = 3600
    executable: str | None = None
    lock: Sequence[LockedPackage] | None = None
    recreate: bool = False
    frozen: bool | None = None
    pip_requirements: Sequence[str] = ()

    @property
    def asked(self) -> tuple[str, ...]:
        """The specs that the whole of the task comes to."""
        if self.lock is not None:
            return tuple(package.spec for package in self.lock)
        return tuple(item.text for item in self.wanted)


@dataclass(frozen=True)
class Observed:
    """The environment and what is wrong with its files; ``others`` are not the files of the lock.

    ``shows_frozen`` adds the marker to the lines, for tasks that manage it.
    """

    state: PrefixState
    damaged: dict[str, list[str]] = field(default_factory=dict)
    interrupted: str | None = None
    others: frozenset[str] = frozenset()
    shows_frozen: bool = False

    def lines(self) -> list[str]:
        """One line for each package, as diffs show it; damage is part of the line."""
        if not self.state.is_environment:
            return []
        marked = []
        for record in self.state.records.values():
            files = self.damaged.get(record.name)
            if record.name in self.others:
                marked.append(f"{record.label} (another file than the locked one)")
            else:
                marked.append(f"{record.label} (damaged: {files[0]})" if files else record.label)
        for bad in self.state.bad_records:
            marked.append(f"{bad} (unreadable record)")
        return with_marker(marked, self.shows_frozen and self.state.frozen)


def with_marker(lines: Sequence[str], frozen: bool) -> list[str]:
    """The sorted ``lines`` of an environment, after one for the marker when it is ``frozen``."""
    return [*(["(frozen)"] if frozen else []), *sorted(lines)]


def observe(request: Request) -> Observed:
    """Read the environment's state from disk."""
    journal = pending_journal(request.prefix)
    # After a run that was cut off, nothing is trusted.
    thorough = request.repair or journal is not None
    state = observe_prefix(request.prefix, thorough=thorough)
    damaged = {}
    if state.is_environment and thorough:
        damaged = damaged_files(state)
    return Observed(
        state,
        damaged,
        str(journal.get("operation") or "change") if journal else None,
        frozenset(other_files(request.lock or (), state)),
        request.frozen is not None,
    )


def plan(request: Request, observed: Observed) -> Plan:
    """Decide what must be done; nothing is touched.

    Raises:
        CondaModuleError: the prefix holds somebody else's files, is missing, frozen, or is the base.
    """
    state = observed.state
    if not state.is_environment:
        return _plan_without_environment(request, observed)
    if request.state == "absent" and request.whole:
        _refuse_protected(request, state)
        return Plan(delete=True, reasons=(f"{request.prefix} is to be absent",))
    if request.state == "absent":
        result = plan_absent(request.wanted, state)
    elif request.lock is not None:
        result = plan_lock(request.lock, state, observed.damaged)
        if result and _is_base(request, state):
            raise CondaModuleError(
                f"{request.prefix} is a base environment, and a lock would take conda's own packages away."
                " Nothing was changed.",
                prefix=request.prefix,
                hint="lock another environment.",
            )
    else:
        result = plan_packages(
            request.wanted,
            state,
            latest=request.state == "latest",
            prune=request.prune,
            damaged=observed.damaged,
        )
        if state.bad_records:
            result = _with_bad_records(result, state)
    if result and request.recreate:
        _refuse_protected(request, state)
        freeze = True if request.frozen else None
        reasons = (*result.reasons, f"{request.prefix} is to be made anew when it differs")
        return Plan(
            recreate=True, create=True, install=request.asked, freeze=freeze, reasons=reasons
        )
    if request.frozen is not None:
        return _with_freeze(request.frozen, result, state)
    if result and state.frozen:
        raise CondaModuleError(
            f"The environment {request.prefix} is frozen (conda-meta/frozen), and the task would change it:"
            f" {'; '.join(result.reasons)}. Nothing was changed.",
            prefix=request.prefix,
            hint="change another environment, or remove the file conda-meta/frozen on purpose (conda_env does"
            " that with the option frozen).",
        )
    return result


def _with_freeze(frozen: bool, result: Plan, state: PrefixState) -> Plan:
    """Add the marker where it is not as wanted; a task that names it may change what it protects."""
    if frozen == state.frozen:
        return result
    reason = "the environment is to be frozen" if frozen else "the environment is not to be frozen"
    return replace(result, freeze=frozen, reasons=(*result.reasons, reason))


def _with_bad_records(result: Plan, state: PrefixState) -> Plan:
    """Add the packages whose records cannot be read: they are set aside and installed again."""
    asked = {re.split(r"[ =<>!~\[]", text, maxsplit=1)[0] for text in result.install}
    again = [text for text in _specs_of(state.bad_records) if text.split("=", 1)[0] not in asked]
    return replace(
        result,
        quarantine=tuple(state.bad_records),
        install=(*result.install, *again),
        unasked=(*result.unasked, *again),
        reasons=(*result.reasons, *state.problems),
    )


def _specs_of(bad_records: Sequence[str]) -> list[str]:
    """Specs of unreadable records, whose file names say name, version and build.

    The build is left out: a channel may have replaced it since, and the version is what matters.
    """
    specs = []
    for file_name in bad_records:
        parts = file_name[: -len(".json")].rsplit("-", 2)
        if len(parts) == 3:
            specs.append(f"{parts[0]}=={parts[1]}")
    return specs


def _plan_without_environment(request: Request, observed: Observed) -> Plan:
    state = observed.state
    if request.state == "absent":
        if state.exists and request.whole and observed.interrupted in _HALF:
            return Plan(delete=True, reasons=(_left_half(request, observed),))
        if state.exists and request.whole and not state.empty:
            raise _foreign(request.prefix, "will not be removed")
        return Plan()
    if not request.whole:
        raise CondaModuleError(
            f"There is no conda environment at {request.prefix}.",
            prefix=request.prefix,
            asked=[item.text for item in request.wanted],
            hint="create it first with llmfleet.conda.conda_env.",
        )
    specs = request.asked
    freeze = True if request.frozen else None
    reason = f"there is no environment at {request.prefix}"
    if not state.empty:
        if observed.interrupted not in _HALF:
            raise _foreign(request.prefix, "will not be used")
        return Plan(
            recreate=True,
            create=True,
            install=specs,
            freeze=freeze,
            reasons=(_left_half(request, observed),),
        )
    return Plan(create=True, install=specs, freeze=freeze, reasons=(reason,))


def _left_half(request: Request, observed: Observed) -> str:
    done = "made" if observed.interrupted == "create" else "removed"
    return f"{request.prefix} was left half {done}"


def _foreign(prefix: str, consequence: str) -> CondaModuleError:
    return CondaModuleError(
        f"{prefix} exists and is no conda environment (it has no conda-meta/history), so it {consequence}."
        " Nothing was changed.",
        prefix=prefix,
        hint="choose another prefix, or move those files away yourself.",
    )


def _is_base(request: Request, state: PrefixState) -> bool:
    same = os.path.realpath(request.prefix) == os.path.realpath(request.installation)
    return same or "conda" in state.records


def _refuse_protected(request: Request, state: PrefixState) -> None:
    problem = None
    if _is_base(request, state):
        problem = "is a base environment; llmfleet.conda.conda_installation removes those"
    elif state.frozen and (
        request.frozen is None or (request.frozen and request.state == "absent")
    ):
        problem = "is frozen (conda-meta/frozen)"
    elif any(
        os.path.isdir(os.path.join(request.prefix, *parts)) for parts in (("envs",), ("pkgs",))
    ):
        problem = "holds other environments or a package cache"
    if problem:
        raise CondaModuleError(
            f"The environment {request.prefix} {problem}. Nothing was changed.",
            prefix=request.prefix,
            hint="name the environment that is really meant.",
        )
