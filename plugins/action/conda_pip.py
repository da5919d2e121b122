# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read requirements files on the controller; plugins/modules/conda_pip.py documents it."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.llmfleet.conda.plugins.plugin_utils._controller_file import (
    ControllerFileAction,
)
from ansible_collections.llmfleet.conda.plugins.plugin_utils._controller_lines import with_lines


class ActionModule(ControllerFileAction):
    """Add the lines of files on the controller to ``requirements`` and ``constraints``."""

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Run the module with the lines of the files; the host never sees the file names."""
        arguments = dict(self._task.args)
        # The base class rejects values that are not booleans.
        if not boolean(arguments.get("remote_src") or False, strict=False):
            try:
                # A retry of the task starts from these arguments, so that no line is added twice.
                self._task.args = with_lines(self, arguments, task_vars or {})
            except AnsibleError as error:
                return {"failed": True, "msg": str(error)}
        return super().run(tmp, task_vars)
