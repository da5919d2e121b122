# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides whether the last pass of the checks inside the interpreter still stands, and notes a new one.

A pass stands while it is young enough, the same checks are asked, and nothing that they depend on has changed
(``depends``). A new pass is noted only if every file that it depends on was last changed before the
interpreter started: the checks then cannot have seen another content than the note describes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._check import last_pass
from ansible_collections.llmfleet.conda.plugins.module_utils._check.depends import (
    changed_part,
    checks_digest,
    state_digests,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._check.last_pass import LastPass
from ansible_collections.llmfleet.conda.plugins.module_utils._check.prefix import Observed
from ansible_collections.llmfleet.conda.plugins.module_utils._check.probe import (
    Report,
    Step,
    what_users_add,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._check.request import (
    PROBE_LAYERS,
    Finding,
    Request,
    Result,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._check.steps import LOADED


class LastPasses:
    """The last pass of one environment, and the next one.

    Args:
        request: the request.
        steps: what the interpreter would have to do.

    Attributes:
        may_stand: there is a pass of the same checks that is young enough; only files can tell more.
    """

    def __init__(self, request: Request, steps: Sequence[Step]) -> None:
        self._request = request
        self._used = request.keeps_pass and bool(steps)
        self._checks = checks_digest(steps, request) if self._used else ""
        self._last = last_pass.read(request.prefix) if self._used else None
        self._reason = self._why_not() if self._last is not None else ""
        self.may_stand = self._last is not None and not self._reason
        self._stands = False
        self._reference: int | None = None
        self._begun = last_pass.now()
        self._of_user: Mapping[str, str] = {}

    def _why_not(self) -> str:
        """Why the last pass does not stand, whatever the files are."""
        if self._last is None:
            return ""
        if self._last.checks != self._checks:
            return "other checks are requested"
        return last_pass.too_old(self._last, last_pass.now(), self._request.max_age)

    def begin(self) -> None:
        """The interpreter is about to start."""
        if self._used and not self._request.check_mode:
            self._begun = last_pass.now()
            self._reference = last_pass.reference(self._request.prefix)

    def standing(self, observed: Observed) -> Mapping[str, Report]:
        """The reports of the last pass if it stands, else nothing."""
        if not self.may_stand or self._last is None:
            return {}
        if what_users_add(observed.state.python_version or ""):
            self._reason = "the user has modules or variables of their own"
            return {}
        try:
            state, _newest = state_digests(observed, self._request, self._last.watched)
        except OSError as error:
            self._reason = f"a file cannot be read: {error.strerror}"
            return {}
        self._reason = changed_part(self._last.state, state)
        self._stands = not self._reason
        return self._last.reports if self._stands else {}

    def explained(self, finding: Finding) -> Finding:
        """The finding, with the date of the last pass if it stands."""
        if not self._stands or self._last is None or finding.status != "pass":
            return finding
        more = f" Not run again: nothing changed since {self._last.since}."
        return replace(finding, detail=finding.detail + more)

    def add_of_user(self, added: Mapping[str, str]) -> None:
        """What the user adds to the environment; these files are not watched."""
        self._of_user = added

    def keep(
        self, results: Sequence[Result], observed: Observed | None, reports: Mapping[str, Report]
    ) -> None:
        """Note the pass, if it is one and nothing changed meanwhile."""
        if self._stands or self._reference is None or observed is None or self._of_user:
            return
        inside = [result for result in results if result.layer in PROBE_LAYERS]
        ran = {result.name for result in inside if result.status == "pass"}
        rest = {result.name for result in inside} - ran
        # A check without an option, such as a model, is skipped in every run of these checks.
        if LOADED not in reports or not ran or rest & set(reports):
            return
        if any(result.status not in ("pass", "skip") for result in inside):
            return
        watched = tuple(str(path) for path in reports[LOADED].measured.get("files") or ())
        moment = last_pass.now()
        try:
            state, newest = state_digests(observed, self._request, watched)
        except OSError:
            return
        if newest >= self._reference or last_pass.too_old(
            LastPass("", {}, self._begun), moment, self._request.max_age
        ):
            return
        kept = {name: report for name, report in reports.items() if name != LOADED}
        last_pass.write(
            self._request.prefix, LastPass(self._checks, state, self._begun, watched, kept)
        )

    def told(self) -> tuple[Mapping[str, Any], ...]:
        """What the module returns about the last pass; nothing without one."""
        if self._last is None:
            return ()
        return (
            {
                "environment": self._request.label,
                "reused": self._stands,
                "since": self._last.since,
                "reason": self._reason,
            },
        )
