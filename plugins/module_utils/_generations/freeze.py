# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a generation read-only by the modes of its directories, and writable again before it is removed.

Its files are hard links into the package cache and into other generations: a mode that is changed here would
change there as well.
"""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import (
    CondaModuleError,
    hint_for,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.frozen import set_marker
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.generations import Place

_WRITE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def mark(place: Place, number: int) -> None:
    """Write the marker of a frozen environment (CEP 22), with the message that conda shows.

    Raises:
        CondaModuleError: it cannot be written.
    """
    message = (
        f"This is generation {number} of {place.link}; llmfleet.conda.conda_generations changes it."
    )
    set_marker(place.path(number), f"{json.dumps({'message': message})}\n".encode())


def freeze(prefix: str) -> None:
    """Take the permission to write from all directories of a generation.

    Raises:
        CondaModuleError: a mode cannot be changed.
    """
    try:
        for directory, _names, _files in os.walk(prefix, onerror=_fail):
            mode = stat.S_IMODE(os.lstat(directory).st_mode)
            if mode & _WRITE:
                os.chmod(directory, mode & ~_WRITE)
    except OSError as error:
        raise CondaModuleError(
            f"{error.filename or prefix} cannot be made read-only: {error.strerror}.",
            prefix=prefix,
            hint=hint_for(error, "run the task as the user who owns the environment (become)."),
        ) from error


def thaw(prefix: str) -> None:
    """Let the owner write all directories of a generation again; what this user does not own stays."""
    with suppress(OSError):
        for directory, _names, _files in os.walk(prefix):
            thaw_directory(directory)


def thaw_directory(directory: str) -> None:
    """Let the owner write one directory."""
    with suppress(OSError):
        mode = stat.S_IMODE(os.lstat(directory).st_mode)
        if not mode & stat.S_IWUSR:
            os.chmod(directory, mode | stat.S_IWUSR)


def _fail(error: OSError) -> None:
    raise error


def own_time(site_packages: str, others: list[str]) -> None:
    """Give site-packages of a generation a modification time that no other generation has.

    importlib and importlib.metadata take a directory with the same time for the same directory.

    Args:
        site_packages: absolute path of the directory.
        others: those of the other generations; missing ones are passed over.
    """
    taken = set()
    for path in others:
        with suppress(OSError):
            taken.add(int(os.stat(path).st_mtime))
    with suppress(OSError):
        status = os.stat(site_packages)
        seconds = int(status.st_mtime)
        while seconds in taken:
            seconds += 1
        os.utime(site_packages, (status.st_atime, seconds))
