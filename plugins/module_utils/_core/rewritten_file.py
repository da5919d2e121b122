# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replaces a file atomically by one with the same permissions and owner."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress


def rewrite(path: str, content: bytes) -> None:
    """Replace the content of the file at ``path``.

    Raises:
        OSError: the file does not exist, or cannot be written.
    """
    status = os.stat(path)
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".llmfleet-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        with suppress(PermissionError):
            os.chown(temporary, status.st_uid, status.st_gid)
        os.chmod(temporary, status.st_mode & 0o7777)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
