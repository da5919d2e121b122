# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The caches of one task: observes what nothing uses, and plans its removal."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._clean import (
    conda_cache,
    hub_cache,
    wheel_caches,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._clean.leftover import (
    HUB,
    OF_CONDA,
    PIP,
    UV,
    Leftover,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.package_cache import (
    package_caches,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.cycle import Outcome, Subject
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import (
    CondaModuleError,
    hint_for_reading,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.guards import check_prefix
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import HISTORY


@dataclass(frozen=True)
class Request:
    """The options of a task.

    Attributes:
        installation: the conda installation; empty if no kind needs it.
        kinds: of the caches to clean.
        pip_cache, uv_cache, hub_cache: absolute directories.
        keep_revisions: commits of the hub that stay.
        min_age: seconds; what is newer stays.
        timeout: seconds to wait for each lock.
    """

    installation: str
    kinds: tuple[str, ...]
    pip_cache: str = ""
    uv_cache: str = ""
    hub_cache: str = ""
    keep_revisions: tuple[str, ...] = ()
    min_age: int = 86400
    timeout: int = 600


@dataclass(frozen=True)
class Observed:
    """What may go, by kind and path, and sentences about caches that were left alone."""

    items: tuple[Leftover, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The items to remove."""

    items: tuple[Leftover, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.items)


CleanOutcome = Outcome[Plan, Observed, list[str]]


def request_from(params: Mapping[str, Any]) -> Request:
    """The request from a module's validated options.

    Raises:
        CondaModuleError: an option is invalid, or there is no installation.
    """
    kinds = tuple(dict.fromkeys(params["caches"]))
    installation = ""
    if set(kinds) & set(OF_CONDA):
        if not params["installation"]:
            raise CondaModuleError(
                f"The caches {', '.join(OF_CONDA)} need the option installation. Nothing was changed."
            )
        installation = check_prefix(params["installation"], "installation")
        if not os.path.lexists(os.path.join(installation, HISTORY)):
            raise CondaModuleError(
                f"There is no conda installation at {installation}. Nothing was changed.",
                prefix=installation,
                hint="set the option installation to the prefix of conda, or caches to pip, uv or hub.",
            )
    elif params["installation"]:
        installation = check_prefix(params["installation"], "installation")
    places = {
        "pip_cache_dir": params["pip_cache_dir"] or wheel_caches.pip_cache(),
        "uv_cache_dir": params["uv_cache_dir"] or wheel_caches.uv_cache(),
        "hub_cache_dir": params["hub_cache_dir"] or hub_cache.hub_cache(),
    }
    for option, path in places.items():
        if not path.startswith("/"):
            raise CondaModuleError(
                f"The option {option} must be an absolute path: {path!r}. Nothing was changed."
            )
    if params["min_age"] < 0:
        raise CondaModuleError("The option min_age must not be negative. Nothing was changed.")
    return Request(
        installation,
        kinds,
        pip_cache=os.path.normpath(places["pip_cache_dir"]),
        uv_cache=os.path.normpath(places["uv_cache_dir"]),
        hub_cache=os.path.normpath(places["hub_cache_dir"]),
        keep_revisions=tuple(params["keep_revisions"]),
        min_age=params["min_age"],
        timeout=params["timeout"],
    )


class CleanSubject(Subject[Plan, Observed, list[str]]):
    """The caches of one request."""

    def __init__(self, request: Request) -> None:
        self.request = request

    def observe(self) -> Observed:
        """List what nothing uses.

        Raises:
            CondaModuleError: a directory cannot be read, so it is unknown what is used.
        """
        warnings: list[str] = []
        try:
            return Observed(tuple(sorted(self._items(warnings))), tuple(warnings))
        except OSError as error:
            raise CondaModuleError(
                f"Cannot read {error.filename or 'a cache'}: {error.strerror}. Nothing was changed.",
                hint=hint_for_reading(error),
            ) from error

    def _items(self, warnings: list[str]) -> Iterator[Leftover]:
        request = self.request
        if set(request.kinds) & set(OF_CONDA):
            used = conda_cache.used_packages(request.installation)
            for cache in self.conda_caches():
                yield from conda_cache.unused(cache, request.kinds, used, request.min_age)
        if PIP in request.kinds:
            yield from wheel_caches.of_pip(request.pip_cache, request.min_age)
        if UV in request.kinds:
            prefixes = (
                conda_cache.environments(request.installation) if request.installation else []
            )
            linked = wheel_caches.links_into(request.uv_cache, prefixes)
            if linked:
                warnings.append(
                    f"{request.uv_cache} stays: packages of {linked} are symbolic links into it (uv's"
                    " link-mode)."
                )
            else:
                yield from wheel_caches.of_uv(request.uv_cache, request.min_age)
        if HUB in request.kinds:
            for repository in hub_cache.repositories(request.hub_cache):
                yield from hub_cache.unused(repository, request.keep_revisions, request.min_age)

    def conda_caches(self) -> list[str]:
        """conda's package caches that this user may change, each once."""
        found = {os.path.realpath(path) for path in package_caches(self.request.installation)}
        return sorted(path for path in found if os.path.isdir(path) and os.access(path, os.W_OK))

    def plan(self, observed: Observed) -> Plan:
        """Remove all of it."""
        return Plan(observed.items)

    def describe(self, observed: Observed) -> list[str]:
        """One line for each item."""
        return [item.line() for item in observed.items]

    def warnings(self, observed: Observed) -> list[str]:
        """Sentences about caches that were left alone."""
        return list(observed.warnings)


def result_of(outcome: CleanOutcome) -> dict[str, Any]:
    """The module's return values."""
    items = outcome.plan.items
    kinds = sorted({item.kind for item in items})
    return {
        "changed": outcome.changed,
        "removed": [item.as_result() for item in items],
        "size": sum(item.size for item in items),
        "sizes": {kind: sum(item.size for item in items if item.kind == kind) for kind in kinds},
        "diff": {
            "before": "".join(f"{line}\n" for line in outcome.before),
            "after": "".join(f"{line}\n" for line in outcome.after),
        },
    }
