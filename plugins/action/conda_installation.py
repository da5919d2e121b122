# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy the installer to hosts that need it; plugins/modules/conda_installation.py documents it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError

from ansible_collections.llmfleet.conda.plugins.plugin_utils._controller_file import unreadable
from ansible_collections.llmfleet.conda.plugins.plugin_utils._controller_search import (
    find_on_controller,
)
from ansible_collections.llmfleet.conda.plugins.plugin_utils._controller_transfer import (
    ControllerTransferAction,
)
from ansible_collections.llmfleet.conda.plugins.plugin_utils._published_installers import rows_for


class ActionModule(ControllerTransferAction[str]):
    """Copy the installer; the source is its path on the controller."""

    PATH_OPTION = "installer_path"
    NEEDED_FOR = ("install", "reinstall", "repair")

    def module_arguments(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Add the catalogue rows that the task may need; the catalogue itself stays on the controller."""
        rows = [] if arguments.get("state") == "absent" else rows_for(arguments)
        return {"catalogue": rows, **arguments} if rows else dict(arguments)

    def source_of(self, arguments: Mapping[str, Any]) -> str:
        """Find the file."""
        name = str(arguments[self.PATH_OPTION])
        try:
            return find_on_controller(self, name, self.variables)
        except AnsibleError as error:
            raise unreadable(f"The option {self.PATH_OPTION} names {name}", error) from None

    def transfer(self, source: str) -> str:
        """Copy the installer and keep its name: the catalogue and the installer itself depend on it."""
        tmpdir = self.make_temporary()
        remote: str = self._connection._shell.join_path(tmpdir, os.path.basename(source))
        self._transfer_file(source, remote)  # type: ignore[no-untyped-call]
        self._fixup_perms2((tmpdir, remote), execute=False)  # type: ignore[no-untyped-call]
        return remote
