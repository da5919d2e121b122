"""A host that only takes notes, for actions that send files to one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ansible.errors import AnsibleError


class Shell:
    """The host's shell, as far as actions use it."""

    tmpdir: str | None = None

    def join_path(self, *parts: str) -> str:
        return "/".join(parts)


def foretold(action: str) -> dict[str, Any]:
    """A module's answer in check mode with this ``plan.action``; an empty one changes nothing."""
    return {"changed": bool(action), "plan": {"action": action}}


class NoteTaking:
    """Goes before an action's class: its ways to the controller's files and to the host, replaced.

    `files` is the directory of the controller's files, `answers` are the module's results in turn. Noted
    are the module's `runs` (check mode, options), the files `sent`, the `commands`, and what was `opened`
    to other users (paths, whether to execute).
    """

    def __init__(self, files: Path, answers: list[dict[str, Any]], **task: Any) -> None:
        self.files = files
        self.answers = answers
        self.runs: list[tuple[bool, dict[str, Any]]] = []
        self.sent: list[tuple[str, str]] = []
        self.commands: list[str] = []
        self.opened: list[tuple[tuple[str, ...], bool]] = []
        self._connection = SimpleNamespace(_shell=Shell())
        self._task = SimpleNamespace(**{"check_mode": False, "async_val": 0, "args": {}, **task})

    def played(self) -> dict[str, Any]:
        """The result of the action, which asked for every answer and left the task's mode as it was."""
        mode = self._task.check_mode
        result: dict[str, Any] = self.run(task_vars={})
        assert self.answers == []
        assert self._task.check_mode is mode
        return result

    def _find_needle(self, directory: str, needle: str) -> str:
        assert directory == "files"
        path = self.files / needle
        if not path.exists():
            raise AnsibleError(f"Could not find or access '{needle}'")
        return str(path)

    def _execute_module(self, **call: Any) -> dict[str, Any]:
        self.runs.append((self._task.check_mode, call["module_args"]))
        return self.answers.pop(0)

    def _make_tmp_path(self, remote_user: str | None = None) -> str:
        self._connection._shell.tmpdir = "/tmp/there"
        return "/tmp/there"

    def _low_level_execute_command(self, cmd: str, **how: Any) -> dict[str, Any]:
        self.commands.append(cmd)
        return {"rc": 0, "stderr": ""}

    def _transfer_file(self, local_path: str, remote_path: str) -> str:
        self.sent.append((local_path, remote_path))
        return remote_path

    def _fixup_perms2(
        self, remote_paths: Any, remote_user: str | None = None, execute: bool = True
    ) -> None:
        self.opened.append((tuple(remote_paths), execute))
