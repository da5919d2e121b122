# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuses to build a generation for which the volume lacks room, where its files are copied."""

from __future__ import annotations

from ansible_collections.llmfleet.conda.plugins.module_utils._core.room import (
    Need,
    are_ample,
    existing,
    refuse_without_room,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.tree import survey
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.solve import conda_for
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.observe import Observed
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.request import Request
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.aside import shares_volume


def refuse_generation_without_room(request: Request, seen: Observed, number: int) -> None:
    """Fail if one more generation does not fit on the volume of the current one; nothing is changed.

    Beside a package cache, a generation takes little, because its files are hard links.

    Args:
        request: the request.
        seen: the current generation. Without one, the size is not known here.
        number: of the generation to build.

    Raises:
        CondaModuleError: the message says how much is needed and free, and on which volume.
    """
    place = request.place
    if not seen.base or are_ample([place.store]):
        return
    caches = conda_for(request.for_conda(place.path(number))).caches
    if shares_volume(existing(place.store), caches):
        return
    refuse_without_room(
        [
            Need(
                place.store,
                survey(seen.base).size,
                "for the next generation beside the current one",
            )
        ],
        prefix=place.link,
        instead="use an environment on another volume",
    )
