# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the checks of a request, layer by layer, and stops after the first layer that fails.

Drift does not stop it: an environment that differs from the declaration may work, and the later checks tell.
A damaged environment is still compared with its declaration, unless its records cannot be read.
A failed environment does not stop the checks of the further environments of the host.

The environment's interpreter takes most of the time. It starts when the host layer has passed, and runs while
this process checks files; if one of those layers fails, the interpreter is ended and its results are dropped.
If a pass of its checks may still stand (``last_pass``), it starts only when something has changed.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from ansible_collections.llmfleet.conda.plugins.module_utils._check.ahead import (
    Ahead,
    worth_starting,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._check.declared import (
    validate_declared,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._check.drift import DRIFT_CHECKS
from ansible_collections.llmfleet.conda.plugins.module_utils._check.host import HOST_CHECKS
from ansible_collections.llmfleet.conda.plugins.module_utils._check.last_passes import LastPasses
from ansible_collections.llmfleet.conda.plugins.module_utils._check.prefix import (
    ENVIRONMENT_CHECKS,
    INSTALLATION_CHECKS,
    Observed,
    mark_of,
    observe,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._check.probe import (
    Limits,
    Report,
    Step,
    clean_environment,
    run_steps,
    scratch_directory,
    user_environment,
    what_users_add,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._check.request import (
    ABSENT,
    DRIFT,
    IMPORT_PREFIX,
    LAYERS,
    PROBE_LAYERS,
    USER_CHECK,
    Finding,
    Planned,
    Request,
    Result,
    select_checks,
    skipped,
    validate,
    verdict,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._check.steps import (
    judge,
    judge_user,
    loaded_step,
    model_environment,
    steps_for,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._host.readings import (
    HostReadings,
    read_host,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import python_of
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import at_work
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_marker import (
    normalize_name,
)

_Value = TypeVar("_Value")

# After a check with one of these statuses, the later layers are skipped.
_STOPS = ("fail", ABSENT)
# The interpreter starts no earlier, so that a host without memory or disk space starts nothing.
_FIRST_OF_FILES = "installation"
# A failure of these layers may come from a change that another run makes at the same time.
_OF_FILES = (_FIRST_OF_FILES, "environment", DRIFT)
# Their results belong to no environment.
_OF_HOST = ("host", _FIRST_OF_FILES)


@dataclass(frozen=True)
class Outcome:
    """The results of all checks in order, the first failed layer, facts, and total seconds.

    ``last_passes`` has an entry for each environment whose checks inside the interpreter were not run again,
    or ran because something had changed: ``environment``, ``reused``, ``since`` and ``reason``.
    """

    results: tuple[Result, ...]
    failed_layer: str | None
    facts: Mapping[str, Any]
    seconds: float
    last_passes: tuple[Mapping[str, Any], ...] = ()

    @property
    def status(self) -> str:
        """``fail`` if a check failed, else ``drift`` or ``absent`` if one found that, else ``pass``."""
        found = {result.status for result in self.results}
        return next((status for status in ("fail", DRIFT, ABSENT) if status in found), "pass")


class _Once(Generic[_Value]):
    """A value that is read on first use, so that its time counts for the check that needs it."""

    def __init__(self, read: Callable[[], _Value]) -> None:
        self._read = read
        self._values: list[_Value] = []

    def __call__(self) -> _Value:
        if not self._values:
            self._values.append(self._read())
        return self._values[0]

    @property
    def seen(self) -> _Value | None:
        """The value if it has been read, else None."""
        return self._values[0] if self._values else None


class Checker:
    """Carries out one request. It reads files and runs the environment's interpreter; it writes nothing.

    Args:
        request: what to check.
        scratch: parent of the temporary directory for caches of libraries; None for the system's temporary
            directory.
        limits: of the checks in the interpreter, if they have begun already.

    Raises:
        CondaModuleError: the request is invalid; the message names the option.
    """

    def __init__(
        self, request: Request, scratch: str | None = None, limits: Limits | None = None
    ) -> None:
        validate(request)
        validate_declared(request)
        self._request = request
        self._scratch = scratch
        self._planned = select_checks(request)
        self._host: _Once[HostReadings] = _Once(lambda: read_host(request.prefix))
        self._base = self._observing(request.installation or request.prefix)
        self._environment = self._observing(request.prefix)
        self._reports: Mapping[str, Report] = {}
        self._ahead: Ahead | None = None
        self._limits = limits or Limits.starting_now(request.timeout, request.check_timeout)
        self._own_limits = limits is None
        self._passes = LastPasses(request, self._steps())

    def run(self) -> Outcome:
        """Run the checks.

        Raises:
            CondaModuleError: the probe's source cannot be read, or its cache directory cannot be created.
        """
        started = time.perf_counter()
        if self._own_limits:
            self._limits = Limits.starting_now(self._request.timeout, self._request.check_timeout)
        outcome = self._run_own(started)
        if outcome.failed_layer in _OF_FILES and self._changed_meanwhile():
            # What the checks of files found may be half of a change.
            outcome = self._again()._run_own(started)
        return self._with_further(outcome, started)

    def _again(self) -> Checker:
        return Checker(self._request, self._scratch, self._limits)

    def _changed_meanwhile(self) -> bool:
        """Whether another run changed one of the prefixes, or began to, while its files were checked."""
        seen = [one for one in (self._base.seen, self._environment.seen) if one is not None]
        if any(one.busy for one in seen):
            return False
        paths = {one.state.path: one.mark for one in seen}
        return any(at_work(path) or mark_of(path) != mark for path, mark in paths.items())

    def _run_own(self, started: float) -> Outcome:
        try:
            results, failed = self._layers()
        finally:
            if self._ahead is not None:
                self._ahead.end()
        self._passes.keep(results, self._environment.seen, self._reports)
        seconds = time.perf_counter() - started
        return Outcome(tuple(results), failed, self._facts(), seconds, self._passes.told())

    def _with_further(self, outcome: Outcome, started: float) -> Outcome:
        """Add the results of the further environments."""
        stopped = next(
            (result for result in outcome.results if result.layer in _OF_HOST and _stops(result)),
            None,
        )
        for request in self._request.further:
            more = self._checked(request, stopped)
            outcome = Outcome(
                outcome.results + more.results,
                outcome.failed_layer or more.failed_layer,
                outcome.facts,
                time.perf_counter() - started,
                outcome.last_passes + more.last_passes,
            )
        return outcome

    def _checked(self, request: Request, stopped: Result | None) -> Outcome:
        """The outcome of one further environment; a declaration that cannot be used is its failure."""
        try:
            checker = Checker(request, self._scratch, self._limits)
            if stopped is None:
                return checker.run()
            reason = _why_not_run(stopped.layer, [stopped])
            skips = [
                replace(_result(check, skipped(reason), 0.0), environment=request.label)
                for check in checker._planned
            ]
            return Outcome(tuple(skips), None, {}, 0.0)
        except CondaModuleError as error:
            planned = Planned("drift.packages", DRIFT)
            found = _result(planned, verdict(False, error.message), 0.0)
            return Outcome((replace(found, environment=request.label),), DRIFT, {}, 0.0)

    def _layers(self) -> tuple[list[Result], str | None]:
        """The results of all layers, and the first one that failed."""
        results: list[Result] = []
        stopped: str | None = None
        for layer in LAYERS:
            planned = [check for check in self._planned if check.layer == layer]
            if stopped is not None and not (layer == DRIFT and self._is_comparable(stopped)):
                reason = _why_not_run(stopped, results)
                results += [_result(check, skipped(reason), 0.0) for check in planned]
                continue
            if layer == _FIRST_OF_FILES:
                self._start_ahead()
            found = self._layer(layer, planned)
            results += found
            if stopped is None and any(map(_stops, found)):
                stopped = layer
        failed = next((result.layer for result in results if result.status == "fail"), None)
        label = self._request.label
        return [
            replace(result, environment="" if result.layer in _OF_HOST else label)
            for result in results
        ], failed

    def _is_comparable(self, stopped: str) -> bool:
        """Whether the failed environment can be compared with its declaration all the same.

        Damage of one package says nothing about pins, variables and other packages.
        """
        seen = self._environment.seen
        if stopped != "environment" or seen is None or not seen.state.is_environment:
            return False
        return not (seen.interrupted or seen.state.problems)

    def _observing(self, prefix: str) -> _Once[Observed]:
        request = self._request
        return _Once(
            lambda: observe(
                prefix,
                thorough=not request.is_quick,
                patience=request.lock_timeout,
                keeps=request.keeps_pass,
            )
        )

    def _layer(self, layer: str, planned: Sequence[Planned]) -> list[Result]:
        if layer in PROBE_LAYERS:
            return self._probed(layer, planned)
        results: list[Result] = []
        for check in planned:
            first = results[0] if results else None
            if first is not None and first.name.endswith(".exists") and first.status in _STOPS:
                reason = f"Not run, because {first.name} failed."
                if first.status == ABSENT:
                    reason = _why_not_run(layer, results)
                results.append(_result(check, skipped(reason), 0))
                continue
            started = time.perf_counter()
            finding = skipped(check.skip) if check.skip else self._look(check.name)
            results.append(_result(check, finding, time.perf_counter() - started))
        return results

    def _look(self, name: str) -> Finding:
        """Run one check of the host or of a prefix; if this user may not read a file, the check fails."""
        try:
            if name in HOST_CHECKS:
                return HOST_CHECKS[name](self._host(), self._request)
            if name in INSTALLATION_CHECKS:
                return INSTALLATION_CHECKS[name](self._base(), self._request)
            if name in DRIFT_CHECKS:
                return DRIFT_CHECKS[name](self._environment(), self._request)
            return ENVIRONMENT_CHECKS[name](self._environment(), self._request)
        except OSError as error:
            return verdict(False, f"A file cannot be read: {error}.")

    def _probed(self, layer: str, planned: Sequence[Planned]) -> list[Result]:
        if self._is_without_python():
            reason = "The environment has no Python, and the declaration imports nothing."
            return [_result(check, skipped(reason), 0.0) for check in planned]
        if planned and not self._reports:
            self._reports = self._passes.standing(self._environment()) or self._probed_reports()
        record = self._environment().state.records.get("python")
        results: list[Result] = []
        for check in planned:
            report = self._reports.get(check.name)
            if check.skip:
                results.append(_result(check, skipped(check.skip), 0.0))
            elif check.name == USER_CHECK:
                results.append(self._as_the_user(check, results))
            elif report is not None:
                finding = judge(report, self._request, record.version if record else "")
                results.append(_result(check, self._passes.explained(finding), report.seconds))
            else:
                reason = "Not run, because the interpreter failed."
                results.append(_result(check, skipped(reason), 0.0))
        return results

    def _is_without_python(self) -> bool:
        """Whether this is a further environment of other programs, such as compilers."""
        request, state = self._request, self._environment().state
        known = request.is_further and not request.imports and not state.bad_records
        return known and "python" not in state.records

    def _start_ahead(self) -> None:
        """Start the interpreter early if it has steps to run and the prefix looks like an environment."""
        steps = self._steps()
        python = python_of(self._request.prefix)
        if not steps or not worth_starting(self._request.prefix, python):
            return
        if self._passes.may_stand or at_work(self._request.prefix):
            return
        self._passes.begin()
        # Without a further thread, the interpreter starts when its layer is reached.
        with contextlib.suppress(RuntimeError):
            self._ahead = Ahead(lambda given_up: self._probe(python, steps, given_up))

    def _probed_reports(self) -> Mapping[str, Report]:
        if self._ahead is not None:
            return self._ahead.reports()
        self._passes.begin()
        return self._probe(self._environment().state.python, self._steps())

    def _steps(self) -> list[Step]:
        steps = steps_for(
            [check for check in self._planned if check.layer in PROBE_LAYERS], self._request
        )
        return [*steps, loaded_step()] if steps and self._request.keeps_pass else steps

    def _probe(
        self, python: str, steps: Sequence[Step], given_up: threading.Event | None = None
    ) -> dict[str, Report]:
        with scratch_directory(self._scratch) as scratch:
            return run_steps(
                python,
                steps,
                environment=clean_environment(scratch, self._model_variables()),
                limits=self._limits,
                isolated=True,
                given_up=given_up,
            )

    def _model_variables(self) -> dict[str, str]:
        return model_environment(self._request.model, self._request.model_cache)

    def _as_the_user(self, check: Planned, so_far: Sequence[Result]) -> Result:
        """Repeat the imports with the variables and the site-packages of the user."""
        broken = [result.name for result in so_far if result.status != "pass"]
        if broken:
            reason = f"Not run, because {', '.join(broken)} failed without the user's variables."
            return _result(check, skipped(reason), 0.0)
        started = time.perf_counter()
        names = [
            planned.name
            for planned in self._planned
            if planned.layer == "imports"
            and planned.name not in ("imports.interpreter", USER_CHECK)
        ]
        added = what_users_add(self._environment().state.python_version or "")
        reports: dict[str, Report] = {}
        if added:
            steps = steps_for([Planned(name, "imports") for name in names], self._request)
            with scratch_directory(self._scratch) as scratch:
                reports = run_steps(
                    self._environment().state.python,
                    steps,
                    environment=user_environment(scratch),
                    limits=self._limits,
                    isolated=False,
                )
        self._passes.add_of_user(added)
        finding = judge_user(names, self._reports, reports, added)
        return _result(check, self._passes.explained(finding), time.perf_counter() - started)

    def _facts(self) -> dict[str, Any]:
        """Versions from the interpreter itself, or else from the records."""
        base, environment = self._base.seen, self._environment.seen
        conda = base.state.records.get("conda") if base else None
        python = environment.state.records.get("python") if environment else None
        interpreter = self._reports.get("imports.interpreter")
        measured = interpreter.measured if interpreter else {}
        versions: dict[str, str] = {}
        for name in self._request.imports:
            report = self._reports.get(IMPORT_PREFIX + name)
            version = report.measured.get("version") if report else None
            if not version and environment is not None:
                version = _recorded_version(environment, name)
            if version:
                versions[name] = str(version)
        return {
            "sys_version": str(measured.get("sys_version", "")),
            "python_version": str(
                measured.get("python_version") or (python.version if python else "")
            ),
            "conda_version": conda.version if conda else "",
            "versions": versions,
        }


def _recorded_version(observed: Observed, name: str) -> str | None:
    """The version of a package in the metadata of an environment; None if it is missing."""
    distribution = observed.packages.by_name.get(normalize_name(name))
    if distribution is not None:
        return distribution.version
    record = observed.state.records.get(name.lower())
    return record.version if record else None


def _stops(result: Result) -> bool:
    """Whether a result keeps the later layers from running.

    A damaged base does not: each environment has files of its own, and its damage is to be found as well.
    """
    harmless = result.layer == _FIRST_OF_FILES and not result.name.endswith(".exists")
    return result.status in _STOPS and not harmless


def _why_not_run(layer: str, results: Sequence[Result]) -> str:
    """The reason of the checks behind the layer that stopped them."""
    failed = [one.name for one in results if one.status == "fail" and one.layer == layer]
    if not failed:
        return f"Not run, because the {layer} is not there yet."
    return f"Not run, because layer {layer} failed ({', '.join(failed)})."


def _result(check: Planned, finding: Finding, seconds: float) -> Result:
    return Result(
        name=check.name,
        layer=check.layer,
        status=finding.status,
        detail=finding.detail,
        seconds=seconds,
        measured=finding.measured,
    )
