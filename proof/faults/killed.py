"""kill -9 of the module, of conda, pip and installers at random moments; one rerun converges.

Every case begins with a host of its own, made from an image. A process is killed, or everything at work in
the host; what was not killed goes on, as it would. Then the same task runs once more, which must not
fail, and once again, which must find nothing to do. The host must then be like one on which nothing was
killed: the same files, the same answers of conda and of the environment's Python.
"""

from __future__ import annotations

import itertools
import math
import random
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from proof.faults import critical_moments, moments, victims
from proof.faults.cases import Case, NotInjected, NotSurvived, play_all, survived
from proof.faults.interrupted_operations import (
    MOUNTS,
    Likeness,
    Operation,
    all_of,
    begin,
    likeness,
    undisturbed,
)
from proof.figures import Result
from proof.host import Answer, Host, answer
from proof.prepared import PREFIX, settings
from proof.runner import Lab

SEED = 5
"""Of the generators that draw the moments; each case has its own, named by its name."""

WORKERS = 2

EVERYTHING = "everything"

KILLS = {
    "install": {"module": 7, "installer": 5, "below installer": 6, EVERYTHING: 4},
    "create": {"module": 6, "conda": 7, EVERYTHING: 4},
    "update": {"module": 4, "conda": 5, EVERYTHING: 3},
    "other Python": {"module": 2, "conda": 3, EVERYTHING: 1},
    "add": {"module": 2, "conda": 2, EVERYTHING: 1},
    "remove packages": {"module": 3, "conda": 4, EVERYTHING: 2},
    "remove environment": {"module": 4, "conda": 5, EVERYTHING: 2},
    "remove installation": {"module": 3},
    "pip": {"module": 4, "pip": 4, EVERYTHING: 2},
    "uv": {"module": 2, "pip": 2, EVERYTHING: 1},
}
"""How many kills at random moments, by operation and victim: one hundred in all."""

QUICK = {
    "create": {"conda": 1},
    "update": {"module": 1, EVERYTHING: 1},
    "remove environment": {"conda": 1},
}

_TRIES = 6


@dataclass(frozen=True)
class Known:
    """What is known of an operation from a run that nobody disturbed.

    image: of the host before it.
    """

    operation: Operation
    image: str
    windows: moments.Windows
    likeness: Likeness


class Slot:
    """One of the workers: it has one host at a time."""

    def __init__(self, lab: Lab, number: int) -> None:
        self.lab = lab
        self.number = number

    def host(self, image: str) -> Host:
        """A new host; the one before is gone."""
        return Host.start(self.lab, f"killed-{self.number}", *MOUNTS, image=image)


def run(lab: Lab) -> list[Result]:
    """kill -9 of the module, of conda, pip and installers at random moments; one rerun converges."""
    counts = QUICK if lab.quick else KILLS
    slots = [Slot(lab, number) for number in range(WORKERS)]
    known = learn(lab, slots, list(counts))
    cases = [
        _at_random(known[name], kind, number)
        for name, kinds in counts.items()
        for kind, many in kinds.items()
        for number in range(many)
    ]
    endings = play_all(cases, slots, again=_TRIES)
    log = lab.work / "killed.jsonl"
    found = [survived("killed: at random moments", endings, log, f"seed {SEED}")]
    if not lab.quick:
        aimed = [
            _at_critical(known[one.operation], one) for one in critical_moments.of(list(counts))
        ]
        endings = play_all(aimed, slots, again=_TRIES)
        found.append(survived("killed: at critical moments", endings, log))
    return found


