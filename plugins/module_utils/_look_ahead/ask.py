# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs modules of this collection in check mode, in one process, to see whether they would change
anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.module import CondaModule
from ansible_collections.llmfleet.conda.plugins.module_utils._look_ahead.file_block import (
    block_is_kept,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import has_locks


class Answered(BaseException):
    """A module's result; like the SystemExit that it replaces, no error handler catches it."""

    def __init__(self, result: Mapping[str, Any]) -> None:
        """result: what the module would have printed."""
        BaseException.__init__(self)
        self.result = result


class AskedModule(CondaModule):
    """A module in check mode that raises its result instead of printing it and ending the process.

    warnings: the warnings that it issued.
    """

    def __init__(self, options: Mapping[str, Any], **how: Any) -> None:
        """options: of the task. how: as for AnsibleModule."""
        self._given = {**options, "_ansible_check_mode": True}
        self.warnings: list[str] = []
        CondaModule.__init__(self, **how)

    def _load_params(self) -> None:
        self.params = dict(self._given)
        self.no_log_values.update(self.secrets())

    def log(self, *_what: Any, **_how: Any) -> None:
        """Do not log: the task that runs this module is in the host's log already."""

    def warn(self, warning: str, **_how: Any) -> None:
        """Remember the warning; the module itself reports it when its task runs."""
        self.warnings.append(warning)

    def exit_json(self, **result: Any) -> NoReturn:
        """Raise the result."""
        raise Answered(result)

    def fail_json(self, msg: str = "", **result: Any) -> NoReturn:
        """Raise the failure as a result."""
        raise Answered({"failed": True, "msg": msg, **result})


def _installation() -> Callable[..., None]:
    from ansible_collections.llmfleet.conda.plugins.module_utils._installation import (
        module as installation_module,
    )

    return installation_module.main


def _config() -> Callable[..., None]:
    from ansible_collections.llmfleet.conda.plugins.module_utils._config import (
        module as config_module,
    )

    return config_module.main


def _env() -> Callable[..., None]:
    from ansible_collections.llmfleet.conda.plugins.module_utils._environment import (
        module as env_module,
    )

    return env_module.main


def _pip() -> Callable[..., None]:
    from ansible_collections.llmfleet.conda.plugins.module_utils._pip import module as pip_module

    return pip_module.main


def _generations() -> Callable[..., None]:
    from ansible_collections.llmfleet.conda.plugins.module_utils._generations import (
        module as generations_module,
    )

    return generations_module.main


# Imported only when needed: a host compiles all imported files on each run.
_MAINS: Mapping[str, Callable[[], Callable[..., None]]] = {
    "llmfleet.conda.conda_installation": _installation,
    "llmfleet.conda.conda_config": _config,
    "llmfleet.conda.conda_env": _env,
    "llmfleet.conda.conda_pip": _pip,
    "llmfleet.conda.conda_generations": _generations,
}

MODULES = (*_MAINS, "ansible.builtin.blockinfile")
"""The modules that can be asked."""


def reason_to_run(
    name: str, options: Mapping[str, Any], vulnerabilities: list[str] | None = None
) -> str:
    """Why a module has to run on this host; empty if it would change nothing.

    If that cannot be decided, the module has to run.

    Args:
        vulnerabilities: gets the module's warnings about known vulnerabilities. They are no reason to run: a
            module that runs can only repeat them.
    """
    if name == "ansible.builtin.blockinfile":
        return "" if block_is_kept(options) else f"{options.get('path')} may need a change"
    asked: list[AskedModule] = []

    def make(**how: Any) -> AskedModule:
        asked.append(AskedModule(options, **how))
        return asked[-1]

    try:
        _MAINS[name]()(make)
    except Answered as answer:
        result = answer.result
    except Exception as error:
        return f"the module could not be run: {type(error).__name__}"
    else:
        return "the module returned no result"
    if result.get("failed"):
        return "the module would fail"
    if result.get("changed"):
        return "the module would change something"
    if result.get("prefix") and has_locks(str(result["prefix"])):
        # A run holds the lock, or was killed after its last change: the module handles both.
        return "a lock file exists"
    known = result.get("vulnerabilities") or []
    if any(warning not in known for one in asked for warning in one.warnings):
        return "the module reported a warning"
    if vulnerabilities is not None:
        vulnerabilities += known
    return ""
