"""When a fault is to happen: at random within what was measured, or when the disk shows something."""

from __future__ import annotations

import math
import random
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from proof.faults import victims
from proof.faults.cases import NotInjected

CHOICES: Mapping[str, victims.Choice] = {
    "module": victims.module,
    "conda": victims.conda,
    "pip": victims.pip,
    "installer": victims.installer,
    "below installer": victims.below_installer,
}
"""The kinds of process that are looked for, by name."""


class TooLate(NotInjected):
    """The run had ended before the moment came; ``seconds`` is how long the kind of process was there."""

    def __init__(self, seconds: float) -> None:
        super().__init__("the run had ended before the moment came")
        self.seconds = seconds


_LOOK = 0.004
"""Seconds between two looks at a host: looking must not slow down what is looked at."""


@dataclass(frozen=True)
class Windows:
    """From when to when each kind of process was there in an undisturbed run, in seconds.

    Counted from when the first of its kind was seen, so that the time that a container takes to start
    a process does not matter.
    """

    seconds: Mapping[str, float]

    def draw(self, kind: str, generator: random.Random, within: float = math.inf) -> float:
        """A moment, in seconds after the first process of a kind was there.

        within: seconds of a later, quicker run, where one was seen.

        Raises KeyError when the undisturbed run had none of that kind.
        """
        return generator.random() * min(self.seconds[kind], within)


def measure(first: int, running: subprocess.Popen[str]) -> Windows:
    """Watch a host until the run has ended."""
    begun: dict[str, float] = {}
    seen: dict[str, float] = {}
    while running.poll() is None:
        processes = victims.of_host(first)
        now = time.monotonic()
        for name, choose in CHOICES.items():
            if choose(processes):
                begun.setdefault(name, now)
                seen[name] = now
        time.sleep(_LOOK)
    return Windows({name: seen[name] - begun[name] for name in begun})


def wait_for(
    first: int,
    choose: victims.Choice,
    delay: float,
    running: subprocess.Popen[str],
) -> list[victims.Process]:
    """The processes to choose from, ``delay`` seconds after the first of their kind was seen.

    Where none is there at that moment, the next that comes is taken.

    Raises:
        TooLate: the run ended before.
    """
    begun = seen = None
    while running.poll() is None:
        found = choose(victims.of_host(first))
        if found:
            seen = time.monotonic()
            begun = begun or seen
        if begun is None:
            time.sleep(_LOOK)
            continue
        left = begun + delay - time.monotonic()
        if found and left <= 0:
            return found
        time.sleep(min(left, 0.05) if left > 0 else _LOOK)
    raise TooLate(seen - begun if seen and begun else math.inf)


def wait_until(
    first: int,
    is_there: Callable[[Path], bool],
    choose: victims.Choice,
    running: subprocess.Popen[str],
) -> list[victims.Process]:
    """The processes to choose from, as soon as the host's file system shows something.

    is_there: is given the host's root directory, as this machine sees it.

    Raises:
        NotInjected: the run ended before.
    """
    root = Path(f"/proc/{first}/root")
    while running.poll() is None:
        if is_there(root) and (found := choose(victims.of_host(first))):
            return found
        time.sleep(_LOOK / 4)
    raise NotInjected("the run had ended before the moment came")


def wait_for_end(
    first: int, of: victims.Choice, choose: victims.Choice, running: subprocess.Popen[str]
) -> list[victims.Process]:
    """The processes to choose from, as soon as one of another kind was there and has ended.

    Raises:
        NotInjected: the run ended before.
    """
    seen = False
    while running.poll() is None:
        processes = victims.of_host(first)
        there = bool(of(processes))
        if seen and not there and (found := choose(processes)):
            return found
        seen = seen or there
        time.sleep(_LOOK / 4)
    raise NotInjected("the run had ended before the moment came")
