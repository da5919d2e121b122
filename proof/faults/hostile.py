"""Hostile input: fuzzed values over all options and files, and tricks with paths.

Values are made here from a seed and tried inside hosts, where a driver runs the modules (hostile_driver).
"""

from __future__ import annotations

import itertools
import json
import os
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proof.faults import hostile_tricks
from proof.faults.cases import Case, NotSurvived, play_all, survived
from proof.faults.hostile_calls import OfOptions, Value, option_names
from proof.faults.hostile_files import KINDS, OfFiles
from proof.faults.hostile_values import Generator
from proof.figures import Result, at_least, exactly
from proof.host import Host
from proof.prepared import installed
from proof.runner import Lab
from scripts.layout import ROOT

SEED = "20261123"
VALUES, QUICK_VALUES = 10_080, 1_000
BATCH = 560
LIMIT = 30.0
"""Seconds after which a value has made a module hang; most take some hundredths of one."""
ROOT_OF_WORLD = "/srv/fuzz/world"


@dataclass
class Tally:
    """What the values came to, over all batches."""

    tried: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    early: int = 0
    seconds: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


class FuzzHost(Host):
    """A host with a world for hostile values, and the driver."""

    OPTIONS = (
        *("-v", f"{ROOT / 'proof'}:/srv/llmfleet/proof:ro"),
        # Names of hosts are answered at once, with "no".
        *("--dns", "127.0.0.1"),
        *("--tmpfs", "/srv/fuzz:exec,size=256m"),
        # An endless file must not take this machine's memory.
        *("--memory", "1g"),
    )

    def prepare(self) -> None:
        """Make the world."""
        self.container.shell("mkdir -p /srv/fuzz")
        self.container.python(
            "import sys; sys.path.insert(0, '/srv/llmfleet')\n"
            "from pathlib import Path; from faults import hostile_world\n"
            f"hostile_world.make(Path('{ROOT_OF_WORLD}'))\n"
        )

    def options(self) -> dict[str, Any]:
        """The argument specs of all modules."""
        found: dict[str, Any] = json.loads(self._driver("--options"))
        return found

    def try_all(
        self, values: Sequence[Value], work: Path
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """The verdict of each value, in their order, and what was written outside the world."""
        path = work / f"values-{self.container.name}.jsonl"
        path.write_text(
            "".join(one.as_line(n) + "\n" for n, one in enumerate(values)), encoding="utf-8"
        )
        self.container.put(path, "/srv/values")
        lines = self._driver(ROOT_OF_WORLD, "/srv/values", str(LIMIT)).splitlines()
        verdicts = [json.loads(line) for line in lines]
        if len(verdicts) != len(values) + 1:
            raise NotSurvived(f"the driver ended after {len(verdicts)} of {len(values)} values")
        return verdicts[:-1], verdicts[-1]

    def _driver(self, *arguments: str) -> str:
        return self.container.run(
            ["python3", "-B", "-m", "proof.faults.hostile_driver", *arguments],
            env={"PYTHONPATH": "/srv/llmfleet"},
        ).stdout


def batch(number: int, size: int, specs: Mapping[str, Any]) -> list[Value]:
    """The values of a batch: two of options, then one of a file's content."""
    made = Generator(f"{SEED}/{number}")
    options, files = OfOptions(specs, ROOT_OF_WORLD, made), OfFiles(ROOT_OF_WORLD, made)
    return [files.next() if n % 3 == 2 else options.next() for n in range(size)]


def run(lab: Lab) -> list[Result]:
    """Hostile values over all options and all files that are read, and tricks with paths."""
    size = BATCH if not lab.quick else QUICK_VALUES // 2
    count = (QUICK_VALUES if lab.quick else VALUES) // size
    log = lab.work / "hostile-values.jsonl"
    log.unlink(missing_ok=True)
    hosts = [FuzzHost(lab.host(f"hostile{n}", [*Host.mounts(), *FuzzHost.OPTIONS])) for n in (1, 2)]
    for host in hosts:
        host.prepare()
    specs = hosts[0].options()
    tally = Tally()

    def one(number: int) -> Case[FuzzHost]:
        def tried(host: FuzzHost) -> str:
            values = batch(number, size, specs)
            verdicts, outside = host.try_all(values, lab.work)
            return judged(values, verdicts, outside, tally, log)

        return Case(f"batch {number} of seed {SEED}: {size} values", tried)

    endings = play_all([one(number) for number in range(count)], hosts)
    note = "with nothing written outside"
    found = figures(tally, specs, count * size)
    found.append(survived("hostile.batches", endings, lab.work / "hostile.jsonl", note))
    # In the quick run the values have to do: among them are links, pipes and devices as well.
    return found if lab.quick else [*found, _tricks(lab)]


def _tricks(lab: Lab) -> Result:
    image = _trick_image(lab)
    numbers = itertools.count()

    def fresh() -> Host:
        return Host.start(lab, f"trick{next(numbers)}", "--memory", "1g", image=image)

    endings = play_all(hostile_tricks.cases(fresh), [None, None])
    return survived("hostile.path_tricks", endings, lab.work / "hostile.jsonl")


def _trick_image(lab: Lab) -> str:
    host = Host.start(lab, "tricks", image=installed(lab))
    image = f"llmfleet-lab/{lab.purpose}:tricks"
    try:
        hostile_tricks.prepare(host)
        host.container.keep_as(image)
    finally:
        host.container.remove()
    return image


def judged(
    values: Sequence[Value],
    verdicts: Sequence[Mapping[str, Any]],
    outside: Mapping[str, Any],
    tally: Tally,
    log: Path,
) -> str:
    """Count a batch; raises NotSurvived with the first values that went wrong."""
    wrong = []
    with tally.lock, log.open("a", encoding="utf-8") as stream:
        for value, verdict in zip(values, verdicts, strict=True):
            tally.tried[value.what] += 1
            tally.ends[verdict["end"]] += 1
            tally.early += verdict["early"]
            tally.seconds += verdict["seconds"]
            stream.write(
                json.dumps({"what": value.what, "call": value.as_line(0)[:1500], **verdict}) + "\n"
            )
            if verdict["end"] == "wrong":
                wrong.append(f"{value.what}: {verdict['problem'][-300:]}")
    written = unexplained(values, outside)
    if wrong or written:
        paths = f"; written outside: {', '.join(written[:5])}" if written else ""
        raise NotSurvived(f"{len(wrong)} values went wrong; {' | '.join(wrong[:3])}{paths}")
    return "as asked or refused"


def unexplained(values: Sequence[Value], outside: Mapping[str, Any]) -> list[str]:
    """Paths outside the world that changed and that no value named as the place to write to.

    A file that was there before must be as it was, whoever names it.
    """
    named = {path for value in values for path in _places(value)}
    new, touched = set(outside["new"]), set(outside["touched"])
    found = []
    for path in outside["outside"]:
        wanted = path in new and any(_related(path, one) for one in named)
        # Only the time: an entry is new, or came and went, on the way to a place that was named.
        holds = path in touched and any(
            f"{one}/".startswith(f"{path.rstrip('/')}/") for one in named
        )
        if path.startswith("/canary") or not (wanted or holds):
            found.append(path)
    return found


_PLACES = ("prefix", "installation", "conda_prefix", "path", "cache_dir")


def _places(value: Value) -> list[str]:
    named = (value.options.get(name) for name in _PLACES)
    system = (
        ["/etc/conda/.condarc", "/etc/conda/tos"] if value.options.get("scope") == "system" else []
    )
    found = [one for one in named if isinstance(one, str) and one.startswith("/")]
    return [os.path.normpath(one) for one in found] + system


def _related(path: str, place: str) -> bool:
    return path == place or path.startswith(f"{place}/") or place.startswith(f"{path}/")


def figures(tally: Tally, specs: Mapping[str, Any], asked: int) -> list[Result]:
    """How many values were tried, on what, and how they ended."""
    names = {f"{module}.{name}" for module in specs for name, _ in option_names(specs[module])}
    tried = sum(tally.tried.values())
    per_option = min(tally.tried[name] for name in names)
    per_kind = min(tally.tried[name] for name in KINDS)
    clean = tried - tally.ends["wrong"]
    share = 100 / max(1, tried)
    return [
        Result("hostile.values", clean, "values", exactly(asked), note="ended with a result or a message"),
        Result("hostile.options", sum(tally.tried[name] > 0 for name in names),
               "options", exactly(len(names)),
               note=f"of {len(specs)} modules; at least {per_option} values each"),
        Result("hostile.files", sum(tally.tried[name] > 0 for name in KINDS), "kinds", exactly(len(KINDS)),
               note=f"of files and outputs that are read; at least {per_kind} contents each"),
        Result("hostile.past_arguments", share * (tried - tally.early), "%", at_least(60),
               note="of the values got past ansible-core's own check of the options"),
        Result("hostile.refused", share * tally.ends["failed"], "%", note="failed with a message"),
        Result("hostile.through", share * tally.ends["through"], "%", note="went through"),
    ]  # fmt: skip
