# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one exception type of the collection.

Private to this collection: there is no promise that it stays as it is.
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
    """What to do about a file that cannot be written: by its reason, or ``otherwise``."""
    number = getattr(error, "errno", None)
    if number in _FULL or "No space left" in str(error):
        return "make room on that volume (df shows its bytes, df -i its inodes), then run the task again."
    if number == errno.EROFS or "Read-only file system" in str(error):
        return READ_ONLY_HINT
    return otherwise


def hint_for_reading(error: OSError) -> str:
    """What to do about a file or directory that is there and cannot be read: by its reason."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            "run the task as the user who owns it (become, become_user) or correct its permissions."
        )
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "end what holds so many files open, or raise its limit (ulimit -n), then run the task again."
    if error.errno == errno.ELOOP:
        return "look at what it is, and remove it or move it away by hand."
    return (
        "see to the volume (the system's log says what is wrong with it), then run the task again."
    )


READ_ONLY_HINT = (
    "make that volume writable again (mount -o remount,rw), then run the task again; after a disk error the"
    " system itself makes a volume read-only, and its log says so."
)


class CondaModuleError(Exception):
    """A failure that a person can act on; every module catches it once, in ``main()``.

    Args:
        message: one sentence that says what went wrong, with the option or the path that caused it.
        prefix: the conda prefix concerned, an absolute path.
        asked: what the task asked for (specs, requirement lines, a URL).
        said: what conda, pip or the installer said, trimmed to what matters.
        hint: what to do next, as one imperative sentence.
        cut_off: a child that was changing the host did not come to its own end (a signal, a time limit).
        facts: anything else worth returning to the playbook, JSON serialisable.
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
        """The whole story in a few lines, with secrets masked."""
        lines = [self.message]
        if self.prefix and self.prefix not in self.message:
            lines.append(f"Prefix: {self.prefix}")
        if self.asked:
            asked = self.asked if isinstance(self.asked, str) else ", ".join(self.asked)
            if asked not in self.message:
                lines.append(f"Asked for: {asked}")
        if self.said and self.said.strip() not in self.message:
            lines.append(f"It said: {self.said.strip()}")
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
    """Tell of a volume that is full or read-only as of any other failure, wherever in the block it shows.

    Raises:
        CondaModuleError: a file could not be written for such a reason; it is named.
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
"""How many of many names a message or a result gives."""


def listed(names: Sequence[str]) -> str:
    """The first ten of ``names``, and how many more there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
