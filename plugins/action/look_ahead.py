# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Predict the module calls of roles on the controller; plugins/modules/look_ahead.py documents it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import redact
from ansible_collections.llmfleet.conda.plugins.plugin_utils._foreseen_tasks import (
    ForeseenTasks,
    NotForeseeable,
)
from ansible_collections.llmfleet.conda.plugins.plugin_utils._gc_paused import gc_paused

_INSTALLATION = "llmfleet.conda.conda_installation"
_ROLES = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(__file__))), "roles")


class ActionModule(ActionBase):
    """Run the module with the steps of all roles, unless they cannot be predicted."""

    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the result documented in the module's file; only an unreachable host is a failure."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        roles, steps = (arguments.get(name) or [] for name in ("roles", "steps"))
        if not isinstance(roles, list) or not isinstance(steps, list) or not roles + steps:
            raise AnsibleActionFail(
                "look_ahead requires roles or steps, as a list that is not empty."
            )
        try:
            arguments["steps"] = steps + self._steps(roles, arguments, task_vars or {})
        except (NotForeseeable, AnsibleError) as error:
            return {**result, "changed": False, "as_asked": False, "reasons": [redact(str(error))]}
        missing = self._missing(arguments["steps"])
        if missing:
            reason = f"there is no conda installation at {missing}"
            return {**result, "changed": False, "as_asked": False, "reasons": [reason]}
        with gc_paused():
            answer: dict[str, Any] = self._execute_module(
                module_name="llmfleet.conda.look_ahead", module_args=arguments, task_vars=task_vars
            )
        if answer.get("failed") and not answer.get("unreachable"):
            # If the module cannot run at all, fall through: the role's first task will report why.
            return {**result, "changed": False, "as_asked": False, "reasons": [answer.get("msg")]}
        return {**result, **answer}

    def _missing(self, steps: list[dict[str, Any]]) -> str:
        """Return the first wanted installation prefix without an installation, or an empty string.

        On a bare host this shell command takes a tenth of the time of a module run.
        """
        for step in steps:
            options = step["options"]
            if step["module"] != _INSTALLATION or options.get("state", "present") != "present":
                continue
            prefix = str(options.get("prefix") or "")
            if not prefix.startswith("/"):
                continue
            test = f"test -e {shlex.quote(os.path.join(prefix, 'conda-meta', 'history'))}"
            if self._low_level_execute_command(test)["rc"] == 1:  # type: ignore[no-untyped-call]
                return prefix
        return ""

    def _steps(
        self, roles: list[str], arguments: Mapping[str, Any], variables: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        tasks = ForeseenTasks(
            lambda path: self._loader.load_from_file(path, trusted_as_template=True),
            lambda known: self._templar.copy_with_new_env(available_variables=dict(known)),
        )
        tasks_from = str(arguments.get("tasks_from") or "converge")
        return [
            step
            for role in roles
            for step in tasks.of_role(os.path.join(_ROLES, str(role)), tasks_from, variables)
        ]
