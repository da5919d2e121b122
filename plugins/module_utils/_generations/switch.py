# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a generation the current one: one rename, so that the link always leads to a whole environment."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from contextlib import suppress

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import (
    CondaModuleError,
    hint_for,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.generations import Place

_NEXT = "next"
# linux/fs.h and sys/stdio.h of macOS.
_RENAME_EXCHANGE = 2
_RENAME_SWAP = 2
_AT_FDCWD = -100


def switch(place: Place, number: int) -> None:
    """Let the link lead to generation ``number``; there may be no link yet, but nothing else.

    Raises:
        CondaModuleError: the link cannot be replaced; it leads where it led before.
    """
    new = os.path.join(place.store, _NEXT)
    try:
        forget_unfinished(place)
        os.symlink(place.text(number), new)
        if os.path.isdir(place.link) and not os.path.islink(place.link):
            # Fails unless it is empty.
            os.rmdir(place.link)
        os.rename(new, place.link)
        _sync(os.path.dirname(place.link))
    except OSError as error:
        raise _not_switched(place, error) from error


def exchange(place: Place, number: int, aside: str) -> None:
    """Let the link take the place of a directory, which becomes ``aside``, in one step where possible.

    Args:
        place: its link is a directory now.
        number: the generation to which the link will lead.
        aside: a path that does not exist, on the same volume.

    Raises:
        CondaModuleError: the directory cannot be renamed; it is where it was.
    """
    new = os.path.join(place.store, _NEXT)
    try:
        forget_unfinished(place)
        os.symlink(place.text(number), new)
        if _swap(new, place.link):
            os.rename(new, aside)
        else:
            os.rename(place.link, aside)
            try:
                os.rename(new, place.link)
            except OSError:
                os.rename(aside, place.link)
                raise
        _sync(os.path.dirname(place.link))
    except OSError as error:
        raise _not_switched(place, error) from error


def forget_unfinished(place: Place) -> None:
    """Remove the link that a killed switch has left; a directory there was exchanged and stays."""
    new = os.path.join(place.store, _NEXT)
    if os.path.islink(new):
        with suppress(FileNotFoundError):
            os.unlink(new)


def exchanged(place: Place) -> str:
    """The directory that a killed :func:`exchange` took the place of; empty if there is none."""
    new = os.path.join(place.store, _NEXT)
    return new if os.path.isdir(new) and not os.path.islink(new) else ""


def _swap(one: str, other: str) -> bool:
    """Exchange two paths; False where neither the library nor the volume can."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            done = library.renamex_np(os.fsencode(one), os.fsencode(other), _RENAME_SWAP)
        else:
            done = library.renameat2(
                _AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE
            )
    except (AttributeError, OSError):
        # glibc before 2.28, musl before 1.2.5.
        return False
    if done == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), other)


def _sync(directory: str) -> None:
    """Write the entries of a directory to disk, where the volume can."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _not_switched(place: Place, error: OSError) -> CondaModuleError:
    return CondaModuleError(
        f"{place.link} cannot be switched: {error.strerror}. It leads where it led before.",
        prefix=place.link,
        hint=hint_for(error, "run the task as a user who may write that directory (become)."),
    )
