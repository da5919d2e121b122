# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read files on the controller for conda_generations; plugins/modules/conda_generations.py documents it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.llmfleet.conda.plugins.plugin_utils._controller_file import text_of
from ansible_collections.llmfleet.conda.plugins.plugin_utils._controller_lines import with_lines
from ansible_collections.llmfleet.conda.plugins.plugin_utils._gc_paused import NoGcAction

# The options of a declaration that name a file, and those that take its text.
_TEXTS = {"environment_file": "environment", "lock_file": "lock"}


class ActionModule(NoGcAction):
    """Run the module with the texts of the files that ``environment``, ``pip`` and ``checks`` name.

    The garbage collector is disabled while the payload is built.
    """

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module; if a file cannot be read, fail the task and name the option."""
        arguments = dict(self._task.args)
        variables = task_vars or {}
        if arguments.get("state") != "absent" and not arguments.get("generation"):
            try:
                self._read(arguments, variables)
            except TypeError as error:
                return {"failed": True, "msg": f"The option remote_src: {error}"}
            except AnsibleError as error:
                return {"failed": True, "msg": str(error)}
        # A retry of the task starts from these arguments.
        self._task.args = arguments
        return super().run(tmp, task_vars)

    def _read(self, arguments: dict[str, Any], variables: Mapping[str, Any]) -> None:
        environment, pip = arguments.get("environment"), arguments.get("pip")
        if isinstance(environment, Mapping):
            arguments["environment"] = self._with_texts(environment, variables)
        if isinstance(pip, Mapping) and not boolean(pip.get("remote_src") or False):
            arguments["pip"] = with_lines(self, pip, variables)

    def _with_texts(self, given: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        """Return the declaration with the texts of its files, unless they are on the managed host."""
        result = dict(given)
        if boolean(result.get("remote_src") or False):
            return result
        for file_option, text_option in _TEXTS.items():
            # If both options are set, the module reports the error.
            if result.get(file_option) and result.get(text_option) is None:
                name = str(result.pop(file_option))
                result[text_option] = text_of(self, f"environment: {file_option}", name, variables)
        return result
