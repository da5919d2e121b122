# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of llm_check, the request of a task, and the selection of its checks. Pure."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_marker import (
    normalize_name,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_version import (
    InvalidSpecifier,
    InvalidVersion,
    SpecifierSet,
    Version,
)

LAYERS = (
    "host",
    "installation",
    "environment",
    "drift",
    "imports",
    "framework",
    "kernel",
    "workload",
)

# These run in the environment's own interpreter.
PROBE_LAYERS = frozenset({"imports", "framework", "kernel", "workload"})

# The status of a check that found differences from the declaration: neither a pass nor a failure.
DRIFT = "drift"
# The status, in check mode, of an installation or environment that an earlier task would create.
ABSENT = "absent"
# A name in the option checks: the checks that a scheduler can run before every job.
QUICK = "quick"

IMPORT_PREFIX = "imports."
# Plain Python verifies the float64 reference; its lists need gigabytes above this size.
_LARGEST_MATRIX = 4096
USER_CHECK = "imports.user_environment"


@dataclass(frozen=True)
class Check:
    """A check of llm_check: its name, and the packages that it requires."""

    name: str
    needs: tuple[str, ...] = ()

    @property
    def layer(self) -> str:
        return self.name.split(".", 1)[0]


# In running order. The checks of single imports run between the two checks of their layer.
CHECKS = (
    Check("host.architecture"),
    Check("host.glibc"),
    Check("host.disk"),
    Check("host.inodes"),
    Check("host.memory"),
    Check("installation.exists"),
    Check("installation.records"),
    Check("installation.files"),
    Check("environment.exists"),
    Check("environment.records"),
    Check("environment.python"),
    Check("environment.files"),
    Check("environment.distributions"),
    Check("environment.owners"),
    Check("environment.requirements"),
    Check("environment.channels"),
    Check("environment.other_pythons"),
    Check("environment.in_use"),
    Check("drift.packages"),
    Check("drift.requirements"),
    Check("drift.unneeded"),
    Check("drift.settings"),
    Check("drift.models"),
    Check("drift.absent"),
    Check("imports.interpreter"),
    Check("imports.user_environment"),
    Check("framework.torch", ("torch",)),
    Check("kernel.numpy", ("numpy",)),
    Check("kernel.torch", ("torch",)),
    Check("workload.regression_numpy", ("numpy",)),
    Check("workload.regression_torch", ("torch",)),
    Check("workload.plot", ("matplotlib",)),
    Check("workload.sentiment", ("torch", "transformers")),
)
_BY_NAME = {check.name: check for check in CHECKS}

# They read the records and the metadata of distributions, but not the files of packages, and import nothing.
_QUICK = frozenset(
    {
        "host.architecture",
        "host.glibc",
        "host.disk",
        "host.inodes",
        "host.memory",
        "installation.exists",
        "installation.records",
        "environment.exists",
        "environment.records",
        "environment.python",
        "environment.owners",
        "drift.packages",
        "drift.requirements",
        "drift.settings",
        "drift.models",
        "drift.absent",
        "imports.interpreter",
    }
)


@dataclass(frozen=True)
class Thresholds:
    """Bounds of the checks; only a broken or tiny host misses the defaults.

    ``min_glibc`` None means 2.28 if torch is requested (its wheels are manylinux_2_28), else 2.17 (the
    minimum of conda packages).
    """

    min_glibc: str | None = None
    min_free_disk_mb: int = 512
    min_free_inodes: int = 10000
    min_memory_mb: int = 1024
    matmul_size: int = 512
    matmul_tolerance: float = 1e-4
    min_cpu_gflops: float = 1.0
    min_gpu_gflops: float = 200.0
    regression_tolerance: float = 0.02
    min_sentiment_score: float = 0.5
    min_plot_colours: int = 5


@dataclass(frozen=True)
class Declared:
    """The declared content of the environment, from the inventory.

    Attributes:
        packages: match specs of conda packages, as for conda_env.
        requirements: pip's requirement lines, as for conda_pip.
        constraints: constraints on the requirements.
        constraints_for_pip: constraints that do not apply to packages that conda owns.
        prune: installed packages that no declared package needs are drift.
        exact: everything undeclared that the option exact of conda_env and conda_pip removes is drift:
            packages, distributions, pins, variables and requests.
        absent: the environment must not exist.
        options: the other options of conda_env by name: the environment file, the lock, pins, variables,
            frozen, owner and group. None or missing for what is not declared.
    """

    packages: Sequence[str] = ()
    requirements: Sequence[str] = ()
    constraints: Sequence[str] = ()
    constraints_for_pip: Sequence[str] = ()
    prune: bool = False
    exact: bool = False
    absent: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)

    def has(self, *names: str) -> bool:
        """Whether one of these options is declared."""
        return any(self.options.get(name) is not None for name in names)


