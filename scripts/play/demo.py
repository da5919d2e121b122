"""`make demo`: builds the lab, runs playbooks/site.yml on this machine inside build/demo, shows it.

Check mode first, then the run, then the run again, which must change nothing and start no conda.
Everything lies in build/demo; outside build/ only the lab's part of the user's cache directory is
written.
"""

from __future__ import annotations

import platform
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lab import counter, installer, paths
from lab.errors import LabError
from lab.mirror import Mirror
from scripts import processes
from scripts.console import Ticker, duration, heading, say, shorten, style, width
from scripts.layout import PYTHON, ROOT, shown, tool_environment
from scripts.play import demo_site, showcase
from scripts.play.playbook import PlaybookRun, explain, run_playbook

# The rest of an environment's path, and of the longest `#!` line below it, must fit as well.
PREFIX_LIMIT = 110
FREE_GIB = 8


class DemoFailed(Exception):
    """The demo cannot go on; the text is for the person who started it."""


@dataclass
class Demo:
    """The state of one demo: where it lives, how long each step took."""

    site: demo_site.Site
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str, text: str) -> Iterator[None]:
        """Announces a step and keeps its time."""
        heading(f"{len(self.seconds) + 1}. {text}")
        started = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - started


def check_machine(site: demo_site.Site) -> None:
    """Refuses what cannot work, before anything is built.

    Raises DemoFailed naming what to change.
    """
    system, machine = platform.system(), platform.machine()
    if (system, machine) != ("Linux", "x86_64"):
        raise DemoFailed(
            f"the lab makes linux-64 packages only; this machine is {system} {machine}"
        )
    if any(character.isspace() for character in str(ROOT)):
        raise DemoFailed(
            f"the checkout's path holds a space, where no conda can live: {ROOT}\n"
            "Clone to a path without spaces and run `make demo` there."
        )
    longest = site.environment
    if len(str(longest)) > PREFIX_LIMIT:
        over = len(str(longest)) - PREFIX_LIMIT
        raise DemoFailed(
            f"the demo's environment would have a path of {len(str(longest))} characters, more than"
            f" the {PREFIX_LIMIT} that scripts in it can bear:\n  {longest}\n"
            f"Clone to a path that is {over} characters shorter and run `make demo` there."
        )
    site.root.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(site.root).free / 2**30
    if not site.environment.exists() and free < FREE_GIB:
        raise DemoFailed(
            f"{site.root} has {free:.1f} GiB free; the demo needs about {FREE_GIB} GiB"
        )


def build_lab(site: demo_site.Site) -> None:
    """Builds what is not in the cache yet.

    Raises DemoFailed with the end of the log.
    """
    log = site.logs / "lab.log"
    said: list[str] = []

    def see(line: str) -> None:
        said.append(line)
        ticker.line(style(f"  {shorten(line, width() - 2)}", "dim"))

    with Ticker("building the lab") as ticker:
        argv: list[str | Path] = [PYTHON, "-m", "lab", "build"]
        code = processes.run(argv, log=log, cwd=ROOT, env=tool_environment(), on_line=see)
    if code != 0:
        raise DemoFailed("\n".join([*said[-10:], f"the lab could not be built; see {shown(log)}"]))


def open_mirror(site: demo_site.Site) -> Mirror:
    """The lab's mirror on the port of the last demo, so that its address stays the same.

    Another port is taken where that one is in use by now; conda's configuration follows it.
    """
    port_file = site.root / "port"
    try:
        port = int(port_file.read_text())
    except (OSError, ValueError):
        port = 0
    try:
        mirror = Mirror(paths.site_dir(), port=port)
    except OSError:
        say(f"  port {port} of the last demo is in use; another one is taken")
        mirror = Mirror(paths.site_dir(), port=0)
    port_file.write_text(f"{mirror.port}\n")
    return mirror


def play(site: demo_site.Site, name: str, *words: str, verb: str, quiet: bool) -> PlaybookRun:
    """Runs the site playbook.

    Raises DemoFailed when it fails.
    """
    done = run_playbook(
        ["llmfleet.conda.site", "-i", site.inventory, "--diff", *words],
        log=site.logs / f"{name}.log",
        env=site.environ(),
        verb=verb,
        quiet=quiet,
    )
    if done.code != 0:
        raise DemoFailed("\n".join([*explain(done)]))
    if not done.recap:
        raise DemoFailed(f"Ansible ran nothing; see {shown(done.log)}")
    return done


