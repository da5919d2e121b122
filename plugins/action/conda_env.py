# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the files of conda_env on the controller; plugins/modules/conda_env.py documents it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.llmfleet.conda.plugins.plugin_utils._controller_file import (
    ControllerFileAction,
)


class ActionModule(ControllerFileAction):
    """Run the module with the text of an ``environment.yml`` or a lock file."""

    TEXT_OPTIONS: ClassVar[Mapping[str, str]] = {
        "environment_file": "environment",
        "lock_file": "lock",
    }

    def files_count(self, arguments: Mapping[str, Any]) -> bool:
        """Return False for ``state: absent``, so that a removal does not need the files."""
        return arguments.get("state") != "absent"
