"""The mirror misbehaves: for a moment and for ever, under each kind of thing that hosts get from it.

However it goes wrong, no wrong byte is installed: what ends on the host is compared with the packages'
own lists, and after a failure every file of the host is as it was.
"""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab import docker_engine
from proof.faults import mirror_site, mirrored
from proof.faults.cases import Case, NotInjected, NotSurvived, play_all, survived
from proof.faults.mirrored import Mirrored, Worker
from proof.faults.misbehaviour import FOR_EVER, ONCE, Misbehaviour
from proof.faults.true_bytes import Snapshot, differences
from proof.figures import Result
from proof.host import Answer, Host
from proof.prepared import PREFIX, installation_options, installed
from proof.runner import Lab

ALTERED = "a byte altered in the middle"

PATIENCE = 120
"""Seconds for a run that is to succeed in the end."""

LIMIT = 10
"""Seconds that a run may take, by its option, with a mirror that keeps it waiting for ever."""

GRACE = 40
"""Seconds on top for all that is not waiting for the mirror, on a slow machine: Python, rolling back.

Together they are less than the mirror's silence lasts.
"""


def run(lab: Lab) -> list[Result]:
    """The mirror misbehaves."""
    log = lab.work / ("bad_mirror-quick.jsonl" if lab.quick else "bad_mirror.jsonl")
    log.unlink(missing_ok=True)
    site = mirror_site.make(lab.work / "mirror-site")
    if lab.quick:
        with _workers([Host.start(lab, "mirror-0")], site) as (worker,):
            worker.host.must("conda_installation", installation_options(lab))
            _configure(worker)
            cases = [
                _for_ever(mirrored.INSTALLER, _named(ALTERED), mend=False),
                _once(mirrored.PACKAGE, _named(ALTERED)),
                _for_ever(mirrored.PACKAGE, _named(ALTERED), mend=False),
                _changing("another checksum"),
            ]
            return [survived("bad_mirror.quick", play_all(cases, [worker]), log)]
    image = installed(lab)
    hosts = [Host.start(lab, f"mirror-{number}", image=image) for number in (0, 1)]
    with _workers(hosts, site) as workers:
        for worker in workers:
            _configure(worker)
            mirrored.prepare(worker)
        results = []
        for name, cases in _all_cases().items():
            results.append(survived(f"bad_mirror.{name}", play_all(cases, workers), log))
        return results


def _all_cases() -> dict[str, list[Case[Worker]]]:
    once = [_once(thing, how) for thing, how in _pairs(ONCE, most=2, others=4)]
    for_ever = [
        _for_ever(thing, how, mend=how.kind == "tamper")
        for thing, how in _pairs(FOR_EVER, most=3, others=4)
    ]
    return {
        "once": once,
        "for_ever": for_ever,
        "changing_repodata": [
            _changing(what) for what in ("another checksum", "gone", "another name", "another size")
        ],
    }


def _pairs(
    ways: Sequence[Misbehaviour], most: int, others: int
) -> list[tuple[Mirrored, Misbehaviour]]:
    """Which thing meets which misbehaviour: altered bytes all of them, of the rest each one in so many.

    They take turns, so that what one thing of conda's, or of pip's and uv's, does not meet the next one does.

    most, others: one in how many, for what conda and installers of wheels fetch, and for the rest.
    """
    often = (mirrored.INDEX, mirrored.PACKAGE, mirrored.PIP_WHEEL, mirrored.UV_WHEEL)
    return [
        (thing, how)
        for turn, thing in enumerate(mirrored.ALL)
        for number, how in enumerate(ways)
        if how.name == ALTERED or (number + turn) % (most if thing in often else others) == 0
    ]


@contextmanager
def _workers(site_hosts: list[Host], folder: Path) -> Iterator[list[Worker]]:
    """The hosts, each with a mirror of its own, so that no fault meets another's requests."""
    mirrors = [mirror_site.serve(folder, docker_engine.gateway()) for _host in site_hosts]
    try:
        for mirror in mirrors:
            mirror.start()
        yield [Worker(host, mirror) for host, mirror in zip(site_hosts, mirrors, strict=True)]
    finally:
        for mirror in mirrors:
            mirror.stop()


def _configure(worker: Worker) -> None:
    settings = mirrored.condarc(worker)
    worker.host.must("conda_config", {"path": f"{PREFIX}/.condarc", "settings": settings})


def _named(name: str) -> Misbehaviour:
    return next(one for one in ONCE if one.name == name)


# -- one case ----------------------------------------------------------------------------------------


def _once(thing: Mirrored, how: Misbehaviour) -> Case[Worker]:
    return Case(
        f"{thing.name}, once: {how.name}",
        lambda worker: _meet(
            worker, thing, lambda: worker.mirror.fault(thing.pattern, how.kind, 1, **how.options)
        ),
    )


