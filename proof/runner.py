"""What `make bench` and `make faults` have in common: parts, the lab, a table, a JSON file.

    python -m proof.bench [PART...] [--quick]

Parts run one after the other, each on hosts of its own. With names, or with --quick, the figures go to
a file of their own, so that those of the last whole run stay.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import containers, docker_engine, hosts, paths
from lab.build import build
from lab.errors import LabError
from lab.mirror import Mirror
from proof.figures import Result, table, write
from scripts import processes
from scripts.console import duration, heading, say, style
from scripts.layout import BUILD, shown
from scripts.setup import engine

IMAGE_RELEASE = "12-ssh"

CANNOT_RUN = 2
"""The exit code without a Docker engine or a lab; the last line says why."""


@dataclass(frozen=True)
class Lab:
    """What a part works with.

    purpose: ``bench`` or ``faults``, and behind it what the variable LLMFLEET_RUN says, so that two
        checkouts can use one engine: containers are named ``llmfleet-PURPOSE-...`` and labelled so.
    image: of the hosts: Debian 12 with sshd and libfaketime.
    mirror: the lab's, on an address that containers reach; every part may set faults and counts.
    work: a folder of this run's own below build/.
    quick: take the few cases that run in `make test`.
    """

    purpose: str
    image: str
    mirror: Mirror
    work: Path
    quick: bool

    @property
    def mirror_url(self) -> str:
        """The mirror as hosts reach it."""
        return self.mirror.url

    def say(self, text: str) -> None:
        """One line for a person, while a part runs."""
        say(f"  {text}")

    def host(
        self,
        name: str,
        options: Sequence[str] = (),
        image: str = "",
        command: Sequence[str] = ("sleep", "infinity"),
    ) -> containers.Container:
        """Start a host, called ``llmfleet-PURPOSE-NAME``; all are removed at the end of the run."""
        return containers.start(
            f"llmfleet-{self.purpose}-{name}",
            image or self.image,
            purpose=self.purpose,
            options=options,
            command=command,
        )


Part = Callable[[Lab], list[Result]]


def load(package: str, names: Sequence[str]) -> dict[str, Part]:
    """The parts by name: the function ``run`` of the package's module of that name.

    Raises ModuleNotFoundError for a part that is not there.
    """
    return {name: importlib.import_module(f"{package}.{name}").run for name in names}


def sentences(package: str, names: Sequence[str]) -> dict[str, str]:
    """What the parts do, by name: the first line of the docstring of each one's ``run``.

    Raises ModuleNotFoundError for a part that is not there.
    """
    return {
        name: (part.__doc__ or "").strip().partition("\n")[0].rstrip(".")
        for name, part in load(package, names).items()
    }


@contextmanager
def opened(purpose: str, quick: bool) -> Iterator[Lab]:
    """The lab, built, and a mirror for its hosts; hosts left over are removed before and after.

    Raises LabError: no Docker engine, or a part of the lab cannot be built.
    """
    purpose += os.environ.get("LLMFLEET_RUN", "")
    build([], lambda line: say(f"  {line}"))
    (image,) = hosts.load([IMAGE_RELEASE], progress=lambda line: say(f"  {line}"))
    containers.remove_all(purpose)
    containers.remove_images(purpose)
    work = BUILD / purpose
    work.mkdir(parents=True, exist_ok=True)
    with Mirror(paths.site_dir(), host=docker_engine.gateway()) as mirror:
        try:
            yield Lab(purpose, image, mirror, work, quick)
        finally:
            containers.remove_all(purpose)
            containers.remove_images(purpose)


def run_parts(lab: Lab, parts: Mapping[str, Part]) -> tuple[list[Result], list[str]]:
    """The figures of all parts, and in words what failed to give any."""
    results: list[Result] = []
    failures: list[str] = []
    for name, part in parts.items():
        heading(f"{name}: {(part.__doc__ or '').strip().splitlines()[0].rstrip('.')}")
        lab.mirror.clear_faults()
        lab.mirror.reset()
        started = time.monotonic()
        try:
            found = part(lab)
        except Exception as error:
            # The other parts still have something to say; this one has failed.
            traceback.print_exc()
            failures.append(f"{name}: {error!r}")
            continue
        finally:
            lab.mirror.clear_faults()
        if not found and lab.quick:
            say("  nothing of it is quick enough for make test")
            continue
        if not found:
            failures.append(f"{name}: gave no figure")
        results += found
        say("\n".join(f"  {line}" for line in table(found)))
        say(f"  {duration(time.monotonic() - started)}")
    return results, failures


def missed(results: Sequence[Result]) -> list[str]:
    """The figures that do not keep to their target, a line each."""
    return [
        f"{one.name}: {one.value:.4g} {one.unit}, target: {one.target}. {one.note}".rstrip()
        for one in results
        if one.met is False
    ]


def main(
    purpose: str,
    names: Sequence[str],
    *,
    strict: bool = True,
    arguments: Sequence[str] | None = None,
) -> int:
    """Run the parts that were asked for; 0 when every target is kept, 1 when not, CANNOT_RUN without a lab.

    strict: False where a missed target of a whole run is told and is no error: how fast something is depends
        on the machine, too. A part that gives no figure is one in any case.
    """
    parser = argparse.ArgumentParser(prog=f"python -m proof.{purpose}")
    parser.add_argument("part", nargs="*", help=f"any of: {', '.join(names)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="the few cases of make test")
    options = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    unknown = sorted(set(options.part) - set(names))
    if unknown:
        parser.error(f"unknown part {', '.join(unknown)}; known: {', '.join(names)}")
    chosen = load(
        f"proof.{purpose}", [name for name in names if not options.part or name in options.part]
    )
    suffix = "-quick" if options.quick else "-part" if options.part else ""
    target = BUILD / f"{purpose}{suffix}.json"
    # A run that fails must not be taken for the one before it.
    target.unlink(missing_ok=True)
    processes.stop_on_signals()
    started = time.monotonic()
    try:
        try:
            reason = engine.obtain(lambda line: say(f"  {line}"))
            if reason:
                say(f"{purpose}: cannot run: {reason}")
                return CANNOT_RUN
            with opened(purpose, options.quick) as lab:
                results, failures = run_parts(lab, chosen)
        finally:
            engine.release(lambda line: say(f"  {line}"))
            processes.end_all()
    except LabError as error:
        say(f"{purpose}: cannot run: {error}")
        return CANNOT_RUN
    except processes.Interrupted as interruption:
        say(f"\ninterrupted ({interruption}); everything that this run started was stopped")
        return 128 + interruption.signum
    content = write(target, results)
    late = missed(results)
    heading(
        f"{purpose}: {len(results)} figures, {len(late)} miss their target, {len(failures)} parts failed"
    )
    for line in (*late, *failures):
        say(style(f"  {line}", "red"))
    say(f"  {content['machine']}")
    say(f"  {content['date']}, {duration(time.monotonic() - started)}: {shown(target)}")
    failed = failures or not results or (late and (strict or options.quick))
    return 1 if failed else 0
