# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The result of llm_check, and a sentence about it."""

from __future__ import annotations

from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._check.request import (
    ABSENT,
    DRIFT,
    Request,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._check.run import Outcome


def summary(outcome: Outcome) -> str:
    """Return a one-sentence summary of a run."""
    counts = dict.fromkeys(("pass", "fail", DRIFT, ABSENT, "skip"), 0)
    for result in outcome.results:
        counts[result.status] += 1
    skips = f"; {counts['skip']} were skipped" if counts["skip"] else ""
    ran = sum(counts.values()) - counts["skip"]
    drifted, absent = _named(outcome, DRIFT), _named(outcome, ABSENT)
    also = f"; {counts[DRIFT]} found drift: {drifted}" if drifted else ""
    if counts["fail"]:
        in_layer = "" if _has_several(outcome) else f" in layer {outcome.failed_layer}"
        return f"{counts['fail']} of {ran} checks failed{in_layer}: {_named(outcome, 'fail')}{also}{skips}."
    if absent:
        return f"No check failed; not there yet: {absent}{also}{skips}."
    if drifted:
        return f"No check failed; {counts[DRIFT]} of {ran} found drift: {drifted}{skips}."
    return f"All {counts['pass']} checks passed{skips}."


def _has_several(outcome: Outcome) -> bool:
    """Whether the results are of several environments."""
    return len({result.environment for result in outcome.results if result.environment}) > 1


def _named(outcome: Outcome, status: str) -> str:
    """The names of the checks with this status, with their environment if there are several."""
    several = _has_several(outcome)
    return ", ".join(
        f"{result.environment}: {result.name}" if several and result.environment else result.name
        for result in outcome.results
        if result.status == status
    )


def result_of(request: Request, outcome: Outcome) -> dict[str, Any]:
    """Return the module's result."""
    return {
        "changed": False,
        "msg": summary(outcome),
        "prefix": request.prefix,
        "status": outcome.status,
        "failed_layer": outcome.failed_layer,
        "checks": [result.as_dict() for result in outcome.results],
        "facts": dict(outcome.facts),
        "seconds": round(outcome.seconds, 3),
        "last_passes": [dict(one) for one in outcome.last_passes],
    }
