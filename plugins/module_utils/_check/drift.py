# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drift layer of llm_check: whether an environment matches the inventory.

Drift is neither a pass nor a failure: the environment may work. The checks use the planning functions of
conda_env, conda_pip and hub_model, so they report drift exactly when those modules would change something.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ansible_collections.llmfleet.conda.plugins.module_utils._check.declared import (
    for_conda,
    for_pip,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._check.prefix import Observed
from ansible_collections.llmfleet.conda.plugins.module_utils._check.request import (
    DRIFT,
    Finding,
    Request,
    select_checks,
    skipped,
    verdict,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import redact
from ansible_collections.llmfleet.conda.plugins.module_utils._environment import (
    request as conda_request,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.explicit_lock import (
    other_files,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.metadata import (
    Notes,
    observe_notes,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.plan import (
    plan as conda_plan,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._hub.cache import (
    CachedModel,
    parse_choice,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._hub.subject import HubSubject
from ansible_collections.llmfleet.conda.plugins.module_utils._hub.subject import (
    Request as HubRequest,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.closure import Closure, closure_of
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.exact import unneeded
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.plan import plan_changes
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.python_packages import (
    CONDA,
    Packages,
    damage_of,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.two_owners import named_in
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_marker import (
    environment_of,
    normalize_name,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import PackageRecord
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.wanted import Wanted, closure

# How many differences a sentence names before "and N more"; ``measured`` has all of them.
_NAMED = 5

# How a plan of conda_env ends the reason for a package that it removes.
_UNDECLARED = " is no longer needed"

# Python distributions that come with every Python; nobody declares them.
_COMES_ALONG = frozenset({"pip", "setuptools", "wheel"})


def check_drift_packages(observed: Observed, request: Request) -> Finding:
    """Check that conda_env with the declared packages, lock and pins would change no package.

    A declaration that conda_env refuses on this host is a failure: the environment can never become what is
    declared.
    """
    try:
        wanted = for_conda(request)
        readable = replace(
            wanted,
            wanted=[item for item in wanted.wanted if item.spec],
            # Without exact, drift.unneeded finds these packages.
            prune=wanted.notes.exact,
            notes=_only_pins(wanted.notes),
        )
        plan = conda_plan(readable, _seen_by_conda(wanted, observed, request))
    except CondaModuleError as error:
        return _refused("conda_env", error)
    found = [_said_of(reason, observed) for reason in plan.reasons]
    only_conda = [item.text for item in wanted.wanted if item.spec is None]
    aside = f" Only conda can interpret {', '.join(only_conda)}." if only_conda else ""
    count = len(wanted.specs) - len(only_conda)
    if only_conda and not count and not found:
        return skipped(redact(aside.strip()))
    only = " and no others" if wanted.notes.exact else ""
    return _finding(found, f"The {count} declared conda packages{only} are installed.", aside)


def _said_of(reason: str, observed: Observed) -> str:
    """The reason of a plan in the words of a declaration."""
    name, undeclared, _rest = reason.partition(_UNDECLARED)
    if undeclared:
        return f"{observed.state.records[name].label} is installed, but nothing declared needs it"
    return reason.replace(" is requested, but ", " is declared, but ")


def check_drift_settings(observed: Observed, request: Request) -> Finding:
    """Check that pins, variables, frozen marker, owner and group are those that are declared.

    With ``exact``, also that conda's history has no other requests, as conda_env would leave it.
    """
    try:
        wanted = for_conda(request)
        wrong: tuple[str, ...] = ()
        if wanted.notes.exact:
            # Imported only with this option, so that other runs do not compile it.
            from ansible_collections.llmfleet.conda.plugins.module_utils._environment.exact import (
                wrong_requests,
            )

            records = observed.state.records
            wrong = wrong_requests(request.prefix, wanted.wanted, wanted.lock, records)
        # The packages have checks of their own.
        state = replace(observed.state, records={}, problems=(), bad_records=())
        notes = observe_notes(request.prefix, wanted.notes)
        plan = conda_plan(
            replace(wanted, wanted=(), lock=None, prune=False),
            conda_request.Observed(state, notes=notes, wrong_requests=wrong),
        )
    except CondaModuleError as error:
        return _refused("conda_env", error)
    return _finding(plan.reasons, "The declared settings of the environment are in place.")


def check_drift_requirements(observed: Observed, request: Request) -> Finding:
    """Check that conda_pip with the declared requirements would change no distribution."""
    python, packages = observed.state.records.get("python"), observed.packages
    try:
        desired = for_pip(request)
        if not desired.requirements and not (desired.exact and python):
            return verdict(True, "No requirements are declared.")
        if python is None:
            return _finding(["requirements are declared, but the environment has no Python"], "")
        environment = _environment_of(python)
        damage: Mapping[str, tuple[str, ...]] = {}
        if desired.repair and "environment.distributions" not in _checked(request):
            names = closure_of(desired, packages, environment).names
            damage = damage_of(packages, names)
        additive = replace(desired, exact=False)
        plan = plan_changes(additive, packages, environment, damage, request.prefix)
    except CondaModuleError as error:
        return _refused("conda_pip", error)
    # conda_pip removes these after it has installed what is missing, which may need some of them.
    extra = unneeded(desired.requirements, packages, environment) if desired.exact else []
    found = [*plan.reasons, *_undeclared(extra, packages, " yet" if plan.install else "")]
    unfrozen = request.declared is not None and request.declared.options.get("frozen") is False
    if found and observed.state.frozen and not unfrozen:
        text = f"conda_pip refuses to change a frozen environment: {'; '.join(found)}."
        return verdict(False, redact(text))
    if not desired.requirements:
        return _finding(found, "Everything that pip installed is needed.")
    only = ", and pip has installed nothing else" if desired.exact else ""
    text = f"The {len(desired.requirements)} declared requirements and their dependencies are met{only}."
    return _finding(found, text)


def check_drift_models(observed: Observed, request: Request) -> Finding:
    """Check that hub_model would change nothing for each declared model."""
    found = []
    for model in request.models:
        wanted = HubRequest(
            CachedModel(model.cache_dir, model.name),
            revision=model.revision,
            choice=parse_choice(model.include, model.exclude),
            commit=model.commit,
            path=model.path,
            on_host=bool(model.path),
        )
        try:
            subject = HubSubject(wanted)
            plan = subject.plan(subject.observe())
        except CondaModuleError as error:
            found.append(f"{model.name}: {error.message.rstrip('.')}")
            continue
        if plan:
            found.append(f"{model.name} in {model.cache_dir}: {plan.reason}")
    return _finding(found, f"The {len(request.models)} declared models are complete.")


def check_drift_absent(observed: Observed, request: Request) -> Finding:
    """Check that an environment that must not exist is gone."""
    if observed.error:
        return verdict(False, observed.error)
    if observed.interrupted:
        return verdict(False, f"{request.prefix} must be absent; {observed.interrupted}.")
    if observed.state.is_environment:
        return _finding([f"{request.prefix} must be absent, but it is an environment"], "")
    return verdict(True, f"There is no environment at {request.prefix}.")


def check_drift_unneeded(observed: Observed, request: Request) -> Finding:
    """Check that declared packages and requirements need everything that is installed."""
    state, packages = observed.state, observed.packages
    try:
        wanted: Sequence[Wanted] = for_conda(request).wanted
        reached = _closure(observed, request)
    except CondaModuleError as error:
        return _refused("conda_env", error)
    distributions = set(reached.names) if reached else set()
    names = [item.spec.name for item in wanted if item.spec]
    # A distribution that pip's need may come from conda: the package of the same name.
    names += [name for name in state.records if normalize_name(name) in distributions]
    kept = closure(names, state.records)
    found = [
        f"{record.label} is installed, but nothing declared needs it"
        for name, record in sorted(state.records.items())
        if name not in kept
    ]
    extra = [
        name
        for name, one in sorted(packages.by_name.items())
        if one.owner != CONDA and name not in distributions | _COMES_ALONG
    ]
    return _finding([*found, *_undeclared(extra, packages)], "Everything installed is needed.")


def _undeclared(names: Iterable[str], packages: Packages, so_far: str = "") -> list[str]:
    """One clause for each of these distributions of pip."""
    return [
        f"{name} {packages.by_name[name].version} (pip) is installed,"
        f" but nothing declared needs it{so_far}"
        for name in names
    ]


def _checked(request: Request) -> set[str]:
    """Names of the checks of this run. What one of them reports as damage is not reported as drift, too."""
    return {planned.name for planned in select_checks(request)}


def _environment_of(python: PackageRecord) -> Mapping[str, str]:
    """The values of markers under this Python."""
    implementation = "PyPy" if "pypy" in python.build else "CPython"
    return environment_of(python.version, python.subdir, implementation)


def _finding(found: Sequence[str], good: str, aside: str = "") -> Finding:
    # A spec or a line may contain a URL with a token.
    found, aside = [redact(line) for line in found], redact(aside)
    if not found:
        return verdict(True, good + aside)
    shown = "; ".join(found[:_NAMED])
    more = f"; and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    count = "1 difference" if len(found) == 1 else f"{len(found)} differences"
    measured: Mapping[str, object] = {"differences": found}
    return Finding(DRIFT, f"{count} from the declaration: {shown}{more}.{aside}", measured)


def _refused(module: str, error: CondaModuleError) -> Finding:
    return verdict(False, redact(f"{module} refuses the declaration: {error.message}"))


def _only_pins(notes: Notes) -> Notes:
    """The settings that decide about packages; a declared marker allows to change a frozen environment."""
    return Notes(pinned=notes.pinned, frozen=notes.frozen, exact=notes.exact)


def _seen_by_conda(
    wanted: conda_request.Request, observed: Observed, request: Request
) -> conda_request.Observed:
    """The environment as conda_env observes it, without its settings, which have their own check."""
    state, checked = observed.state, _checked(request)
    hidden = request.is_quick or "environment.files" in checked
    damaged = {} if hidden else dict(observed.conda_damage)
    if "environment.owners" not in checked:
        damaged = named_in(damaged, state)
    return conda_request.Observed(
        state,
        damaged=damaged,
        replaced=observed.replaced,
        others=frozenset(other_files(wanted.lock or (), state)),
        notes=_only_pins(wanted.notes),
    )


def _closure(observed: Observed, request: Request) -> Closure | None:
    """The closure of the declared requirements; None in an environment without Python."""
    python = observed.state.records.get("python")
    if python is None:
        return None
    return closure_of(for_pip(request), observed.packages, _environment_of(python))


DRIFT_CHECKS = {
    "drift.packages": check_drift_packages,
    "drift.requirements": check_drift_requirements,
    "drift.unneeded": check_drift_unneeded,
    "drift.settings": check_drift_settings,
    "drift.models": check_drift_models,
    "drift.absent": check_drift_absent,
}
