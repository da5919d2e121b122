# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The request of a task for the Python distributions of an environment."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.llmfleet.conda.plugins.module_utils._pip.sources import Sources
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.python_packages import (
    CONDA,
    Packages,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_requirement import (
    Requirement,
)


@dataclass(frozen=True)
class Desired:
    """The desired state; see the options of conda_pip."""

    requirements: tuple[Requirement, ...]
    constraints: tuple[Requirement, ...] = ()
    state: str = "present"
    replace_conda_packages: bool = False
    constraints_for_pip: tuple[Requirement, ...] = ()
    repair: bool = True
    check: bool = True
    exact: bool = False

    def constraints_for(self, packages: Packages) -> tuple[Requirement, ...]:
        """The constraints that apply in an environment with these distributions."""
        return self.constraints + tuple(
            line
            for line in self.constraints_for_pip
            if line.name not in packages.by_name or packages.by_name[line.name].owner != CONDA
        )


@dataclass(frozen=True)
class Request:
    """Prefix, desired state, sources, installer and time limit of a task.

    Attributes:
        timeout: seconds for the whole task.
        installer: "pip", "uv", or "auto" for uv if it is found.
        uv_executable: absolute path of uv; None to search for it.
        installation: prefix of the conda installation, which is also searched for uv.
        in_use, in_use_timeout: the options of these names.
    """

    prefix: str
    desired: Desired
    sources: Sources
    timeout: float = 3600
    installer: str = "pip"
    uv_executable: str | None = None
    installation: str | None = None
    in_use: str = "fail"
    in_use_timeout: float = 600
