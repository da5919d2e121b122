# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observes the Python distributions of one conda environment, and plans from what is there."""

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
    """What the disk says about the environment's Python distributions.

    Attributes:
        choice: the installer that would be started.
        unready: why that cannot be used here at all, as a clause; empty when it can.
        interrupted: the operation that a cut-off run was at, empty when there was none.
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
        """One line for each distribution, as diffs show it."""
        return sorted(
            line_of(one, damaged=one.name in self.damage) for one in self.packages.by_name.values()
        )


def line_of(one: Distribution, damaged: bool = False) -> str:
    """`name==version (owner)`, with what is wrong with it and where it came from."""
    state = one.owner if one.metadata else f"{one.owner}, incomplete"
    state += ", damaged" if damaged and one.metadata else ""
    source = source_of(one.direct_url)
    return f"{one.name}=={one.version} ({state})" + (f" @ {redact(source)}" if source else "")


def observe(request: Request) -> Observed:
    """Read what is installed; no process is started.

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
    unready = choice.looked
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
    """The paths of what a cut-off run had begun to install, or to remove, and conda does not own."""
    there = observed.packages.by_name.values()
    return [one.path for one in there if one.owner == PIP and is_cut_short(one)]


def plan(request: Request, observed: Observed) -> Plan:
    """Decide what has to be done; nothing is touched.

    Raises:
        CondaModuleError: it would change what conda owns, break what stays, or change a frozen
            environment.
    """
    desired = request.desired
    if observed.interrupted:
        # What a cut-off run left behind is damage, whatever the task says about old damage.
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
        # Also what only something asks for that is yet to be installed: uv fails on it, or takes it as it is.
        result = replace(result, sweep=tuple(sorted({*result.sweep, *_incomplete(observed)})))
    if observed.state.frozen and result:
        raise CondaModuleError(
            f"The environment {request.prefix} is frozen (conda-meta/frozen), but the task would "
            f"change it: {'; '.join(result.reasons)}. Nothing was changed.",
            prefix=request.prefix,
            hint="change another environment, or unfreeze this one (conda_env with frozen: false).",
        )
    return result
