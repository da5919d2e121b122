# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Predict the module calls of a role before its tasks run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._look_ahead.ask import MODULES

# The task keywords that the prediction supports. Any other keyword could change what the task does.
_KEYWORDS = frozenset({"name", "vars", "loop", "loop_control", "register", "when"})
# Keywords that choose the user of a task.
_USER_KEYWORDS = ("become", "become_user")
# Modules that find the same files of an environment, whoever runs them.
_FOR_ANY_USER = ("llmfleet.conda.conda_pip",)
_INCLUDES = ("ansible.builtin.include_tasks", "ansible.builtin.import_tasks")

# Options that name a file, which may be on the controller.
_FROM_CONTROLLER = (
    "installer_path",
    "environment_file",
    "lock_file",
    "requirements_files",
    "constraints_files",
)

# The registered result of a task that changes nothing, for later tasks that loop over it.
_NOTHING_MADE: Mapping[str, Any] = {"changed": False, "results": []}


class NotForeseeable(Exception):
    """The module call of a task cannot be predicted."""


class ForeseenTasks:
    """The tasks of one role, evaluated as Ansible evaluates them.

    read: loads a task file, with its values trusted as templates.
    templar: creates a templar (``template``, ``evaluate_conditional``) for the given variables.
    """

    def __init__(
        self, read: Callable[[str], Any], templar: Callable[[Mapping[str, Any]], Any]
    ) -> None:
        self._read = read
        self._templar = templar

    def of_role(
        self, role_path: str, tasks_from: str, variables: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """Return the role's module calls in order, each as ``module`` and ``options``.

        Raises:
            NotForeseeable: a task uses something that the prediction does not support.
            AnsibleError: a template cannot be evaluated.
        """
        own = {
            **variables,
            "role_path": role_path,
            "role_name": os.path.basename(role_path),
            "ansible_search_path": [role_path],
        }
        return list(self._file(os.path.join(role_path, "tasks", f"{tasks_from}.yml"), own))

    def _file(self, path: str, variables: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for task in self._read(path) or []:
            yield from self._task(path, task, variables)
            if "register" in task:
                variables = {**variables, task["register"]: dict(_NOTHING_MADE)}

    def _task(
        self, path: str, task: Mapping[str, Any], variables: Mapping[str, Any]
    ) -> Iterator[dict[str, Any]]:
        conditions = task.get("when", [])
        # A skipped task may use unsupported modules.
        for known in self._rounds(task, {**variables, **task.get("vars", {})}):
            templar = self._templar(known)
            each = conditions if isinstance(conditions, list) else [conditions]
            if not all(templar.evaluate_conditional(one) for one in each):
                continue
            action = _action(task)
            options = templar.template(task[action])
            _must_see_the_same(action, options, templar.template(_user_of(task)))
            if action in _INCLUDES:
                included = os.path.join(os.path.dirname(path), _included(options))
                yield from self._file(included, known)
            else:
                _must_be_foreseeable(action, options)
                yield {"module": action, "options": options}

    def _rounds(
        self, task: Mapping[str, Any], variables: dict[str, Any]
    ) -> Iterator[dict[str, Any]]:
        if "loop" not in task:
            yield variables
            return
        name = task.get("loop_control", {}).get("loop_var", "item")
        for item in self._templar(variables).template(task["loop"]):
            yield {**variables, name: item}


def _action(task: Mapping[str, Any]) -> str:
    actions = [key for key in task if key not in _KEYWORDS and key not in _USER_KEYWORDS]
    if len(actions) != 1 or actions[0] not in (*MODULES, *_INCLUDES):
        raise NotForeseeable(f"the task '{task.get('name')}' uses {', '.join(actions)}")
    return str(actions[0])


def _user_of(task: Mapping[str, Any]) -> dict[str, Any]:
    return {key: task[key] for key in _USER_KEYWORDS if key in task}


def _must_see_the_same(action: str, options: Any, user: Mapping[str, Any]) -> None:
    """Refuse a task that another user runs, who might find something else.

    user: the keywords that were not omitted.
    """
    if not user:
        return
    homes = [one for one in _texts(options) if one.startswith("~")]
    if action not in _FOR_ANY_USER or homes:
        raise NotForeseeable(f"{action} runs as another user")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, str):
        yield value


def _included(arguments: Any) -> str:
    if isinstance(arguments, Mapping):
        if set(arguments) != {"file"}:
            raise NotForeseeable("a task includes a file with further options")
        return str(arguments["file"])
    return str(arguments)


def _must_be_foreseeable(action: str, options: Mapping[str, Any]) -> None:
    # conda_generations has options of conda_env and conda_pip.
    inner = [options.get(name) for name in ("environment", "pip")]
    every = [options, *(one for one in inner if isinstance(one, Mapping))]
    if any(one.get("state") == "latest" for one in every):
        raise NotForeseeable(f"{action} has state: latest")
    named = [name for name in _FROM_CONTROLLER if any(one.get(name) for one in every)]
    if named:
        raise NotForeseeable(f"{action} reads a file ({', '.join(named)})")
