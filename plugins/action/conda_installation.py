# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes the installer from the controller to a host that needs it; the module of this name documents it.

An installer has a hundred megabytes and more, and nearly every run finds the installation as it should be.
So the module is asked first, in check mode, and the file travels only when the answer is that it is needed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from ansible_collections.llmfleet.conda.plugins.plugin_utils._controller_file import unreadable

# The values of the result's plan.action for which the module starts an installer.
_NEED_INSTALLER = ("install", "reinstall", "repair")


class ActionModule(ActionBase):
    """Runs the module once where nothing is to do or no file has to travel, and twice where it changes."""

    _supports_async = True
    _supports_check_mode = True

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Returns the result documented in plugins/modules/conda_installation.py."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        del tmp
        arguments = dict(self._task.args)
        try:
            if not _is_on_controller(arguments):
                answer = self._module(arguments, task_vars, wrap_async=self._task.async_val)
                return {**result, **answer}
            self._refuse_async()
            file = self._file_of(str(arguments["installer_path"]))
        except TypeError as error:
            return {**result, "failed": True, "msg": f"The option remote_src: {error}"}
        except AnsibleError as error:
            return {**result, "failed": True, "msg": str(error)}
        with self._check_mode():
            foretold = self._module(arguments, task_vars)
        if self._task.check_mode or foretold.get("failed") or not foretold.get("changed"):
            return {**result, **foretold}
        if (foretold.get("plan") or {}).get("action") in _NEED_INSTALLER:
            arguments["installer_path"] = self._transfer(file)
            arguments["remote_src"] = True
        return {**result, **self._module(arguments, task_vars)}

    def _module(
        self, arguments: Mapping[str, Any], task_vars: dict[str, Any] | None, wrap_async: int = 0
    ) -> dict[str, Any]:
        answer: dict[str, Any] = self._execute_module(
            module_args=dict(arguments), task_vars=task_vars, wrap_async=wrap_async
        )
        return answer

    @contextmanager
    def _check_mode(self) -> Iterator[None]:
        """Run modules in check mode, whatever the task's own mode is."""
        own = self._task.check_mode
        self._task.check_mode = True
        try:
            yield
        finally:
            self._task.check_mode = own

    def _refuse_async(self) -> None:
        if self._task.async_val:
            raise AnsibleError(
                "An installer_path on the controller cannot be used with async. Copy the file to the host"
                " first and set remote_src: true."
            )

    def _file_of(self, name: str) -> str:
        """The path of the controller's file, whether it will be needed or not: a mistake shows at once.

        Raises:
            AnsibleError: there is no such file.
        """
        try:
            return str(self._find_needle("files", name))  # type: ignore[no-untyped-call]
        except AnsibleError as error:
            raise unreadable(f"The option installer_path names {name}", error) from None

    def _transfer(self, file: str) -> str:
        """Copy the file into the task's temporary directory on the host, which ansible removes with it."""
        shell = self._connection._shell
        if shell.tmpdir is None:
            self._make_tmp_path()
        # The name stays: the catalogue knows the checksum by it, and installers refuse another ending.
        remote: str = shell.join_path(shell.tmpdir, os.path.basename(file))
        self._transfer_file(file, remote)  # type: ignore[no-untyped-call]
        self._fixup_perms2((shell.tmpdir, remote), execute=False)  # type: ignore[no-untyped-call]
        return remote


def _is_on_controller(arguments: Mapping[str, Any]) -> bool:
    """Whether the task needs a file of the controller.

    Raises:
        TypeError: remote_src is no boolean.
    """
    if boolean(arguments.get("remote_src") or False):
        return False
    return bool(arguments.get("installer_path")) and arguments.get("state") != "absent"
