# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Terms of service in conda_config: observes and plans at once, then solves and applies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.settings import settings_with
from ansible_collections.llmfleet.conda.plugins.module_utils._config.terms import (
    SYSTEM_ROOT,
    Acceptance,
    TermsStore,
    channel_urls,
    installation_root,
    time_stamp,
    user_root,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError

Fetch = Callable[[str, Mapping[str, Any]], dict[str, Any]]
"""Returns the current terms of a channel from its URL and the settings."""


class TermsChange:
    """The acceptances and refusals that a task wants, the records, and the changes to make.

    Args:
        options: of the module conda_config.
        condarc: the file that the task manages.
        text: of that file, with the effective settings.

    Raises:
        CondaModuleError: an option is invalid.
    """

    def __init__(self, options: Mapping[str, Any], condarc: str, text: str) -> None:
        self._to_fetch: list[str] = []
        self._record: dict[str, dict[str, Any]] = {}
        self._forget: list[str] = []
        self._seen: dict[str, Acceptance] = {}
        self._accepted: dict[str, bool] = {}
        self._settings: Mapping[str, Any] = {}
        if not (options["accept_tos"] or options["reject_tos"]):
            return
        self._settings = settings_with(options["installation"], condarc, text)
        self._store = _store(options, self._settings)
        self._accepted = _wanted(options, self._settings)
        for channel in self._accepted:
            self._seen[channel] = self._store.recorded(channel)
            if options["state"] == "absent":
                if self._store.has_records(channel):
                    self._forget.append(channel)
            elif not self._is_as_asked(channel) or options["newer_tos"]:
                self._to_fetch.append(channel)

    def _is_as_asked(self, channel: str) -> bool:
        recorded = self._seen[channel]
        return recorded.accepted if self._accepted[channel] else recorded.refused

    def __bool__(self) -> bool:
        """Whether a change is needed, or a channel has to be asked whether one is."""
        return bool(self._to_fetch or self._record or self._forget)

    @property
    def only_asks(self) -> bool:
        """Whether all is recorded as asked, and channels are only to be asked for newer terms."""
        return not (self._record or self._forget) and all(map(self._is_as_asked, self._to_fetch))

    def solve(self, fetch: Fetch) -> None:
        """Fetch the terms that may have to be recorded.

        Raises:
            CondaModuleError: a channel's terms cannot be fetched.
        """
        for channel in self._to_fetch:
            terms = fetch(channel, self._settings)
            recorded = self._seen[channel].version
            if not self._is_as_asked(channel) or time_stamp(recorded) < time_stamp(
                terms["version"]
            ):
                self._record[channel] = terms
        self._to_fetch = []

    @property
    def before(self) -> str:
        """The state before the change, as lines of a diff."""
        return "".join(_line(recorded) for recorded in self._seen.values())

    @property
    def after(self) -> str:
        """The state after the change, as lines of a diff."""
        return "".join(_line(recorded) for recorded in self.planned())

    def planned(self) -> list[Acceptance]:
        """The records after the change."""
        return [
            Acceptance(channel)
            if channel in self._forget
            else Acceptance(channel, self._accepted[channel], str(self._record[channel]["version"]))
            if channel in self._record
            else recorded
            for channel, recorded in self._seen.items()
        ]

    def apply(self) -> None:
        """Write and remove records, and check that the change took effect.

        Raises:
            CondaModuleError: a record cannot be written or removed.
        """
        for channel, terms in self._record.items():
            self._store.accept(channel, terms, accepted=self._accepted[channel])
        for channel in self._forget:
            self._store.forget(channel)
        for planned in self.planned():
            seen = self._store.recorded(planned.channel)
            if (seen.accepted, seen.version) != (planned.accepted, planned.version):
                raise CondaModuleError(
                    f"The records of the terms of {planned.channel} differ from what the task requested.",
                    hint="check that directory for records of later terms.",
                    path=self._store.directory(planned.channel),
                )

    def recorded(self) -> list[Acceptance]:
        """The current records."""
        return list(self._seen.values())


def as_result(records: Sequence[Acceptance]) -> list[dict[str, Any]]:
    """Acceptances and refusals as the module returns them."""
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
    """Whether the terms are to be accepted, by the URL of the channel."""
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
            f"The option {option} needs the option scope, which says for whom the terms are accepted or"
            " refused. Nothing was changed.",
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
