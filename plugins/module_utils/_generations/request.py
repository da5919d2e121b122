# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The request of a task for an environment that is kept in generations."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._environment import (
    request as env_request,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.options import (
    request_from as env_request_from,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip import request as pip_request
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.options import file_lines
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.options import (
    request_from as pip_request_from,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.generations import Place


@dataclass(frozen=True)
class Request:
    """The request of a task for one environment.

    Attributes:
        place: the link and the directory of the generations.
        installation: base prefix of the conda to run.
        state: ``present`` or ``absent``.
        environment: validated options of conda_env, with their defaults.
        pip: validated options of conda_pip; without requirements and exact, the task does not manage
            distributions.
        checks: validated options of llm_check; None without checks.
        generation: ``previous`` or the number of the generation to go back to; None without a rollback.
        keep: how many generations stay, the current one included.
        keep_failed: keep the generation whose verification failed.
        keep_days: age in days before a generation goes whose users cannot be seen.
        plain: make a plain environment of it.
        kernel: whether Jupyter has a kernelspec of it; None leaves that alone.
        adopt: take over an environment that is a plain directory.
        run: what names the run in state.json.
        timeout: seconds to wait for the lock.
        in_use, in_use_timeout: the options of these names, for a directory that is set aside or removed.
    """

    place: Place
    installation: str
    state: str = "present"
    environment: Mapping[str, Any] = field(default_factory=dict)
    pip: Mapping[str, Any] = field(default_factory=dict)
    checks: Mapping[str, Any] | None = None
    generation: str | int | None = None
    keep: int = 3
    keep_failed: bool = False
    keep_days: float = 14
    adopt: bool = False
    plain: bool = False
    kernel: bool | None = None
    run: str = ""
    timeout: float = 3600
    in_use: str = "fail"
    in_use_timeout: float = 600

    @property
    def declares(self) -> bool:
        """Whether the task declares what the environment contains."""
        return self.state == "present" and self.generation is None and not self.plain

    def for_conda(self, prefix: str, *, frozen: bool | None = None) -> env_request.Request:
        """The request of conda_env for one generation.

        Args:
            prefix: real path of the generation.
            frozen: True for a generation that was verified: the marker is as it should be.

        Raises:
            CondaModuleError: an option of conda_env cannot be used.
        """
        options = {**self.environment, "installation": self.installation}
        options.update(name=None, prefix=prefix, frozen=frozen)
        if self.pip.get("exact"):
            # The task declares all of pip's distributions: a change of Python loses nothing that is wanted.
            options["pip_on_python_change"] = "remove"
        elif self.pip and self.pip["state"] != "absent":
            lines = file_lines(self.pip, prefix).requirements
            options["pip_requirements"] = [*options["pip_requirements"], *lines]
        return env_request_from(options, whole=True)

    def for_pip(self, prefix: str) -> pip_request.Request | None:
        """The request of conda_pip for one generation; None if the task names no distributions.

        The pip section of an environment file and the lines for pip of a lock are requirements as well.

        Raises:
            CondaModuleError: an option of conda_pip cannot be used.
        """
        more = list(self.for_conda(prefix).pip_requirements)
        lines = [*(self.pip.get("requirements") or []), *more]
        if not (lines or self.pip.get("requirements_files") or self.pip.get("exact")):
            return None
        options = {**self.pip, "installation": self.installation}
        options.update(name=None, prefix=prefix, requirements=lines)
        return pip_request_from(options)

    @property
    def asked(self) -> str:
        """A digest of what the task asks for. It tells nothing about values of variables."""
        conda = self.for_conda(self.place.path(1))
        notes = conda.notes
        pip = self.for_pip(self.place.path(1))
        content: list[Any] = [
            [item.text for item in conda.wanted],
            None if conda.lock is None else [package.line for package in conda.lock],
            [conda.state, conda.prune, list(conda.channels)],
            [list(notes.pinned or ()), sorted(notes.variables or {}), notes.exact],
        ]
        if pip is not None:
            desired = pip.desired
            lines = (desired.requirements, desired.constraints, desired.constraints_for_pip)
            content.append([[line.text for line in some] for some in lines])
            content.append([desired.state, desired.exact])
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def settled(self) -> Request:
        """The same request with ``state: present``: what ``latest`` means was solved already."""
        environment = {**self.environment, "state": "present"}
        return replace(self, environment=environment)
