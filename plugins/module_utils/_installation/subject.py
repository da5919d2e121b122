# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A conda installation as a task declares it: observes and plans."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.llmfleet.conda.plugins.module_utils._core.cycle import Outcome, Subject
from ansible_collections.llmfleet.conda.plugins.module_utils._installation.plan import (
    InstallationPlan,
    InstallationRequest,
    ObservedInstallation,
    host_platform,
    observe_installation,
    plan_installation,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.access import (
    Access,
    AccessManager,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import (
    moved_aside,
    moved_aside_reason,
    remove_old_locks,
)

InstallationOutcome = Outcome[InstallationPlan, ObservedInstallation, str]


class InstallationSubject(Subject[InstallationPlan, ObservedInstallation, str]):
    """The installation of one request."""

    def __init__(self, request: InstallationRequest) -> None:
        self.request = request
        # A removal does not need the owner, who may be unknown by now.
        wanted = request.access if request.state == "present" else Access()
        self.access = AccessManager(request.prefix, wanted)

    def observe(self) -> ObservedInstallation:
        """Read the installation's files."""
        return observe_installation(self.request.prefix, self.request.repair)

    def plan(self, observed: ObservedInstallation) -> InstallationPlan:
        """Compare the wanted state with the observed one."""
        return plan_installation(self.request, observed, *host_platform())

    def describe(self, observed: ObservedInstallation) -> str:
        """The installation and its faults, as the text of a diff."""
        if not observed.is_installation:
            return (
                ""
                if observed.state.empty or observed.state.cleared
                else "incomplete installation\n"
            )
        access_faults = self.access.faults() if self.access.wanted else []
        return self.text(observed.version, observed.faults(), access_faults)

    def text(
        self, version: str | None, faults: Sequence[str] = (), access_faults: Sequence[str] = ()
    ) -> str:
        """The diff's lines for an installation."""
        lines = [
            "installation present",
            f"conda {version}" if version else "conda of the version in the installer",
            *(access_faults or self.access.lines()),
            *faults,
        ]
        return "".join(f"{line}\n" for line in lines)

    def cut_off(self, observed: ObservedInstallation) -> bool:
        """Whether any run was interrupted."""
        return observed.interrupted is not None

    def moved_aside(self, observed: ObservedInstallation) -> str:
        """The reason for not planning while the users' files are moved aside."""
        if observed.interrupted and moved_aside(self.request.prefix):
            return moved_aside_reason(self.request.prefix)
        return ""

    def plan_to_go_on(self, reason: str) -> InstallationPlan:
        """A plan without a step."""
        return InstallationPlan(reasons=(reason,))

    def remove_old_locks(self) -> None:
        """Remove the lock files of the prefix."""
        remove_old_locks(self.request.prefix)
