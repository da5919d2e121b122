"""A run that finds nothing to do: our three converging roles, as many pings, playbooks written by hand."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from proof.bench import by_hand, converged, large_channel, verify_cost
from proof.bench.converged import converge, host, unchanged
from proof.bench.cost import Run
from proof.bench.payload import packing
from proof.figures import Result, Target, at_least, at_most, median, ratio
from proof.fleet import Fleet
from proof.runner import Lab
from scripts.layout import ROOT

ROUNDS = 5
LARGE_ROUNDS = 3
QUICK_ROUNDS = 2

MODULE_RUNS = 6
PINGS = 1.2
BY_HAND = 2.0
BY_HAND_LARGE = 5.0
"""Module runs at most, times as many pings at most, times faster than by hand at least."""

_AS_PINGS = at_most(PINGS)

Contenders = Mapping[str, Callable[[], Run]]

_DECIDES = (
    "By hand with conda and pip asked each time: names and versions are checked, as ours does."
)
_ABOVE_PINGS = (
    "What ours takes more is mostly the controller's: working out the tasks of three roles for a host, and"
    " packing their modules, once a run (noop.packing); many_hosts tells what each host adds."
)
_BY_NAME = "By hand with what is missing looked for in lists: only names are checked, not versions."


def run(lab: Lab) -> list[Result]:
    """A converged host: our three converging roles beside pings and playbooks written by hand."""
    folder = lab.work / "noop"
    if lab.quick:
        return quick(lab, folder)
    with converged.served(lab, folder) as (own, link):
        lab.say("two hosts, converged by the roles and by hand")
        ours, hand = converged.both(own, folder)
        results = small(ours, hand)
        results += verify_cost.figures(ours)
        results += large(lab, ours, hand, link)
    return results


def quick(lab: Lab, folder: Path) -> list[Result]:
    """Only ours and pings, on a host with a light stack."""
    ours = converged.ours(lab, folder, converged.LIGHT)
    runs = in_turn(against_pings(ours), QUICK_ROUNDS, warm_up=False)
    # Two rounds on a host with a light stack are no measure of time: that is for the whole run.
    return ours_and_pings("noop.quick", runs, times_target=None)


def small(ours: Fleet, hand: Fleet) -> list[Result]:
    """On the lab's channel, which has some hundred records."""
    runs = in_turn(
        {
            **against_pings(ours),
            "ping": lambda: ours.play(by_hand.pings(ours.folder, 1)),
            "six_pings": lambda: ours.play(by_hand.pings(ours.folder, MODULE_RUNS)),
            "by_hand": lambda: hand.play(by_hand.DECIDING),
            "by_hand_names": lambda: hand.play(by_hand.BY_NAME),
        },
        ROUNDS,
    )
    return [
        *ours_and_pings("noop.small", runs, why=_ABOVE_PINGS),
        ratio(
            "noop.small.of_six_pings",
            _seconds(runs["ours"]),
            _seconds(runs["six_pings"]),
            note=f"Beside a play of {MODULE_RUNS} pings, as many as the parts of a host that are looked at.",
        ),
        *packed(ours.folder / "packed"),
        *payloads(ours.folder / "packed"),
        seconds("noop.small.ping", runs["ping"], "A play of one ping: what any play costs."),
        seconds("noop.small.by_hand", runs["by_hand"], _DECIDES),
        seconds("noop.small.by_hand_names", runs["by_hand_names"], _BY_NAME),
        times("noop.small.faster_than_by_hand", runs, "by_hand", at_least(BY_HAND), _DECIDES),
        times("noop.small.faster_than_by_hand_names", runs, "by_hand_names", None, _BY_NAME),
    ]


def large(lab: Lab, ours: Fleet, hand: Fleet, link: Path) -> list[Result]:
    """On the same channel with 400,000 records more in its index."""
    started = time.perf_counter()
    channel = large_channel.make(lab.work / "large-channel")
    made = time.perf_counter() - started
    size = sum(path.stat().st_size for path in channel.glob("*/*repodata*"))
    converged.show(link, channel)
    runs = in_turn(
        {
            "ours": lambda: converge(ours),
            "by_hand_current": lambda: _reading(hand, "current_repodata.json"),
            "by_hand": lambda: _reading(hand, "repodata.json"),
        },
        LARGE_ROUNDS,
    )
    whole = (
        f"{_DECIDES} conda reads all {large_channel.RECORDS:,} records, as it does with its usual"
        " solver of today."
    )
    current = (
        f"{_DECIDES} conda reads the index of current packages only (an eighth of the records), as its"
        " classic solver does first."
    )
    return [
        Result("noop.large.making", made, "s", note="Of the channel; none where it was there."),
        Result("noop.large.index", size / 1e6, "MB", note="Both indexes, plain and compressed."),
        seconds("noop.large.ours", runs["ours"]),
        seconds("noop.large.by_hand", runs["by_hand"], whole),
        seconds("noop.large.by_hand_current", runs["by_hand_current"], current),
        times("noop.large.faster_than_by_hand", runs, "by_hand", at_least(BY_HAND_LARGE), whole),
        times("noop.large.faster_than_by_hand_current", runs, "by_hand_current", None, current),
    ]


