# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module conda_env does; plugins/modules/conda_env.py documents it."""

from __future__ import annotations

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.module import (
    CondaModule,
    MakeModule,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.options import (
    CONDA_OPTIONS,
    LOCATION_OPTIONS,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.module import (
    MakeChange,
    request_from,
    run_module,
)


def main(make: MakeModule = CondaModule, make_change: MakeChange | None = None) -> None:
    """Entry point of the module.

    Args:
        make: makes the module of the description of its options.
        make_change: makes what changes an environment. Without it, the module only says whether something is
            to be done.
    """
    module = make(
        argument_spec={
            **LOCATION_OPTIONS,
            **CONDA_OPTIONS,
            "packages": {"type": "list", "elements": "str", "default": []},
            "environment": {"type": "raw"},
            "environment_file": {"type": "path"},
            "lock": {"type": "raw"},
            "lock_file": {"type": "path"},
            "remote_src": {"type": "bool", "default": False},
            "pinned": {"type": "list", "elements": "str"},
            "variables": {"type": "dict"},
            "state": {
                "type": "str",
                "choices": ["present", "absent", "latest"],
                "default": "present",
            },
            "prune": {"type": "bool", "default": False},
            "recreate": {"type": "bool", "default": False},
            "remove_foreign": {"type": "bool", "default": False},
            "frozen": {"type": "bool"},
            "owner": {"type": "str"},
            "group": {"type": "str"},
        },
        mutually_exclusive=[
            ("name", "prefix"),
            ("environment", "environment_file", "lock", "lock_file"),
        ],
        required_one_of=[("name", "prefix")],
        supports_check_mode=True,
    )
    run_module(module, lambda params: request_from(params, whole=True), make_change)