@dataclass(frozen=True)
class Model:
    """A declared model of a hub.

    Attributes:
        name: its name at the hub, ``ORG/NAME``.
        cache_dir: absolute path of the cache.
        revision: branch, tag or commit.
        commit: the required commit of the revision, empty for any.
        path: directory on the host with the model's files, empty if they are from elsewhere.
        include, exclude: patterns of the wanted files.
    """

    name: str
    cache_dir: str
    revision: str = "main"
    commit: str = ""
    path: str = ""
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()


@dataclass(frozen=True)
class Request:
    """The request of a task.

    Attributes:
        prefix: absolute path of the environment.
        installation: absolute prefix of the conda installation, None if the task sets none.
        python_version: ``3.11``, ``3.11.7`` or a specifier, None for any.
        imports: version specifier (empty: any version) by import or distribution name.
        checks: names of checks and layers to run; None for all that apply.
        skip_checks: names of checks and layers to skip.
        declared: the declared content of the environment; None without a declaration.
        model: a local directory or a model id, None for none.
        model_cache: the cache in which a model id is looked up; None for that of the user.
        models: the declared models.
        expected_gpus: how many GPUs the framework must see, None for any number.
        allow_defaults: accept packages from Anaconda's ``defaults`` channels.
        timeout: seconds that all checks in the environment's interpreter may take together.
        check_timeout: seconds that one of them may take.
        lock_timeout: seconds to wait for a run that is changing the installation or the environment.
        max_age: hours for which a pass of the checks inside the interpreter is not repeated while nothing
            changes; 0 to run them every time.
        check_mode: write nothing; what does not exist yet is no failure.
        label: the name of the environment in results.
        further: requests for the other environments of the host.
        is_further: this is one of those: the layers host and installation belong to the first request.
    """

    prefix: str
    installation: str | None = None
    python_version: str | None = None
    imports: Mapping[str, str] = field(default_factory=dict)
    checks: Sequence[str] | None = None
    skip_checks: Sequence[str] = ()
    declared: Declared | None = None
    model: str | None = None
    model_cache: str | None = None
    models: Sequence[Model] = ()
    text: str = "This is a great movie!"
    expect_label: str = "POSITIVE"
    expected_gpus: int | None = None
    allow_defaults: bool = False
    thresholds: Thresholds = field(default_factory=Thresholds)
    timeout: int = 900
    check_timeout: int = 300
    lock_timeout: int = 60
    max_age: float = 0
    check_mode: bool = False
    label: str = ""
    further: Sequence[Request] = ()
    is_further: bool = False

    @property
    def is_quick(self) -> bool:
        """Whether only the quick checks are requested."""
        return self.checks is not None and list(self.checks) == [QUICK]

    @property
    def keeps_pass(self) -> bool:
        """Whether a pass of the checks inside the interpreter may stand for this run."""
        return self.max_age > 0 and not self.is_quick

    def wants_package(self, name: str) -> bool:
        """Whether ``imports`` names this package, in any spelling."""
        return normalize_name(name) in map(normalize_name, self.imports)


@dataclass(frozen=True)
class Planned:
    """A check of this run; ``skip`` is the reason if it will be skipped."""

    name: str
    layer: str
    skip: str = ""


@dataclass(frozen=True)
class Result:
    """The result of a check: its status, detail, duration in ``seconds``, and ``measured`` values.

    ``environment`` is the label of the environment, empty for the layers host and installation.
    """

    name: str
    layer: str
    status: str
    detail: str
    seconds: float = 0.0
    measured: Mapping[str, Any] = field(default_factory=dict)
    environment: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "environment": self.environment,
            "layer": self.layer,
            "status": self.status,
            "detail": self.detail,
            "seconds": round(self.seconds, 3),
            "measured": dict(self.measured),
        }


