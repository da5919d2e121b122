# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observes the Python distributions of one conda environment, and plans the changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import redact
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.choice import Choice, choose
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.closure import Closure, closure_of
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.direct_url import source_of
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.plan import Plan, plan_changes
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.request import Request
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.linked_files import conda_files
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.python_packages import (
    PIP,
    Distribution,
    Packages,
    damage_of,
    is_cut_short,
    observe_packages,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import (
    PrefixState,
    observe_prefix,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import (
    pending_journal,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_marker import (
    environment_of,
)


@dataclass(frozen=True)
class Observed:
    """The observed Python distributions of an environment.

    Attributes:
        choice: the installer that would run.
        unready: why the installer cannot run here, as a clause; empty if it can.
        interrupted: the operation of an interrupted run, empty without one.
    """

    state: PrefixState
    choice: Choice = field(default_factory=lambda: Choice("pip"))
    packages: Packages = field(default_factory=Packages)
    environment: Mapping[str, str] = field(default_factory=dict)
    closure: Closure = field(default_factory=lambda: Closure(frozenset(), ()))
    damage: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unready: str = ""
    interrupted: str = ""

    def lines(self) -> list[str]:
        """One diff line for each distribution."""
        return sorted(
            line_of(one, damaged=one.name in self.damage) for one in self.packages.by_name.values()
        )


def line_of(one: Distribution, damaged: bool = False) -> str:
    """`name==version (owner)`, with its damage and its source."""
    state = one.owner if one.metadata else f"{one.owner}, incomplete"
    state += ", damaged" if damaged and one.metadata else ""
    source = source_of(one.direct_url)
    return f"{one.name}=={one.version} ({state})" + (f" @ {redact(source)}" if source else "")


def observe(request: Request) -> Observed:
    """Read the installed distributions from files; this starts no process.

    Raises:
        CondaModuleError: the prefix cannot be read.
    """
    state = observe_prefix(request.prefix, thorough=True)
    journal = pending_journal(request.prefix)
    interrupted = str(journal.get("operation") or "change") if journal else ""
    choice = choose(request)
    seen = Observed(state, choice, interrupted=interrupted)
    if not state.is_environment:
        return replace(seen, unready=f"there is no conda environment at {request.prefix}")
    site_packages = state.site_packages
    if site_packages is None:
        return replace(seen, unready=f"there is no Python in the environment {request.prefix}")
    python = state.records["python"]
    packages = observe_packages(request.prefix, site_packages, conda_files(state.records.values()))
    environment = environment_of(
        python.version, python.subdir, "PyPy" if "pypy" in python.build else "CPython"
    )
    closure = closure_of(request.desired, packages, environment)
    damage: Mapping[str, tuple[str, ...]] = {}
    if request.desired.repair or interrupted:
        damage = damage_of(packages, closure.names)
    unready = choice.not_found
    if choice.name == "pip" and "pip" not in packages.by_name:
        unready = f"there is no pip in the environment {request.prefix}"
    return replace(
        seen,
        packages=packages,
        environment=environment,
        closure=closure,
        damage=damage,
        unready=unready,
    )


def _incomplete(observed: Observed) -> list[str]:
    """Metadata paths of distributions that an interrupted run left half installed or half removed."""
    there = observed.packages.by_name.values()
    return [one.path for one in there if one.owner == PIP and is_cut_short(one)]


def plan(request: Request, observed: Observed) -> Plan:
    """Decide what has to change; this changes nothing itself.

    Raises:
        CondaModuleError: the plan would change packages that conda owns, break other distributions, or
            change a frozen environment.
    """
    desired = request.desired
    if observed.interrupted:
        # Repair what an interrupted run left, even with repair: false.
        desired = replace(desired, repair=True)
    if observed.unready:
        if desired.state == "absent" and not observed.packages.by_name:
            return Plan()
        lines = tuple(line.text for line in desired.requirements)
        if not observed.packages.by_name:
            return Plan(install=lines, reasons=(observed.unready,) if lines else ())
    result = plan_changes(
        desired, observed.packages, observed.environment, observed.damage, request.prefix
    )
    if observed.interrupted and result:
        # Include incomplete distributions that only new requirements need: uv fails on them or accepts them.
        result = replace(result, sweep=tuple(sorted({*result.sweep, *_incomplete(observed)})))
    if observed.state.frozen and result:
        # Imported only for a refusal, so that other runs do not compile it.
        from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.generations import (
            refuse_managed,
        )

        refuse_managed(request.prefix, "; ".join(result.reasons))
        raise CondaModuleError(
            f"The environment {request.prefix} is frozen (conda-meta/frozen), but the task would "
            f"change it: {'; '.join(result.reasons)}. Nothing was changed.",
            prefix=request.prefix,
            hint="change another environment, or unfreeze this one (conda_env with frozen: false).",
        )
    return result
