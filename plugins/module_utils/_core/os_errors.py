# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What errors of the operating system mean and what to do about them, by errno.

Only errors that concern the host, and that no retry and no other user's rights mend. The names are those of
errno(3); the numbers are those of the host that runs the module.
"""

from __future__ import annotations

import errno
import re

HOST_TROUBLE: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "disk_full": (
        "the disk is full",
        "make room on that volume (df shows its bytes, df -i its inodes, quota a user's limit), then run the"
        " task again.",
        ("ENOSPC", "EDQUOT"),
    ),
    "read_only": (
        "a volume is read-only",
        "make that volume writable again (mount -o remount,rw), then run the task again; the system makes a"
        " volume read-only after a disk error and reports it in its log.",
        ("EROFS",),
    ),
    "open_files": (
        "too many files are open",
        "stop the program that holds too many open files, or raise the limit (ulimit -n), then run the task"
        " again.",
        ("EMFILE", "ENFILE"),
    ),
    "io": (
        "a volume reports an input/output error",
        "check the volume (the system log shows disk and network errors), then run the task again.",
        ("EIO", "ESTALE", "ENXIO", "EREMOTEIO", "EUCLEAN"),
    ),
    "no_locks": (
        "the volume does not support file locks, or its lock server does not answer",
        "mount the volume with locks (for NFS: start the lock service, or mount with local_lock=flock), or"
        " use a prefix and pkgs_dirs on another volume.",
        ("ENOLCK", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"),
    ),
    "memory": (
        "the host ran out of memory",
        "give the host more memory, stop other programs, or use the solver libmamba (conda_config), then run"
        " the task again.",
        ("ENOMEM",),
    ),
    "long_path": (
        "a path is longer than the volume allows",
        "choose a shorter prefix, or another volume: an encrypted home directory allows only short names.",
        ("ENAMETOOLONG",),
    ),
    "links": (
        "a symbolic link leads in a circle",
        "inspect that path, and remove it or move it away by hand.",
        ("ELOOP",),
    ),
    "busy": (
        "a file that has to be replaced is in use",
        "stop the program that uses it (fuser or lsof shows it), then run the task again.",
        ("ETXTBSY", "EBUSY"),
    ),
}
"""By kind: a clause for messages, an imperative sentence for hints, and names of errno(3)."""

_KINDS = {
    getattr(errno, name): kind
    for kind, (_headline, _hint, names) in HOST_TROUBLE.items()
    for name in names
    if hasattr(errno, name)
}
# "[Errno 28]" and "errno: 28" are Python's and conda's, "(os error 28)" is Rust's.
_NUMBER = re.compile(r"(?:\berrno:? ?|\(os error )(\d+)\b", re.IGNORECASE)
# The words for programs that print no number.
_WORDS = {
    "disk_full": re.compile(r"no space left|disk quota|ENOSPC|NoSpaceLeft", re.IGNORECASE),
    "read_only": re.compile(r"read-only file system|EROFS", re.IGNORECASE),
    "open_files": re.compile(r"too many open files", re.IGNORECASE),
    "io": re.compile(r"input/output error|stale (?:NFS )?file handle", re.IGNORECASE),
    "no_locks": re.compile(r"no locks available", re.IGNORECASE),
    "busy": re.compile(r"text file busy", re.IGNORECASE),
}


def kind_of_error(error: BaseException) -> str:
    """The key of :data:`HOST_TROUBLE` for an exception; empty for every other trouble."""
    return _KINDS.get(getattr(error, "errno", None) or 0) or kind_in_text(str(error))


def kind_in_text(text: str) -> str:
    """The key of :data:`HOST_TROUBLE` for the output of a program; empty without such a trouble.

    The kind that comes first in the table counts: a full disk has further errors as its consequence.
    """
    found = {_KINDS.get(int(number)) for number in _NUMBER.findall(text)}
    found |= {kind for kind, words in _WORDS.items() if words.search(text)}
    return next((kind for kind in HOST_TROUBLE if kind in found), "")
