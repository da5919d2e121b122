"""Generations: killed at every step, switched under programs that start, full disks, garbage in use.

A killed build, switch, removal or rollback leaves the link on a whole generation that was verified, and one
more run comes to rest. No program that starts while the link is switched mixes two generations, and none that
runs loses its own.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from proof.faults.cases import Case, NotInjected, NotSurvived, play_all, survived
from proof.faults.kept_host import LINK, MODULE, STORE, Kept, program
from proof.figures import Result, at_least, exactly
from proof.host import Host
from proof.prepared import PREFIX, installed
from proof.runner import Lab

BUILDS, ROLLBACKS, TRIALS = 80, 20, 100
SWITCHES, READERS = 1000, 8
QUICK = {"builds": 2, "rollbacks": 1, "trials": 1, "switches": 30}

# Bytes that are left on a volume once a build has begun: too few for a package of Python.
_LEFT = 2_000_000


def run(lab: Lab) -> list[Result]:
    """kill -9 at every step, 1,000 switches under readers, a full disk, garbage in use."""
    image = installed(lab)
    log = lab.work / "generations.jsonl"
    builds, rollbacks, trials = BUILDS, ROLLBACKS, TRIALS
    if lab.quick:
        builds, rollbacks, trials = QUICK["builds"], QUICK["rollbacks"], QUICK["trials"]
    workers = [Kept(lab, 1, image), Kept(lab, 2, image, python="3.11")]
    cases = [*_killed_builds(workers[-1], builds), *_killed_rollbacks(workers[-1], rollbacks)]
    endings = play_all(cases, workers, again=2)
    results = [survived("generations: killed", endings, log, "at steps that change files")]
    garbage = [_in_use(number) for number in range(trials)]
    results.append(
        survived("generations: garbage in use", play_all(garbage, workers[-1:], again=2), log)
    )
    if not lab.quick:
        full = play_all(
            [Case("the disk fills up while a generation is built", _full)], [(lab, image)]
        )
        results.append(survived("generations: full disk", full, log))
    results += _readers(lab, image)
    return results


def _spread(steps: int, count: int) -> list[int]:
    """Numbers of steps from the first to the last, evenly."""
    return [1 + (steps - 1) * index // max(count - 1, 1) for index in range(count)]


def _killed_builds(sample: Kept, count: int) -> list[Case[Kept]]:
    """Kills of a run that builds, verifies, switches and removes the generation before."""
    steps = sample.steps(sample.declared(keep=1))

    def case(step: int) -> Callable[[Kept], str]:
        def run_it(worker: Kept) -> str:
            options = worker.declared(keep=1)
            worker.kill(step, options)
            worker.must_be_whole()
            worker.must_come_to_rest(options)
            return "as asked"

        return run_it

    return [Case(f"build, killed before step {step}", case(step)) for step in _spread(steps, count)]


def _killed_rollbacks(sample: Kept, count: int) -> list[Case[Kept]]:
    """Kills of a run that goes back."""

    def back(worker: Kept) -> dict[str, Any]:
        """The options of a rollback that is possible now."""
        worker.must(worker.declared(keep=2))
        return {**worker.where(), "generation": "previous"}

    steps = sample.steps(back(sample))

    def case(step: int) -> Callable[[Kept], str]:
        def run_it(worker: Kept) -> str:
            options = back(worker)
            worker.kill(step, options)
            worker.must_be_whole()
            worker.must_come_to_rest(options)
            return "as asked"

        return run_it

    return [
        Case(f"rollback, killed before step {step}", case(step)) for step in _spread(steps, count)
    ]


def _in_use(number: int) -> Case[Kept]:
    """A program runs from a generation that need not stay any longer."""

    def run_it(worker: Kept) -> str:
        container = worker.host.container
        mine = worker.current()
        program_of = f"{LINK}/bin/python -c 'import time; time.sleep(1e6)' & echo $!"
        pid = container.run(["sh", "-c", f"{program_of}"]).stdout.strip()
        try:
            # Twice, so that it is neither the current nor the previous one.
            for _again in range(2):
                worker.must(worker.declared(keep=1))
            if container.run(["test", "-d", f"{STORE}/{mine}"], check=False).returncode:
                raise NotSurvived(f"generation {mine} went while process {pid} ran from it")
            exe = container.run(["readlink", f"/proc/{pid}/exe"], check=False).stdout.strip()
            if not exe.startswith(f"{STORE}/{mine}/") or exe.endswith("(deleted)"):
                raise NotInjected(f"process {pid} runs {exe or 'no more'}")
        finally:
            container.run(["kill", pid], check=False)
        worker.must(worker.declared(keep=1))
        if not container.run(["test", "-d", f"{STORE}/{mine}"], check=False).returncode:
            raise NotSurvived(f"generation {mine} stays although nobody uses it")
        return "as asked"

    return Case(f"a program keeps its generation, trial {number + 1}", run_it)


def _full(where: tuple[Lab, str]) -> str:
    """The volume of the environments fills up behind the look at its room."""
    lab, image = where
    host = Host.start(
        lab, "generations-full", "--tmpfs", f"{PREFIX}/envs:size=400m,exec", image=image
    )
    task = {"installation": PREFIX, "name": "job"}
    host.must(MODULE, {**task, "environment": {"packages": ["python=3.11", "lab-upgrade=1.0"]}})
    before = host.container.run(["readlink", LINK]).stdout
    change = {**task, "environment": {"packages": ["python=3.11", "lab-upgrade=2.0"]}}
    filler = f"""
