# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuses, delays or reports a change that would unlink files of a prefix while programs run from it.

Imported only when a plan contains changes: a run without changes must not compile this file.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ansible_collections.llmfleet.conda.plugins.module_utils._core.cycle import (
    Change,
    PlanT,
    SeenT,
    SideT,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.process_users import (
    CWD,
    Places,
    ProcessUser,
    Seen,
    look,
    mount_of,
    places_of,
    read_mounts,
)

_T = TypeVar("_T")

FAIL, WAIT, WARN = "fail", "wait", "warn"

# How many processes and packages a message lists.
_NAMED = 5
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0
# File systems that other hosts may have mounted as well, by their names in mountinfo.
_SHARED = frozenset(
    {"nfs", "nfs4", "lustre", "gpfs", "beegfs", "ceph", "cifs", "smb3", "glusterfs"}
)
_SHARED_FUSE = ("fuse.glusterfs", "fuse.ceph", "fuse.sshfs", "fuse.beegfs")


class InUseError(CondaModuleError):
    """Programs run from the prefix; nothing was changed."""


@dataclass(frozen=True)
class Unlinking:
    """The files that a plan unlinks.

    Attributes:
        sure: names of packages that lose files, as far as the plan itself knows.
        ask: asks conda or pip for the remaining names; None when ``sure`` is complete.
        removal: the whole directory is removed.
        nested: environments inside the prefix are removed with it.
    """

    sure: frozenset[str] = frozenset()
    ask: Callable[[], Collection[str]] | None = None
    removal: bool = False
    nested: bool = False

    def names(self) -> set[str]:
        """All packages that lose files."""
        return {*self.sure, *(self.ask() if self.ask else ())}


@dataclass
class Guard:
    """Applies the option ``in_use`` to one prefix.

    Attributes:
        mode: ``fail``, ``wait`` or ``warn``.
        timeout: seconds that ``wait`` waits.
        check_mode: do not wait.
        found: the processes, as the module returns them.
        warnings: the module's warnings.
    """

    prefix: str
    mode: str
    timeout: float
    check_mode: bool
    found: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    look: Callable[[Places], Seen] = look

    def __post_init__(self) -> None:
        self._deadline = time.monotonic() + self.timeout
        self._unlinking = Unlinking()

    def check(self, unlinking: Unlinking) -> None:
        """Refuse or report the change of a prefix in use; called before anything is changed.

        Raises:
            InUseError: programs run from the prefix, and the option ``in_use`` is not ``warn``.
            CondaModuleError: the task would remove the Python that runs this module.
        """
        self._unlinking = unlinking
        self.found.clear()
        self.warnings.clear()
        if not (unlinking.removal or unlinking.sure or unlinking.ask):
            return
        places = places_of(self.prefix, unlinking.nested)
        seen = self.look(places)
        users = self._users(seen)
        own = _own_interpreter(places)
        names = set(unlinking.sure)
        if not unlinking.removal and (own or users or seen.suspects):
            names = unlinking.names()
        if not (unlinking.removal or names):
            return
        if own and (unlinking.removal or "python" in names):
            raise self._own_python(own)
        self.found.extend(user.as_dict() for user in seen.users)
        if not users:
            self.warnings.extend(self._unseen_sentences(seen))
            return
        sentence = f"{self._in_use_sentence(users)} {self._change_sentence(names)}"
        if self.mode == WARN:
            self.warnings.append(" ".join([sentence, *self._unseen_sentences(seen)]))
        elif self.mode == WAIT and self.check_mode:
            waits = f"A real run would wait up to {self.timeout:g} seconds for them to end."
            self.warnings.append(" ".join([sentence, waits, *self._unseen_sentences(seen)]))
        else:
            raise self._error(sentence, seen)

    def until_unused(self, attempt: Callable[[], _T]) -> _T:
        """Return the result of ``attempt``, which takes the lock and calls :meth:`check` under it.

        With ``wait``, the wait happens without the lock, which would block all users of the package cache.
        Afterwards the attempt observes and plans again.

        Raises:
            InUseError: the prefix is still in use after the wait.
        """
        while True:
            try:
                return attempt()
            except InUseError:
                if self.mode != WAIT or not self._wait():
                    raise

    def _wait(self) -> bool:
        """Wait until no process uses the prefix; False when the time is over."""
        pause = _FIRST_PAUSE
        while True:
            left = self._deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, _LONGEST_PAUSE)
            if not self._users(self.look(places_of(self.prefix, self._unlinking.nested))):
                return True

    def _users(self, seen: Seen) -> list[ProcessUser]:
        """The processes that the change would disturb: a working directory only matters for a removal."""
        return [user for user in seen.users if self._unlinking.removal or user.how != CWD]

    # -- messages ---------------------------------------------------------------------------------

    def _in_use_sentence(self, users: Collection[ProcessUser]) -> str:
        shown = [described(user) for user in list(users)[:_NAMED]]
        if len(users) > _NAMED:
            shown.append(f"and {len(users) - _NAMED} more")
        return f"{self.prefix} is in use: {'; '.join(shown)}."

    def _change_sentence(self, names: Collection[str]) -> str:
        if self._unlinking.removal:
            return f"The task removes {self.prefix}."
        listed = sorted(names)
        more = f" and {len(listed) - _NAMED} more" if len(listed) > _NAMED else ""
        return f"The task removes or replaces files of {', '.join(listed[:_NAMED])}{more}."

    def _error(self, sentence: str, seen: Seen) -> InUseError:
        waited = f" Waited {self.timeout:g} seconds for them to end." if self.mode == WAIT else ""
        others = " This user cannot see the processes of other users." if seen.unseen else ""
        return InUseError(
            f"{sentence}{waited}{others} Nothing was changed.",
            prefix=self.prefix,
            hint=(
                (
                    "stop these processes and run the task again, raise in_use_timeout, or set in_use:"
                    " warn."
                )
                if self.mode == WAIT
                else "stop these processes and run the task again, or set in_use to wait or to warn."
            ),
            in_use=list(self.found),
        )

    def _unseen_sentences(self, seen: Seen) -> list[str]:
        """Sentences about processes that may use the prefix but cannot be inspected."""
        sentences = []
        if seen.problem:
            sentences.append(
                f"It is unknown whether programs run from {self.prefix}: {seen.problem}."
            )
        kind = shared_kind(self.prefix)
        if kind:
            sentences.append(
                f"{self.prefix} is on {kind}: programs that run from it on other hosts are not visible"
                " here."
            )
        if seen.suspects:
            shown = "; ".join(described(user) for user in seen.suspects[:_NAMED])
            sentences.append(
                f"This user may not inspect processes whose command begins with {self.prefix}; they may"
                f" run from it: {shown}."
            )
        return sentences

    def _own_python(self, own: str) -> CondaModuleError:
        does = "remove" if self._unlinking.removal else "replace"
        return CondaModuleError(
            f"Ansible runs this module with {own}, a Python in {self.prefix}, and the task would {does}"
            " it. Nothing was changed.",
            prefix=self.prefix,
            hint="set ansible_python_interpreter (or interpreter_python in ansible.cfg) to a Python"
            " outside of this prefix, such as /usr/bin/python3.",
        )


