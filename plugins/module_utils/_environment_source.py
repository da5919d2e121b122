# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what declares a whole environment: an explicit lock, or an ``environment.yml``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._environment_file import (
    EnvironmentFile,
    EnvironmentFileError,
    parse_environment,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._explicit_lock import (
    LockedPackage,
    LockError,
    foreign_platforms,
    parse_lock,
)


def read_text(option: str, path: str) -> str:
    """The text of the file that ``option`` names.

    Raises:
        CondaModuleError: it cannot be read, or is no UTF-8.
    """
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise CondaModuleError(
            f"The file of the option {option} cannot be read: {path}: {reason}. Nothing was changed.",
            hint="the path is one on the managed host: copy the file there first, readable for this user.",
        ) from error


def read_lock(params: Mapping[str, Any]) -> tuple[LockedPackage, ...] | None:
    """The packages of the option ``lock`` or ``lock_file``, None when neither is given.

    Raises:
        CondaModuleError: the lock cannot be used, or contradicts another option.
    """
    lock, path = params.get("lock"), params.get("lock_file")
    if (lock is None and path is None) or params["state"] == "absent":
        return None
    option = "lock" if path is None else "lock_file"
    if params["packages"] or params["state"] == "latest":
        other = "the option packages" if params["packages"] else "the state latest"
        raise CondaModuleError(
            f"The option {option} says exactly what the environment holds, so {other} cannot be given with"
            " it. Nothing was changed.",
            hint=f"leave out {option}, or {other}.",
        )
    text = read_text(option, path) if path is not None else _lines(lock)
    try:
        packages = parse_lock(text)
        if not packages:
            raise LockError("there is no package in it")
        if foreign := foreign_platforms(packages):
            raise LockError(f"its packages are for {', '.join(foreign)}, and this host is not")
    except LockError as error:
        raise CondaModuleError(
            f"The option {option} cannot be used: {error}. Nothing was changed.",
            hint="give what 'conda list --explicit --md5' prints on a host of the same platform.",
        ) from error
    return packages


def _lines(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return "\n".join(value)
    raise CondaModuleError(
        "The option lock is neither a text nor a list of lines. Nothing was changed.",
        hint="give what 'conda list --explicit --md5' prints.",
    )


def read_environment(params: Mapping[str, Any]) -> EnvironmentFile:
    """What the option ``environment`` or ``environment_file`` declares; nothing when neither is given.

    Raises:
        CondaModuleError: the file cannot be used.
    """
    given, path = params.get("environment"), params.get("environment_file")
    if (given is None and path is None) or params["state"] == "absent":
        return EnvironmentFile()
    option = "environment" if path is None else "environment_file"
    try:
        return parse_environment(given if path is None else read_text(option, path))
    except EnvironmentFileError as error:
        where = f" ({path})" if path is not None else ""
        raise CondaModuleError(
            f"The option {option}{where} cannot be used: {error}. Nothing was changed.",
            hint="write it with the keys name, channels and dependencies, as 'conda env export' does.",
        ) from error
