# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a plain environment of one that is kept in generations.

conda writes the prefix into files, so the environment is built at the path of the link, from the package
cache and the files of the current generation. There is no environment at that path meanwhile. A failure puts
the link back, and so does the next run if this one is killed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.tree import remove_made
from ansible_collections.llmfleet.conda.plugins.module_utils._environment import (
    module as conda_module,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.change import (
    EnvironmentChange,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.metadata import Notes
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.package_plan import (
    Plan as CondaPlan,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.request import (
    Request as CondaRequest,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.solve import conda_for
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.observe import unlike
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.pip_files import (
    link_distributions,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.prediction import (
    as_cached,
    packages_of,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.request import Request
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.state import (
    forget_journal,
    journal_of,
    write_journal,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.switch import switch
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.claim import (
    claim,
    give_up,
    is_claimed,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.generations import (
    Place,
    read_state,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.history import requests
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import (
    BUILDING,
    observe_prefix,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.revisions import (
    add_requests,
    forget_requests,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import (
    forget_journal as forget_inner_journal,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import locked

_PLAIN = "plain"
# Settings of an environment beside its packages, in conda-meta.
_SETTINGS = ("pinned", "state")


class _UnderOurLock(EnvironmentChange):
    """The creation of the environment; the caller has its lock, and only the package caches are free."""

    in_place = False

    @contextmanager
    def lock(self, plan: CondaPlan | None) -> Iterator[None]:
        """Lock the package caches."""
        parent, name = os.path.split(self.request.prefix)
        inside = os.path.join(parent, f".{name}", _PLAIN)
        with locked(
            inside, operation="create", caches=self.conda.caches, timeout=self.request.timeout
        ):
            yield


def make_plain(request: Request, number: int) -> list[str]:
    """Build the plain environment in the place of the link.

    Args:
        request: the request; the caller holds its lock.
        number: the current generation, which is as it was verified.

    Returns:
        Warnings of conda.

    Raises:
        CondaModuleError: it could not be built; the link leads to the generation again.
    """
    place = request.place
    current = observe_prefix(place.path(number))
    packages = packages_of(current)
    if packages is None:
        raise CondaModuleError(
            f"The records of {current.path} do not tell where its packages come from. Nothing was changed.",
            prefix=place.link,
        )
    write_journal(place, {_PLAIN: number})
    os.unlink(place.link)
    try:
        write_journal(place, {_PLAIN: number, "directory": claim(place.link, BUILDING)})
        wanted = request.for_conda(place.link)
        lock = as_cached(packages, conda_for(wanted).caches)
        wanted = replace(wanted, wanted=(), lock=lock, state="present", notes=Notes())
        warnings = _created(wanted)
        records = observe_prefix(place.link).records
        forget_requests(place.link)
        asked = [text for name, text in requests(current.path).items() if name in records]
        add_requests(place.link, asked, (), records.values())
        for name in _SETTINGS:
            with suppress(FileNotFoundError):
                shutil.copyfile(
                    os.path.join(current.path, "conda-meta", name),
                    os.path.join(place.link, "conda-meta", name),
                )
        link_distributions(current, observe_prefix(place.link))
        if why := unlike(read_state(place).known.get(number), observe_prefix(place.link)):
            raise CondaModuleError(
                f"{place.link} could not be made a plain environment: {why}. It leads to generation"
                f" {number} again.",
                prefix=place.link,
                hint="remove it (state: absent) and create it with llmfleet.conda.conda_env.",
            )
    except BaseException:
        _put_back(place, number)
        raise
    finish_plain(place)
    return warnings


def _created(wanted: CondaRequest) -> list[str]:
    return list(conda_module.run(wanted, False, _UnderOurLock).warnings)


def finish_plain(place: Place) -> None:
    """Forget the generations; the caller removes them."""
    with suppress(FileNotFoundError):
        os.unlink(place.state)
    give_up(place.link, BUILDING)
    forget_journal(place)


def _put_back(place: Place, number: int) -> None:
    if os.path.isdir(place.link) and not os.path.islink(place.link):
        remove_made(place.link, quiet=False)
    forget_inner_journal(place.link)
    switch(place, number)
    forget_journal(place)


def recover_plain(place: Place) -> None:
    """Put the link back if a run was killed while it made a plain environment.

    Raises:
        CondaModuleError: another directory is at the path of the link now.
    """
    journal = journal_of(place) or {}
    number = journal.get(_PLAIN)
    if not isinstance(number, int):
        return
    if os.path.islink(place.link):
        forget_journal(place)
    elif (
        not os.path.lexists(place.link)
        or is_claimed(place.link, journal.get("directory"), BUILDING)
        or not set(os.listdir(place.link)) - {BUILDING}
    ):
        _put_back(place, number)
    else:
        # Somebody has put another directory there: it is set aside as any other.
        forget_journal(place)