def against_pings(ours: Fleet) -> dict[str, Callable[[], Run]]:
    """Our converging roles, and behind them as many pings as they have just run modules on the host."""
    counts: list[int] = []

    def roles() -> Run:
        found = converge(ours)
        counts.append(module_runs(found))
        return found

    return {"ours": roles, "pings": lambda: ours.play(by_hand.pings(ours.folder, counts[-1]))}


def in_turn(contenders: Contenders, rounds: int, *, warm_up: bool = True) -> dict[str, list[Run]]:
    """The runs of each contender, one of each a round; every one must find nothing to change.

    warm_up: run each once before, so that downloads of indexes and compiled code count for nobody.

    Raises LabError when one changes something or fails.
    """
    runs: dict[str, list[Run]] = {name: [] for name in contenders}
    for number in range(rounds + warm_up):
        for name, contender in contenders.items():
            found = unchanged(contender())
            if number or not warm_up:
                runs[name].append(found)
    return runs


def module_runs(run: Run) -> int:
    """Module runs of the host that had most."""
    return max(run.module_runs.values())


def ours_and_pings(
    name: str, runs: Mapping[str, list[Run]], times_target: Target | None = _AS_PINGS, why: str = ""
) -> list[Result]:
    """The figures of ``against_pings``. why: where the time goes that ours takes more than pings."""
    counts = [float(module_runs(one)) for one in runs["ours"]]
    pings = module_runs(runs["pings"][0])
    return [
        Result(f"{name}.module_runs", max(counts), "runs", at_most(MODULE_RUNS), counts),
        seconds(f"{name}.ours", runs["ours"]),
        seconds(f"{name}.pings", runs["pings"], f"A play of {_pings(pings)}."),
        ratio(
            f"{name}.of_pings", _seconds(runs["ours"]), _seconds(runs["pings"]), times_target,
            f"Ours beside a play of {_pings(pings)}, which is as many modules. {why}".rstrip(),
        ),
    ]  # fmt: skip


def _pings(count: int) -> str:
    return "one ping" if count == 1 else f"{count} pings"


def packed(folder: Path) -> list[Result]:
    """What the controller spends on packing the module that asks, once a run, and on packing ping."""
    results = []
    for name in ("llmfleet.conda.look_ahead", "ansible.builtin.ping"):
        each = [packing([name], folder)[name] for _ in range(ROUNDS)]
        short = name.rpartition(".")[2]
        note = f"By ansible-core, once a run; {each[0][1]:.0f} kB then go to each host."
        results.append(median(f"noop.packing.{short}", [one for one, _ in each], "s", note=note))
    return results


def payloads(folder: Path) -> list[Result]:
    """What Ansible sends to a host for each module of the collection."""
    names = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
    packed = packing([f"llmfleet.conda.{name}" for name in names], folder)
    return [
        Result(f"noop.payload.{name.rpartition('.')[2]}", size, "kB")
        for name, (_seconds, size) in packed.items()
    ]


def seconds(name: str, runs: list[Run], note: str = "") -> Result:
    """The median wall time of a contender."""
    return median(name, _seconds(runs), "s", note=note)


def times(
    name: str, runs: Mapping[str, list[Run]], slower: str, target: Target | None, note: str
) -> Result:
    """How many times as long a contender takes as ours."""
    return ratio(name, _seconds(runs[slower]), _seconds(runs["ours"]), target, note)


def _seconds(runs: list[Run]) -> list[float]:
    return [one.seconds for one in runs]


def _reading(hand: Fleet, index: str) -> Run:
    """The playbook written by hand, with conda set to search one of a channel's indexes first and last."""
    host(hand).shell(f"mkdir -p /etc/conda && echo 'repodata_fns: [{index}]' > /etc/conda/.condarc")
    return hand.play(by_hand.DECIDING)
