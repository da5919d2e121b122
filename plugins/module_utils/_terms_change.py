# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What conda_config does about terms of service: observed and planned at once, applied when asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc_settings import settings_with
from ansible_collections.llmfleet.conda.plugins.module_utils._errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._terms import (
    SYSTEM_ROOT,
    Acceptance,
    TermsStore,
    channel_urls,
    current_terms,
    installation_root,
    time_stamp,
    user_root,
)


class TermsChange:
    """The acceptances and refusals that a task wants, and what has to be done for them.

    Args:
        options: of the module conda_config.
        condarc: the file that the task keeps.
        text: of that file, with the settings that count.

    Raises:
        CondaModuleError: an option cannot be used, or a channel's terms cannot be had.
    """

    def __init__(self, options: Mapping[str, Any], condarc: str, text: str) -> None:
        self._record: dict[str, dict[str, Any]] = {}
        self._forget: list[str] = []
        self._seen: dict[str, Acceptance] = {}
        self._accepted: dict[str, bool] = {}
        if not (options["accept_tos"] or options["reject_tos"]):
            return
        settings = settings_with(options["installation"], condarc, text)
        self._store = _store(options, settings)
        self._accepted = _wanted(options, settings)
        for channel, accepted in self._accepted.items():
            recorded = self._store.recorded(channel)
            self._seen[channel] = recorded
            if options["state"] == "absent":
                if self._store.has_records(channel):
                    self._forget.append(channel)
            elif not (recorded.accepted if accepted else recorded.refused) or options["newer_tos"]:
                self._plan_record(recorded, accepted, settings)

    def _plan_record(
        self, recorded: Acceptance, accepted: bool, settings: Mapping[str, Any]
    ) -> None:
        terms = current_terms(recorded.channel, settings)
        same = recorded.accepted if accepted else recorded.refused
        if not (same and time_stamp(recorded.version) >= time_stamp(terms["version"])):
            self._record[recorded.channel] = terms

    @property
    def changed(self) -> bool:
        """Whether anything is to do."""
        return bool(self._record or self._forget)

    @property
    def before(self) -> str:
        """The state before, as lines of a diff."""
        return "".join(_line(recorded) for recorded in self._seen.values())

    @property
    def after(self) -> str:
        """The state afterwards, as lines of a diff."""
        return "".join(_line(recorded) for recorded in self._planned())

    def _planned(self) -> list[Acceptance]:
        return [
            Acceptance(channel)
            if channel in self._forget
            else Acceptance(channel, self._accepted[channel], str(self._record[channel]["version"]))
            if channel in self._record
            else recorded
            for channel, recorded in self._seen.items()
        ]

    def apply(self) -> None:
        """Write and remove records, and look whether they are there.

        Raises:
            CondaModuleError: a record cannot be written or removed.
        """
        for channel, terms in self._record.items():
            self._store.accept(channel, terms, accepted=self._accepted[channel])
        for channel in self._forget:
            self._store.forget(channel)
        for planned in self._planned():
            seen = self._store.recorded(planned.channel)
            if (seen.accepted, seen.version) != (planned.accepted, planned.version):
                raise CondaModuleError(
                    f"What is recorded of the terms of {planned.channel} is not what was asked.",
                    hint="look for records of later terms in that directory.",
                    path=self._store.directory(planned.channel),
                )

    def result(self, applied: bool) -> list[dict[str, Any]]:
        """What is recorded, or in check mode will be, for the module's result."""
        records = self._planned()
        if applied and records:
            records = [self._store.recorded(record.channel) for record in records]
        return [
            {
                "channel": record.channel,
                "accepted": record.accepted,
                "refused": record.refused,
                "version": record.version,
                "path": record.path,
            }
            for record in records
        ]


def _wanted(options: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, bool]:
    """Whether the terms shall be accepted, by the URL of the channel."""
    lists = {
        name: channel_urls(options[name] or (), settings, name)
        for name in ("accept_tos", "reject_tos")
    }
    both = [url for url in lists["accept_tos"] if url in lists["reject_tos"]]
    if both:
        raise CondaModuleError(
            f"The options accept_tos and reject_tos both name {', '.join(both)}. Nothing was changed.",
            hint="name each channel once; defaults stands for the channels behind that name.",
        )
    return {url: name == "accept_tos" for name, urls in lists.items() for url in urls}


def _store(options: Mapping[str, Any], settings: Mapping[str, Any]) -> TermsStore:
    scope = options["scope"]
    if scope is None:
        option = "accept_tos" if options["accept_tos"] else "reject_tos"
        raise CondaModuleError(
            f"The option {option} needs the option scope: it says for whom the terms are accepted or refused."
            " Nothing was changed.",
            hint="set scope to prefix, user or system in place of path.",
        )
    if scope == "prefix":
        return TermsStore(installation_root(options["installation"]), settings)
    if scope == "user":
        return TermsStore(user_root(), settings, private=True)
    return TermsStore(SYSTEM_ROOT, settings)


def _line(recorded: Acceptance) -> str:
    if recorded.accepted:
        return f"# accepted: the terms of {recorded.channel} of {recorded.version}\n"
    if recorded.refused:
        return f"# rejected: the terms of {recorded.channel} of {recorded.version}\n"
    return f"# not accepted: the terms of {recorded.channel}\n"
