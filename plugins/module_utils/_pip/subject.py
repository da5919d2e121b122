# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python distributions of one environment as a task declares them: what is there, what has to be done."""

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

# What the journal calls the changes of conda_pip; conda's belong to conda_env.
OPERATION = "pip"

PipOutcome = Outcome[Plan, Observed, "list[str]"]


class PipSubject(Subject[Plan, Observed, "list[str]"]):
    """The distributions that one request is about."""

    def __init__(self, request: Request) -> None:
        self.request = request

    def observe(self) -> Observed:
        """Read the environment's files."""
        return observe(self.request)

    def plan(self, observed: Observed) -> Plan:
        """Compare what is wanted with what is there."""
        return plan(self.request, observed)

    def describe(self, observed: Observed) -> list[str]:
        """One line for each distribution."""
        return observed.lines()

    def warnings(self, observed: Observed) -> list[str]:
        """Extras that were asked for and that no distribution has."""
        return [
            f"{text}: the installed distribution does not provide this extra"
            for text in observed.closure.unknown_extras
        ]

    def undecided(self, observed: Observed) -> bool:
        """A journal tells of a run that is at work, or was cut off: what is seen may be half of something."""
        return bool(observed.interrupted)

    def remove_old_locks(self) -> None:
        """Remove those of the environment."""
        remove_old_locks(self.request.prefix)
