"""Disks: full at many levels, out of inodes, read-only; nothing is lost, and one more run does the work.

Every case begins with a state that works, takes the room away, and sees three things: the module says what
is wrong, what worked works, and one run with the room back does what was asked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from proof.faults import volumes
from proof.faults.cases import Case, NotInjected, NotSurvived, play_all, survived
from proof.faults.trees import Tree, below, look, must_be, without_caches
from proof.faults.volumes import ROOT, Volume, Watch, fill
from proof.figures import Result
from proof.host import Answer, Host
from proof.prepared import PREFIX, install, installation_options
from proof.runner import Lab

_ENVIRONMENT = f"{PREFIX}/envs/llm"
_SIZE = 400  # MiB: an installation, an environment and what is on its way to them
_SPACE = ("No space left", "the disk is full", "The volume is full", "Not enough free space")
_READ_ONLY = ("read-only", "Read-only")
# What nobody can take away from a volume that has turned read-only: the locks and the journal of the run.
_TRACES = re.compile(rf"{_ENVIRONMENT}/conda-meta/\.llmfleet[^/]*")


@dataclass(frozen=True)
class Work:
    """One task of a user's.

    before, after: the states of the volume that it leads from and to.
    need: KiB that it needs at the end, measured undisturbed.
    trees, packages: by state, what lies on the volume, and what conda and pip list in the environment.
    """

    name: str
    module: str
    options: dict[str, Any]
    before: str
    after: str
    need: int
    trees: dict[str, Tree]
    packages: dict[str, list[str]]


def _listed(host: Host) -> list[str]:
    """What the real conda and the environment's own pip say is in it."""
    rows = host.conda(PREFIX, "list", "--json", "--prefix", _ENVIRONMENT)
    argv = [f"{_ENVIRONMENT}/bin/python", "-I", "-m", "pip", "list", "--format=json"]
    rows += json.loads(host.container.run([*argv, "--disable-pip-version-check"]).stdout)
    return [f"{row['name']} {row['version']} {row.get('build_string', '')}" for row in rows]


def _works(lab: Lab, host: Host) -> dict[str, Work]:
    """Do each task once undisturbed, keep the states between them, and measure."""
    volume = Volume(host)
    trees: dict[str, Tree] = {"": {}}
    packages: dict[str, list[str]] = {}
    used = {"": volume.used()}

    def keep(state: str) -> None:
        volume.save(state)
        trees[state] = look(host, ROOT)
        used[state] = volume.used()

    environment = {"installation": PREFIX, "name": "llm", "packages": ["python=3.11", "pip"]}
    more = {**environment, "packages": [*environment["packages"], "pillow"]}
    wheels = {
        "installation": PREFIX,
        "name": "llm",
        "requirements": ["regex"],
        "index_url": f"{lab.mirror_url}/simple/",
        "trusted_hosts": [lab.mirror_url.split("/")[2].split(":")[0]],
    }
    install(host, lab)
    keep("installed")
    host.must("conda_env", environment)
    packages["environment"] = _listed(host)
    keep("environment")
    host.must("conda_env", more)
    keep("more")
    volume.restore("environment")
    host.must("conda_pip", wheels)
    keep("wheels")

    def work(name: str, module: str, options: dict[str, Any], before: str, after: str) -> Work:
        need = used[after] - used[before]
        return Work(name, module, options, before, after, need, trees, packages)

    return {
        # The condarc is no part of it: it comes after the installation.
        "install": work(
            "install", "conda_installation", installation_options(lab), "", "installed"
        ),
        "create": work("create", "conda_env", more, "installed", "more"),
        "change": work("change", "conda_env", more, "environment", "more"),
        "pip": work("pip", "conda_pip", wheels, "environment", "wheels"),
    }


def _must_say(found: Answer, words: tuple[str, ...]) -> None:
    if not found.failed:
        raise NotInjected("the module did not fail: there was room enough")
    if "msg" not in found.result:
        raise NotSurvived(f"the module crashed: {found.message}")
    if not any(word in found.message for word in words):
        raise NotSurvived(f"the message does not say what is wrong: {found.message}")
    if "What to do:" not in found.message or PREFIX.rpartition("/")[0] not in found.message:
        raise NotSurvived(f"the message does not say where, or what to do: {found.message}")


def _must_be_as_before(host: Host, work: Work, turned: bool) -> None:
    """What the task had found is there and works, and what the task was at is gone.

    turned: the volume has turned read-only, so that nothing could be taken away any more. Then what is new
    may be half an installation where there was none; in an environment only what the next run looks for.
    """
    before, found = work.trees[work.before], look(host, ROOT)
    if not work.before:
        if not turned:
            must_be({}, below(found, PREFIX), "half an installation was left")
        return
    host.conda(PREFIX, "--version")
    must_be(
        without_caches({path: what for path, what in before.items() if "/envs/" not in path}),
        without_caches({path: what for path, what in found.items() if "/envs/" not in path}),
        "the installation is not as before",
    )
    if work.before == "installed" and not turned:
        must_be({}, below(found, _ENVIRONMENT), "half an environment was left")
    if work.before == "environment":
        left = below(found, _ENVIRONMENT)
        if turned:
            left = {path: what for path, what in left.items() if not _TRACES.fullmatch(path)}
        must_be(below(before, _ENVIRONMENT), left, "the environment is not as before")
        if _listed(host) != work.packages["environment"]:
            raise NotSurvived("conda list or pip list says something else than before")