def summary(done: PlaybookRun, *more: str) -> str:
    """A run on one line, in Ansible's words."""
    counts = [f"ok={done.count('ok')}", f"changed={done.count('changed')}"]
    counts += [f"failed={done.count('failures')}", *more]
    return f"  {style('  '.join(counts), 'bold')}   in {duration(done.seconds)}"


def first_runs(demo: Demo, bare: bool) -> None:
    """Check mode, then the run that it predicts.

    Raises DemoFailed when the prediction was wrong.
    """
    site = demo.site
    with demo.step("check mode", "What would change: ansible-playbook llmfleet.conda.site --check"):
        predicted = play(site, "1-check", "--check", verb="would change", quiet=True)
        say(summary(predicted))
    if bare and predicted.count("changed") == 0:
        raise DemoFailed("check mode predicted no change although nothing is installed yet")
    before = counter.starts(site.prefix)
    with demo.step("first run", "The same for real: conda, the environment, the LLM stack, checks"):
        done = play(site, "2-first-run", verb="changed", quiet=False)
        started = counter.starts(site.prefix)[len(before) :]
        say(summary(done, f"conda starts={len(started)}"))
    if bool(predicted.count("changed")) != bool(done.count("changed")):
        raise DemoFailed(
            f"check mode predicted {predicted.count('changed')} changes,"
            f" the run made {done.count('changed')}: {', '.join(done.changed_tasks)}"
        )


def second_run(demo: Demo) -> None:
    """The run that must change nothing and start no conda.

    Raises DemoFailed when it does.
    """
    site = demo.site
    before = counter.starts(site.prefix)
    with demo.step("second run", "Once more: a converged host must not change"):
        done = play(site, "3-second-run", verb="changed", quiet=True)
        started = counter.starts(site.prefix)[len(before) :]
        say(summary(done, f"conda starts={len(started)}"))
    if done.count("changed"):
        names = "\n".join(f"  {name}" for name in done.changed_tasks)
        raise DemoFailed(f"the second run changed something:\n{names}\nsee {shown(done.log)}")
    if started:
        lines = "\n".join(f"  {line}" for line in started)
        raise DemoFailed(f"the second run started conda:\n{lines}\nsee {shown(done.log)}")


def run(demo: Demo) -> None:
    """All steps; raises DemoFailed, LabError or processes.Interrupted."""
    site = demo.site
    with demo.step("lab", f"The lab: channel, installer, wheels, model ({paths.cache_dir()})"):
        build_lab(site)
    bare = not site.prefix.exists()
    site.prepare()
    with open_mirror(site) as mirror:
        site.write(installer.current(), mirror.url, paths.models_dir())
        first_runs(demo, bare)
        second_run(demo)
    with demo.step("look", "What a person who logs in gets"):
        showcase.show(site)


def closing(demo: Demo, seconds: float) -> None:
    """The last lines: times, where the report is, what to try."""
    site = demo.site
    heading("Time")
    for name, spent in demo.seconds.items():
        say(f"  {name:14}{duration(spent):>12}")
    say(f"  {'all':14}{duration(seconds):>12}")
    heading("Next")
    say(f"  report   {shown(site.report)}")
    say(f"  logs     {shown(site.logs)}/")
    say(f"  try      {style(shown(site.shell), 'bold', 'cyan')}   (a shell in the environment)")


def main() -> int:
    """Runs the demo; 1 when it failed, 128 + signal when interrupted."""
    processes.stop_on_signals()
    socket.setdefaulttimeout(60)
    demo = Demo(demo_site.Site())
    started = time.monotonic()
    try:
        check_machine(demo.site)
        run(demo)
    except (DemoFailed, LabError, showcase.ShowFailed) as error:
        say()
        say(style("The demo failed:", "bold", "red"))
        say(str(error))
        return 1
    except processes.Interrupted as interruption:
        say(f"\ninterrupted ({interruption}); run `make demo` again to go on")
        return 128 + interruption.signum
    finally:
        processes.end_all()
    closing(demo, time.monotonic() - started)
    return 0


if __name__ == "__main__":
    sys.exit(main())
