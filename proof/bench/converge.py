"""First converge of bare hosts from the mirror: ours, a playbook by hand, and plain commands.

The tutorial's job with torch runs on one host, a light one (`proof.bench.jobs.LIGHT`) on fleets of up to
eight. Every run begins with hosts that have nothing, and all contenders must leave the same packages.
"""

from __future__ import annotations

import itertools
import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lab.containers import Container
from lab.errors import LabError
from proof.bench import jobs
from proof.bench.cost import Run
from proof.bench.jobs import PREFIX, Job
from proof.figures import Result, at_most, exactly, median, ratio
from proof.fleet import Fleet
from proof.runner import Lab
from scripts.layout import ROOT

BY_HAND = ROOT / "proof" / "bench" / "playbooks" / "by_hand.yml"

FLEETS = (
    (1, jobs.TUTORIAL, 2),
    (1, jobs.LIGHT, 3),
    (2, jobs.LIGHT, 1),
    (4, jobs.LIGHT, 1),
    (8, jobs.LIGHT, 1),
)
"""Hosts, what they are to have, and how often each contender gets them there."""

_FIXED = (
    "What ours takes more does not grow with the job: tasks are worked out and modules packed on the"
    " controller, conda is started once to prove that it works, and pip checks what it left."
)


@dataclass(frozen=True)
class Converge:
    """One first converge: what it cost the controller, and what each host asked of the mirror.

    requests, bytes: at the mirror, by host. twice: artifacts that a host took more than once.
    """

    run: Run
    requests: list[int]
    bytes: list[int]
    twice: list[str]


def run(lab: Lab) -> list[Result]:
    """First converge of bare hosts: ours, a playbook by hand, the plain commands."""
    if lab.quick:
        return []
    fleet = Fleet(lab, lab.work / "converge")
    results = []
    turns = itertools.count()
    for hosts, job, rounds in FLEETS:
        results += _measured(lab, fleet, hosts, job, [next(turns) for _ in range(rounds)])
    return results


def _measured(lab: Lab, fleet: Fleet, hosts: int, job: Job, turns: Sequence[int]) -> list[Result]:
    contenders: dict[str, Callable[[], Run]] = {
        "ours": lambda: _ours(fleet, job),
        "by_hand": lambda: _by_hand(lab, fleet, job),
    }
    if hosts == 1:
        contenders["plain"] = lambda: fleet.ssh("host-0", jobs.script(job, lab))
    found: dict[str, list[Converge]] = {name: [] for name in contenders}
    states: dict[str, Any] = {}
    for number, turn in enumerate(turns, 1):
        for name in in_turn(list(contenders), turn):
            once, state = _first(lab, fleet, hosts, job, contenders[name])
            found[name].append(once)
            states[name] = state
            lab.say(f"{job.name} on {hosts}, round {number}, {name}: {once.run.seconds:.1f} s")
        _same(states)
    return _results(f"converge.{job.name}.{hosts}", hosts, found)


def in_turn(names: list[str], turn: int) -> list[str]:
    """The order of a turn, the other way round in each second: who is first finds the disk at rest."""
    return names[::-1] if turn % 2 else names


def _first(
    lab: Lab, fleet: Fleet, hosts: int, job: Job, contender: Callable[[], Run]
) -> tuple[Converge, Any]:
    """Bring new hosts to what a job says; also returns what they have then."""
    names = [f"host-{number}" for number in range(hosts)]
    try:
        addresses = [fleet.add(name).address() for name in names]
        lab.mirror.reset()
        # What the contender before has written is on the disk, and does not slow this one.
        os.sync()
        run = contender()
        converge = asked(run, lab.mirror.log(), addresses)
        return converge, [_state(fleet.containers[name], job) for name in names]
    finally:
        for name in list(fleet.containers):
            fleet.remove(name)


def _ours(fleet: Fleet, job: Job) -> Run:
    fleet.write_inventory(jobs.for_roles(job))
    return fleet.play("llmfleet.conda.site", "--skip-tags", "verify")


def _by_hand(lab: Lab, fleet: Fleet, job: Job) -> Run:
    fleet.write_inventory(jobs.by_hand(job, lab))
    return fleet.play(BY_HAND)


def asked(run: Run, log: Sequence[dict[str, Any]], addresses: Sequence[str]) -> Converge:
    """What each host asked of the mirror; an index may be asked for again, an artifact may not.

    Raises LabError when somebody else asked, so that no count is of the wrong host.
    """
    strangers = {str(one["client"]) for one in log} - set(addresses)
    if strangers:
        raise LabError(f"the mirror was asked by {', '.join(sorted(strangers))}, who is no host")
    taken = Counter(
        (one["client"], one["path"]) for one in log if one["bytes"] and _is_artifact(one["path"])
    )
    return Converge(
        run,
        [sum(one["client"] == address for one in log) for address in addresses],
        [sum(one["bytes"] for one in log if one["client"] == address) for address in addresses],
        sorted(f"{path} by {client}" for (client, path), count in taken.items() if count > 1),
    )


def _is_artifact(path: str) -> bool:
    return path.endswith((".conda", ".tar.bz2", ".whl", ".sh"))


def _state(host: Container, job: Job) -> Any:
    """What conda says of both environments, and pip of the job's: without times and paths."""
    python = f"{PREFIX}/bin/python"
    by_conda = [
        sorted(
            (one["name"], one["version"], one["build_string"])
            for one in json.loads(
                host.run([python, "-m", "conda", "list", "--json", "-p", prefix]).stdout
            )
        )
        for prefix in (PREFIX, job.prefix)
    ]
    by_pip = json.loads(
        host.run([f"{job.prefix}/bin/python", "-m", "pip", "list", "--format=json"]).stdout
    )
    return by_conda, sorted((one["name"], one["version"]) for one in by_pip)


def _same(states: dict[str, list[Any]]) -> None:
    """Raise LabError unless all hosts of all contenders ended alike."""
    expected = states["ours"][0]
    for name, found in states.items():
        for one in found:
            if one != expected:
                raise LabError(f"{name} left other packages than ours: {one} instead of {expected}")


def _results(name: str, hosts: int, found: dict[str, list[Converge]]) -> list[Result]:
    results = []
    for who, runs in found.items():
        results.append(median(f"{name}.{who}", [one.run.seconds for one in runs], "s"))
        if who != "plain":
            results += [
                median(f"{name}.{who}.cpu_per_host", [one.run.cpu / hosts for one in runs], "s"),
                median(f"{name}.{who}.memory", [one.run.memory for one in runs], "MiB"),
            ]
        results += [
            median(
                f"{name}.{who}.bytes_per_host",
                [count / 1e6 for one in runs for count in one.bytes],
                "MB",
            ),
            median(
                f"{name}.{who}.requests_per_host",
                [count for one in runs for count in one.requests],
                "requests",
            ),
        ]
    seconds = {who: [one.run.seconds for one in runs] for who, runs in found.items()}
    twice = [len(one.twice) for one in found["ours"]]
    results += [
        ratio(f"{name}.ours_to_by_hand", seconds["ours"], seconds["by_hand"], at_most(1.0), _FIXED),
        Result(
            f"{name}.ours.taken_twice", sum(twice), "files", exactly(0), [float(n) for n in twice]
        ),
    ]
    if "plain" in seconds:
        results.append(
            ratio(f"{name}.ours_to_plain", seconds["ours"], seconds["plain"], at_most(1.05), _FIXED)
        )
    return results