@dataclass(frozen=True)
class Finding:
    """The finding of a check function: its status, one sentence, and measured values.

    The status is pass, fail, drift, skip, or, in check mode, absent.
    """

    status: str
    detail: str
    measured: Mapping[str, Any] = field(default_factory=dict)


def verdict(passed: bool, detail: str, measured: Mapping[str, Any] | None = None) -> Finding:
    """A finding with the status pass or fail."""
    return Finding("pass" if passed else "fail", detail, measured or {})


def skipped(reason: str) -> Finding:
    """A finding with the status skip and its reason."""
    return Finding("skip", reason)


# These layers are checked once for each host.
_OF_HOST = frozenset({"host", "installation"})


def _default_checks(request: Request) -> list[Planned]:
    """All checks that apply to a request, in running order."""
    planned: list[Planned] = []
    if request.declared is not None and request.declared.absent:
        return [Planned("drift.absent", DRIFT)]
    for check in CHECKS:
        if request.is_further and (check.layer in _OF_HOST or check.name == "environment.in_use"):
            continue
        if check.name == USER_CHECK:
            planned += [Planned(IMPORT_PREFIX + name, "imports") for name in request.imports]
            if not request.imports:
                continue
        if check.layer == "installation" and request.installation is None:
            if check.name == "installation.exists":
                reason = "The option installation is not set, so only the environment is checked."
                planned.append(Planned(check.name, check.layer, reason))
            continue
        if not all(request.wants_package(package) for package in check.needs):
            continue
        if check.layer == DRIFT and not _is_declared(check.name, request):
            continue
        reason = ""
        if check.name == "workload.sentiment" and not request.model:
            reason = "The option model is not set, so there is no model to run."
        planned.append(Planned(check.name, check.layer, reason))
    return planned


def _is_declared(name: str, request: Request) -> bool:
    """Whether the declaration has something for this check of the layer drift."""
    if name == "drift.models":
        return bool(request.models)
    declared = request.declared
    if declared is None:
        return False
    exact, file = declared.exact, declared.has("environment", "environment_file")
    lock = declared.has("lock", "lock_file")
    return {
        "drift.packages": bool(declared.packages) or file or lock or exact,
        # A lock may have lines for pip.
        "drift.requirements": bool(declared.requirements) or file or lock or exact,
        # A lock names every package, and exact allows no others, so drift.packages finds further ones.
        "drift.unneeded": declared.prune
        and (bool(declared.packages) or file)
        and not (lock or exact),
        "drift.settings": file
        or exact
        or declared.has("pinned", "variables", "frozen", "owner", "group"),
        "drift.absent": declared.absent,
    }[name]


def _reject_unknown(option: str, name: str, request: Request) -> None:
    known = [check.name for check in CHECKS]
    raise CondaModuleError(
        f"{option}: {name!r} is not a known check.",
        prefix=request.prefix,
        hint=(
            f"name {QUICK}, a layer ({', '.join(LAYERS)}), one of the checks {', '.join(known)}, "
            "or imports.NAME for an import or distribution name."
        ),
    )


def _reject_unanswerable(name: str, request: Request) -> None:
    """Refuse a check that is requested by name but lacks an option."""
    if name.startswith("installation.") and request.installation is None:
        raise CondaModuleError(
            f"checks names {name}, but installation is not set.",
            prefix=request.prefix,
            hint="set installation to the prefix of the conda installation.",
        )
    if name == "workload.sentiment" and not request.model:
        raise CondaModuleError(
            "checks names workload.sentiment, but model is not set.",
            prefix=request.prefix,
            hint="set model to a directory with a sentiment model, or to the id of one.",
        )
    if name.startswith(f"{DRIFT}.") and not _is_declared(name, request):
        raise CondaModuleError(
            f"checks names {name}, but nothing is declared for it.",
            prefix=request.prefix,
            hint="set declared to what the environment must contain.",
        )
    if name == USER_CHECK and not request.imports:
        raise CondaModuleError(
            "checks names imports.user_environment, but imports is empty.",
            prefix=request.prefix,
            hint="set imports to the packages that users import.",
        )