def _changing(what: str) -> Case[Worker]:
    """The index says something else first than afterwards."""

    def run_case(worker: Worker) -> str:
        def inject() -> None:
            content = mirrored.altered_indexes(worker)[what]
            # conda prefers the packed form, which is not altered here.
            worker.mirror.fault("/conda/lab/*.zst", "status", code=404)
            worker.mirror.fault("/conda/lab/noarch/*repodata.json", "replace", 1, content=content)

        return _meet(worker, mirrored.INDEX, inject)

    return Case(f"repodata changes between requests: {what} at first", run_case)


def _meet(worker: Worker, thing: Mirrored, inject: Callable[[], None]) -> str:
    """A fault that passes: the run itself gets over it, or one more run does."""
    before = _begin(worker)
    inject()
    first = _ask(worker, thing, PATIENCE)
    left = [rule for rule in worker.mirror.faults() if rule["times"] is not None]
    if left or not _met(worker, thing):
        raise NotInjected(f"the mirror was asked {_asked(worker)}; still in force: {left}")
    ended = "as asked"
    if first.failed:
        _nothing_changed(worker, before, first)
        ended = "as before, then as asked by a second run"
    worker.mirror.clear_faults()
    _converges(worker, thing, rerun=first.failed)
    return ended


def _for_ever(thing: Mirrored, how: Misbehaviour, *, mend: bool = True) -> Case[Worker]:
    """A fault that stays: the run fails in time, says why, and changes nothing.

    mend: see afterwards that a run succeeds with a mirror that behaves again.
    """

    def run_case(worker: Worker) -> str:
        before = _begin(worker)
        worker.mirror.fault(thing.pattern, how.kind, **how.options)
        started = time.monotonic()
        limit = LIMIT if how.waits else PATIENCE
        found = _ask(worker, thing, limit)
        seconds = time.monotonic() - started
        if not _met(worker, thing):
            raise NotInjected(f"the mirror was asked {_asked(worker)}")
        if not found.failed:
            # A byte in a line about something else, and readers that ignore a length.
            thing.judge(worker)
            return "as asked"
        journal = _nothing_changed(worker, before, found)
        _says_what_to_do(worker, found)
        if seconds > limit + GRACE:
            raise NotSurvived(f"it took {seconds:.0f} s, though its option timeout is {limit}")
        worker.mirror.clear_faults()
        again = mend or journal
        if again:
            _converges(worker, thing, rerun=True)
        return "as before" + (", then as asked" if again else "")

    return Case(f"{thing.name}, for ever: {how.name}", run_case)


def _begin(worker: Worker) -> Snapshot:
    worker.mirror.clear_faults()
    worker.clean()
    worker.mirror.reset()
    return worker.snapshot()


def _ask(worker: Worker, thing: Mirrored, seconds: int) -> Answer:
    found = worker.host.module(thing.module, thing.options(worker, seconds))
    if mirrored.PASSWORD in found.said:
        raise NotSurvived(f"the password of an address was shown: {found.said[:600]}")
    return found


def _met(worker: Worker, thing: Mirrored) -> bool:
    return any(fnmatch.fnmatchcase(one["path"], thing.pattern) for one in worker.mirror.log())


def _asked(worker: Worker) -> list[str]:
    return [f"{one['method']} {one['path']} {one['status']}" for one in worker.mirror.log()]


def _nothing_changed(worker: Worker, before: Snapshot, found: Answer) -> bool:
    """Whether the journal stayed, as it does when a child took too long and was killed; nothing else may."""
    changes = differences(before, worker.snapshot())
    more = [line for line in changes if not line.endswith("/conda-meta/.llmfleet-journal")]
    if more:
        raise NotSurvived(f"it failed ({found.message[:200]}) and left {more[:6]}")
    mirrored.check_caches(worker)
    return changes != more


def _says_what_to_do(worker: Worker, found: Answer) -> None:
    if not found.result.get("msg") or "Traceback" in found.said:
        raise NotSurvived(f"it failed without a message: {found.said[-600:]}")
    if "What to do:" not in found.message:
        raise NotSurvived(f"it does not say what to do: {found.message}")
    if worker.address not in found.message:
        raise NotSurvived(f"it does not name {worker.address}: {found.message}")


def _converges(worker: Worker, thing: Mirrored, *, rerun: bool) -> None:
    """The host has what was asked for, and another run finds nothing to do."""
    if rerun:
        worker.host.must(thing.module, thing.options(worker, PATIENCE))
    thing.judge(worker)
    again = worker.host.must(thing.module, thing.options(worker, PATIENCE))
    if again.changed:
        raise NotSurvived(f"one more run of {thing.module} changed something: {again.result}")
