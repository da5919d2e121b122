# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cycle observe, plan, apply, observe for the Python distributions of one conda environment."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from ansible_collections.llmfleet.conda.plugins.module_utils._errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._linked_files import conda_files
from ansible_collections.llmfleet.conda.plugins.module_utils._pip_command import (
    Pip,
    Reported,
    Sources,
    remove_leftovers,
    scratch_directory,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip_plan import (
    Closure,
    Desired,
    Plan,
    active_requirements,
    closure_of,
    inconsistencies,
    new_inconsistencies,
    pins_of,
    plan_changes,
    source_of,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix import (
    PrefixState,
    observe_prefix,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._python_marker import (
    environment_of,
    normalize_name,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._python_packages import (
    CONDA,
    PIP,
    Distribution,
    Packages,
    damage_of,
    observe_packages,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._python_requirement import (
    parse_metadata_requirement,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._redact import redact
from ansible_collections.llmfleet.conda.plugins.module_utils._transaction import (
    pending_journal,
    transaction,
)

_OPERATION = "pip"

# What `pip check` prints (pip, commands/check.py); the last form since pip 24.1.
_CHECK_LINE = re.compile(
    r"(?P<name>\S+) (?P<version>\S+) (?:requires |has requirement |is not supported on this platform)"
    r"(?P<needed>.*?)(?:, which is not installed|, but you have .*)?\.?$"
)


@dataclass(frozen=True)
class Request:
    """What a task wants: where, what, from where, and how long it may take (seconds)."""

    prefix: str
    desired: Desired
    sources: Sources
    timeout: float = 3600


@dataclass(frozen=True)
class Observed:
    """What the disk says about the environment's Python distributions.

    Attributes:
        unready: why pip cannot be used here at all, as a clause; empty when it can.
        interrupted: the operation that a cut-off run was at, empty when there was none.
    """

    state: PrefixState
    packages: Packages = field(default_factory=Packages)
    environment: Mapping[str, str] = field(default_factory=dict)
    closure: Closure = field(default_factory=lambda: Closure(frozenset(), ()))
    damage: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unready: str = ""
    interrupted: str = ""

    def lines(self) -> list[str]:
        """One line for each distribution, as diffs show it."""
        return sorted(
            _line(one, damaged=one.name in self.damage) for one in self.packages.by_name.values()
        )


@dataclass(frozen=True)
class Outcome:
    """What the module reports."""

    changed: bool
    plan: Plan
    before: list[str]
    after: list[str]
    packages: Packages
    warnings: tuple[str, ...] = ()


def _line(one: Distribution, damaged: bool = False) -> str:
    state = one.owner if one.metadata else f"{one.owner}, incomplete"
    state += ", damaged" if damaged and one.metadata else ""
    source = source_of(one.direct_url)
    return f"{one.name}=={one.version} ({state})" + (f" @ {redact(source)}" if source else "")


def observe(request: Request) -> Observed:
    """Read what is installed; no process is started.

    Raises:
        CondaModuleError: the prefix cannot be read.
    """
    state = observe_prefix(request.prefix)
    if not state.is_environment:
        return Observed(state, unready=f"there is no conda environment at {request.prefix}")
    site_packages = state.site_packages
    if site_packages is None:
        return Observed(state, unready=f"there is no Python in the environment {request.prefix}")
    python = state.records["python"]
    packages = observe_packages(request.prefix, site_packages, conda_files(state.records.values()))
    environment = environment_of(
        python.version, python.subdir, "PyPy" if "pypy" in python.build else "CPython"
    )
    journal = pending_journal(request.prefix)
    interrupted = str(journal.get("operation") or "change") if journal else ""
    closure = closure_of(request.desired, packages, environment)
    damage: Mapping[str, tuple[str, ...]] = {}
    if request.desired.repair or interrupted:
        damage = damage_of(packages, closure.names)
    return Observed(
        state=state,
        packages=packages,
        environment=environment,
        closure=closure,
        damage=damage,
        unready=(
            ""
            if "pip" in packages.by_name
            else f"there is no pip in the environment {request.prefix}"
        ),
        interrupted=interrupted,
    )


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
    if observed.state.frozen and not result.empty:
        raise CondaModuleError(
            f"The environment {request.prefix} is frozen (conda-meta/frozen), and the task would "
            f"change it: {'; '.join(result.reasons)}. Nothing was changed.",
            prefix=request.prefix,
            hint="change another environment, or remove the file conda-meta/frozen on purpose.",
        )
    return result


class PipManager:
    """Carries one request through the cycle.

    Args:
        make_pip: replaces pip in tests.
    """

    def __init__(
        self,
        request: Request,
        check_mode: bool,
        make_pip: Callable[..., Pip] = Pip,
    ) -> None:
        self.request = request
        self.check_mode = check_mode
        self._make_pip = make_pip
        self._deadline = time.monotonic() + request.timeout
        self._warnings: list[str] = []

    def run(self) -> Outcome:
        """Observe, plan, apply and observe again.

        Raises:
            CondaModuleError: the request is refused, pip failed, or the disk does not show the plan.
        """
        observed = observe(self.request)
        todo = plan(self.request, observed)
        before = observed.lines()
        self._warn_of_extras(observed)
        if todo.empty:
            if observed.interrupted == _OPERATION and not self.check_mode:
                self._clear_up(observed)
            return self._outcome(todo, before, before, observed.packages)
        if observed.unready and self.check_mode:
            # A bare host in check mode: an earlier task of the same play would have made it ready.
            after = sorted([*before, *(f"{line} (to be resolved)" for line in todo.install)])
            return self._outcome(todo, before, after, observed.packages)
        self._refuse_unready(observed)
        if self.check_mode or todo.upgrade:
            predicted = self._predict(todo, observed)
            after = _predicted_lines(predicted, observed, todo)
            if self.check_mode or after == before:
                return self._outcome(todo, before, after, observed.packages)
            todo = _exactly(todo, observed.packages, predicted)
        return self._apply(todo, observed)

    def _outcome(
        self, todo: Plan, before: list[str], after: list[str], packages: Packages
    ) -> Outcome:
        return Outcome(before != after, todo, before, after, packages, tuple(self._warnings))

    def _warn_of_extras(self, observed: Observed) -> None:
        for text in observed.closure.unknown_extras:
            self._warnings.append(f"{text}: the installed distribution has no such extra")

    def _refuse_unready(self, observed: Observed) -> None:
        request = self.request
        lines = [line.text for line in request.desired.requirements]
        if observed.unready:
            raise CondaModuleError(
                f"{observed.unready[0].upper()}{observed.unready[1:]}. Nothing was changed.",
                prefix=request.prefix,
                asked=lines,
                hint="make it first with llmfleet.conda.conda_env, with python and pip among its "
                "packages.",
            )
        if observed.interrupted and observed.interrupted != _OPERATION:
            raise CondaModuleError(
                f"A run of conda in {request.prefix} ({observed.interrupted}) was cut off or is still "
                "at work, so the environment may be incomplete. Nothing was changed.",
                prefix=request.prefix,
                hint="if no run is at work, repair it first with llmfleet.conda.conda_env or "
                "llmfleet.conda.conda_package.",
            )
        for link in request.sources.find_links:
            path = link[len("file://") :] if link.startswith("file://") else link
            if path.startswith("/") and not os.path.exists(path):
                raise CondaModuleError(
                    f"The option find_links names {path}, which is not there. Nothing was changed.",
                    prefix=request.prefix,
                    hint="copy the wheels to the host first, or correct the path.",
                )

    # -- check mode -------------------------------------------------------------------------------

    @contextmanager
    def _pip(self, observed: Observed, parent: str, writes: bool) -> Iterator[Pip]:
        name = os.path.basename(self.request.prefix)
        with scratch_directory(parent, name) as scratch:
            yield self._make_pip(
                self.request.prefix,
                observed.state.python,
                observed.packages.by_name["pip"].version,
                self.request.sources,
                scratch,
                deadline=self._deadline,
                writes=writes,
            )

    def _predict(self, todo: Plan, observed: Observed) -> Packages:
        """The distributions as they would be after the run, by pip's own resolver."""
        # Check mode must not even touch the time stamp of the directory that holds the prefix.
        parent = tempfile.gettempdir() if self.check_mode else _scratch_parent(self.request.prefix)
        with self._pip(observed, parent, writes=not self.check_mode) as pip:
            if todo.sweep:
                pip.overlook(str(observed.state.site_packages), todo.sweep)
            if not pip.can_report and (todo.install or todo.reinstall):
                raise CondaModuleError(
                    f"pip {observed.packages.by_name['pip'].version} in {self.request.prefix} cannot "
                    "say what it would do, so neither check mode nor state latest can be had.",
                    prefix=self.request.prefix,
                    hint="update pip in the environment to 22.2 or later.",
                )
            reported: list[Reported] = []
            if todo.install:
                reported += self._install(pip, todo, observed, dry_run=True)
            done = {one.name for one in reported}
            again = [text for name, text in todo.reinstall.items() if name not in done]
            if again:
                reported += pip.install(again, todo.pins, again=True, dry_run=True)
        predicted = _after(observed.packages, reported, todo.remove)
        if self.request.desired.check:
            broken = new_inconsistencies(observed.packages, predicted, observed.environment)
            if broken:
                raise self._unfit(broken, "would leave")
        return predicted

    # -- apply ------------------------------------------------------------------------------------

    def _apply(self, todo: Plan, observed: Observed) -> Outcome:
        prefix = self.request.prefix
        parent = _scratch_parent(prefix)
        details = {"install": [redact(line) for line in todo.install], "remove": list(todo.remove)}
        with transaction(
            prefix, operation=_OPERATION, timeout=self._seconds_left(), details=details
        ):
            remove_leftovers(parent, os.path.basename(prefix))
            # While this run waited for the lock, another one may have done the work, and what looked
            # like remains was then only unfinished.
            now = replace(self._observe_again(observed), interrupted=observed.interrupted)
            if now.lines() != observed.lines():
                observed, todo = now, plan(self.request, now)
                if todo.empty:
                    return self._outcome(todo, now.lines(), now.lines(), now.packages)
            if observed.interrupted:
                _remove_renamed(observed.state)
            for path in todo.sweep:
                _remove_metadata(path)
            with self._pip(observed, parent, writes=True) as pip:
                if todo.remove:
                    pip.uninstall(todo.remove)
                reported: list[Reported] = []
                if todo.install:
                    reported += self._install(pip, todo, observed, dry_run=False)
                done = {one.name for one in reported}
                again = [text for name, text in todo.reinstall.items() if name not in done]
                if again:
                    reported += pip.install(again, todo.pins, again=True)
                seen = self._observe_again(observed)
                self._verify(todo, observed, seen, reported)
                if self.request.desired.check:
                    self._check(pip, observed)
        return self._outcome(todo, observed.lines(), seen.lines(), seen.packages)

    def _observe_again(self, before: Observed) -> Observed:
        seen = observe(self.request)
        # The journal that is there now is this run's own, so it says nothing about damage.
        looked_at = self.request.desired.repair or before.interrupted
        return replace(seen, interrupted="", damage=seen.damage if looked_at else {})

    def _seconds_left(self) -> float:
        return max(1.0, self._deadline - time.monotonic())

    def _clear_up(self, observed: Observed) -> None:
        """A run was cut off when its work was done already: only its traces have to go."""
        prefix = self.request.prefix
        with transaction(prefix, operation=_OPERATION, timeout=self._seconds_left()):
            remove_leftovers(_scratch_parent(prefix), os.path.basename(prefix))
            _remove_renamed(observed.state)

    def _install(
        self, pip: Pip, todo: Plan, observed: Observed, *, dry_run: bool
    ) -> list[Reported]:
        constraints = [
            *(line.text for line in self.request.desired.constraints),
            *todo.pins,
        ]
        try:
            return pip.install(todo.install, constraints, upgrade=todo.upgrade, dry_run=dry_run)
        except CondaModuleError as error:
            if error.facts.get("kind") in ("conflict", "no_match") and pins_of(observed.packages):
                self._explain_owned(pip, todo, observed, error)
            raise

    def _explain_owned(
        self, pip: Pip, todo: Plan, observed: Observed, error: CondaModuleError
    ) -> None:
        """Raise a better error when conda's packages alone are in the way.

        Only a resolution without their pins can tell, so that is tried, dry.
        """
        if self.request.desired.replace_conda_packages or not pip.can_report:
            return
        constraints = [line.text for line in self.request.desired.constraints]
        try:
            reported = pip.install(todo.install, constraints, upgrade=todo.upgrade, dry_run=True)
        except CondaModuleError:
            return
        conflicts = _owned_conflicts(observed, reported)
        if not conflicts:
            return
        raise CondaModuleError(
            "pip would have to replace what conda owns: "
            + "; ".join(conflicts.values())
            + ". Nothing was changed.",
            prefix=self.request.prefix,
            asked=list(todo.install),
            said=error.said,
            hint="install a fitting version with llmfleet.conda.conda_package, ask for versions that "
            "go with conda's, or set replace_conda_packages: true to let pip take it over.",
            kind="conda_owned",
            conda_owned=sorted(conflicts),
        ) from error

    # -- observe again ----------------------------------------------------------------------------

    def _verify(
        self, todo: Plan, before: Observed, seen: Observed, reported: Sequence[Reported]
    ) -> None:
        there = seen.packages.by_name
        missing = [f"{name} is still there" for name in todo.remove if name in there]
        if self.request.desired.state != "absent":
            missing += [shortfall.reason for shortfall in seen.closure.shortfalls]
            for name, files in seen.damage.items():
                missing.append(f"{name} is still damaged ({files[0]})")
        for one in reported:
            now = there.get(one.name)
            if now is None or now.version != one.version:
                missing.append(f"{one.name} {one.version} is not there")
        if not self.request.desired.replace_conda_packages:
            for owned in before.packages.owned_by_conda():
                now = there.get(owned.name)
                if now is None or now.version != owned.version:
                    found = f"is now {now.version}" if now else "is gone"
                    missing.append(f"{owned.name} {owned.version} of conda's {found}")
        if missing:
            raise CondaModuleError(
                f"pip reported success, yet {'; '.join(missing)}.",
                prefix=self.request.prefix,
                asked=[line.text for line in self.request.desired.requirements],
                hint="run the task again; if a file stays damaged, its wheel was built with a wrong "
                "RECORD, and repair: false leaves it alone.",
                changed=True,
            )

    def _check(self, pip: Pip, before: Observed) -> None:
        lines = pip.check()
        if not lines:
            return
        known = inconsistencies(before.packages, before.environment)
        fresh = []
        for line in lines:
            if _was_so_before(line, before.packages, known):
                self._warnings.append(f"pip check, as before this task: {line}")
            else:
                fresh.append(line)
        if fresh:
            raise self._unfit(fresh, "left")

    def _unfit(self, lines: Sequence[str], verb: str) -> CondaModuleError:
        return CondaModuleError(
            f"The change {verb} distributions that do not fit together: {' '.join(lines)}",
            prefix=self.request.prefix,
            asked=[line.text for line in self.request.desired.requirements],
            said="\n".join(lines),
            hint="add or loosen requirements until all fit, or set check: false to accept this.",
            kind="pip_check",
            changed=verb == "left",
        )


def _was_so_before(line: str, packages: Packages, known: Mapping[tuple[str, str], str]) -> bool:
    """Whether a line of `pip check` tells of something that was the same before the change."""
    match = _CHECK_LINE.match(line)
    if match is None:
        return False
    name = normalize_name(match["name"])
    if match["needed"]:
        needed = parse_metadata_requirement(match["needed"])
        return needed is not None and (name, needed.name) in known
    one = packages.by_name.get(name)
    return one is not None and one.version == match["version"]


def _after(before: Packages, reported: Sequence[Reported], removed: Sequence[str]) -> Packages:
    """The distributions after pip has installed `reported` and removed `removed`."""
    after = {name: one for name, one in before.by_name.items() if name not in removed}
    for new in reported:
        old = before.by_name.get(new.name)
        # The same version lands in the same dist-info, which conda's record names.
        owner = CONDA if (new.name, new.version) in before.of_conda else PIP
        after[new.name] = Distribution(
            name=new.name,
            version=new.version,
            path=old.path if old else "",
            owner=owner,
            requires=new.requires,
            extras=new.extras,
            direct_url=new.direct_url,
        )
    return replace(before, by_name=after, doubles={})


def _predicted_lines(predicted: Packages, observed: Observed, todo: Plan) -> list[str]:
    lines = []
    for name, one in predicted.by_name.items():
        untouched = observed.packages.by_name.get(name) is one
        lines.append(_line(one, damaged=untouched and name in observed.damage))
    return sorted(lines)


def _exactly(todo: Plan, before: Packages, predicted: Packages) -> Plan:
    """The plan with what was resolved as pins, so that the run does what was found."""
    pins = [
        f"{one.name}=={one.version}"
        for name, one in sorted(predicted.by_name.items())
        if before.by_name.get(name) is not one and not one.direct_url
    ]
    taken = {pin.partition("==")[0] for pin in pins}
    kept = [pin for pin in todo.pins if pin.partition("==")[0] not in taken]
    return replace(todo, pins=(*kept, *pins))


def _owned_conflicts(observed: Observed, reported: Sequence[Reported]) -> dict[str, str]:
    """What pip would replace of conda's, by name, with both versions and who wants it."""
    conflicts = {}
    after = _after(observed.packages, reported, ())
    for one in reported:
        owned = observed.packages.by_name.get(one.name)
        if owned is None or owned.owner != CONDA or owned.version == one.version:
            continue
        wanting = [
            f"{other.name} {other.version} needs {needed.name}{needed.specifier}"
            for other in after.by_name.values()
            for needed in active_requirements(other, observed.environment)
            if needed.name == owned.name and not needed.specifier.contains(owned.version)
        ]
        because = f" because {', '.join(wanting)}" if wanting else ""
        conflicts[owned.name] = (
            f"{owned.name} {owned.version}, which conda owns, by {one.version} from pip{because}"
        )
    return conflicts


def _scratch_parent(prefix: str) -> str:
    """Beside the prefix, on its volume; inside for its owner below a directory of root's."""
    parent = os.path.dirname(prefix)
    if os.access(parent, os.W_OK | os.X_OK):
        return parent
    return os.path.join(prefix, "conda-meta")


def _remove_metadata(path: str) -> None:
    """Remove the dist-info of a cut-off installation; pip cannot remove what it cannot read."""
    if os.path.isdir(path) and path.endswith((".dist-info", ".egg-info")):
        shutil.rmtree(path, ignore_errors=True)


def _remove_renamed(state: PrefixState) -> None:
    """Remove the `~name` entries to which a killed pip had renamed what it was replacing."""
    site_packages = state.site_packages
    if site_packages is None or not os.path.isdir(site_packages):
        return
    for entry in os.listdir(site_packages):
        path = os.path.join(site_packages, entry)
        if entry.startswith("~") and not os.path.islink(path):
            if os.path.isdir(path):
                shutil.rmtree(path, ignore_errors=True)
            else:
                os.unlink(path)
