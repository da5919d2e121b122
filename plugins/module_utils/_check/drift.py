# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drift layer of llm_check: whether an environment matches the inventory.

Drift is neither a pass nor a failure: the environment may work. The checks use the planning functions of
conda_env and conda_pip, so they report drift exactly when those modules would change packages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.llmfleet.conda.plugins.module_utils._check.prefix import Observed
from ansible_collections.llmfleet.conda.plugins.module_utils._check.request import (
    DRIFT,
    Declared,
    Finding,
    Request,
    skipped,
    verdict,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import redact
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.closure import Closure, closure_of
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.options import parsed_option
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.request import Desired
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.python_packages import CONDA
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.conda_version import (
    InvalidSpecError,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_marker import (
    environment_of,
    normalize_name,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.wanted import (
    Wanted,
    closure,
    is_satisfied,
    parse_specs,
)

# How many differences a sentence names before "and N more"; ``measured`` has all of them.
_NAMED = 5

# Python distributions that come with every Python; nobody declares them.
_COMES_ALONG = frozenset({"pip", "setuptools", "wheel"})


def validate_declared(request: Request) -> None:
    """Refuse a declaration that conda or pip would refuse.

    Raises:
        CondaModuleError: a spec or a line is invalid; the message names it.
    """
    _specs(request)
    _desired(request)


def check_drift_packages(observed: Observed, request: Request) -> Finding:
    """Check that every declared conda package is installed in a version and build that its spec allows."""
    records = observed.state.records
    wanted = _specs(request)
    found = []
    for item in wanted:
        if item.spec is None or is_satisfied(item, records):
            continue
        linked = records.get(item.spec.name)
        there = f"{linked.label} is installed" if linked else "not installed"
        found.append(f"{item.text} is declared, but {there}")
    only_conda = [item.text for item in wanted if item.spec is None]
    aside = f" Only conda can interpret {', '.join(only_conda)}." if only_conda else ""
    if len(only_conda) == len(wanted):
        return skipped(redact(aside.strip()))
    good = f"The {len(wanted) - len(only_conda)} declared conda packages are installed."
    return _finding(found, good, aside)


def check_drift_requirements(observed: Observed, request: Request) -> Finding:
    """Check that every declared requirement and its dependencies are installed within the constraints."""
    reached = _closure(observed, request)
    if reached is None:
        return _finding(["requirements are declared, but the environment has no Python"], "")
    found = [shortfall.reason for shortfall in reached.shortfalls]
    count = len(_declared(request).requirements)
    return _finding(found, f"The {count} declared requirements and their dependencies are met.")


def check_drift_unneeded(observed: Observed, request: Request) -> Finding:
    """Check that declared packages and requirements need everything that is installed."""
    state, packages = observed.state, observed.packages
    wanted = _specs(request)
    reached = _closure(observed, request)
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
    found += [
        f"{one.name} {one.version} (pip) is installed, but nothing declared needs it"
        for name, one in sorted(packages.by_name.items())
        if one.owner != CONDA and name not in distributions | _COMES_ALONG
    ]
    return _finding(found, "Everything installed is needed.")


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


def _declared(request: Request) -> Declared:
    return request.declared or Declared()


def _specs(request: Request) -> list[Wanted]:
    wanted = []
    for text in _declared(request).packages:
        try:
            wanted += parse_specs([text])
        except InvalidSpecError as error:
            raise CondaModuleError(
                f"declared: packages: {text!r} is not a match spec: {str(error).rstrip('.')}.",
                prefix=request.prefix,
                hint="write match specs that conda accepts, such as numpy>=2 or python=3.12.",
            ) from error
    return wanted


def _desired(request: Request) -> Desired:
    declared = _declared(request)
    return Desired(
        requirements=parsed_option("requirements", declared.requirements, request.prefix),
        constraints=parsed_option("constraints", declared.constraints, request.prefix),
        constraints_for_pip=parsed_option(
            "constraints_for_pip", declared.constraints_for_pip, request.prefix
        ),
    )


def _closure(observed: Observed, request: Request) -> Closure | None:
    """The closure of the declared requirements; None in an environment without Python."""
    python = observed.state.records.get("python")
    if python is None:
        return None
    environment = environment_of(python.version, python.subdir)
    return closure_of(_desired(request), observed.packages, environment)


DRIFT_CHECKS = {
    "drift.packages": check_drift_packages,
    "drift.requirements": check_drift_requirements,
    "drift.unneeded": check_drift_unneeded,
}
