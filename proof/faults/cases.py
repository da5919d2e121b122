"""Counting cases: a fault that did not happen is no fault survived."""

from __future__ import annotations

import itertools
import json
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from proof.figures import Result, exactly
from scripts.console import Ticker, is_live, shorten, style

Worker = TypeVar("Worker")

_TOLD = 25
"""Off a terminal, every so many cases get a line: it shows that a long part goes on."""


class NotInjected(Exception):
    """The fault did not happen, so the case says nothing: the text says what was seen instead."""


class NotSurvived(Exception):
    """The host did not end as before or as asked: the text says what is wrong with it."""


@dataclass(frozen=True)
class Case(Generic[Worker]):
    """One fault to be survived.

    name: as a person would tell it, with the numbers that repeat it.
    run: does it on a worker (mostly a host) and returns how it ended: ``as asked``, ``as before`` or
        both; raises NotInjected or NotSurvived.
    """

    name: str
    run: Callable[[Worker], str]


@dataclass(frozen=True)
class Ending:
    """What became of a case: how it ended, or why it does not count as survived."""

    case: str
    seconds: float
    injected: bool
    survived: bool
    ended: str
    trace: str = field(default="", compare=False)

    def as_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def play(case: Case[Worker], worker: Worker, again: int = 0) -> Ending:
    """Run one case; whatever else it raises counts as not survived.

    again: how often to try once more where the fault did not happen, for faults that meet their
        moment by chance.
    """
    started = time.monotonic()
    try:
        ended, injected, survived, trace = case.run(worker), True, True, ""
    except NotInjected as error:
        if again:
            return play(case, worker, again - 1)
        ended, injected, survived, trace = str(error), False, False, ""
    except NotSurvived as error:
        ended, injected, survived, trace = str(error), True, False, ""
    except Exception as error:
        ended, injected, survived = f"{type(error).__name__}: {error}", True, False
        trace = traceback.format_exc()
    return Ending(case.name, time.monotonic() - started, injected, survived, ended, trace)


def play_all(
    cases: Iterable[Case[Worker]], workers: Sequence[Worker], again: int = 0
) -> list[Ending]:
    """Run the cases, as many at a time as there are workers; failures are shown as they come.

    Returns the endings in the order of the cases.
    """
    todo = list(cases)
    done = itertools.count(1)
    free: SimpleQueue[Worker] = SimpleQueue()
    for worker in workers:
        free.put(worker)

    def one(case: Case[Worker]) -> Ending:
        worker = free.get()
        try:
            ending = play(case, worker, again)
        finally:
            free.put(worker)
        count = next(done)
        ticker.update(f"{count} of {len(todo)} cases")
        if not is_live() and count % _TOLD == 0:
            ticker.line(f"  {count} of {len(todo)} cases")
        if not ending.survived:
            ticker.line(style(f"  NOT SURVIVED: {case.name}: {shorten(ending.ended, 300)}", "red"))
        return ending

    with (
        Ticker(f"0 of {len(todo)} cases") as ticker,
        ThreadPoolExecutor(max_workers=len(workers)) as pool,
    ):
        return list(pool.map(one, todo))


def survived(name: str, endings: Sequence[Ending], log: Path, note: str = "") -> Result:
    """The count of cases survived, of which every one must be; the endings go to a JSON Lines file.

    name: of the figure; the samples are 1 for each case survived and 0 for each that was not.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as stream:
        for ending in endings:
            stream.write(json.dumps({"figure": name, **ending.as_dict()}) + "\n")
    samples = [float(ending.survived) for ending in endings]
    return Result(name, sum(samples), "survived", exactly(len(endings)), samples, note)
