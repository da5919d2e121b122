# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Base class of action plugins that read small files on the controller.

The files are small (an ``environment.yml``, a lock file, a requirements file), so the action plugin sends
their text as a module option and copies no file to the host. With ``remote_src: true`` the file is on the
managed host and the module reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible.errors import AnsibleError, AnsibleFileNotFound
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from ansible_collections.llmfleet.conda.plugins.plugin_utils._controller_search import (
    find_on_controller,
)
from ansible_collections.llmfleet.conda.plugins.plugin_utils._gc_paused import gc_paused


class ControllerFileAction(ActionBase):
    """Replace the name of a file on the controller with the file's text, then run the module.

    ``TEXT_OPTIONS`` maps the option that names a file to the option that takes its text. Where files are
    looked for, :func:`find_on_controller` says. Files encrypted with Ansible Vault are decrypted.
    """

    TEXT_OPTIONS: ClassVar[Mapping[str, str]] = {}
    # Those of the task.
    variables: Mapping[str, Any] = {}

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Run the module; if a file cannot be read, fail the task and name the option."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        del tmp
        self.variables = task_vars or {}
        arguments = dict(self._task.args)
        names: dict[str, str] = {}
        try:
            if self.files_count(arguments) and not boolean(arguments.get("remote_src") or False):
                for file_option, text_option in self.TEXT_OPTIONS.items():
                    # If both options are set, the module reports the error.
                    if arguments.get(file_option) and arguments.get(text_option) is None:
                        name = arguments.pop(file_option)
                        arguments[text_option] = self.text_of(file_option, name)
                        names[text_option] = f"{file_option} ({name})"
        except TypeError as error:
            return {**result, "failed": True, "msg": f"The option remote_src: {error}"}
        except AnsibleError as error:
            return {**result, "failed": True, "msg": str(error)}
        with gc_paused():
            result |= self._execute_module(
                module_args=arguments, task_vars=task_vars, wrap_async=self._task.async_val
            )
        for text_option, said in names.items():
            # The module received only the text; name the file in its message.
            if isinstance(result.get("msg"), str):
                result["msg"] = result["msg"].replace(
                    f"The option {text_option} ", f"The option {said} "
                )
        return result

    def files_count(self, arguments: Mapping[str, Any]) -> bool:
        """Return whether a task with these ``arguments`` reads the files."""
        return bool(arguments)

    def text_of(self, option: str, name: str) -> str:
        """Return the text of the file ``name`` on the controller.

        Raises:
            AnsibleError: the file does not exist, cannot be read or cannot be decrypted.
        """
        return text_of(self, option, name, self.variables)


def text_of(action: ActionBase, option: str, name: str, variables: Mapping[str, Any]) -> str:
    """Return the text of a file on the controller, for any action plugin.

    Args:
        option: names the file, for the error.
        variables: those of the task, which say where the inventory is.

    Raises:
        AnsibleError: the file does not exist, cannot be read or cannot be decrypted.
    """
    try:
        path = find_on_controller(action, str(name), variables)
        return str(action._loader.get_text_file_contents(path))
    except AnsibleError as error:
        raise unreadable(f"The option {option} names {name}", error) from None


def unreadable(what: str, error: AnsibleError) -> AnsibleError:
    """Return the one-line error for a file that the controller cannot read; ``what`` starts the message.

    Ansible's own message for a missing file names its copy module and lists every searched path twice.
    """
    reason = str(error).splitlines()[0].rstrip(".")
    if isinstance(error, AnsibleFileNotFound) and error.paths:
        reason = f"not found in {', '.join(dict.fromkeys(error.paths))}"
    return AnsibleError(
        f"{what}, but the controller cannot read it: {reason}. Nothing was changed."
        " If the file is on the managed host, set remote_src: true."
    )