import os, time
while not os.path.isdir("{STORE}/2"):
    time.sleep(0.002)
with open("{PREFIX}/envs/filler", "wb") as stream:
    try:
        while True:
            left = os.statvfs("{PREFIX}/envs")
            if left.f_bavail * left.f_frsize < {_LEFT}:
                break
            stream.write(bytes(1 << 20))
    except OSError:
        pass
time.sleep(600)
"""
    argv = host.container.argv(["python3", "-c", filler])
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        found = host.module(MODULE, change)
        host.container.run(["pkill", "-f", "envs/filler"], check=False)
        process.wait(30)
    if not found.failed:
        raise NotInjected(f"the build succeeded: {found.message}")
    if "No space left" not in found.said and "room" not in found.message:
        raise NotSurvived(f"the failure does not name the disk: {found.message}")
    if host.container.run(["readlink", LINK]).stdout != before:
        raise NotSurvived("the link leads elsewhere")
    host.container.run([f"{LINK}/bin/python", "-c", "import json, ssl"])
    if not host.container.run(["test", "-e", f"{STORE}/2"], check=False).returncode:
        raise NotSurvived("the half generation is still there")
    host.container.run(["rm", f"{PREFIX}/envs/filler"])
    if not host.must(MODULE, change).changed:
        raise NotSurvived("the next run builds nothing")
    return "as before"


def _readers(lab: Lab, image: str) -> list[Result]:
    """Switches under programs that start."""
    host = Host.start(lab, "generations-readers", image=image)
    for python, six in (("3.11", "1.16"), ("3.12", "1.17")):
        packages = [f"python={python}", f"six={six}", "pip"]
        host.must(
            MODULE,
            {"installation": PREFIX, "name": "job", "environment": {"packages": packages}},
        )
    switches = QUICK["switches"] if lab.quick else SWITCHES
    text = program(Path(__file__).with_name("switch_readers.py"))
    done = host.container.run(
        ["python3", "-B", "-", LINK, str(switches), str(READERS)],
        env={"PYTHONPATH": "/srv/llmfleet"},
        stdin=text,
        timeout=3000,
    )
    found = json.loads(done.stdout)
    (lab.work / "switch_readers.json").write_text(json.dumps(found, indent=1))
    apart = "by its version"
    starts = sum(count for kind, count in found["starts"].items() if kind != apart)
    wrong = sum(len(texts) for kind, texts in found["wrong"].items() if kind != apart)
    named = found["starts"].get(apart, 0)
    failed = len(found["wrong"].get(apart, []))
    return [
        Result("generations: switches", found["switches"], "switches", at_least(switches)),
        Result(
            "generations: starts that failed or mixed",
            wrong,
            "starts",
            exactly(0),
            note=f"{starts} starts by launcher, entry point and activated shell, {READERS} at a time.",
        ),
        Result(
            "generations: starts by python3.X that failed or mixed",
            failed,
            "starts",
            note=f"Of {named}, by a name that no launcher has, while the two versions of Python differ.",
        ),
    ]
