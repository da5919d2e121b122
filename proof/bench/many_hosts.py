"""What a converged fleet costs the machine that Ansible runs on, from 8 hosts to 128.

The hosts are containers on the same two cores, so wall time is also theirs; processor time and memory are
those of Ansible and of its connections alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median as middle
from typing import Any

from proof.bench import connections
from proof.bench.light_hosts import SITE, LightHosts
from proof.figures import Result, at_least, at_most, exactly, median
from proof.runner import Lab

# How often each size is measured: a small fleet's figure is the less steady one, a large one's takes minutes.
ROUNDS: Mapping[int, int] = {8: 2, 32: 1, 128: 1}
SMALL, MIDDLE, LARGE = ROUNDS
QUICK = 8

CONVERGE = (SITE, "--skip-tags", "verify")

ANSIBLE_DEFAULTS: Mapping[str, str] = {
    "ANSIBLE_FORKS": "5",
    "ANSIBLE_PIPELINING": "false",
    "ANSIBLE_SSH_ARGS": "-C -o ControlMaster=auto -o ControlPersist=60s",
}
"""What ansible-core does without an ansible.cfg."""

HOSTS_OWN_SECONDS = 4
"""How long each host works for itself where the settings are compared: a download, an installer."""

GROWTH = 1.25
"""How many times the processor time of a host among the first ones one of the last may take."""

HOST_MEMORY = 4.0
"""MiB that one host more may take, its connection's process included."""

QUICK_CPU = 6.0
"""Seconds of processor time a host, on a machine that does something else beside."""


@dataclass(frozen=True)
class Cost:
    """Of one run: hosts, wall seconds, processor seconds, MiB at the most, modules run, tasks changed."""

    hosts: int
    seconds: float
    cpu: float
    memory: float
    modules: int
    changed: int


def run(lab: Lab) -> list[Result]:
    """What a converged fleet costs the controller: seconds, processor time and memory from 8 hosts to 128."""
    hosts = LightHosts(lab)
    if lab.quick:
        return _quick(measured(hosts, QUICK, CONVERGE))
    ours: dict[int, list[Cost]] = {size: [] for size in ROUNDS}
    pings: dict[int, list[Cost]] = {size: [] for size in ROUNDS}
    plain: list[Cost] = []
    waiting: list[Cost] = []
    for turn in range(max(ROUNDS.values())):
        for size in (size for size, rounds in ROUNDS.items() if turn < rounds):
            found = measured(hosts, size, CONVERGE)
            ours[size].append(found)
            lab.say(f"{size} hosts: {found.seconds:.0f} s")
            if turn:
                continue
            pings[size].append(measured(hosts, size, _as_many_pings(lab, found)))
            if size == MIDDLE:
                plain.append(measured(hosts, size, CONVERGE, ANSIBLE_DEFAULTS))
                wait = _playbook(
                    lab, "wait", [{"ansible.builtin.command": f"sleep {HOSTS_OWN_SECONDS}"}]
                )
                waiting += [measured(hosts, size, wait, env) for env in (None, ANSIBLE_DEFAULTS)]
    return [
        *(one for size in ROUNDS for one in _costs(f"many_hosts.ours.{size}", ours[size])),
        *(one for size in ROUNDS for one in _costs(f"many_hosts.pings.{size}", pings[size])),
        *_costs(f"many_hosts.ansible_defaults.{MIDDLE}", plain),
        *_judged(ours),
        *_settings(ours[MIDDLE], plain, *waiting),
        Result("many_hosts.pings.cpu_growth", growth(pings), "times"),
        Result("many_hosts.pings.memory_growth", memory_growth(pings), "MiB/host"),
    ]


def measured(
    hosts: LightHosts, size: int, play: Sequence[str | Path], env: Mapping[str, str] | None = None
) -> Cost:
    """One run over the first hosts, with connections of its own; what they cost is in it.

    Raises LabError when a host fails.
    """
    fleet = hosts.sized(size)
    with connections.opened() as held:
        found = fleet.play(*map(str, play), env={**held.environment, **(env or {})})
        return Cost(
            size,
            found.seconds,
            found.cpu + held.cpu(),
            # Connections are opened at the beginning and stay, so all are there at the peak too.
            found.memory + held.memory(),
            sum(found.module_runs.values()),
            found.count("changed"),
        )


def per_added_host(small: Sequence[float], large: Sequence[float], added: int) -> float:
    """How much more the larger fleet takes, by the hosts it has more; medians of the runs."""
    return (middle(large) - middle(small)) / added


