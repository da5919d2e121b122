# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chooses the first mirror that serves the channels itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.llmfleet.conda.plugins.module_utils._config.mirror_settings import (
    Candidate,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._config.probe import (
    ChannelError,
    probe_new_channels,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError


class Choice(NamedTuple):
    """The chosen file.

    Attributes:
        candidate: the file.
        probed: URLs of its new channels, all of which answered.
        warnings: one sentence for each mirror that was passed over or does not serve its files itself.
    """

    candidate: Candidate
    probed: list[str]
    warnings: list[str]


def choose(
    candidates: Sequence[Candidate],
    before: Mapping[str, Any],
    effective: Callable[[str | None], Mapping[str, Any]],
) -> Choice:
    """Ask the mirrors in order, and take the first that serves its channels itself.

    A mirror whose files come from another host counts only if it is known to redirect, or if no mirror serves
    the channels itself: a site that chooses a mirror for its contents or its location gets something else
    (mirrors.ustc.edu.cn, for example, redirects what it lacks to TUNA).

    Args:
        candidates: at least one.
        before: the effective settings of the host.
        effective: the effective settings with the given text of the file.

    Raises:
        CondaModuleError: no mirror serves the channels; the message names each URL and the cause.
    """
    failures: list[ChannelError] = []
    passed: list[str] = []
    redirected: Choice | None = None
    for candidate in candidates:
        try:
            probe = probe_new_channels(before, effective(candidate.text))
        except ChannelError as error:
            failures.append(error)
            passed.append(f"A mirror was passed over, because it does not answer: {error.reason}.")
            continue
        if candidate.redirects or not probe.elsewhere:
            return Choice(candidate, probe.asked, passed)
        told = ", ".join(f"{host} redirects to {other}" for host, other in probe.elsewhere.items())
        redirected = redirected or Choice(
            candidate,
            probe.asked,
            [f"The mirror does not serve its channels itself: {told}. They come from that host."],
        )
        passed.append(f"A mirror was passed over, because it does not serve its channels: {told}.")
    if redirected:
        # The sentences about mirrors that do not answer stay.
        others = [f"A mirror does not answer: {error.reason}." for error in failures]
        return Choice(redirected.candidate, redirected.probed, [*others, *redirected.warnings])
    raise _none_answers(failures)


def _none_answers(failures: Sequence[ChannelError]) -> CondaModuleError:
    if len(failures) == 1:
        return failures[0]
    reasons = "; ".join(error.reason for error in failures)
    return CondaModuleError(
        f"None of the {len(failures)} mirrors serves the channels: {reasons}. Nothing was changed.",
        hint="add a mirror that answers to the list, or check this host's network, proxy and CA settings;"
        " with probe: false the settings of the first mirror are written without this check.",
    )
