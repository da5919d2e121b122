# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans the changes of one environment: a pure function of the request and the observed state."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import (
    CondaModuleError,
    listed,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import redact
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.explicit_lock import (
    plan_lock,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.package_plan import (
    Plan,
    plan_absent,
    plan_packages,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.pins import (
    parsed_pins,
    violations,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.request import (
    Observed,
    Request,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import PrefixState
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import PackageRecord
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.wanted import (
    Wanted,
    is_satisfied,
    spec_name,
)


def plan(request: Request, observed: Observed) -> Plan:
    """Decide what has to change; this changes nothing itself.

    Raises:
        CondaModuleError: the prefix contains foreign files, is missing, frozen, or a base environment.
    """
    state = observed.state
    if not state.is_environment:
        return _plan_without_environment(request, observed)
    if request.state == "absent" and request.whole:
        _refuse_protected(request, state)
        return Plan(delete=True, reasons=(f"{request.prefix} must be absent",))
    if request.state == "absent":
        lost = {record.name: record for record in _lost(state.bad_records)}
        result = plan_absent(request.wanted, replace(state, records={**lost, **state.records}))
        if result and lost:
            # conda removes no package while a record is unreadable, nor the package of such a record.
            result = _with_bad_records(result, state)
    elif request.lock is not None:
        _refuse_replaced(request, observed)
        result = plan_lock(request.lock, state, observed.damaged)
        if result and _is_base(request, state):
            raise CondaModuleError(
                f"{request.prefix} is a base environment; applying a lock would remove conda's own packages."
                " Nothing was changed.",
                prefix=request.prefix,
                hint="apply the lock to another environment.",
            )
    else:
        _refuse_replaced(request, observed)
        result = plan_packages(
            request.wanted,
            replace(state, records=observed.records),
            latest=request.state == "latest",
            prune=request.prune,
            damaged=observed.damaged,
            # conda would take these back.
            settled=observed.replaced,
        )
        if state.bad_records:
            result = _with_bad_records(result, state)
        result = _with_pins(result, parsed_pins(request.notes.pinned or ()), state)
        result = _with_forced_relink(result, observed.force_relink)
    if observed.lost and request.lock is None:
        # Imported only after an interrupted run, so that other runs do not compile it.
        from ansible_collections.llmfleet.conda.plugins.module_utils._environment.lost_packages import (
            still_wanted,
            with_lost,
        )

        missing = still_wanted(observed.lost, request.wanted, request.state, request.prune)
        result = with_lost(result, missing, request.wanted, request.state)
    if request.notes.exact and ("conda" in result.remove or _is_base(request, state, False)):
        raise CondaModuleError(
            f"{request.prefix} is a base environment; the option exact would remove conda's own packages."
            " Nothing was changed.",
            prefix=request.prefix,
            hint="use exact for another environment.",
        )
    if result and request.recreate:
        _refuse_protected(request, state)
        reasons = (
            *result.reasons,
            f"the option recreate replaces {request.prefix} when it differs",
        )
        return Plan(recreate=True, create=True, install=request.specs, reasons=reasons)
    unlike = [
        *observed.notes.unlike(request.notes),
        *(f"the history differs: {redact(text)}" for text in observed.wrong_requests),
    ]
    if unlike:
        result = replace(result, notes=True, reasons=(*result.reasons, *unlike))
    if result and state.frozen and request.notes.frozen is None:
        _refuse_generation(request, "; ".join(result.reasons))
        raise CondaModuleError(
            f"The environment {request.prefix} is frozen (conda-meta/frozen), but the task would change it:"
            f" {'; '.join(result.reasons)}. Nothing was changed.",
            prefix=request.prefix,
            hint="change another environment, or unfreeze this one (conda_env with frozen: false).",
        )
    return result


def _refuse_replaced(request: Request, observed: Observed) -> None:
    """Refuse specs that contradict the version of a distribution that a task of conda_pip put in their place.

    The two tasks would replace each other's version in every run.
    """
    records = observed.records
    wrong = [
        f"{item.text} is requested"
        for item in request.wanted
        if item.spec and item.spec.name in observed.replaced and not is_satisfied(item, records)
    ]
    wrong += [
        f"{package.name} {package.version} is locked"
        for package in request.lock or ()
        if package.name in observed.replaced
        and package.version != observed.replaced[package.name].version
    ]
    if not wrong:
        return
    names = [name for name in observed.replaced if any(name in text for text in wrong)]
    has = ", ".join(f"{name} by {observed.replaced[name].version}" for name in sorted(names))
    raise CondaModuleError(
        f"{'; '.join(wrong)}, but a task of conda_pip with replace_conda_packages: true has replaced conda's"
        f" {has} in {request.prefix}. Nothing was changed.",
        prefix=request.prefix,
        asked=[redact(text) for text in request.specs],
        hint="let both tasks ask for versions that fit, or take the requirement out of conda_pip and give the"
        " package back to conda with llmfleet.conda.conda_package, force_reinstall: true and the package's"
        " name alone.",
        replaced_by_pip=sorted(names),
    )


def _with_pins(result: Plan, pins: Sequence[Wanted], state: PrefixState) -> Plan:
    """Add the packages that violate the task's pins.

    The history does not record their specs as user requests.
    """
    named = {spec_name(spec) for spec in result.install}
    broken = [
        (pin.text, record.label)
        for pin, record in violations(pins, state.records)
        if record.name not in named and record.name not in result.remove
    ]
    specs = [pin for pin, _label in broken]
    return replace(
        result,
        install=(*result.install, *specs),
        not_requested=(*result.not_requested, *specs),
        reasons=(
            *result.reasons,
            *(f"{pin} is pinned, but {label} is installed" for pin, label in broken),
        ),
    )


def _with_forced_relink(result: Plan, names: Iterable[str]) -> Plan:
    """Add the packages that the option force_reinstall names, damaged or not."""
    more = [name for name in sorted(names) if name not in result.reinstall]
    return replace(
        result,
        reinstall=(*result.reinstall, *more),
        reasons=(*result.reasons, *(f"the task reinstalls {name}" for name in more)),
    )


def _with_bad_records(result: Plan, state: PrefixState) -> Plan:
    """Set unreadable records aside and reinstall their packages."""
    named = {spec_name(spec) for spec in result.install}
    specs = [spec for spec in _specs_of(state.bad_records) if spec.split("=", 1)[0] not in named]
    return replace(
        result,
        quarantine=tuple(state.bad_records),
        install=(*result.install, *specs),
        not_requested=(*result.not_requested, *specs),
        reasons=(*result.reasons, *state.problems),
    )


def _specs_of(bad_records: Sequence[str]) -> list[str]:
    """Specs for unreadable records, from the name and version in their file names.

    The build is left out: the channel may have replaced it since.
    """
    return [f"{record.name}=={record.version}" for record in _lost(bad_records)]


def _lost(bad_records: Sequence[str]) -> list[PackageRecord]:
    """The packages of unreadable records, from the file names (name, version and build)."""
    parts = [name[: -len(".json")].rsplit("-", 2) for name in bad_records]
    return [PackageRecord(words[0], words[1], words[2]) for words in parts if len(words) == 3]


def _plan_without_environment(request: Request, observed: Observed) -> Plan:
    state = observed.state
    if request.state == "absent":
        if not request.whole or not state.exists or (state.cleared and not request.remove_foreign):
            return Plan()
        if observed.half:
            return Plan(delete=True, reasons=(_left_half(request, observed),))
        if state.cleared:
            return Plan(delete=True, reasons=(f"files remain at {request.prefix}",))
        if not state.empty:
            raise _foreign(state, "will not be removed")
        return Plan()
    if not request.whole:
        raise CondaModuleError(
            f"There is no conda environment at {request.prefix}.",
            prefix=request.prefix,
            asked=[item.text for item in request.wanted],
            hint="create it first with llmfleet.conda.conda_env.",
        )
    specs = request.specs
    reason = f"there is no environment at {request.prefix}"
    if not state.empty:
        if observed.half:
            reason = _left_half(request, observed)
        elif not state.cleared:
            raise _foreign(state, "will not be used")
        return Plan(recreate=True, create=True, install=specs, reasons=(reason,))
    return Plan(create=True, install=specs, reasons=(reason,))


def _left_half(request: Request, observed: Observed) -> str:
    done = "created" if observed.interrupted == "create" else "removed"
    return f"an interrupted run left {request.prefix} half {done}"


def _foreign(state: PrefixState, consequence: str) -> CondaModuleError:
    holds = f" It holds {listed(state.entries)}." if state.entries else ""
    return CondaModuleError(
        f"{state.path} exists but is not a conda environment (it has no conda-meta/history), so it"
        f" {consequence}.{holds} Nothing was changed.",
        prefix=state.path,
        hint="choose another prefix, or move those files away.",
    )


def _is_base(request: Request, state: PrefixState, with_conda: bool = True) -> bool:
    same = os.path.realpath(request.prefix) == os.path.realpath(request.installation)
    return same or (with_conda and "conda" in state.records)


def _refuse_generation(request: Request, reasons: str) -> None:
    """Name the module that changes a frozen environment, if it is kept in generations."""
    # Imported only for a refusal, so that other runs do not compile it.
    from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.generations import (
        refuse_managed,
    )

    refuse_managed(request.prefix, reasons)


def _refuse_protected(request: Request, state: PrefixState) -> None:
    problem, hint = None, "check that the option name or prefix names the right environment."
    if _is_base(request, state):
        problem = "is a base environment; only llmfleet.conda.conda_installation removes it"
    elif state.frozen and (
        request.notes.frozen is None or (request.notes.frozen and request.state == "absent")
    ):
        _refuse_generation(request, f"{request.prefix} must be absent")
        problem = "is frozen (conda-meta/frozen)"
        hint = "check that this is the right environment; frozen: false then allows its removal."
    elif any(
        os.path.isdir(os.path.join(request.prefix, *parts)) for parts in (("envs",), ("pkgs",))
    ):
        problem = "contains other environments or a package cache"
    if problem:
        raise CondaModuleError(
            f"The environment {request.prefix} {problem}. Nothing was changed.",
            prefix=request.prefix,
            hint=hint,
        )
