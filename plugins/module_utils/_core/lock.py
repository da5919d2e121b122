# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lock files with a time limit, shared by all processes of a host.

The kernel releases a ``flock`` when its holder dies, so a stale lock cannot exist. The text in the file only
names the holder. The holder removes the file on release; a waiter that had opened the removed file notices it
by the inode and tries again.

Child processes inherit the descriptor (:func:`held_descriptors`) and with it the lock: when a module is
killed, its conda may still run, and the next run must wait for it.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ansible_collections.llmfleet.conda.plugins.module_utils._core import json_document
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import (
    CondaModuleError,
    hint_for,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular

_POLL_SECONDS = 0.2

_held: set[int] = set()


def held_descriptors() -> tuple[int, ...]:
    """Descriptors of the locks that this process holds, for child processes to inherit."""
    return tuple(sorted(_held))


def _open(path: str) -> int:
    # O_NOFOLLOW: in a world-writable directory, another user may have left a link to another file.
    flags = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        return _checked(os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o644), path)
    except PermissionError as error:
        # Another user, for instance root, created the file; read permission is enough to lock it.
        try:
            return _checked(os.open(path, os.O_RDONLY | flags), path)
        except FileNotFoundError:
            raise error from None


def _checked(descriptor: int, path: str) -> int:
    """Return the descriptor, unless it is of a pipe, a device or a file with several hard links."""
    status = os.fstat(descriptor)
    # A hard link may lead to a file outside of this collection: do not touch its content or permissions.
    if stat.S_ISREG(status.st_mode) and status.st_nlink <= 1:
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is not a regular file with a single link", path)


def _is_current(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def _holder(path: str) -> str:
    try:
        with open(path, encoding="utf-8", opener=only_regular) as stream:
            held = json_document.load(stream)
        who = f"process {held['pid']}"
        if not _is_alive(int(held["pid"])):
            who = f"a child process that the killed {who} left running"
        return f"{who} ({held['operation']}, since {held['since']})"
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return "another process"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        # The signal is not permitted, so a process of another user exists.
        return True
    return True


def _try_lock(path: str) -> int | None:
    """Return an open, locked descriptor of the file now at ``path``, or None if another process holds it."""
    descriptor = _open(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    if _is_current(descriptor, path):
        return descriptor
    os.close(descriptor)
    return None


def holder_of(path: str) -> str:
    """Who holds the lock at ``path``, for messages; empty if nobody does. Creates and removes nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return ""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _holder(path)
    except OSError:
        # A volume without locks: nobody can hold one.
        return ""
    finally:
        os.close(descriptor)
    return ""


def remove_if_free(path: str) -> None:
    """Remove the lock file at ``path`` if it exists, no process holds it and this user may remove it."""
    if not os.path.lexists(path):
        return
    try:
        descriptor = _try_lock(path)
    except OSError:
        return
    if descriptor is not None:
        _remove_and_close(descriptor, path)


def _remove_and_close(descriptor: int, path: str) -> None:
    """Release the lock, and remove its file unless another one has replaced it."""
    try:
        if _is_current(descriptor, path):
            os.unlink(path)
    except OSError:
        pass
    finally:
        os.close(descriptor)


@contextmanager
def file_lock(path: str, *, operation: str, timeout: float) -> Iterator[None]:
    """Hold the lock at ``path`` for the duration of the block.

    Args:
        path: the lock file; its directory must exist.
        operation: what the holder does, for the message of a process that waits too long.
        timeout: seconds to wait for the current holder.

    Raises:
        CondaModuleError: the wait timed out (the message names the holder), or the file cannot be created.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            descriptor = _try_lock(path)
        except OSError as error:
            raise CondaModuleError(
                f"Cannot create the lock file {path}: {error.strerror}.",
                hint=hint_for(error, "run the task as a user who may write there (become)."),
            ) from error
        if descriptor is not None:
            break
        if time.monotonic() >= deadline:
            raise CondaModuleError(
                f"{path} is locked by {_holder(path)}; waited {timeout:g} seconds for the lock.",
                hint="wait until that process has finished and run the task again, or raise the option"
                " timeout.",
            )
        time.sleep(_POLL_SECONDS)
    _held.add(descriptor)
    try:
        since = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        note = json.dumps({"pid": os.getpid(), "operation": operation, "since": since})
        try:
            os.fchmod(
                descriptor, 0o644
            )  # whatever the umask, other users must be able to lock the file
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, note.encode(), 0)
        except OSError:
            # The disk is full, or another user owns the file. The lock works without the note.
            pass
        yield
    finally:
        _held.discard(descriptor)
        _remove_and_close(descriptor, path)
