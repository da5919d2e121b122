# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks modules of this collection, in one process and in check mode, whether they would change anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.module import CondaModule
from ansible_collections.llmfleet.conda.plugins.module_utils._look_ahead.file_block import (
    block_is_kept,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import has_locks


class Answered(BaseException):
    """A module's answer; like the SystemExit in whose place it is, no handler of errors stops it."""

    def __init__(self, result: Mapping[str, Any]) -> None:
        """result: what the module would have printed."""
        BaseException.__init__(self)
        self.result = result


class AskedModule(CondaModule):
    """A module in check mode that hands its answer over, where others print it and end the process.

    warned: whether it had something to say beside the answer.
    """

    def __init__(self, options: Mapping[str, Any], **how: Any) -> None:
        """options: of the task. how: as AnsibleModule."""
        self._given = {**options, "_ansible_check_mode": True}
        self.warned = False
        CondaModule.__init__(self, **how)

    def _load_params(self) -> None:
        self.params = dict(self._given)
        self.no_log_values.update(self.secrets())

    def log(self, *_what: Any, **_how: Any) -> None:
        """Nothing goes to the host's log: the task that asks is there already."""

    def warn(self, *_what: Any, **_how: Any) -> None:
        """Remember that there is something to say; the module itself says it when its turn comes."""
        self.warned = True

    def exit_json(self, **result: Any) -> NoReturn:
        """Hand the result over."""
        raise Answered(result)

    def fail_json(self, msg: str = "", **result: Any) -> NoReturn:
        """Hand the failure over."""
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


# Imported only where they are asked: a host compiles what a module brings along on each run.
_MAINS: Mapping[str, Callable[[], Callable[..., None]]] = {
    "llmfleet.conda.conda_installation": _installation,
    "llmfleet.conda.conda_config": _config,
    "llmfleet.conda.conda_env": _env,
    "llmfleet.conda.conda_pip": _pip,
}

MODULES = (*_MAINS, "ansible.builtin.blockinfile")
"""The modules that can be asked."""


def reason_to_run(name: str, options: Mapping[str, Any]) -> str:
    """Why a module has to be run on this host, in words; empty where it would find all as asked.

    What cannot be said for certain is a reason: then the module itself shall say it.
    """
    if name == "ansible.builtin.blockinfile":
        return "" if block_is_kept(options) else f"{options.get('path')} has to be looked at"
    asked: list[AskedModule] = []

    def make(**how: Any) -> AskedModule:
        asked.append(AskedModule(options, **how))
        return asked[-1]

    try:
        _MAINS[name]()(make)
    except Answered as answer:
        result = answer.result
    except Exception as error:
        return f"it could not be asked: {type(error).__name__}"
    else:
        return "it gave no answer"
    if result.get("failed"):
        return "it would fail"
    if result.get("changed"):
        return "it would change something"
    if result.get("prefix") and has_locks(str(result["prefix"])):
        # Of a run that is at work, or was killed after its last change: the module sees to it.
        return "there is a lock"
    return "it has something to say" if any(one.warned for one in asked) else ""
