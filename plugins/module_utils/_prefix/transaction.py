# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A transaction on a prefix: locks, and a journal that outlives a killed process.

The journal is written before the first change and removed after the last one. Finding one means that a
run was cut off, or that the conda or pip that it had started was, so the next run knows that it must not
trust the records alone. It lies inside the prefix (``conda-meta/.llmfleet-journal``) when the prefix is an
environment already, and beside it while the prefix is being made or removed, because it must be there
when the prefix is not.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
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
    remove_if_free,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.claim import (
    give_up,
    is_claimed,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import HISTORY, JOURNAL

_LOCK_INSIDE = os.path.join("conda-meta", ".llmfleet.lock")
_HISTORY_COPY = os.path.join("conda-meta", ".llmfleet-history")
_CACHE_LOCK = ".llmfleet.lock"
_UNFINISHED = "-unfinished"
# What a journal says under "installer" while one is at work.
INSTALLER_BEGUN, INSTALLER_ENDED = "begun", "ended"
# Operations on a prefix as a whole.
_WHOLE = frozenset({"create", "remove"})
# Those whose journal lies beside it: what was half installed is removed before it is installed anew.
_BESIDE = _WHOLE | {"install"}


def beside(prefix: str, suffix: str) -> str:
    """The path of something of this collection's beside ``prefix``: a journal, a lock."""
    parent, name = os.path.split(prefix)
    return os.path.join(parent, f".{name}.llmfleet{suffix}")


def aside_of(prefix: str) -> str:
    """Where the prefix waits while another one takes its place (``aside.Aside``)."""
    return beside(prefix, "-aside")


def moved_aside(prefix: str) -> bool:
    """Whether a run was cut off while what was at ``prefix`` waited beside it (``aside.Aside``)."""
    journal = pending_journal(prefix) or {}
    return is_claimed(aside_of(prefix), journal.get("aside"))


def moved_aside_reason(prefix: str) -> str:
    """Why nothing can be planned while :func:`moved_aside` is true."""
    return f"a run was cut off that had moved {prefix} aside"


def pending_journal(prefix: str) -> dict[str, Any] | None:
    """The journal that a cut-off run left for ``prefix``, or None.

    An unreadable journal (cut off while it was written) counts as one about which nothing is known. One of a
    prefix that was being made or removed has ``unproved``, where it is not shown to be about the directory
    that is there now: nothing in there may then be taken for what that run has left.
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
                # Nobody's journal: this collection writes none, and could remove none.
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
    """Write whole or not at all: the rename makes the journal visible only after its bytes are on disk."""
    # One name for all runs: what a killed one has left is found and removed.
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


@contextmanager
def preserve_history(prefix: str) -> Iterator[None]:
    """Put ``conda-meta/history`` back after a repair.

    conda would remember the exact versions that were reinstalled as the user's wish and pin them for
    ever; a repair asks for nothing new. A run that is killed meanwhile leaves a copy for :func:`old_history`.
    """
    path, copy = os.path.join(prefix, HISTORY), os.path.join(prefix, _HISTORY_COPY)
    unfinished = f"{copy}-unfinished"
    shutil.copy2(path, unfinished)
    os.replace(unfinished, copy)
    try:
        yield
    finally:
        _put_back(copy, path)


def _put_back(copy: str, path: str) -> None:
    # Written over, not replaced: its owner and permissions stay. Its time tells what a cut-off run had done.
    shutil.copyfile(copy, path)
    found = os.stat(copy)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    os.unlink(copy)


def old_history(prefix: str) -> None:
    """Put back the history that a killed repair could not; to be called under the lock of ``prefix``."""
    copy = os.path.join(prefix, _HISTORY_COPY)
    if os.path.isfile(copy) and not os.path.islink(copy):
        _put_back(copy, os.path.join(prefix, HISTORY))
    with suppress(OSError):
        os.unlink(f"{copy}-unfinished")


def make_parents(path: str) -> list[str]:
    """Make the missing directories above ``path``; return those made, deepest first.

    Raises:
        CondaModuleError: they cannot be made, with the reason.
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
                f"The directory {directory} cannot be made: {error.strerror}.",
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
    """Beside the prefix where that may be written, and inside it where it is an environment already.

    The owner of a prefix below a directory of root's can only write inside; root takes both, so the two
    still exclude each other. Whether there is an environment is looked at when the first lock is held: the
    one waited for may have removed it.
    """
    writable = os.access(os.path.dirname(prefix), os.W_OK | os.X_OK)
    if writable:
        yield beside(prefix, ".lock")
    if os.path.isdir(os.path.join(prefix, "conda-meta")):
        yield os.path.join(prefix, _LOCK_INSIDE)
    elif not writable and _is_read_only(os.path.dirname(prefix)):
        raise CondaModuleError(
            f"The directory {os.path.dirname(prefix)} lies on a volume that is read-only.",
            prefix=prefix,
            hint=READ_ONLY_HINT,
        )
    elif not writable:
        raise CondaModuleError(
            f"The directory {os.path.dirname(prefix)} may not be written by this user.",
            prefix=prefix,
            hint="run the task as a user who may (become), or choose another prefix.",
        )


def _is_read_only(directory: str) -> bool:
    try:
        return bool(os.statvfs(directory).f_flag & os.ST_RDONLY)
    except OSError:
        return False


@contextmanager
def transaction(
    prefix: str,
    *,
    operation: str,
    caches: Iterable[str] = (),
    timeout: float = 600,
    details: dict[str, Any] | None = None,
) -> Iterator[None]:
    """:func:`locked` and :func:`journalled` in one."""
    with locked(prefix, operation=operation, caches=caches, timeout=timeout):  # noqa: SIM117
        with journalled(prefix, operation=operation, details=details):
            yield


@contextmanager
def locked(
    prefix: str, *, operation: str, caches: Iterable[str] = (), timeout: float = 600
) -> Iterator[None]:
    """Hold the locks of ``prefix`` and of the package ``caches`` for the block.

    What was observed before the locks were there may be out of date: observe again inside.

    Args:
        prefix: absolute path of the environment to be changed; missing parents are made, and removed
            again when the block fails and left them empty.
        operation: ``create``, ``install``, ``remove``, ``pip`` ...: what others who wait are told.
        caches: package cache directories to lock; those that do not exist are left out.
        timeout: seconds to wait for each lock.

    Raises:
        CondaModuleError: a lock is held by somebody else, or the place cannot be written.
    """
    made = make_parents(prefix)
    try:
        with ExitStack() as stack:
            for path in _lock_paths(prefix):
                stack.enter_context(file_lock(path, operation=operation, timeout=timeout))
            # One fixed order for all processes, so that two of them can never wait for each other.
            for cache in sorted({os.path.realpath(cache) for cache in caches}):
                if os.path.isdir(cache) and os.access(cache, os.W_OK):
                    lock = os.path.join(cache, _CACHE_LOCK)
                    stack.enter_context(file_lock(lock, operation=operation, timeout=timeout))
            yield
    except BaseException:
        remove_empty(made)
        raise


def remove_old_locks(prefix: str) -> None:
    """Remove the lock files of ``prefix`` that nobody holds.

    A run that is killed after its last change leaves nothing else, so the next one, which has nothing to do
    and takes no lock, would leave them for ever.
    """
    for path in _locks(prefix):
        remove_if_free(path)


def has_locks(prefix: str) -> bool:
    """Whether a lock file of ``prefix`` is there, held or left behind."""
    return any(os.path.lexists(path) for path in _locks(prefix))


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
        operation: what a later run that finds the journal learns was going on; ``remove`` and ``create``
            mean the prefix as a whole.
        details: what else it should know.
        keeps: operations of other modules: where such a run was cut off, its journal is put back
            afterwards, for that module to deal with.
        until_done: the journal stays when the block fails, because it says what the disk does not.

    Raises:
        CondaModuleError: the journal cannot be written; nothing was changed then.
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
            # Of a run that was cut off in what is replaced or removed now. It would be taken for this
            # run's own, and be moved or removed with the prefix.
            with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
                os.unlink(os.path.join(prefix, JOURNAL))
    except OSError as error:
        raise _unwritten(path, prefix, error, " Nothing was changed.") from error
    try:
        yield
    except Exception as error:
        # The caller has dealt with the failure in an orderly way or reports it; what may be wrong on
        # the disk is what the next observation is for.
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
    """Write down in the journal of ``prefix``, if there is one, how far its operation has come.

    Args:
        prefix: the absolute prefix.
        details: what is JSON, by the names that the journal is to have for it.

    Raises:
        CondaModuleError: it cannot be written; it says then what it said before.
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
    """Whether a failure leaves what the next run can only understand with the journal.

    That is what a child leaves that was killed while it changed something, and a prefix that is neither an
    environment nor gone: without the journal it would be taken for somebody else's files.
    """
    cut_off = getattr(error, "cut_off", False)
    if moved_aside(prefix):
        # What was moved aside is still there, and only the journal tells whose it is.
        return True
    if not os.path.lexists(prefix):
        # What else tells of the prefix, such as conda's list of environments, may still be there.
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
    """Remove the journal, wherever it lies; a run that was cut off has been dealt with."""
    # First: killed in between, a journal without a token is nothing that the next run believes.
    give_up(prefix)
    journals = (os.path.join(prefix, JOURNAL), beside(prefix, "-journal"))
    for path in (*journals, *(f"{journal}{_UNFINISHED}" for journal in journals)):
        try:
            os.unlink(path)
        except (FileNotFoundError, NotADirectoryError, PermissionError, IsADirectoryError):
            # Also a directory of that name: it is nobody's journal.
            continue
        except OSError as error:
            # On a volume that turned read-only it has to stay: the next run will look at everything.
            if error.errno != errno.EROFS:
                raise