def _checks_of_layer(layer: str, request: Request) -> set[str]:
    """The checks of a layer that apply; at least one must."""
    planned = [check for check in _default_checks(request) if check.layer == layer]
    if all(check.skip for check in planned):
        reasons = " ".join(check.skip for check in planned)
        raise CondaModuleError(
            f"checks names the layer {layer}, but none of its checks applies. {reasons}".rstrip(),
            prefix=request.prefix,
            hint=(
                "set declared to what the environment must contain."
                if layer == DRIFT
                else "add the packages to check to imports, or name a check in full."
            ),
        )
    return {check.name for check in planned}


def _wanted_names(request: Request) -> set[str]:
    if not request.checks:
        raise CondaModuleError(
            "checks is empty, so nothing would be checked.",
            prefix=request.prefix,
            hint="leave checks out to run all that apply.",
        )
    wanted: set[str] = set()
    for name in request.checks:
        if name == QUICK:
            wanted |= {check.name for check in _default_checks(request)} & _QUICK
        elif name in LAYERS:
            wanted |= _checks_of_layer(name, request)
        elif _is_check(name):
            _reject_unanswerable(name, request)
            wanted.add(name)
        else:
            _reject_unknown("checks", name, request)
    return wanted


def _is_check(name: str) -> bool:
    """Whether this is the name of a known check, or of an import check."""
    return name in _BY_NAME or (name.startswith(IMPORT_PREFIX) and len(name) > len(IMPORT_PREFIX))


def _without_skipped(planned: Sequence[Planned], request: Request) -> list[Planned]:
    """The planned checks without those in ``skip_checks``."""
    for name in request.skip_checks:
        if name not in LAYERS and not _is_check(name):
            _reject_unknown("skip_checks", name, request)
    left_out = set(request.skip_checks)
    wanted = {
        check.name
        for check in planned
        if check.name not in left_out and check.layer not in left_out
    }
    if all(check.skip for check in planned if check.name in wanted):
        raise CondaModuleError(
            "skip_checks leaves nothing to check.",
            prefix=request.prefix,
            hint="remove names from skip_checks, which takes precedence over checks.",
        )
    return _in_order(wanted, request)


def _in_order(wanted: set[str], request: Request) -> list[Planned]:
    """The wanted checks in the order of :data:`CHECKS`, with the checks that they depend on."""
    layers = {name.split(".", 1)[0] for name in wanted}
    if layers & (PROBE_LAYERS | {"environment", DRIFT}) and "drift.absent" not in wanted:
        wanted = wanted | {"environment.exists"}
    if layers & PROBE_LAYERS:
        wanted = wanted | {"imports.interpreter"}
    reasons = {planned.name: planned.skip for planned in _default_checks(request)}
    # First the names in imports, in their order, then those only in checks.
    imports = [IMPORT_PREFIX + name for name in request.imports]
    imports += sorted(
        name
        for name in wanted
        if name.startswith(IMPORT_PREFIX) and name not in _BY_NAME and name not in imports
    )
    names: list[str] = []
    for check in CHECKS:
        if check.name == USER_CHECK:
            names += imports
        names.append(check.name)
    return [
        Planned(name, name.split(".", 1)[0], reasons.get(name, ""))
        for name in names
        if name in wanted
    ]


def _of_further(request: Request) -> list[Planned]:
    """The selected checks that apply to a further environment: it need not have what the first one has."""
    default = _default_checks(request)
    if request.declared is not None and request.declared.absent:
        return default
    names = {check.name for check in default}
    if request.checks is not None:
        chosen = set(request.checks)
        names = {
            check.name
            for check in default
            if chosen & {check.name, check.layer} or (QUICK in chosen and check.name in _QUICK)
        }
    left_out = set(request.skip_checks)
    names = {name for name in names if not left_out & {name, name.split(".", 1)[0]}}
    return _in_order(names, request) if names else []


def select_checks(request: Request) -> list[Planned]:
    """Select the checks of a request, in running order.

    Without ``checks``, this selects all that apply; a check that needs a package applies if ``imports`` names
    the package. A check that is named in full always runs, and fails without its package. ``skip_checks``
    removes checks, except those that other checks depend on.

    Raises:
        CondaModuleError: ``checks`` or ``skip_checks`` has an unknown name or one that lacks an option, or no
            check is left.
    """
    if request.is_further:
        return _of_further(request)
    if request.checks is None:
        planned = _default_checks(request)
    else:
        planned = _in_order(_wanted_names(request), request)
    return _without_skipped(planned, request) if request.skip_checks else planned


