# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Base class of action plugins that copy large files from the controller, only to hosts that need them.

Most runs find nothing to do. The action plugin therefore runs the module in check mode first and copies the
files only if the module's plan needs them. With ``remote_src: true`` the option names a path on the managed
host and nothing is copied.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Generic, TypeVar

from ansible.errors import AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from ansible_collections.llmfleet.conda.plugins.plugin_utils._gc_paused import gc_paused

Source = TypeVar("Source")


class ControllerTransferAction(ActionBase, Generic[Source]):
    """Run the module in check mode, copy the files if the plan needs them, then run the module.

    The module runs only once if nothing has to change or if no file of the controller is involved.

    ``PATH_OPTION`` is the option that names the file or directory. ``NEEDED_FOR`` lists the values of
    ``plan.action`` in the result for which the module reads it.
    """

    PATH_OPTION: ClassVar[str]
    NEEDED_FOR: ClassVar[tuple[str, ...]]
    # Those of the task.
    variables: Mapping[str, Any] = {}

    _supports_async = True
    _supports_check_mode = True

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the result documented in the module's file."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        del tmp
        self.variables = task_vars or {}
        arguments = dict(self._task.args)
        try:
            travels = self._is_on_controller(arguments)
            if travels and self._task.async_val:
                raise AnsibleError(
                    f"With async, the option {self.PATH_OPTION} cannot name a path on the controller."
                    " Copy the files to the host in an earlier task and set remote_src: true."
                )
            source = self.source_of(arguments) if travels else None
        except TypeError as error:
            return {**result, "failed": True, "msg": f"The option remote_src: {error}"}
        except AnsibleError as error:
            return {**result, "failed": True, "msg": str(error)}
        # Outside the try block: Ansible itself reports unreachable hosts.
        if source is None:
            answer = self._module(arguments, task_vars, wrap_async=self._task.async_val)
            return {**result, **answer}
        arguments = self.with_source(arguments, source)
        with self._check_mode():
            foretold = self._module(arguments, task_vars)
        if self._task.check_mode or foretold.get("failed") or not foretold.get("changed"):
            return {**result, **foretold}
        if (foretold.get("plan") or {}).get("action") in self.NEEDED_FOR:
            arguments[self.PATH_OPTION] = self.transfer(source)
            arguments["remote_src"] = True
        return {**result, **self._module(arguments, task_vars)}

    @abstractmethod
    def source_of(self, arguments: Mapping[str, Any]) -> Source:
        """Find the source on the controller, so that a wrong path fails even if no host needs the files.

        Raises:
            AnsibleError: the source does not exist or cannot be read.
        """

    @abstractmethod
    def transfer(self, source: Source) -> str:
        """Copy the source to the task's temporary directory, which Ansible removes; return the path there."""

    def with_source(self, arguments: dict[str, Any], source: Source) -> dict[str, Any]:
        """Return the options for the run in check mode, with what is known about the source."""
        del source
        return arguments

    def module_arguments(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options to send to the module."""
        return dict(arguments)

    def make_temporary(self) -> str:
        """Return the task's temporary directory on the host; create it if necessary."""
        shell = self._connection._shell
        if shell.tmpdir is None:
            self._make_tmp_path()
        return str(shell.tmpdir)

    def _module(
        self, arguments: Mapping[str, Any], task_vars: dict[str, Any] | None, wrap_async: int = 0
    ) -> dict[str, Any]:
        with gc_paused():
            answer: dict[str, Any] = self._execute_module(
                module_args=self.module_arguments(arguments),
                task_vars=task_vars,
                wrap_async=wrap_async,
            )
        return answer

    @contextmanager
    def _check_mode(self) -> Iterator[None]:
        """Run modules in check mode inside the block."""
        own = self._task.check_mode
        self._task.check_mode = True
        try:
            yield
        finally:
            self._task.check_mode = own

    def _is_on_controller(self, arguments: Mapping[str, Any]) -> bool:
        """Return whether the option names a path on the controller.

        Raises:
            TypeError: remote_src is not a boolean.
        """
        if boolean(arguments.get("remote_src") or False):
            return False
        return bool(arguments.get(self.PATH_OPTION)) and arguments.get("state") != "absent"
