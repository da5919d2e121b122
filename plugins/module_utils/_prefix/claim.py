# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A token that proves that a directory is the one a journal describes.

A path alone proves nothing: the directory may have been replaced since. Device and inode do not (inodes are
reused), nor does the modification time (every new file changes it). A file with a random token does: the run
creates it in the directory and fails if such a file exists.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import (
    CondaModuleError,
    hint_for,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import MADE

_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def claim(prefix: str, name: str = MADE) -> dict[str, Any]:
    """Create the directory ``prefix`` if it does not exist, and put a token into it.

    Args:
        prefix: an absolute path.
        name: of the token file; the functions below need the same.

    Returns:
        The entry for the journal: ``device`` and ``inode`` as ``os.stat`` returns them, and ``token``.

    Raises:
        CondaModuleError: the directory or the token file cannot be created.
    """
    token = os.urandom(16).hex()
    try:
        with suppress(FileExistsError):
            os.mkdir(prefix)
        directory = os.open(prefix, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # Left by an interrupted run that this one continues.
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=directory)
            file = os.open(
                name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600, dir_fd=directory
            )
            try:
                os.write(file, token.encode())
            finally:
                os.close(file)
            status = os.fstat(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise CondaModuleError(
            f"Cannot create {os.path.join(prefix, name)}: {error.strerror}.",
            prefix=prefix,
            hint=hint_for(error, "run the task as a user who may write there (become)."),
        ) from error
    return {"device": status.st_dev, "inode": status.st_ino, "token": token}


def is_claimed(prefix: str, said: object, name: str = MADE) -> bool:
    """Whether the directory at ``prefix`` is the one that the journal entry ``said`` describes."""
    if not isinstance(said, Mapping):
        return False
    try:
        directory = os.open(prefix, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        status = os.fstat(directory)
        file = os.open(name, os.O_RDONLY | _FLAGS, dir_fd=directory)
        try:
            token = os.read(file, 100).decode("ascii", "replace")
        finally:
            os.close(file)
    except OSError:
        return False
    finally:
        os.close(directory)
    known = (said.get("device"), said.get("inode"), said.get("token"))
    return known == (status.st_dev, status.st_ino, token) and bool(token)


def give_up(prefix: str, name: str = MADE) -> None:
    """Remove the token: it is no longer needed."""
    with suppress(OSError):
        os.unlink(os.path.join(prefix, name))