def validate(request: Request) -> None:
    """Refuse an invalid request.

    Raises:
        CondaModuleError: an option is invalid; the message names it.
    """
    for option, path in (("prefix", request.prefix), ("installation", request.installation)):
        if path is not None and not os.path.isabs(path):
            raise CondaModuleError(
                f"{option}: {path!r} is not an absolute path.",
                hint=f"set {option} to a path such as /...",
            )
    for name, specifier in request.imports.items():
        if not re.fullmatch(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?", name):
            raise CondaModuleError(
                f"imports: {name!r} is neither an import nor a distribution name.",
                prefix=request.prefix,
            )
        if IMPORT_PREFIX + name in _BY_NAME:
            raise CondaModuleError(
                f"imports: {name} is reserved: {IMPORT_PREFIX}{name} is a check of its own.",
                prefix=request.prefix,
            )
        try:
            SpecifierSet(specifier)
        except InvalidSpecifier as error:
            raise CondaModuleError(
                f"imports: the version of {name}: {error}.",
                prefix=request.prefix,
                hint='write a specifier such as ">=2.0,<3", or "" for any version.',
            ) from error
    if request.python_version is not None:
        python_specifier(request.python_version, request.prefix)
    for option, seconds in (("timeout", request.timeout), ("check_timeout", request.check_timeout)):
        if seconds < 1:
            raise CondaModuleError(f"{option}: {seconds} is not a positive number of seconds.")
    if request.lock_timeout < 0 or request.max_age < 0:
        raise CondaModuleError("lock_timeout and max_age must not be negative.")
    _validate_thresholds(request)
    _validate_model(request)
    if request.expected_gpus is not None and request.expected_gpus < 0:
        raise CondaModuleError(f"expected_gpus: {request.expected_gpus} is negative.")
    if request.is_further:
        return
    # If skip_checks names framework.torch, that is on purpose.
    planned_all = select_checks(replace(request, skip_checks=()))
    if request.expected_gpus is not None and not any(
        planned.name == "framework.torch" for planned in planned_all
    ):
        raise CondaModuleError(
            "expected_gpus is set, but no check of this task counts GPUs.",
            prefix=request.prefix,
            hint="add torch to imports, or framework.torch to checks.",
        )


def _validate_thresholds(request: Request) -> None:
    for bound in fields(Thresholds):
        value = getattr(request.thresholds, bound.name)
        if isinstance(value, (int, float)) and not value >= 0:
            raise CondaModuleError(
                f"thresholds: {bound.name} is {value}, but must not be negative.",
                prefix=request.prefix,
            )
    size = request.thresholds.matmul_size
    if not 2 <= size <= _LARGEST_MATRIX:
        raise CondaModuleError(
            f"thresholds: matmul_size is {size}, but must be from 2 to {_LARGEST_MATRIX}.",
            prefix=request.prefix,
        )
    try:
        Version(request.thresholds.min_glibc or "2.0")
    except InvalidVersion as error:
        raise CondaModuleError(
            f"thresholds: min_glibc: {error}.",
            prefix=request.prefix,
            hint="write a version such as 2.28.",
        ) from error


def _validate_model(request: Request) -> None:
    # Like huggingface_hub's validate_repo_id; a relative path would depend on the working directory.
    if request.model is None or os.path.isabs(request.model):
        return
    if not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", request.model):
        raise CondaModuleError(
            f"model: {request.model!r} is neither an absolute path nor the id of a model.",
            prefix=request.prefix,
            hint="set model to a directory such as /..., or to an id such as owner/name.",
        )


def python_specifier(text: str, prefix: str) -> SpecifierSet:
    """Convert ``python_version`` to a specifier: 3.11 means any 3.11.x, 3.11.7 exactly that.

    Raises:
        CondaModuleError: the text is neither a version nor a specifier.
    """
    try:
        if re.fullmatch(r"[0-9]+(\.[0-9]+){0,2}", text):
            return SpecifierSet(f"=={text}" if text.count(".") == 2 else f"=={text}.*")
        if text.strip():
            return SpecifierSet(text)
    except InvalidSpecifier:
        pass
    raise CondaModuleError(
        f"python_version: {text!r} is not a version such as 3.11 or a specifier such as >=3.11.",
        prefix=prefix,
    )
