# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the declaration of an environment: an explicit lock or an ``environment.yml``, pins and variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.environment_file import (
    EnvironmentFile,
    EnvironmentFileError,
    parse_environment,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.explicit_lock import (
    LockedPackage,
    LockError,
    foreign_platforms,
    parse_lock,
    pip_lines,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.metadata import Notes
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.pins import (
    given_pins,
    parsed_pins,
    violations,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.variables import (
    given_variables,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import PackageRecord


def read_text(params: Mapping[str, Any], option: str) -> str:
    """Read the file on the managed host that ``option`` names.

    Raises:
        CondaModuleError: it cannot be read, is not UTF-8, or is on the controller.
    """
    path = params[option]
    if not params["remote_src"]:
        raise CondaModuleError(
            f"The option {option} names a file on the controller ({path}), which the action plugin of"
            " conda_env reads, but that plugin did not run. Nothing was changed.",
            hint="call the module as llmfleet.conda.conda_env in a task, or set remote_src: true for a file"
            " on the managed host.",
        )
    try:
        with open(path, encoding="utf-8", opener=only_regular) as stream:
            return stream.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise CondaModuleError(
            f"The option {option}: the file {path} cannot be read: {reason}. Nothing was changed.",
            hint="with remote_src: true the path is on the managed host: copy the file there first and make"
            " it readable for this user, or leave out remote_src for a file on the controller.",
        ) from error


def read_lock(
    params: Mapping[str, Any],
) -> tuple[tuple[LockedPackage, ...] | None, tuple[str, ...]]:
    """The packages of the option ``lock`` or ``lock_file``, and its requirement lines for pip.

    The packages are None if neither option is set.

    Raises:
        CondaModuleError: the lock cannot be used, or contradicts another option.
    """
    lock, path = params.get("lock"), params.get("lock_file")
    if (lock is None and path is None) or params["state"] == "absent":
        return None, ()
    option = "lock" if path is None else "lock_file"
    if params["packages"] or params["state"] == "latest":
        other = "packages" if params["packages"] else "state: latest"
        raise CondaModuleError(
            f"The option {option} defines the whole environment, so it cannot be combined with {other}."
            " Nothing was changed.",
            hint=f"remove {option} or {other} from the task.",
        )
    text = read_text(params, option) if path is not None else _lines(lock)
    try:
        packages = parse_lock(text)
        if not packages:
            raise LockError("it lists no packages")
        if foreign := foreign_platforms(packages):
            raise LockError(f"its packages are for {', '.join(foreign)}, but this host is not")
    except LockError as error:
        raise CondaModuleError(
            f"The option {option} cannot be used: {error}. Nothing was changed.",
            hint="use the output of 'conda list --explicit --md5' from a host of the same platform.",
        ) from error
    return packages, pip_lines(text)


def read_notes(params: Mapping[str, Any], declared: EnvironmentFile) -> Notes:
    """Read the options ``frozen``, ``pinned``, ``variables``, ``owner`` and ``group``.

    Variables in ``declared`` are included; those of the option override them.

    Raises:
        CondaModuleError: an option, or the variables of ``declared``, cannot be used.
    """
    if params["state"] == "absent":
        return Notes(frozen=params.get("frozen"))
    variables = None
    option = "environment" if params.get("environment") is not None else "environment_file"
    for given, source in ((declared.variables, option), (params.get("variables"), "variables")):
        if given is not None:
            variables = {**(variables or {}), **given_variables(given, source)}
    pinned, exact = params.get("pinned"), params.get("exact", False)
    if exact and pinned is None:
        pinned = ()
    return Notes(
        frozen=params.get("frozen"),
        pinned=None if pinned is None else given_pins(pinned),
        variables=variables,
        owner=params.get("owner"),
        group=params.get("group"),
        exact=exact,
    )


def check_lock_against_pins(lock: Sequence[LockedPackage], pins: Sequence[str]) -> None:
    """Refuse a lock that violates the task's pins; conda does not check pins when it links a lock.

    Raises:
        CondaModuleError: a pin forbids a package of the lock.
    """
    records = {
        package.name: PackageRecord(
            package.name, package.version, package.build, channel=package.url
        )
        for package in lock
    }
    if broken := violations(parsed_pins(pins), records):
        said = ", ".join(f"{pin.text} forbids {record.label}" for pin, record in broken)
        raise CondaModuleError(
            f"The option pinned contradicts the lock: {said}. Nothing was changed.",
            hint="correct the pins, or create a new lock.",
        )


def _lines(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return "\n".join(value)
    raise CondaModuleError(
        "The option lock must be text or a list of lines. Nothing was changed.",
        hint="use the output of 'conda list --explicit --md5'.",
    )


def read_environment(params: Mapping[str, Any]) -> EnvironmentFile:
    """Parse the option ``environment`` or ``environment_file``; empty if neither is set.

    Raises:
        CondaModuleError: the file cannot be used.
    """
    given, path = params.get("environment"), params.get("environment_file")
    if (given is None and path is None) or params["state"] == "absent":
        return EnvironmentFile()
    option = "environment" if path is None else "environment_file"
    try:
        return parse_environment(given if path is None else read_text(params, option))
    except EnvironmentFileError as error:
        where = f" ({path})" if path is not None else ""
        raise CondaModuleError(
            f"The option {option}{where} cannot be used: {error}. Nothing was changed.",
            hint="use the keys name, channels and dependencies, as 'conda env export' writes them.",
        ) from error