def _must_converge(host: Host, work: Work) -> None:
    """One run does what was asked, as it would have undisturbed; the next finds nothing to do."""
    host.must(work.module, work.options)
    found, expected = without_caches(look(host, ROOT)), without_caches(work.trees[work.after])
    if work.name == "install":
        expected = {path: what for path, what in expected.items() if not path.endswith("/.condarc")}
    must_be(expected, found, "the host is not as asked")
    host.conda(PREFIX, "--version")
    if work.after != "installed":
        names = {
            row["name"] for row in host.conda(PREFIX, "list", "--json", "--prefix", _ENVIRONMENT)
        }
        module, package = {"more": ("PIL._imaging", "pillow"), "wheels": ("regex", "regex")}[
            work.after
        ]
        host.container.run([f"{_ENVIRONMENT}/bin/python", "-I", "-c", f"import {module}"])
        if package not in names:
            raise NotSurvived(f"conda list does not know {package}")
    again = host.must(work.module, work.options)
    if again.changed:
        raise NotSurvived("the run after that changed something again")


def _case(
    work: Work, name: str, fault: Callable[[Host, Volume, Work], None], *, turned: bool = False
) -> Case[Host]:
    def run(host: Host) -> str:
        volume = Volume(host)
        volume.writable()
        volume.restore(work.before)
        try:
            fault(host, volume, work)
        finally:
            volume.writable()
            volume.make_room()
        _must_be_as_before(host, work, turned)
        _must_converge(host, work)
        return "as before, then as asked"

    return Case(f"{work.name}: {name}", run)


def full(work: Work, free: int) -> Case[Host]:
    """The volume has room for so many KiB from the start."""

    def fault(host: Host, volume: Volume, work: Work) -> None:
        volume.leave(free)
        if volume.takes(work.need):
            raise NotInjected("there is room for all of it")
        _must_say(host.module(work.module, work.options), _SPACE)

    return _case(work, f"{free} KiB free of {work.need} needed", fault)


def filling(work: Work, pattern: str, free: int = 0) -> Case[Host]:
    """Somebody else fills the volume as soon as a file of the work is there."""

    def fault(host: Host, volume: Volume, work: Work) -> None:
        watch = Watch(host, pattern, fill(free))
        found = host.module(work.module, work.options)
        watch.must_have_met()
        _must_say(found, _SPACE)

    return _case(work, f"filled but for {free} KiB when {pattern} is there", fault)


def without_inodes(work: Work, keep: int) -> Case[Host]:
    """So many files can be made yet."""

    def fault(host: Host, volume: Volume, work: Work) -> None:
        volume.empty_inodes(keep)
        _must_say(host.module(work.module, work.options), _SPACE)

    return _case(work, f"{keep} inodes free", fault)


def read_only(work: Work) -> Case[Host]:
    """The volume is read-only from the start."""

    def fault(host: Host, volume: Volume, work: Work) -> None:
        volume.read_only()
        _must_say(host.module(work.module, work.options), _READ_ONLY)

    return _case(work, "read-only volume", fault)


def turning_read_only(work: Work, pattern: str) -> Case[Host]:
    """The volume turns read-only as soon as a file of the work is there."""

    def fault(host: Host, volume: Volume, work: Work) -> None:
        watch = Watch(host, pattern, volumes.READ_ONLY)
        found = host.module(work.module, work.options)
        watch.must_have_met()
        volume.must_be_read_only()
        _must_say(found, _READ_ONLY)

    return _case(work, f"read-only from when {pattern} is there", fault, turned=True)


def _cases(works: dict[str, Work], quick: bool) -> dict[str, list[Case[Host]]]:
    install, create, change, pip = (works[name] for name in ("install", "create", "change", "pip"))
    packages = f"{PREFIX}/pkgs"
    if quick:
        return {
            "full": [full(create, create.need // 2)],
            "inodes": [without_inodes(pip, 12)],
            "read_only": [read_only(change)],
        }
    return {
        "full": [
            *(full(install, install.need * part // 100) for part in (0, 1, 20, 60, 90)),
            filling(install, f"{packages}/python-*", 2000),
            filling(install, f"{packages}/python-*"),
            *(full(create, free) for free in (0, 48)),
            *(full(create, create.need * part // 100) for part in (10, 25, 40, 75)),
            filling(create, f"{packages}/pillow-*.conda*"),
            *(full(change, change.need * part // 100) for part in (0, 30, 90)),
            filling(change, f"{packages}/pillow-*lab_0"),
            *(full(pip, free) for free in (0, 48)),
            *(full(pip, pip.need * part // 100) for part in (30, 90)),
        ],
        "inodes": [
            without_inodes(install, 500),
            without_inodes(create, 3),
            without_inodes(change, 60),
            without_inodes(pip, 12),
        ],
        "read_only": [
            *(read_only(work) for work in works.values()),
            turning_read_only(install, f"{packages}/python-*"),
            turning_read_only(create, f"{packages}/pillow*"),
            turning_read_only(change, f"{packages}/pillow*"),
            turning_read_only(pip, f"{PREFIX}/envs/.llm.llmfleet-pip-*"),
        ],
    }


def run(lab: Lab) -> list[Result]:
    """Disks: full at many levels, out of inodes, read-only."""
    image = f"llmfleet-lab/{lab.purpose}:disk"
    made = Host.start(lab, "disk-preparing", *volumes.options(_SIZE))
    try:
        works = _works(lab, made)
        made.container.keep_as(image)
    finally:
        made.container.remove()
    hosts = [
        Host.start(lab, f"disk-{number}", *volumes.options(_SIZE), image=image) for number in (1, 2)
    ]
    log = lab.work / "disk.jsonl"
    log.unlink(missing_ok=True)
    groups = _cases(works, lab.quick)
    endings = play_all([case for cases in groups.values() for case in cases], hosts)
    results = []
    for name, cases in groups.items():
        part, endings = endings[: len(cases)], endings[len(cases) :]
        results.append(survived(f"disk.{name}", part, log))
    return results
