# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes generations: those that are not kept, and what a failed or interrupted run has built."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from ansible_collections.llmfleet.conda.plugins.module_utils._core.tree import remove_made
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.freeze import (
    thaw,
    thaw_directory,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.state import (
    LISTS,
    forget_journal,
    journal_of,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.stay import own_files
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.claim import (
    give_up,
    is_claimed,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.generations import (
    Place,
    read_state,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import (
    BUILDING,
    MADE,
    observe_prefix,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.registry import (
    forget_environments,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.removal import (
    examine,
    remain,
    remove_prefix,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import (
    beside,
    pending_journal,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import (
    forget_journal as forget_inner_journal,
)


def remove_generation(place: Place, number: int, *, remove_foreign: bool = False) -> list[str]:
    """Remove one generation, but no file that neither conda, pip nor this collection put there.

    Returns:
        A warning if files stay.

    Raises:
        CondaModuleError: a volume is mounted in it, or something cannot be removed.
    """
    path = place.path(number)
    warnings: list[str] = []
    if os.path.isdir(path) and not os.path.islink(path):
        thaw(path)
        state = observe_prefix(path)
        for name in own_files(path, state):
            # The launchers are in the place of files of conda, which go with the others.
            if not name.startswith("bin/"):
                with suppress(OSError):
                    os.unlink(os.path.join(path, name))
        left = remove_prefix(examine(path), remove_foreign=remove_foreign)
        warnings += [remain(path, left)] if left else []
    forget_inner_journal(path)
    for name in (path + LISTS, beside(path, ".lock")):
        with suppress(FileNotFoundError):
            os.unlink(name)
    forget_environments(path)
    return warnings


def remove_unfinished(place: Place) -> list[str]:
    """Remove the generation that an interrupted run was building, if a token proves that it is that run's.

    Returns:
        A warning if a directory stays.
    """
    journal = journal_of(place)
    if journal is None:
        return []
    warnings = []
    number = journal.get("number")
    if isinstance(number, int):
        path = place.path(number)
        if number in read_state(place).known:
            complete(place, number)
        elif not os.path.lexists(path):
            forget_inner_journal(path)
        elif _is_proved(path, journal):
            remove_built(place, number)
        else:
            warnings.append(
                f"An interrupted run was building a generation at {path}, but nothing proves that the"
                " directory is the one of that run. It stays, and its number is not used again."
            )
    forget_journal(place)
    return warnings


def complete(place: Place, number: int) -> None:
    """End the journal of a generation that state.json has."""
    path = place.path(number)
    with suppress(OSError):
        mode = stat.S_IMODE(os.lstat(path).st_mode)
        # Only a directory that its owner may write lets its token go.
        thaw_directory(path)
        give_up(path, BUILDING)
        os.chmod(path, mode)
    forget_inner_journal(path)
    forget_journal(place)


def remove_built(place: Place, number: int) -> None:
    """Remove everything of a generation that this run, or an interrupted one, has built.

    Raises:
        CondaModuleError: something cannot be removed.
    """
    path = place.path(number)
    thaw(path)
    remove_made(path, quiet=False)
    forget_inner_journal(path)
    for name in (path + LISTS, f"{path}{LISTS}-unfinished", beside(path, ".lock")):
        with suppress(FileNotFoundError):
            os.unlink(name)
    forget_environments(path)


def _is_proved(path: str, journal: dict[str, object]) -> bool:
    inner = pending_journal(path) or {}
    if is_claimed(path, journal.get("directory"), BUILDING):
        return True
    # Before the journal had the token, or where only conda_env has one.
    return is_claimed(path, inner.get("directory")) or not set(os.listdir(path)) - {BUILDING, MADE}
