# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lock files with a time limit, shared by all processes of a host.

The kernel releases a ``flock`` when its holder dies, so a stale lock cannot exist. The text in the file only
names the holder. The holder removes the file on release; a waiter that had opened the removed file notices it
by the inode and tries again.

On a volume without ``flock`` (NFS without its lock service, some FUSE volumes), the file itself is the lock:
whoever creates it holds it. It is stale if its process has ended and no process has it open; that can be told
only on the host that created it.

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
from typing import Any

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


# What flock() reports for a volume that has no locks.
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
# Seconds after which a lock file without a note is no longer one whose holder is about to write it.
_UNSIGNED_SECONDS = 60.0


def _open(path: str) -> tuple[int, bool]:
    """A descriptor of the lock file, and whether this call created the file."""
    # O_NOFOLLOW: in a world-writable directory, another user may have left a link to another file.
    flags = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        made = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | flags, 0o644)
        return _checked(made, path), True
    except FileExistsError:
        pass
    try:
        return _checked(os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o644), path), False
    except PermissionError as error:
        # Another user, for instance root, created the file; read permission is enough to lock it.
        try:
            return _checked(os.open(path, os.O_RDONLY | flags), path), False
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


def _note(path: str) -> dict[str, Any]:
    """What the holder wrote into the lock file; empty if that cannot be read."""
    try:
        with open(path, encoding="utf-8", opener=only_regular) as stream:
            held = json_document.load(stream)
        return held if isinstance(held, dict) else {}
    except (OSError, ValueError):
        return {}


def _holder(path: str) -> str:
    held = _note(path)
    try:
        who = f"process {held['pid']}"
        if held.get("host", _host()) != _host():
            who += f" of the host {held['host']}"
        elif not _is_alive(int(held["pid"])):
            who = f"a child process that the killed {who} left running"
        return f"{who} ({held['operation']}, since {held['since']})"
    except (ValueError, KeyError, TypeError, OverflowError):
        return "another process"


def _host() -> str:
    return os.uname().nodename


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
    descriptor, created = _open(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError as error:
        if error.errno in _NO_LOCKS and created:
            return descriptor
        if error.errno in _NO_LOCKS and _is_stale(descriptor, path):
            _move_away(descriptor, path)
        os.close(descriptor)
        if error.errno in _NO_LOCKS:
            return None
        raise
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
    except OSError as error:
        # On a volume without locks, the existence of the file is the lock.
        held = error.errno in _NO_LOCKS and not _is_stale(descriptor, path)
        return _holder(path) if held else ""
    finally:
        os.close(descriptor)
    return ""


def _is_stale(descriptor: int, path: str) -> bool:
    """Whether the holder of a lock file without ``flock`` has certainly ended."""
    status = os.fstat(descriptor)
    held = _note(path)
    if not held:
        return time.time() - status.st_mtime > _UNSIGNED_SECONDS and not _is_open(status)
    pid = held.get("pid")
    if held.get("host") != _host() or not isinstance(pid, int):
        return False
    return not (_is_alive(pid) or _is_open(status))


def _is_open(status: os.stat_result) -> bool:
    """Whether another process has the file open: a child that outlived its parent (Linux)."""
    own = str(os.getpid())
    try:
        numbers = [name for name in os.listdir("/proc") if name.isdigit() and name != own]
    except OSError:
        return False
    for number in numbers:
        try:
            for name in os.listdir(f"/proc/{number}/fd"):
                if os.path.samestat(os.stat(f"/proc/{number}/fd/{name}"), status):
                    return True
        except OSError:
            # It has ended, or belongs to another user.
            continue
    return False


def _move_away(descriptor: int, path: str) -> None:
    """Remove a stale lock file, but not a new one that another waiter created in its place."""
    aside = f"{path}-{os.getpid()}"
    try:
        os.rename(path, aside)
        if os.path.samestat(os.fstat(descriptor), os.lstat(aside)):
            os.unlink(aside)
        else:
            os.rename(aside, path)
    except OSError:
        # Another waiter was faster.
        pass


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
                " timeout. Remove the file if the process ran on a host that no longer exists.",
            )
        time.sleep(_POLL_SECONDS)
    _held.add(descriptor)
    try:
        since = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        note = json.dumps(
            {"pid": os.getpid(), "operation": operation, "since": since, "host": _host()}
        )
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
