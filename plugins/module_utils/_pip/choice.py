# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chooses the installer: the environment's pip, or a uv program."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.llmfleet.conda.plugins.module_utils._pip.request import Request


@dataclass(frozen=True)
class Choice:
    """An installer.

    Attributes:
        name: "pip" or "uv".
        executable: path of uv; empty with pip, and if uv was not found.
        not_found: why uv was not found, as a clause; empty if it was found.
    """

    name: str
    executable: str = ""
    not_found: str = ""


def choose(request: Request, environment: Mapping[str, str] | None = None) -> Choice:
    """Choose the installer for a request by looking at files only.

    With "auto" this is uv if it is found, else pip.
    """
    if request.installer == "pip":
        return Choice("pip")
    environment = os.environ if environment is None else environment
    if request.uv_executable:
        candidates = [request.uv_executable]
        not_found = f"the option uv_executable names {request.uv_executable}, which is not an executable file"
    else:
        directories = [os.path.join(request.prefix, "bin")]
        if request.installation:
            directories.append(os.path.join(request.installation, "bin"))
        directories += [path for path in environment.get("PATH", "").split(os.pathsep) if path]
        candidates = [os.path.join(directory, "uv") for directory in directories]
        not_found = "there is no uv in the environment, in the installation or in PATH"
    for candidate in candidates:
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return Choice("uv", os.path.abspath(candidate))
    if request.installer == "auto" and not request.uv_executable:
        return Choice("pip")
    return Choice("uv", "", not_found)
