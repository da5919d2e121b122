# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes a model's files from the controller to a host that needs them; the module of this name documents it.

Models have gigabytes, and nearly every run finds them as they should be. So the module is asked first, in
check mode, with the name that the state of the directory has, and files travel only when it needs them.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from ansible_collections.llmfleet.conda.plugins.module_utils._hub_cache import parse_choice
from ansible_collections.llmfleet.conda.plugins.module_utils._hub_store import Source, read_source
from ansible_collections.llmfleet.conda.plugins.plugin_utils._controller_file import unreadable


class ActionModule(ActionBase):
    """Runs the module once where no file has to travel, and twice where files do."""

    _supports_async = True
    _supports_check_mode = True

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Returns the result documented in plugins/modules/hub_model.py."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        del tmp
        arguments = dict(self._task.args)
        try:
            if not _is_on_controller(arguments):
                answer = self._module(arguments, task_vars, wrap_async=self._task.async_val)
                return {**result, **answer}
            if self._task.async_val:
                raise AnsibleError(
                    "A path on the controller cannot be used with async. Copy the directory to the host first"
                    " and set remote_src: true."
                )
            source = self._source_of(arguments)
        except TypeError as error:
            return {**result, "failed": True, "msg": f"The option remote_src: {error}"}
        except AnsibleError as error:
            return {**result, "failed": True, "msg": str(error)}
        arguments["commit"] = arguments.get("commit") or source.commit
        own = self._task.check_mode
        self._task.check_mode = True
        try:
            foretold = self._module(arguments, task_vars)
        finally:
            self._task.check_mode = own
        if own or foretold.get("failed") or not foretold.get("changed"):
            return {**result, **foretold}
        if (foretold.get("plan") or {}).get("action") == "import":
            arguments["path"] = self._transfer(source)
            arguments["remote_src"] = True
        return {**result, **self._module(arguments, task_vars)}

    def _module(
        self, arguments: Mapping[str, Any], task_vars: dict[str, Any] | None, wrap_async: int = 0
    ) -> dict[str, Any]:
        answer: dict[str, Any] = self._execute_module(
            module_args=dict(arguments), task_vars=task_vars, wrap_async=wrap_async
        )
        return answer

    def _source_of(self, arguments: Mapping[str, Any]) -> Source:
        """The controller's directory, whether it will be needed or not: a mistake shows at once.

        Raises:
            AnsibleError: there is no such directory, or no file in it.
        """
        name = str(arguments["path"])
        try:
            path = str(self._find_needle("files", name))  # type: ignore[no-untyped-call]
        except AnsibleError as error:
            raise unreadable(f"The option path names {name}", error) from None
        choice = parse_choice(_listed(arguments.get("include")), _listed(arguments.get("exclude")))
        try:
            return read_source(path, choice)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise unreadable(
                f"The option path names {name}", AnsibleError(str(reason or error))
            ) from error

    def _transfer(self, source: Source) -> str:
        """Copy the files into the task's temporary directory on the host, which ansible removes with it."""
        shell = self._connection._shell
        if shell.tmpdir is None:
            self._make_tmp_path()
        root: str = shell.join_path(shell.tmpdir, "model")
        places = {name: shell.join_path(root, *name.split(os.sep)) for name in sorted(source.files)}
        directories = sorted({root, *(os.path.dirname(place) for place in places.values())})
        words = " ".join(shlex.quote(directory) for directory in directories)
        command = f"mkdir -p {words}"
        done = self._low_level_execute_command(command)  # type: ignore[no-untyped-call]
        if done["rc"] != 0:
            raise AnsibleError(
                f"The directory {root} cannot be made on the host: {done['stderr'].strip()}"
            )
        for name, place in places.items():
            self._transfer_file(os.path.join(source.path, name), place)  # type: ignore[no-untyped-call]
        self._fixup_perms2(  # type: ignore[no-untyped-call]
            (shell.tmpdir, *directories, *places.values()), execute=False
        )
        return root


def _listed(value: Any) -> list[str]:
    """An option that takes a list, as the module will understand it."""
    if isinstance(value, str):
        return [word.strip() for word in value.split(",") if word.strip()]
    return [str(item) for item in value or ()]


def _is_on_controller(arguments: Mapping[str, Any]) -> bool:
    """Whether the task needs a directory of the controller.

    Raises:
        TypeError: remote_src is no boolean.
    """
    if boolean(arguments.get("remote_src") or False):
        return False
    return bool(arguments.get("path")) and arguments.get("state") != "absent"
