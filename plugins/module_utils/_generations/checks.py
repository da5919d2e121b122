# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the checks of llm_check in a new generation."""

from __future__ import annotations

from ansible_collections.llmfleet.conda.plugins.module_utils._check.options import (
    ARGUMENT_SPEC,
    request_from,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._check.request import (
    Request as CheckRequest,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._check.result import summary
from ansible_collections.llmfleet.conda.plugins.module_utils._check.run import Checker
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.request import Request
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.suboptions import (
    PLACE,
    validated,
)


class FailedCheckError(CondaModuleError):
    """The generation is complete, but its verification failed."""


def check_request(request: Request, prefix: str) -> CheckRequest | None:
    """The request of llm_check for one generation; None without the option checks.

    Raises:
        CondaModuleError: an option of llm_check cannot be used.
    """
    if request.checks is None:
        return None
    link = request.place.link
    options = validated("checks", request.checks, ARGUMENT_SPEC, PLACE | {"environments"}, link)
    options.update(name=None, prefix=prefix, installation=request.installation, environments=[])
    return request_from(options)


def run_checks(request: Request, prefix: str) -> tuple[str, ...]:
    """Run the checks; returns the names of those that passed.

    Raises:
        FailedCheckError: a check did not pass; the message names it.
    """
    wanted = check_request(request, prefix)
    if wanted is None:
        return ()
    outcome = Checker(wanted).run()
    if outcome.status != "pass":
        bad = [one for one in outcome.results if one.status not in ("pass", "skip")]
        named = "; ".join(f"{one.name}: {one.detail}" for one in bad[:3])
        raise FailedCheckError(
            f"{summary(outcome)} {named}",
            prefix=prefix,
            checks=[one.as_dict() for one in outcome.results],
            failed_checks=[one.name for one in bad],
        )
    return tuple(one.name for one in outcome.results if one.status == "pass")