def learn(lab: Lab, slots: Sequence[Slot], names: Sequence[str]) -> dict[str, Known]:
    """Run the named operations, and those that they begin with, once each and undisturbed."""
    operations = {one.name: one for one in all_of(lab)}
    wanted = set(names)
    for each in reversed(operations.values()):
        if each.name in wanted and each.starts_from:
            wanted.add(each.starts_from)
    begun_with = {operations[name].starts_from for name in wanted}
    images = {"": lab.image}
    known: dict[str, Known] = {}

    def learn_one(operation: Operation, slot: Slot) -> None:
        host = slot.host(images[operation.starts_from])
        windows, like = undisturbed(host, operation)
        known[operation.name] = Known(operation, images[operation.starts_from], windows, like)
        if operation.name in begun_with:
            image = f"llmfleet-lab/{lab.purpose}:killed-{operation.name.replace(' ', '-')}"
            if operation.name == "install":
                host.must(
                    "conda_config",
                    {"path": f"{PREFIX}/.condarc", "settings": settings(lab.mirror_url)},
                )
                # conda compiles itself when it first runs: once is enough for a hundred cases.
                host.conda(PREFIX, "create", "--dry-run", "--json", "--prefix", "/tmp/none", "six")
            host.container.keep_as(image)
            images[operation.name] = image
        host.container.remove()

    waiting = [one for one in operations.values() if one.name in wanted]
    while waiting:
        ready = [one for one in waiting if one.starts_from in images][: len(slots)]
        waiting = [one for one in waiting if one not in ready]
        with ThreadPoolExecutor(len(slots)) as pool:
            list(pool.map(learn_one, ready, slots))
    return known


def _at_random(known: Known, kind: str, number: int) -> Case[Slot]:
    name = f"{known.operation.name}: {kind} killed at random moment {number} (seed {SEED})"
    generator = random.Random(name)
    aim = "module" if kind == EVERYTHING else kind

    within = math.inf

    def case(slot: Slot) -> str:
        # A run that was quicker than the measured one ends before late moments come: draw earlier ones then.
        nonlocal within
        delay = known.windows.draw(aim, generator, within)

        def wait(first: int, running: subprocess.Popen[str]) -> list[victims.Process]:
            found = moments.wait_for(first, moments.CHOICES[aim], delay, running)
            return [generator.choice(found)]

        how = f"{delay:.2f} of {known.windows.seconds[aim]:.2f} s after the first {aim} was seen"
        try:
            return _kill_and_rerun(known, slot, kind, wait, how)
        except moments.TooLate as error:
            within = min(within, error.seconds)
            raise

    return Case(name, case)


def _at_critical(known: Known, moment: critical_moments.Critical) -> Case[Slot]:
    def case(slot: Slot) -> str:
        return _kill_and_rerun(known, slot, moment.kind, moment.wait, moment.when)

    return Case(f"{moment.operation}: {moment.kind} killed {moment.when}", case)


def _kill_and_rerun(
    known: Known, slot: Slot, kind: str, wait: critical_moments.Wait, how: str
) -> str:
    host = slot.host(known.image)
    first = host.container.pid()
    running = begin(host, known.operation)
    try:
        found = wait(first, running)
        if kind == EVERYTHING:
            victims.kill_all(first)
        else:
            victims.kill(found[0])
    except NotInjected:
        running.communicate(timeout=600)
        raise
    cut_off = answer(*_ended(running))
    if kind in ("module", EVERYTHING) and cut_off.code != 137:
        raise NotInjected(f"the module was not ended by SIGKILL: {cut_off.code}")
    try:
        _converges(host, known, cut_off)
    except NotSurvived as error:
        raise NotSurvived(f"{how}: {error}") from error
    return f"as asked; killed {how}"


def _ended(running: subprocess.Popen[str]) -> tuple[int, str, str]:
    stdout, stderr = running.communicate(timeout=600)
    return running.returncode, stdout, stderr


def _converges(host: Host, known: Known, cut_off: Answer) -> None:
    operation = known.operation
    again = host.module(operation.module, dict(operation.options))
    if again.failed:
        before = f" (the run that was cut off said: {cut_off.message})" if cut_off.result else ""
        raise NotSurvived(f"the rerun failed: {again.message}{before}")
    third = host.must(operation.module, dict(operation.options))
    if third.changed:
        raise NotSurvived(f"the third run still changed something: {third.result.get('diff')}")
    _nothing_at_work(host)
    wrong = likeness(host, operation).unlike(known.likeness)
    if wrong:
        raise NotSurvived(
            f"unlike an undisturbed host in {len(wrong)} ways: {'; '.join(wrong[:8])}"
        )


def _nothing_at_work(host: Host) -> None:
    deadline = time.monotonic() + 5
    while left := victims.of_host(host.container.pid()):
        if time.monotonic() > deadline:
            words = "; ".join(" ".join(one.words[:4]) for one in itertools.islice(left, 3))
            raise NotSurvived(f"still at work after the third run: {words}")
        time.sleep(0.05)
