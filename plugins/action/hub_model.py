# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy a model to hosts that need it; plugins/modules/hub_model.py documents it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError

from ansible_collections.llmfleet.conda.plugins.module_utils._hub.cache import parse_choice
from ansible_collections.llmfleet.conda.plugins.module_utils._hub.store import Source, read_source
from ansible_collections.llmfleet.conda.plugins.plugin_utils._controller_file import unreadable
from ansible_collections.llmfleet.conda.plugins.plugin_utils._controller_search import (
    find_on_controller,
)
from ansible_collections.llmfleet.conda.plugins.plugin_utils._controller_transfer import (
    ControllerTransferAction,
)


class ActionModule(ControllerTransferAction[Source]):
    """Copy a model; the source is a directory on the controller, identified by the state of its files."""

    PATH_OPTION = "path"
    NEEDED_FOR = ("import",)

    def source_of(self, arguments: Mapping[str, Any]) -> Source:
        """Find the directory, and list its files."""
        name = str(arguments[self.PATH_OPTION])
        try:
            path = find_on_controller(self, name, self.variables)
        except AnsibleError as error:
            raise unreadable(f"The option path names {name}", error) from None
        choice = parse_choice(_listed(arguments.get("include")), _listed(arguments.get("exclude")))
        try:
            return read_source(path, choice)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise unreadable(
                f"The option path names {name}", AnsibleError(str(reason or error))
            ) from error

    def with_source(self, arguments: dict[str, Any], source: Source) -> dict[str, Any]:
        """Set ``commit`` to the identifier of the directory's state, unless the task sets it."""
        return {**arguments, "commit": arguments.get("commit") or source.commit}

    def transfer(self, source: Source) -> str:
        """Create all directories with one command, then copy the files one by one."""
        tmpdir, join = self.make_temporary(), self._connection._shell.join_path
        root: str = join(tmpdir, "model")
        places = {name: join(root, *name.split(os.sep)) for name in sorted(source.files)}
        directories = sorted({root, *(os.path.dirname(place) for place in places.values())})
        command = "mkdir -p " + " ".join(shlex.quote(directory) for directory in directories)
        done = self._low_level_execute_command(command)  # type: ignore[no-untyped-call]
        if done["rc"] != 0:
            raise AnsibleError(
                f"Cannot create the directory {root} on the host: {done['stderr'].strip()}"
            )
        for name, place in places.items():
            self._transfer_file(os.path.join(source.path, name), place)  # type: ignore[no-untyped-call]
        self._fixup_perms2(  # type: ignore[no-untyped-call]
            (tmpdir, *directories, *places.values()), execute=False
        )
        return root


def _listed(value: Any) -> list[str]:
    """Return the items of a list option as the module will parse them."""
    if isinstance(value, str):
        return [word.strip() for word in value.split(",") if word.strip()]
    return [str(item) for item in value or ()]
