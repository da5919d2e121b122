# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions whose modules take a text either as it is, or as the name of a file on the controller.

Such a file is small (an ``environment.yml``, a lock, requirement lines), so its text travels with the
module's options and no file has to be copied to the host. With ``remote_src: true`` the name is one of
the managed host, and the module reads the file itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible.errors import AnsibleError, AnsibleFileNotFound
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from ansible_collections.llmfleet.conda.plugins.plugin_utils._gc_paused import collector_paused


class ControllerFileAction(ActionBase):
    """Puts the text of a file on the controller in the place of its name, then runs the module.

    ``TEXT_OPTIONS`` maps an option with a file name to the option that takes the text. The file is looked
    for as ``ansible.builtin.copy`` does it (``files`` beside the role or the play), and decrypted when
    Ansible Vault made it.
    """

    TEXT_OPTIONS: ClassVar[Mapping[str, str]] = {}

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Run the module; a file that cannot be read fails the task and names the option."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        del tmp
        arguments = dict(self._task.args)
        names: dict[str, str] = {}
        try:
            if self.files_count(arguments) and not boolean(arguments.get("remote_src") or False):
                for file_option, text_option in self.TEXT_OPTIONS.items():
                    # Both given is an error that the module words.
                    if arguments.get(file_option) and arguments.get(text_option) is None:
                        name = arguments.pop(file_option)
                        arguments[text_option] = self.text_of(file_option, name)
                        names[text_option] = f"{file_option} ({name})"
        except TypeError as error:
            return {**result, "failed": True, "msg": f"The option remote_src: {error}"}
        except AnsibleError as error:
            return {**result, "failed": True, "msg": str(error)}
        with collector_paused():
            result |= self._execute_module(
                module_args=arguments, task_vars=task_vars, wrap_async=self._task.async_val
            )
        for text_option, said in names.items():
            # The module knows the text only; the person knows the file.
            if isinstance(result.get("msg"), str):
                result["msg"] = result["msg"].replace(
                    f"The option {text_option} ", f"The option {said} "
                )
        return result

    def files_count(self, arguments: Mapping[str, Any]) -> bool:
        """Whether the files matter at all for a task with these ``arguments``."""
        return bool(arguments)

    def text_of(self, option: str, name: str) -> str:
        """The text of the controller's file ``name``.

        Raises:
            AnsibleError: it does not exist, may not be read or cannot be decrypted.
        """
        try:
            path = self._find_needle("files", name)  # type: ignore[no-untyped-call]
            return str(self._loader.get_text_file_contents(path))
        except AnsibleError as error:
            raise unreadable(f"The option {option} names {name}", error) from None


def unreadable(what: str, error: AnsibleError) -> AnsibleError:
    """The error for a file that the controller cannot read, on one line; ``what`` is how it begins.

    Ansible's own words for a missing file speak of modules of its own, and name each place twice.
    """
    reason = str(error).splitlines()[0].rstrip(".")
    if isinstance(error, AnsibleFileNotFound) and error.paths:
        reason = f"it is in none of {', '.join(dict.fromkeys(error.paths))}"
    return AnsibleError(
        f"{what}, which cannot be read on the controller: {reason}. Nothing was changed."
        " With remote_src: true a file is looked for on the managed host."
    )
