# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of an environment beside its packages: frozen marker, pins, variables, owner."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import MASK, redact
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.frozen import (
    remove_marker,
    set_marker,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.owner import (
    Ownership,
    give_away,
    observe_ownership,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.pins import (
    PINNED,
    read_pins,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.variables import (
    STATE,
    read_state,
    set_variables,
    state_with,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import FROZEN


@dataclass(frozen=True)
class Notes:
    """The settings that a task requests, or their observed values; None for what the task does not set.

    Attributes:
        frozen: whether the marker ``conda-meta/frozen`` exists.
        pinned: the lines of ``conda-meta/pinned``; their order does not matter.
        variables: values by name, None for a variable that is not set. Other variables are ignored.
        owner, group: of the files, by name or number.
        exact: variables that the task does not set must not exist, nor requests that it does not declare.
    """

    frozen: bool | None = None
    pinned: tuple[str, ...] | None = None
    variables: Mapping[str, str | None] | None = None
    owner: str | None = None
    group: str | None = None
    exact: bool = False

    @property
    def owned(self) -> bool:
        """Whether the owner or the group is set."""
        return self.owner is not None or self.group is not None

    def all_variables(self, there: Iterable[str]) -> Mapping[str, str | None]:
        """The values that the variables must have, with None for those of ``there`` that must not be set."""
        return {**dict.fromkeys(there if self.exact else ()), **(self.variables or {})}

    def lines(self, wanted: Notes | None = None) -> list[str]:
        """One diff line for each setting. Values of variables are never shown.

        Args:
            wanted: mark variables whose value differs from these; default: mark none.
        """
        lines = ["(frozen)"] if self.frozen else []
        lines += [f"(pinned: {redact(pin)})" for pin in sorted(set(self.pinned or ()))]
        for name, value in sorted((self.variables or {}).items()):
            other = wanted is not None and (wanted.variables or {}).get(name, value) != value
            if value is not None:
                lines.append(f"(variable: {name}={MASK}{', another value' if other else ''})")
        lines += [f"(owner: {self.owner})"] if self.owner is not None else []
        lines += [f"(group: {self.group})"] if self.group is not None else []
        return lines

    def unlike(self, wanted: Notes) -> list[str]:
        """One clause for each setting in ``wanted`` that these do not match."""
        reasons = []
        if wanted.pinned is not None and set(wanted.pinned) != set(self.pinned or ()):
            pins = ", ".join(redact(pin) for pin in wanted.pinned)
            reasons.append(
                f"the requested pins are not set: {pins}"
                if pins
                else "the environment has pins, but must have none"
            )
        for name, value in sorted(wanted.all_variables(self.variables or {}).items()):
            if (self.variables or {}).get(name) != value:
                reasons.append(
                    f"the variable {name} is set, but must not be"
                    if value is None
                    else f"the variable {name} does not have the requested value"
                )
        if wanted.frozen not in {None, bool(self.frozen)}:
            reasons.append(
                "the environment is not frozen, but must be"
                if wanted.frozen
                else "the environment is frozen, but must not be"
            )
        if wanted.owner not in {None, self.owner}:
            reasons.append(f"the owner is {self.owner}, not {wanted.owner}")
        if wanted.group not in {None, self.group}:
            reasons.append(f"the group is {self.group}, not {wanted.group}")
        return reasons


def observe_notes(prefix: str, wanted: Notes) -> Notes:
    """Read the settings of the environment at ``prefix`` that ``wanted`` sets.

    Raises:
        CondaModuleError: one of their files exists but cannot be parsed.
    """
    variables = None
    if wanted.variables is not None or wanted.exact:
        there = set_variables(read_state(prefix))
        variables = {name: there.get(name) for name in wanted.all_variables(there)}
    owners = observe_ownership(prefix, Ownership(wanted.owner, wanted.group))
    return Notes(
        frozen=None if wanted.frozen is None else os.path.lexists(os.path.join(prefix, FROZEN)),
        pinned=None if wanted.pinned is None else read_pins(prefix),
        variables=variables,
        owner=owners.owner,
        group=owners.group,
    )


def write_pins(prefix: str, pins: tuple[str, ...]) -> None:
    """Write ``pins`` as the pins of the environment; remove the file if there are none.

    Raises:
        CondaModuleError: the file cannot be written.
    """
    if set(read_pins(prefix)) != set(pins) or not pins:
        _write(prefix, PINNED, "".join(f"{pin}\n" for pin in pins))


def write_notes(prefix: str, wanted: Notes) -> None:
    """Write the settings in ``wanted`` that differ from those on disk.

    Raises:
        CondaModuleError: a file cannot be written.
    """
    if wanted.pinned is not None:
        write_pins(prefix, wanted.pinned)
    variables = Notes(variables=wanted.variables, exact=wanted.exact)
    if observe_notes(prefix, variables).unlike(variables):
        state = read_state(prefix)
        _write(prefix, STATE, state_with(state, wanted.all_variables(set_variables(state))))
    # The marker comes last: after an interruption the next run only has to set it, not to lift it first.
    if wanted.frozen is False:
        remove_marker(prefix)
    elif wanted.frozen and not os.path.lexists(os.path.join(prefix, FROZEN)):
        set_marker(prefix)
    # After all writes, so that it covers every new file.
    give_away(prefix, Ownership(wanted.owner, wanted.group))


def _write(prefix: str, name: str, text: str) -> None:
    """Write the file atomically and keep its owner and mode; remove it if ``text`` is empty."""
    path = os.path.join(prefix, name)
    try:
        if text:
            _replace(path, text)
        elif os.path.lexists(path):
            os.unlink(path)
    except OSError as error:
        raise CondaModuleError(
            f"{path} cannot be written: {error.strerror}.",
            prefix=prefix,
            hint="free space on that volume, or run the task as the user who owns the environment.",
        ) from error


def _replace(path: str, text: str) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".llmfleet-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        try:
            there = os.stat(path)
        except FileNotFoundError:
            # Default permissions of a new file; the umask can only be read by setting it.
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(temporary, 0o666 & ~mask)
        else:
            os.chmod(temporary, there.st_mode & 0o7777)
            if os.geteuid() == 0:
                os.chown(temporary, there.st_uid, there.st_gid)
        os.replace(temporary, path)
    except BaseException:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        raise
