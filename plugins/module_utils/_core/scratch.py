# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A private temporary directory on a volume that has room for it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import (
    CondaModuleError,
    hint_for,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.room import free_bytes
from ansible_collections.llmfleet.conda.plugins.module_utils._core.tree import remove_made

LITTLE = 16 << 20
"""Bytes that a directory for a few files and an index needs at least."""


@contextmanager
def roomy_directory(
    near: Sequence[str], room: int = LITTLE, name: str = "llmfleet-conda-"
) -> Iterator[str]:
    """A private directory, removed at the end: in TMPDIR, or in one of ``near`` if TMPDIR lacks room.

    A change needs no room in TMPDIR, so check mode must not fail because that is full. The time stamps of a
    directory of ``near`` are put back, so that check mode leaves no trace.

    Args:
        near: directories on the volumes that the change itself uses; only existing ones that this user may
            write count.
        room: bytes that the content will take.
        name: how the name of the directory begins.

    Raises:
        CondaModuleError: no directory can be created.
    """
    parent = _place(near, room)
    try:
        before = os.stat(parent)
        path = tempfile.mkdtemp(prefix=name, dir=parent)
    except OSError as error:
        raise CondaModuleError(
            f"A temporary directory cannot be created in {parent}: {error.strerror}. Nothing was changed.",
            hint=hint_for(error, "set TMPDIR to a directory that this user may write."),
        ) from error
    try:
        yield path
    finally:
        remove_made(path)
        if parent != tempfile.gettempdir():
            with suppress(OSError):
                os.utime(parent, ns=(before.st_atime_ns, before.st_mtime_ns))


def _place(near: Sequence[str], room: int) -> str:
    usual = tempfile.gettempdir()
    if _free(usual) >= room:
        return usual
    others = [path for path in near if os.access(path, os.W_OK | os.X_OK)]
    return max([usual, *others], key=_free)


def _free(path: str) -> int:
    try:
        return free_bytes(path)
    except OSError:
        return 0
