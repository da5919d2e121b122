# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads requirements files on the controller, for every action plugin that takes options of conda_pip."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.common.validation import check_type_list
from ansible.plugins.action import ActionBase

from ansible_collections.llmfleet.conda.plugins.module_utils._pip.requirements_file import (
    RequirementsFileError,
    read_files,
)
from ansible_collections.llmfleet.conda.plugins.plugin_utils._controller_file import (
    text_of,
    unreadable,
)
from ansible_collections.llmfleet.conda.plugins.plugin_utils._controller_search import (
    find_on_controller,
)


def with_lines(
    action: ActionBase, given: Mapping[str, Any], variables: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the options with the lines of the files, and of those that they include, in their place.

    Args:
        given: options of conda_pip whose files are on the controller.
        variables: those of the task.

    Raises:
        AnsibleError: a file cannot be read or has an unsupported line.
    """
    arguments = dict(given)
    top: dict[str, str] = {}
    paths: dict[str, list[str]] = {}
    for option in ("requirements_files", "constraints_files"):
        paths[option] = []
        for name in _listed(option, arguments.get(option)):
            text = text_of(action, option, str(name), variables)
            path = os.path.abspath(find_on_controller(action, str(name), variables))
            top[path] = text
            paths[option].append(path)
    if not top:
        return arguments

    def read(path: str) -> str:
        return top[path] if path in top else _included(action, path)

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
    return arguments


def _included(action: ActionBase, path: str) -> str:
    try:
        return str(action._loader.get_text_file_contents(path))
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
