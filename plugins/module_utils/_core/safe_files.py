# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Opens files that other users may have placed: a pipe or an endless device must not block a module."""

from __future__ import annotations

import errno
import os
import stat


def only_regular(path: str, flags: int) -> int:
    """For ``open(..., opener=only_regular)``: a descriptor of a regular file, or of the null device.

    Opening a pipe blocks until a process writes to it, and reading a device may never end.

    Raises:
        OSError: the path is something else, or cannot be opened.
    """
    descriptor = os.open(path, flags | os.O_NONBLOCK, 0o666)
    status = os.fstat(descriptor)
    # Let open() raise its own IsADirectoryError.
    if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode) or _is_null(status):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is not a regular file", path)


def _is_null(status: os.stat_result) -> bool:
    # A link to the null device is a common way to disable a settings file.
    return os.path.samestat(status, os.stat(os.devnull))
