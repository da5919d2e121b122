# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read requirements files on the controller; plugins/modules/conda_pip.py documents it."""

from __future__ import annotations

import os
from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.common.validation import check_type_list
from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.llmfleet.conda.plugins.module_utils._pip.requirements_file import (
    RequirementsFileError,
    read_files,
)
from ansible_collections.llmfleet.conda.plugins.plugin_utils._controller_file import (
    ControllerFileAction,
    unreadable,
)
from ansible_collections.llmfleet.conda.plugins.plugin_utils._controller_search import (
    find_on_controller,
)


class ActionModule(ControllerFileAction):
    """Add the lines of files on the controller to ``requirements`` and ``constraints``."""

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Run the module with the lines of the files; the host never sees the file names."""
        arguments = dict(self._task.args)
        self.variables = task_vars or {}
        # The base class rejects values that are not booleans.
        if not boolean(arguments.get("remote_src") or False, strict=False):
            try:
                self._put_lines(arguments)
            except AnsibleError as error:
                return {"failed": True, "msg": str(error)}
            # A retry of the task starts from these arguments, so that no line is added twice.
            self._task.args = arguments
        return super().run(tmp, task_vars)

    def _put_lines(self, arguments: dict[str, Any]) -> None:
        """Replace the file names with the lines of the files and of the files that they include.

        Raises:
            AnsibleError: a file cannot be read or has an unsupported line.
        """
        top: dict[str, str] = {}
        paths: dict[str, list[str]] = {}
        for option in ("requirements_files", "constraints_files"):
            paths[option] = []
            for name in _listed(option, arguments.get(option)):
                text = self.text_of(option, str(name))
                path = os.path.abspath(find_on_controller(self, str(name), self.variables))
                top[path] = text
                paths[option].append(path)
        if not top:
            return

        def read(path: str) -> str:
            return top[path] if path in top else self._included(path)

        try:
            found = read_files(paths["requirements_files"], paths["constraints_files"], read)
        except RequirementsFileError as error:
            raise AnsibleError(f"{error}. Nothing was changed.") from error
        for option in paths:
            arguments.pop(option, None)
        for option, lines in (
            ("requirements", found.requirements),
            ("constraints", found.constraints),
        ):
            arguments[option] = [*_listed(option, arguments.get(option)), *lines]

    def _included(self, path: str) -> str:
        try:
            return str(self._loader.get_text_file_contents(path))
        except AnsibleError as error:
            raise unreadable(f"A requirements file includes {path}", error) from None


def _listed(option: str, value: Any) -> list[Any]:
    """Return the items of a list option; like Ansible, split a string at its commas."""
    if value is None:
        return []
    try:
        return list(check_type_list(value))
    except TypeError as error:
        raise AnsibleError(f"The option {option} is not a list: {error}") from error
