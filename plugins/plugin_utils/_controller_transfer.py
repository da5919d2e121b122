# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions whose modules take large files from the controller: they travel only to hosts that need them.

Nearly every run finds the host as it should be. So the module is asked first, in check mode, and the files
are copied only when its plan says that they are needed. With ``remote_src: true`` the option names a place
of the managed host, and nothing travels.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Generic, TypeVar

from ansible.errors import AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from ansible_collections.llmfleet.conda.plugins.plugin_utils._gc_paused import collector_paused

Source = TypeVar("Source")


class ControllerTransferAction(ActionBase, Generic[Source]):
    """Runs the module once where nothing is to do or no file has to travel, and twice where it changes.

    ``PATH_OPTION`` is the option that names the file or the directory. ``NEEDED_FOR`` are the values of the
    result's ``plan.action`` for which the module reads it.
    """

    PATH_OPTION: ClassVar[str]
    NEEDED_FOR: ClassVar[tuple[str, ...]]

    _supports_async = True
    _supports_check_mode = True

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Returns the result that the module's file documents."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        del tmp
        arguments = dict(self._task.args)
        try:
            travels = self._is_on_controller(arguments)
            if travels and self._task.async_val:
                raise AnsibleError(
                    f"The option {self.PATH_OPTION} cannot be used with async for what is on the controller."
                    " Copy it to the host first and set remote_src: true."
                )
            source = self.source_of(arguments) if travels else None
        except TypeError as error:
            return {**result, "failed": True, "msg": f"The option remote_src: {error}"}
        except AnsibleError as error:
            return {**result, "failed": True, "msg": str(error)}
        # Outside of the block above: Ansible itself reports a host that cannot be reached.
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
        """What the controller has there, whether it will be needed or not: a mistake shows at once.

        Raises:
            AnsibleError: there is no such thing.
        """

    @abstractmethod
    def transfer(self, source: Source) -> str:
        """Copy it into the task's temporary directory on the host, which Ansible removes; its path there."""

    def with_source(self, arguments: dict[str, Any], source: Source) -> dict[str, Any]:
        """The options with what is known of the source, before the module is asked."""
        del source
        return arguments

    def module_arguments(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The options as the module is sent them."""
        return dict(arguments)

    def make_temporary(self) -> str:
        """The task's temporary directory on the host, made where there is none yet."""
        shell = self._connection._shell
        if shell.tmpdir is None:
            self._make_tmp_path()
        return str(shell.tmpdir)

    def _module(
        self, arguments: Mapping[str, Any], task_vars: dict[str, Any] | None, wrap_async: int = 0
    ) -> dict[str, Any]:
        with collector_paused():
            answer: dict[str, Any] = self._execute_module(
                module_args=self.module_arguments(arguments),
                task_vars=task_vars,
                wrap_async=wrap_async,
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

    def _is_on_controller(self, arguments: Mapping[str, Any]) -> bool:
        """Whether the task needs something of the controller.

        Raises:
            TypeError: remote_src is no boolean.
        """
        if boolean(arguments.get("remote_src") or False):
            return False
        return bool(arguments.get(self.PATH_OPTION)) and arguments.get("state") != "absent"
