# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes the installer from the controller to a host that needs it; the module of this name documents it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError

from ansible_collections.llmfleet.conda.plugins.plugin_utils._controller_file import unreadable
from ansible_collections.llmfleet.conda.plugins.plugin_utils._controller_transfer import (
    ControllerTransferAction,
)
from ansible_collections.llmfleet.conda.plugins.plugin_utils._published_installers import rows_for


class ActionModule(ControllerTransferAction[str]):
    """The source is the path of the installer on the controller."""

    PATH_OPTION = "installer_path"
    NEEDED_FOR = ("install", "reinstall", "repair")

    def module_arguments(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The catalogue stays here; the host is sent the rows that the task may need."""
        rows = [] if arguments.get("state") == "absent" else rows_for(arguments)
        return {"catalogue": rows, **arguments} if rows else dict(arguments)

    def source_of(self, arguments: Mapping[str, Any]) -> str:
        """Finds the file as ``ansible.builtin.copy`` does."""
        name = str(arguments[self.PATH_OPTION])
        try:
            return str(self._find_needle("files", name))  # type: ignore[no-untyped-call]
        except AnsibleError as error:
            raise unreadable(f"The option {self.PATH_OPTION} names {name}", error) from None

    def transfer(self, source: str) -> str:
        """The name stays: the catalogue knows the checksum by it, and installers refuse another ending."""
        tmpdir = self.make_temporary()
        remote: str = self._connection._shell.join_path(tmpdir, os.path.basename(source))
        self._transfer_file(source, remote)  # type: ignore[no-untyped-call]
        self._fixup_perms2((tmpdir, remote), execute=False)  # type: ignore[no-untyped-call]
        return remote
