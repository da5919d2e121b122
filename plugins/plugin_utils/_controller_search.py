# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the files on the controller that tasks name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFileNotFound
from ansible.plugins.action import ActionBase


def find_on_controller(action: ActionBase, name: str, variables: Mapping[str, Any]) -> str:
    """Return the path of a file or directory on the controller.

    Ansible's own search comes first: ``files`` of the role or the play, and the directory of the play. The
    playbooks of this collection lie where the collection is installed, and nobody keeps files there, so the
    directory of the inventory and the working directory follow.

    Args:
        action: the plugin that runs the task.
        name: as in the task; an absolute path is looked for only there.
        variables: of the task; ``inventory_dir`` is the directory of the host's inventory.

    Raises:
        AnsibleFileNotFound: the file is in none of these places; ``paths`` has them.
        AnsibleError: Ansible's own search failed for another reason.
    """
    try:
        return str(action._find_needle("files", name))
    except AnsibleFileNotFound as error:
        tried = list(error.paths or [])
        if not os.path.isabs(os.path.expanduser(name)):
            for directory in (variables.get("inventory_dir"), os.getcwd()):
                path = os.path.normpath(os.path.join(directory, name)) if directory else ""
                if path and os.path.exists(path):
                    return path
                if path:
                    tried.append(path)
        raise AnsibleFileNotFound(file_name=name, paths=tried) from None
