# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The exception that every module reports to the user, and the hints it shares.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import (
    redact,
    redact_value,
)

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def hint_for(error: Exception, otherwise: str) -> str:
    """Return the hint for a file that cannot be written: by the error's reason, or ``otherwise``."""
    number = getattr(error, "errno", None)
    if number in _FULL or "No space left" in str(error):
        return "make room on that volume (df shows its bytes, df -i its inodes), then run the task again."
    if number == errno.EROFS or "Read-only file system" in str(error):
        return READ_ONLY_HINT
    return otherwise


def hint_for_reading(error: OSError) -> str:
    """Return the hint for an existing file or directory that cannot be read."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            "run the task as the user who owns it (become, become_user) or correct its permissions."
        )
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return (
            "stop the program that holds too many open files, or raise the limit (ulimit -n), then run"
            " the task again."
        )
    if error.errno == errno.ELOOP:
        return "inspect that path, and remove it or move it away by hand."
    return (
        "check the volume (the system log shows disk and network errors), then run the task again."
    )


READ_ONLY_HINT = (
    "make that volume writable again (mount -o remount,rw), then run the task again; the system"
    " makes a volume read-only after a disk error and reports it in its log."
)


class CondaModuleError(Exception):
    """A failure that the user can act on; every module catches it once, in ``main()``.

    Args:
        message: one sentence that says what went wrong, with the option or path that caused it.
        prefix: absolute path of the conda prefix concerned.
        asked: what the task requested (specs, requirement lines, a URL).
        said: output of conda, pip or the installer, reduced to what matters.
        hint: what to do next, as one imperative sentence.
        cut_off: a signal or time limit ended a child process that was changing the host.
        facts: other values to return to the playbook, JSON serialisable.
    """

    def __init__(
        self,
        message: str,
        *,
        prefix: str | None = None,
        asked: str | list[str] | None = None,
        said: str | None = None,
        hint: str | None = None,
        cut_off: bool = False,
        **facts: Any,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.prefix = prefix
        self.asked = asked
        self.said = said
        self.hint = hint
        self.cut_off = cut_off
        self.facts = facts

    def __str__(self) -> str:
        """The message, its details and the hint in a few lines, with secrets masked."""
        lines = [self.message]
        if self.prefix and self.prefix not in self.message:
            lines.append(f"Prefix: {self.prefix}")
        if self.asked:
            asked = self.asked if isinstance(self.asked, str) else ", ".join(self.asked)
            if asked not in self.message:
                lines.append(f"Requested: {asked}")
        if self.said and self.said.strip() not in self.message:
            lines.append(f"Output: {self.said.strip()}")
        if self.hint:
            lines.append(f"What to do: {self.hint}")
        return redact("\n".join(lines))

    def as_result(self) -> dict[str, Any]:
        """Keyword arguments for ``AnsibleModule.fail_json``, with secrets masked."""
        result: dict[str, Any] = {"msg": str(self)}
        for key in ("prefix", "asked", "said", "hint"):
            value = getattr(self, key)
            if value:
                result[key] = redact_value(value)
        result.update(redact_value(self.facts))
        return result


@contextmanager
def volume_errors() -> Iterator[None]:
    """Report a full or read-only volume as a :class:`CondaModuleError`, wherever in the block it occurs.

    Raises:
        CondaModuleError: a file could not be written for one of these reasons; the message names it.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in {*_FULL, errno.EROFS}:
            raise
        raise CondaModuleError(
            f"{error.filename or 'A temporary file'} cannot be written: {error.strerror}.",
            hint=hint_for(error, ""),
        ) from error


NAMED = 10
"""How many names a message or a result lists at most."""


def listed(names: Sequence[str]) -> str:
    """The first ten of ``names``, and the number of the others."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
