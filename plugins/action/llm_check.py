# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read declared files on the controller and run llm_check; plugins/modules/llm_check.py documents it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.llmfleet.conda.plugins.plugin_utils._controller_file import text_of
from ansible_collections.llmfleet.conda.plugins.plugin_utils._gc_paused import NoGcAction

# The options of a declaration that name a file, and those that take its text.
_TEXTS = {"environment_file": "environment", "lock_file": "lock"}


class ActionModule(NoGcAction):
    """Run the module with the texts of the files that ``declared`` and ``environments`` name.

    The garbage collector is disabled while the payload is built.
    """

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module; if a file cannot be read, fail the task and name the option."""
        if not {"declared", "environments"} & set(self._task.args):
            return super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        try:
            variables = task_vars or {}
            if isinstance(arguments.get("declared"), Mapping):
                arguments["declared"] = self._with_texts(
                    arguments["declared"], "declared", variables
                )
            if isinstance(arguments.get("environments"), list):
                arguments["environments"] = [
                    self._with_texts(entry, "environments", variables)
                    if isinstance(entry, Mapping)
                    else entry
                    for entry in arguments["environments"]
                ]
        except TypeError as error:
            return {"failed": True, "msg": f"The option remote_src: {error}"}
        except AnsibleError as error:
            return {"failed": True, "msg": str(error)}
        # A retry of the task starts from these arguments.
        self._task.args = arguments
        return super().run(tmp, task_vars)

    def _with_texts(
        self, declared: Mapping[str, Any], option: str, variables: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the declaration with the texts of its files, unless they are on the managed host.

        Args:
            variables: those of the task.

        Raises:
            AnsibleError: a file cannot be read.
            TypeError: remote_src is not a boolean.
        """
        given = dict(declared)
        if boolean(given.get("remote_src") or False) or given.get("state") == "absent":
            return given
        for file_option, text_option in _TEXTS.items():
            # If both options are set, the module reports the error.
            if given.get(file_option) and given.get(text_option) is None:
                name = str(given.pop(file_option))
                given[text_option] = text_of(self, f"{option}: {file_option}", name, variables)
        return given