def described(user: ProcessUser) -> str:
    """A process for a message: number, user, command and age."""
    how = ", working directory only" if user.how == CWD else ""
    whose = f" of {user.user}" if user.user else ""
    return f"process {user.pid}{whose} ({user.command}; running for {_age(user.age_seconds)}{how})"


def _age(seconds: int) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _own_interpreter(places: Places) -> str:
    """The interpreter of this process if it is in the prefix, or in a venv created from it."""
    executable = os.path.realpath(sys.executable or "/")
    for path in (os.path.dirname(executable), sys.prefix, sys.base_prefix):
        try:
            status = os.stat(path)
        except OSError:
            continue
        if (status.st_dev, status.st_ino) in places.directories:
            return sys.executable or executable
    return ""


def shared_kind(prefix: str) -> str:
    """The file system of the prefix if other hosts may have mounted it as well."""
    mount = mount_of(os.path.realpath(prefix), read_mounts("/proc/self/mountinfo"))
    kind = mount.kind if mount else ""
    return kind if kind in _SHARED or kind.startswith(_SHARED_FUSE) else ""


class GuardedChange(Change[PlanT, SeenT, SideT]):
    """A change that unlinks files of a prefix and obeys the option ``in_use``."""

    def __init__(self, prefix: str, mode: str, timeout: float, check_mode: bool) -> None:
        """Arguments as of :class:`Guard`."""
        self.guard = Guard(prefix, mode, timeout, check_mode)

    @property
    def in_use(self) -> list[dict[str, Any]]:
        """The processes that use the prefix."""
        return self.guard.found

    def until_unused(self, attempt: Callable[[], _T]) -> _T:
        """Wait for these processes to end if the option is ``wait``."""
        return self.guard.until_unused(attempt)


# -- packages that a plan unlinks --------------------------------------------------------------------


def gone(before: Iterable[str], after: Iterable[str], separator: str) -> set[str]:
    """Names of packages whose line is in ``before`` and not in ``after``.

    separator: ends the name. Lines in parentheses are not packages.
    """
    kept = set(after)
    return {
        line.split(separator, 1)[0]
        for line in before
        if line not in kept and not line.startswith("(")
    }
