"""The parts of the lab, in the order of their needs, and how they are built.

A part is a module with ``NAME`` (str), ``is_current() -> bool`` (cheap: no build tools imported)
and ``build(progress) -> None``.  Modules are imported when asked for, so that looking at one part
does not cost the imports of the others.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Sequence
from typing import Protocol, cast

from lab import cache
from lab.errors import LabError

Progress = Callable[[str], None]
"""Takes one line for the person who waits."""

_MODULES = {
    "interpreters": "lab.interpreters",
    "channel": "lab.channel",
    "installer": "lab.installer",
    "wheelhouse": "lab.wheelhouse",
    "full-wheelhouse": "lab.full_wheelhouse",
    "model": "lab.model",
    "images": "lab.hosts",
    "host-debian11": "lab.host_debian11",
    "earlier-release": "lab.earlier_release",
}

PARTS: tuple[str, ...] = tuple(_MODULES)
"""Names of the parts, each after those it needs."""

OPTIONAL_PARTS: tuple[str, ...] = ("full-wheelhouse", "images", "host-debian11", "earlier-release")
"""Parts that are built only when named: large, or in need of a Docker engine or git's history."""


class Part(Protocol):
    """What a part's module offers."""

    NAME: str

    def is_current(self) -> bool:
        """Say whether the part in the cache was made from today's inputs."""

    def build(self, progress: Progress) -> None:
        """Make the part and publish it in the cache."""


def load(name: str) -> Part:
    """Return the part's module.

    Raises:
        LabError: no part has that name.
    """
    if name not in _MODULES:
        raise LabError(f"unknown part {name!r}; known: {', '.join(PARTS)}")
    return cast(Part, importlib.import_module(_MODULES[name]))


def default_parts() -> tuple[str, ...]:
    """Return the parts that are built when none is named."""
    return tuple(name for name in PARTS if name not in OPTIONAL_PARTS)


def build(names: Sequence[str], progress: Progress) -> list[str]:
    """Build the named parts that are not current, in order; none named means the default ones.

    Args:
        names: parts to build.
        progress: called with one line per step.

    Returns:
        the parts that had to be built.

    Raises:
        LabError: a name is unknown or a part cannot be built.
    """
    wanted = tuple(names) or default_parts()
    parts = {name: load(name) for name in wanted}
    built = []
    with cache.lock("build", on_wait=lambda: progress("waiting for another build of the lab")):
        cache.clear_temporaries()
        for name in sorted(parts, key=PARTS.index):
            if parts[name].is_current():
                progress(f"{name}: current")
                continue
            started = time.monotonic()
            parts[name].build(_prefixed(name, started, progress))
            built.append(name)
            progress(f"{name}: built in {time.monotonic() - started:.0f} s")
    return built


def _prefixed(name: str, started: float, progress: Progress) -> Progress:
    """Return a progress function that names the part and the seconds since it began."""

    def say(line: str) -> None:
        progress(f"{name}: {time.monotonic() - started:4.0f} s  {line}")

    return say