def growth(costs: Mapping[int, Sequence[Cost]]) -> float:
    """Processor time of a host between the middle and the large fleet, against small and middle.

    What a run takes without any host is in neither, so that it cannot hide a growth.
    """
    cpu = {size: [one.cpu for one in some] for size, some in costs.items()}
    early = per_added_host(cpu[SMALL], cpu[MIDDLE], MIDDLE - SMALL)
    return per_added_host(cpu[MIDDLE], cpu[LARGE], LARGE - MIDDLE) / early


def memory_growth(costs: Mapping[int, Sequence[Cost]]) -> float:
    """MiB that each host from the middle to the large fleet takes; all forks are busy in both."""
    memory = {size: [one.memory for one in some] for size, some in costs.items()}
    return per_added_host(memory[MIDDLE], memory[LARGE], LARGE - MIDDLE)


def _as_many_pings(lab: Lab, cost: Cost) -> list[Path]:
    """A playbook of as many pings as a host ran modules."""
    return _playbook(
        lab, "pings", [{"ansible.builtin.ping": {}}] * round(cost.modules / cost.hosts)
    )


def _playbook(lab: Lab, name: str, tasks: list[dict[str, Any]]) -> list[Path]:
    content: list[dict[str, Any]] = [{"hosts": "all", "gather_facts": False, "tasks": tasks}]
    playbook = lab.work / "many_hosts" / f"{name}.json"
    playbook.write_text(json.dumps(content))
    return [playbook]


def _costs(name: str, costs: Sequence[Cost]) -> list[Result]:
    return [
        median(f"{name}.wall", [one.seconds for one in costs], "s"),
        median(f"{name}.cpu", [one.cpu / one.hosts for one in costs], "CPU s/host"),
        median(f"{name}.memory", [one.memory for one in costs], "MiB"),
        median(f"{name}.modules", [one.modules / one.hosts for one in costs], "module runs/host"),
    ]


def _judged(ours: Mapping[int, Sequence[Cost]]) -> list[Result]:
    changed = sum(one.changed for some in ours.values() for one in some)
    return [
        Result("many_hosts.ours.changed", changed, "tasks", exactly(0)),
        Result(
            "many_hosts.ours.cpu_growth",
            growth(ours),
            "times",
            at_most(GROWTH),
            note=f"Processor time of each host from {MIDDLE} to {LARGE}, against {SMALL} to {MIDDLE}.",
        ),
        Result(
            "many_hosts.ours.memory_growth",
            memory_growth(ours),
            "MiB/host",
            at_most(HOST_MEMORY),
            note=f"From {MIDDLE} to {LARGE} hosts; the open connection of each is in it.",
        ),
    ]


def _settings(
    ours: Sequence[Cost], plain: Sequence[Cost], waited: Cost, plain_waited: Cost
) -> list[Result]:
    """The ansible.cfg of the repository against the defaults of ansible-core."""
    seconds = middle(one.seconds for one in ours)
    return [
        Result(
            "many_hosts.settings.faster_where_hosts_work",
            plain_waited.seconds / waited.seconds,
            "times",
            at_least(2),
            note=f"Wall time with the defaults of ansible-core, against the ansible.cfg of the repository: "
            f"a task that keeps each of {MIDDLE} hosts {HOSTS_OWN_SECONDS} s, and no core of this machine.",
        ),
        Result(
            "many_hosts.settings.faster_in_a_no_op",
            middle(one.seconds for one in plain) / seconds,
            "times",
            at_least(1),
            note="The same of the no-op converge. The hosts take all their time from the two cores that "
            "Ansible runs on, so that more forks cannot shorten it here, and pipelining alone does.",
        ),
        Result(
            "many_hosts.settings.less_cpu",
            middle(one.cpu for one in plain) / middle(one.cpu for one in ours),
            "times",
            note="Processor time of the no-op converge, with the defaults against ours.",
        ),
        Result(
            "many_hosts.settings.memory",
            middle(one.memory for one in ours) / middle(one.memory for one in plain),
            "times",
            note="The most memory of the no-op converge, ours against the defaults: a fork takes its own.",
        ),
    ]


def _quick(cost: Cost) -> list[Result]:
    return [
        Result("many_hosts.quick.changed", cost.changed, "tasks", exactly(0)),
        Result(
            "many_hosts.quick.modules", cost.modules / cost.hosts, "module runs/host", at_most(6)
        ),
        Result("many_hosts.quick.cpu", cost.cpu / cost.hosts, "CPU s/host", at_most(QUICK_CPU)),
        Result("many_hosts.quick.wall", cost.seconds, "s"),
    ]
