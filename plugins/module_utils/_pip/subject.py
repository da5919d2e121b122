# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python distributions of one environment as a task declares them: observes and plans."""

from __future__ import annotations

from ansible_collections.llmfleet.conda.plugins.module_utils._core.cycle import Outcome, Subject
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.observe import (
    Observed,
    observe,
    plan,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.plan import Plan
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.request import Request
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import (
    remove_old_locks,
)

# The operation of conda_pip in the journal; those of conda belong to conda_env.
OPERATION = "pip"

PipOutcome = Outcome[Plan, Observed, "list[str]"]


class PipSubject(Subject[Plan, Observed, "list[str]"]):
    """The distributions of one request."""

    def __init__(self, request: Request) -> None:
        self.request = request

    def observe(self) -> Observed:
        """Read the environment's files."""
        return observe(self.request)

    def plan(self, observed: Observed) -> Plan:
        """Compare the request with the observed distributions."""
        return plan(self.request, observed)

    def describe(self, observed: Observed) -> list[str]:
        """One line for each distribution."""
        return observed.lines()

    def warnings(self, observed: Observed) -> list[str]:
        """Warnings for requested extras that the installed distribution does not provide."""
        return [
            f"{text}: the installed distribution does not provide this extra"
            for text in observed.closure.unknown_extras
        ]

    def undecided(self, observed: Observed) -> bool:
        """Whether a journal exists: a run is active or was interrupted, so the state may be partial."""
        return bool(observed.interrupted)

    def remove_old_locks(self) -> None:
        """Remove old lock files of the environment."""
        remove_old_locks(self.request.prefix)
