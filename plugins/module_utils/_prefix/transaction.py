# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A transaction on a prefix: locks, and a journal that survives a killed process.

The journal is written before the first change and removed after the last one. If one is found, a run was
interrupted, or its conda or pip was, and the next run must not trust the records alone. For an existing
environment the journal is inside the prefix (``conda-meta/.llmfleet-journal``). While the prefix is being
created or removed, it is beside the prefix, because the prefix may not exist.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._core import json_document
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import (
    READ_ONLY_HINT,
    CondaModuleError,
    hint_for,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.lock import (
    file_lock,
    holder_of,
    remove_if_free,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.claim import (
    give_up,
    is_claimed,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import HISTORY, JOURNAL

_LOCK_INSIDE = os.path.join("conda-meta", ".llmfleet.lock")
CACHE_LOCK = ".llmfleet.lock"
_UNFINISHED = "-unfinished"
# Values of a journal's "installer" while one runs and when it has ended.
INSTALLER_BEGUN, INSTALLER_ENDED = "begun", "ended"
# Operations on a whole prefix.
_WHOLE = frozenset({"create", "remove"})
# Operations whose journal is beside the prefix: an incomplete installation is removed before the next
# attempt.
_BESIDE = _WHOLE | {"install"}


def beside(prefix: str, suffix: str) -> str:
    """The path of this collection's journal, lock or other file beside ``prefix``."""
    parent, name = os.path.split(prefix)
    return os.path.join(parent, f".{name}.llmfleet{suffix}")


def aside_of(prefix: str) -> str:
    """The path of the old prefix while another one is created in its place (``aside.Aside``)."""
    return beside(prefix, "-aside")


def moved_aside(prefix: str) -> bool:
    """Whether a run was interrupted while ``prefix`` was moved aside (``aside.Aside``)."""
    journal = pending_journal(prefix) or {}
    return is_claimed(aside_of(prefix), journal.get("aside"))


def moved_aside_reason(prefix: str) -> str:
    """The reason for not planning while :func:`moved_aside` is true."""
    return f"an interrupted run had moved {prefix} aside"


def pending_journal(prefix: str) -> dict[str, Any] | None:
    """The journal that an interrupted run left for ``prefix``, or None.

    An unreadable journal (interrupted while it was written) counts as one without content. The journal of a
    prefix that was being created or removed has ``unproved`` if no token shows that it describes the
    directory that exists now: no file in there may then be taken for a leftover of that run.
    """
    for path in (os.path.join(prefix, JOURNAL), beside(prefix, "-journal")):
        try:
            with open(path, encoding="utf-8", opener=only_regular) as stream:
                data = json_document.load(stream)
        except FileNotFoundError:
            continue
        except (NotADirectoryError, PermissionError):
            continue
        except (OSError, ValueError):
            if os.path.isdir(path):
                # Not a journal: this collection creates no such directory, and could not remove it.
                continue
            data = {}
        if not isinstance(data, dict):
            data = {}
        proof = {} if _is_proved(prefix, data) else {"unproved": True}
        return {**data, "journal": path, **proof}
    return None


def _is_proved(prefix: str, journal: Mapping[str, Any]) -> bool:
    if journal.get("operation") not in _BESIDE or not os.path.lexists(prefix):
        return True
    return is_claimed(prefix, journal.get("directory"))


def _write_journal(path: str, content: dict[str, Any]) -> None:
    """Write atomically: the rename makes the journal visible only after its bytes are on disk."""
    # The same name for all runs, so that the file of a killed run is found and removed.
    unfinished = f"{path}{_UNFINISHED}"
    with suppress(FileNotFoundError):
        os.unlink(unfinished)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(unfinished, flags, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(content, stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(unfinished, path)
    except BaseException:
        os.unlink(unfinished)
        raise


def make_parents(path: str) -> list[str]:
    """Create the missing parent directories of ``path``; return those created, deepest first.

    Raises:
        CondaModuleError: a directory cannot be created.
    """
    missing = []
    parent = os.path.dirname(path)
    while parent and not os.path.isdir(parent):
        missing.append(parent)
        parent = os.path.dirname(parent)
    made: list[str] = []
    for directory in reversed(missing):
        try:
            os.mkdir(directory)
        except FileExistsError:
            continue
        except OSError as error:
            remove_empty(made)
            raise CondaModuleError(
                f"Cannot create the directory {directory}: {error.strerror}.",
                prefix=path,
                hint=hint_for(
                    error,
                    "run the task as a user who may write there (become), or choose another prefix.",
                ),
            ) from error
        made.insert(0, directory)
    return made


def remove_empty(directories: Iterable[str]) -> None:
    """Remove those of ``directories`` (deepest first) that are empty."""
    for directory in directories:
        try:
            os.rmdir(directory)
        except OSError:
            return


def _lock_paths(prefix: str) -> Iterator[str]:
    """Lock files beside the prefix if that directory is writable, and inside an existing environment.

    The owner of a prefix in a directory of root's can only write inside. Root takes both locks, so the two
    exclude each other. Whether the environment exists is checked while the first lock is held, because its
    previous holder may have removed it.
    """
    writable = os.access(os.path.dirname(prefix), os.W_OK | os.X_OK)
    if writable:
        yield beside(prefix, ".lock")
    if os.path.isdir(os.path.join(prefix, "conda-meta")):
        yield os.path.join(prefix, _LOCK_INSIDE)
    elif not writable and _is_read_only(os.path.dirname(prefix)):
        raise CondaModuleError(
            f"The directory {os.path.dirname(prefix)} is on a read-only volume.",
            prefix=prefix,
            hint=READ_ONLY_HINT,
        )
    elif not writable:
        raise CondaModuleError(
            f"This user may not write the directory {os.path.dirname(prefix)}.",
            prefix=prefix,
            hint="run the task as a user who may write it (become), or choose another prefix.",
        )


def _is_read_only(directory: str) -> bool:
    try:
        return bool(os.statvfs(directory).f_flag & os.ST_RDONLY)
    except OSError:
        return False


@contextmanager
def locked(
    prefix: str, *, operation: str, caches: Iterable[str] = (), timeout: float = 600
) -> Iterator[None]:
    """Hold the locks of ``prefix`` and of the package ``caches`` for the block.

    What was observed before may be out of date: observe again inside the block.

    Args:
        prefix: absolute path of the environment to change; missing parents are created, and removed again if
            the block fails and leaves them empty.
        operation: ``create``, ``install``, ``remove``, ``pip`` ...: shown to processes that wait for the
            lock.
        caches: package cache directories to lock; missing ones are ignored.
        timeout: seconds to wait for each lock.

    Raises:
        CondaModuleError: another process holds a lock, or the directory cannot be written.
    """
    made = make_parents(prefix)
    try:
        with ExitStack() as stack:
            for path in _lock_paths(prefix):
                stack.enter_context(file_lock(path, operation=operation, timeout=timeout))
            # All processes take the locks in the same order, so that no two wait for each other.
            for cache in sorted({os.path.realpath(cache) for cache in caches}):
                if os.path.isdir(cache) and os.access(cache, os.W_OK):
                    lock = os.path.join(cache, CACHE_LOCK)
                    stack.enter_context(file_lock(lock, operation=operation, timeout=timeout))
            yield
    except BaseException:
        remove_empty(made)
        raise


def remove_old_locks(prefix: str) -> None:
    """Remove the lock files of ``prefix`` that no process holds.

    A run that is killed after its last change leaves nothing else. The next run, which has nothing to do and
    takes no lock, would never remove them.
    """
    for path in _locks(prefix):
        remove_if_free(path)


def has_locks(prefix: str) -> bool:
    """Whether a lock file of ``prefix`` exists, held or left behind."""
    return any(os.path.lexists(path) for path in _locks(prefix))


def at_work(prefix: str) -> str:
    """The process that holds a lock of ``prefix`` now, for messages; empty if none does. Writes nothing."""
    return next(filter(None, map(holder_of, _locks(prefix))), "")


def _locks(prefix: str) -> tuple[str, str]:
    return beside(prefix, ".lock"), os.path.join(prefix, _LOCK_INSIDE)


@contextmanager
def journalled(
    prefix: str,
    *,
    operation: str,
    details: dict[str, Any] | None = None,
    keeps: Collection[str] = (),
    until_done: bool = False,
) -> Iterator[None]:
    """Keep a journal for the block, which must run under the lock of ``prefix``.

    Args:
        operation: the operation, for a later run that finds the journal; ``remove`` and ``create`` concern
            the prefix as a whole.
        details: other entries.
        keeps: operations of other modules: the journal of such an interrupted run is put back afterwards, for
            that module to handle.
        until_done: keep the journal when the block fails, because it holds what the disk does not show.

    Raises:
        CondaModuleError: the journal cannot be written; nothing was changed.
    """
    earlier = pending_journal(prefix)
    inside = os.path.isdir(os.path.join(prefix, "conda-meta"))
    if operation in _BESIDE and os.access(os.path.dirname(prefix), os.W_OK | os.X_OK):
        inside = False
    path = os.path.join(prefix, JOURNAL) if inside else beside(prefix, "-journal")
    content = {
        "operation": operation,
        "prefix": prefix,
        "pid": os.getpid(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        **(details or {}),
    }
    try:
        _write_journal(path, content)
        if operation in _BESIDE and not inside:
            # The journal of a run that was interrupted in the old contents. It would be taken for this run's
            # own, and be moved or removed with the prefix.
            with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
                os.unlink(os.path.join(prefix, JOURNAL))
    except OSError as error:
        raise _unwritten(path, prefix, error, " Nothing was changed.") from error
    try:
        yield
    except Exception as error:
        # The caller has handled or reports the failure; the next run observes what is on the disk.
        if not until_done and not _is_half_done(prefix, operation, error):
            _close(prefix, earlier, keeps)
        raise
    _close(prefix, earlier, keeps)


def _unwritten(path: str, prefix: str, error: OSError, more: str = "") -> CondaModuleError:
    return CondaModuleError(
        f"The journal {path} cannot be written: {error.strerror}.{more}",
        prefix=prefix,
        hint=hint_for(error, "run the task as a user who may write there (become)."),
    )


def add_to_journal(prefix: str, **details: Any) -> None:
    """Add progress of the operation to the journal of ``prefix``, if there is one.

    Args:
        prefix: the absolute prefix.
        details: JSON values by their names in the journal.

    Raises:
        CondaModuleError: the journal cannot be written; its old content stays.
    """
    journal = pending_journal(prefix)
    if journal is None:
        return
    path = journal.pop("journal")
    journal.pop("unproved", None)
    try:
        _write_journal(path, {**journal, **details})
    except OSError as error:
        raise _unwritten(path, prefix, error) from error


def _is_half_done(prefix: str, operation: str, error: Exception) -> bool:
    """Whether the next run needs the journal to understand what the failure left.

    This is so after a child was killed while it changed something, and for a prefix that is neither an
    environment nor absent: without the journal its files would count as users' files.
    """
    cut_off = getattr(error, "cut_off", False)
    if moved_aside(prefix):
        # The old contents are still aside, and only the journal proves whose they are.
        return True
    if not os.path.lexists(prefix):
        # Other traces of the prefix, such as conda's list of environments, may remain.
        return cut_off and operation == "remove"
    return cut_off or (operation in _WHOLE and not os.path.lexists(os.path.join(prefix, HISTORY)))


def _close(prefix: str, earlier: dict[str, Any] | None, keeps: Collection[str]) -> None:
    forget_journal(prefix)
    if earlier and earlier.get("operation") in keeps:
        path = earlier.pop("journal")
        earlier.pop("unproved", None)
        if os.path.isdir(os.path.dirname(path)):
            _write_journal(path, earlier)


def forget_journal(prefix: str) -> None:
    """Remove the journal, wherever it is; the interrupted run has been handled."""
    # First: if this run is killed in between, the next run ignores a journal without a token.
    give_up(prefix)
    journals = (os.path.join(prefix, JOURNAL), beside(prefix, "-journal"))
    for path in (*journals, *(f"{journal}{_UNFINISHED}" for journal in journals)):
        try:
            os.unlink(path)
        except (FileNotFoundError, NotADirectoryError, PermissionError, IsADirectoryError):
            # Also for a directory of that name: it is not a journal.
            continue
        except OSError as error:
            # On a volume that became read-only the journal has to stay: the next run will check everything.
            if error.errno != errno.EROFS:
                raise
