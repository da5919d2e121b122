# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the generations of an environment are, and what is known about them.

An environment that is kept in generations consists of ``envs/.NAME/N``, whole environments that no task
changes after they were verified, and of ``envs/NAME``, a link to the current one. ``envs/.NAME/state.json``
tells what was verified; the link alone tells which generation is current.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._core import json_document
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import (
    CondaModuleError,
    hint_for_reading,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular

STATE = "state.json"
FORMAT = 1


@dataclass(frozen=True)
class Place:
    """The paths of an environment that is kept in generations.

    Attributes:
        link: the path by which people know the environment, ``envs/NAME``.
    """

    link: str

    @property
    def name(self) -> str:
        """The last part of the path."""
        return os.path.basename(self.link)

    @property
    def store(self) -> str:
        """The directory of the generations."""
        parent, name = os.path.split(self.link)
        return os.path.join(parent, f".{name}")

    @property
    def state(self) -> str:
        """The file that tells what was verified."""
        return os.path.join(self.store, STATE)

    def path(self, number: int) -> str:
        """The prefix of a generation, whether it exists or not."""
        return os.path.join(self.store, str(number))

    def text(self, number: int) -> str:
        """What the link says when ``number`` is current: relative, so that the volume may move."""
        return os.path.join(f".{self.name}", str(number))

    def number_of(self, path: str) -> int | None:
        """The number of the generation at ``path``; None for another path."""
        parent, name = os.path.split(path)
        return int(name) if parent == self.store and is_number(name) else None

    def current(self) -> int | None:
        """The number of the generation that the link leads to; None without such a link."""
        try:
            target = os.readlink(self.link)
        except OSError:
            return None
        here = os.path.dirname(self.link)
        return self.number_of(os.path.normpath(os.path.join(here, target)))

    def following(self, state: State) -> int:
        """The number of the next generation: none is used twice."""
        return max([0, *state.known, *self.numbers()]) + 1

    def numbers(self) -> list[int]:
        """The numbers for which something exists in the directory of the generations, in order."""
        try:
            return sorted(int(name) for name in os.listdir(self.store) if is_number(name))
        except OSError:
            return []


def is_number(name: str) -> bool:
    """Whether a file of this name in the directory of the generations is one."""
    return name.isascii() and name.isdigit() and (name == "0" or not name.startswith("0"))


@dataclass(frozen=True)
class Verified:
    """What state.json says about one generation.

    Attributes:
        created, verified: times (ISO 8601 with the offset).
        run: who built it.
        asked: digest of what was asked for.
        records: digest of the packages that conda linked, as they were when it was verified.
        distributions: digest of the names of the Python distributions then.
        packages: the lines of the packages and distributions then, for comparisons.
        retired: seconds since the epoch when it stopped being current; None if it never did.
        failed: why its verification failed; empty if it passed.
        checks: the names of the checks that passed.
        adopted: it was a plain directory before; its files name another prefix.
    """

    number: int
    created: str = ""
    verified: str = ""
    run: str = ""
    asked: str = ""
    records: str = ""
    distributions: str = ""
    packages: tuple[str, ...] = ()
    retired: float | None = None
    failed: str = ""
    checks: tuple[str, ...] = ()
    adopted: bool = False


@dataclass(frozen=True)
class State:
    """The content of state.json.

    Attributes:
        current: the generation that the last run made current.
        previous: the one that was current before that; None after a rollback.
        rolled_back_from: the generation that a rollback left, None otherwise.
        known: the generations, by number.
        removing: numbers of generations whose removal has begun.
        found: the file exists.
    """

    current: int | None = None
    previous: int | None = None
    rolled_back_from: int | None = None
    known: Mapping[int, Verified] = field(default_factory=dict)
    removing: tuple[int, ...] = ()
    found: bool = False


def read_state(place: Place) -> State:
    """Read state.json; without the file, nothing is known.

    Raises:
        CondaModuleError: the file cannot be read, or is not one of this collection.
    """
    try:
        with open(place.state, encoding="utf-8", opener=only_regular) as stream:
            data = json_document.load(stream)
        return _state_of(data)
    except (FileNotFoundError, NotADirectoryError):
        return State()
    except OSError as error:
        raise CondaModuleError(
            f"{place.state} cannot be read: {error.strerror}. Nothing was changed.",
            prefix=place.link,
            hint=hint_for_reading(error),
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CondaModuleError(
            f"{place.state} is not what this collection writes there ({type(error).__name__}: {error})."
            " Nothing was changed.",
            prefix=place.link,
            hint=f"restore the file, or move {place.store} away to begin with new generations.",
        ) from error


def _state_of(data: Any) -> State:
    if data["format"] != FORMAT:
        raise ValueError(f"format {data['format']!r}")
    known = {}
    for name, one in data["generations"].items():
        if not is_number(name):
            raise ValueError(f"generation {name!r}")
        fields = {key: one[key] for key in Verified.__dataclass_fields__ if key in one}
        for key in ("packages", "checks"):
            fields[key] = tuple(fields.get(key) or ())
        known[int(name)] = Verified(**{**fields, "number": int(name)})
    return State(
        current=_number(data.get("current")),
        previous=_number(data.get("previous")),
        rolled_back_from=_number(data.get("rolled_back_from")),
        known=known,
        removing=tuple(int(one) for one in data.get("removing") or ()),
        found=True,
    )


def _number(value: Any) -> int | None:
    return None if value is None else int(value)


@dataclass(frozen=True)
class Managed:
    """A prefix that is kept in generations: its place, and the generation that the prefix names."""

    place: Place
    number: int | None


def managed_at(prefix: str) -> Managed | None:
    """What a path names if it is a link to generations, one of them, or a path whose generations exist.

    Args:
        prefix: an absolute path, in any spelling.

    Returns:
        None for every other path, and for a generation that is being built.
    """
    real = os.path.realpath(prefix)
    store, name = os.path.split(real)
    parent, hidden = os.path.split(store)
    if is_number(name) and hidden.startswith(".") and len(hidden) > 1:
        place = Place(os.path.join(parent, hidden[1:]))
        if os.path.isfile(place.state):
            return Managed(place, int(name)) if int(name) in read_state(place).known else None
    place = Place(os.path.join(os.path.realpath(os.path.dirname(prefix)), os.path.basename(prefix)))
    return Managed(place, None) if os.path.isfile(place.state) else None


def refuse_managed(prefix: str, reasons: str) -> None:
    """Fail if a change of ``prefix`` would change a generation, or replace the link to one.

    Args:
        prefix: of the task.
        reasons: why the task would change it, as clauses.

    Raises:
        CondaModuleError: the prefix is kept in generations; nothing was changed.
    """
    managed = managed_at(prefix)
    if managed is None:
        return
    what = f"generation {managed.number} of " if managed.number is not None else ""
    why = f": {reasons}" if reasons else ""
    raise CondaModuleError(
        f"{prefix} is {what}{managed.place.link}, which is kept in generations, and the task would change"
        f" it{why}. Nothing was changed.",
        prefix=prefix,
        hint="change it with llmfleet.conda.conda_generations, which builds the next generation beside it;"
        " its option plain makes it a plain environment again.",
        error_kind="generation",
    )
