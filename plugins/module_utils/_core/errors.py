# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The exception that every module reports to the user, and the hints it shares.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._core.os_errors import (
    HOST_TROUBLE,
    kind_of_error,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import (
    redact,
    redact_value,
)

READ_ONLY_HINT = HOST_TROUBLE["read_only"][1]


def hint_for(error: Exception, otherwise: str) -> str:
    """Return the hint for a file that cannot be written: by the error's reason, or ``otherwise``."""
    kind = kind_of_error(error)
    return HOST_TROUBLE[kind][1] if kind else otherwise


def hint_for_reading(error: OSError) -> str:
    """Return the hint for an existing file or directory that cannot be read."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            "run the task as the user who owns it (become, become_user) or correct its permissions."
        )
    return hint_for(error, HOST_TROUBLE["io"][1])


# Words that pip and uv put before a cause, and that our own sentence leaves out.
_LABEL = re.compile(r"^(?:(?:error|warning|cause|hint): ?|[├└│─ ]+)+", re.IGNORECASE)
# Shorter lines, such as a brace or a name, may be in the message by coincidence.
_LONG_ENOUGH = 12


def without_told(said: str, message: str) -> str:
    """The lines of ``said`` that neither ``message`` nor an earlier line of ``said`` contains."""
    told = " ".join(message.split())
    lines: list[str] = []
    for line in said.strip().splitlines():
        words = _LABEL.sub("", " ".join(line.split())).rstrip(".")
        if len(words) >= _LONG_ENOUGH and words in told:
            continue
        lines.append(line)
        told += f"\n{words}" if len(words) >= _LONG_ENOUGH else ""
    return "\n".join(lines)


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
        said = (self.said or "").strip()
        if said not in self.message and (news := without_told(said, self.message)):
            lines.append(f"Output: {news}")
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
    """Report trouble of the host as a :class:`CondaModuleError`, wherever in the block it occurs.

    Raises:
        CondaModuleError: a volume is full, read-only or broken, or too many files are open; the message names
            the file.
    """
    try:
        yield
    except OSError as error:
        kind = kind_of_error(error)
        if not kind:
            raise
        failed = "written" if kind in ("disk_full", "read_only") else "used"
        raise CondaModuleError(
            f"{error.filename or 'A temporary file'} cannot be {failed}: {error.strerror}.",
            hint=HOST_TROUBLE[kind][1],
        ) from error


NAMED = 10
"""How many names a message or a result lists at most."""


def listed(names: Sequence[str]) -> str:
    """The first ten of ``names``, and the number of the others."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
