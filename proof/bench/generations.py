"""Environments in generations: a rollback beside a ping, a build beside conda alone, disk, no-op."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlsplit

from lab.containers import Container
from lab.errors import LabError
from proof import prepared
from proof.bench import by_hand, converged
from proof.bench.cost import Run
from proof.figures import Result, at_most, exactly, median, ratio
from proof.fleet import Fleet
from proof.host import Host
from proof.runner import Lab

ROUNDS = 5
ROLLBACK, BUILD, DISK, NOOP = 1.6, 1.1, 0.4, 1.03
"""Times a ping, times ``conda create --file``, times the first generation, times a plain environment."""

ENVS = f"{prepared.PREFIX}/envs"
PACKAGES = ["python=3.11", "pip", "numpy", "pandas"]
OTHER = ("lab-upgrade=1.0", "lab-upgrade=2.0")


def run(lab: Lab) -> list[Result]:
    """A rollback, a build, the disk of a second generation and a run with nothing to do."""
    if lab.quick:
        return []
    image = prepared.installed(lab)
    return [*_rollback(lab, image), *_build(lab, image), *_disk(lab, image), *_noop(lab, image)]


def _declared(packages: list[str], **more: Any) -> dict[str, Any]:
    where = {"installation": prepared.PREFIX, "name": "job"}
    return {**where, "environment": {"packages": packages}, **more}


def _rollback(lab: Lab, image: str) -> list[Result]:
    """The playbook rollback back and forth beside a play of one ping, over SSH."""
    fleet = Fleet(lab, lab.work / "generations")
    fleet.add("generations-rollback", image, Host.mounts())
    fleet.write_inventory(converged.LIGHT)
    host = Host(converged.host(fleet))
    for other in OTHER:
        host.must("conda_generations", _declared([*PACKAGES, other]))
    ping = by_hand.pings(fleet.folder, 1)
    back: list[Run] = []
    pings: list[Run] = []
    for number in range(ROUNDS + 1):
        generation = str(1 + number % 2)
        words = ["-e", "llmfleet_environment=job", "-e", f"llmfleet_generation={generation}"]
        done = fleet.play("llmfleet.conda.rollback", *words)
        if done.count("changed") != 1:
            raise LabError(f"the rollback switched nothing: {done.output[-1000:]}")
        one = fleet.play(ping)
        if number:
            back.append(done)
            pings.append(one)
    modules = max(sum(run.module_runs.values()) for run in back)
    return [
        Result("generations.rollback.modules", modules, "module runs", exactly(1)),
        ratio(
            "generations.rollback.of_a_ping",
            [run.seconds for run in back],
            [run.seconds for run in pings],
            at_most(ROLLBACK),
            "The playbook rollback on one host, beside a play of one ping.",
        ),
    ]


def _build(lab: Lab, image: str) -> list[Result]:
    """The second generation, one package changed, beside ``conda create --file`` of the same packages."""
    ours: list[float] = []
    theirs: list[float] = []
    for _number in range(3):
        host = Host.start(lab, "generations-build", image=image)
        try:
            host.must("conda_generations", _declared([*PACKAGES, OTHER[0]]))
            # So that the archive of the changed package is there for both.
            _create(host, "spare", *PACKAGES, OTHER[1])
            started = time.perf_counter()
            host.must("conda_generations", _declared([*PACKAGES, OTHER[1]]))
            ours.append(time.perf_counter() - started)
            started = time.perf_counter()
            _create(host, "plain", "--file", f"{ENVS}/.job/2.txt")
            theirs.append(time.perf_counter() - started)
        finally:
            host.container.remove()
    return [
        median("generations.build.ours", ours, "s"),
        median(
            "generations.build.conda",
            theirs,
            "s",
            note="conda create --file with its explicit list.",
        ),
        ratio("generations.build.of_conda", ours, theirs, at_most(BUILD)),
    ]


def _create(host: Host, name: str, *words: str) -> None:
    conda = f"{prepared.PREFIX}/bin/conda"
    host.container.run([conda, "create", "-q", "-y", "-p", f"{ENVS}/{name}", *words])


def _disk(lab: Lab, image: str) -> list[Result]:
    """What the second generation takes that the first has not, with torch from pip in both."""
    links = f"{lab.mirror_url}/wheels/"
    pip = {
        "requirements": converged.PIP_PACKAGES[:1],
        "find_links": [links],
        "no_index": True,
        "trusted_hosts": [str(urlsplit(lab.mirror_url).hostname)],
    }
    host = Host.start(lab, "generations-disk", image=image)
    try:
        for other in OTHER:
            host.must("conda_generations", _declared([*PACKAGES, other], pip=pip))
        first = _kilobytes(host.container, "1")
        both = _kilobytes(host.container, "1", "2")
    finally:
        host.container.remove()
    note = f"{first / 1024:.0f} MiB, and {(both - first) / 1024:.0f} MiB more for the second (du)."
    return [
        Result(
            "generations.disk.of_the_first",
            (both - first) / first,
            "times",
            at_most(DISK),
            note=note,
        )
    ]


def _kilobytes(container: Container, *numbers: str) -> int:
    """Each file counts once, however many links it has; the package cache has most of conda's."""
    paths = " ".join(f"{ENVS}/.job/{number}" for number in numbers)
    # What the cache has is left out by naming it first.
    text = container.shell(f"du -sk {prepared.PREFIX}/pkgs {paths}")
    return sum(int(line.split()[0]) for line in text.splitlines()[1:])


def _noop(lab: Lab, image: str) -> list[Result]:
    """A run of the module with nothing to do beside conda_env's, on one host, in turn."""
    host = Host.start(lab, "generations-noop", image=image)
    try:
        plain = {
            "installation": prepared.PREFIX,
            "name": "plain",
            "packages": PACKAGES,
        }
        host.must("conda_env", plain)
        host.must("conda_generations", _declared(PACKAGES))
        samples: dict[str, list[float]] = {"conda_env": [], "conda_generations": []}
        for _number in range(15):
            for name, options in (("conda_env", plain), ("conda_generations", _declared(PACKAGES))):
                samples[name].append(_cpu(host, name, options))
    finally:
        host.container.remove()
    return [
        median("generations.noop.conda_env", samples["conda_env"], "CPU s"),
        median("generations.noop.conda_generations", samples["conda_generations"], "CPU s"),
        ratio(
            "generations.noop.of_plain",
            samples["conda_generations"],
            samples["conda_env"],
            at_most(NOOP),
        ),
    ]


def _cpu(host: Host, module: str, options: dict[str, Any]) -> float:
    """CPU seconds of one run in the host, which must change nothing."""
    code = (
        "import json, resource, subprocess, sys; done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE);"
        " used = resource.getrusage(resource.RUSAGE_CHILDREN);"
        " print(json.dumps([used.ru_utime + used.ru_stime, json.loads(done.stdout)['changed']]))"
    )
    argv = host.argv(module, options)
    # Without the part that starts something in the host.
    inner = argv[argv.index("python3") :]
    done = host.container.run(["python3", "-c", code, *inner], env={"PYTHONPATH": "/srv/llmfleet"})
    seconds, changed = json.loads(done.stdout)
    if changed:
        raise LabError(f"{module} changed something that was to stay")
    return float(seconds)
