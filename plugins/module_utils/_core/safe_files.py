# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Opens files that others may have laid there: a pipe or an endless device must not stop a module."""

from __future__ import annotations

import errno
import os
import stat


def only_regular(path: str, flags: int) -> int:
    """For ``open(..., opener=only_regular)``: a descriptor of a regular file, or of the null device.

    Opening a pipe would wait until somebody writes to it, and reading a device need not end.

    Raises:
        OSError: there is something else at the path, or it cannot be opened.
    """
    descriptor = os.open(path, flags | os.O_NONBLOCK, 0o666)
    status = os.fstat(descriptor)
    # What a directory comes to, open() itself says best.
    if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode) or _is_null(status):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is no regular file", path)


def _is_null(status: os.stat_result) -> bool:
    # A link to it is how a file of settings is emptied for good.
    return os.path.samestat(status, os.stat(os.devnull))
