"""Removal: tasks that would cost people their files, seen to refuse, to repair in place, or to leave them.

Every case puts people's files on a host that works, sees that they are there, runs one task as a module, and
compares the files, byte for byte, with what they were.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from proof.faults.cases import Case, NotInjected, NotSurvived, play_all, survived
from proof.faults.removals import QUICK, REMOVALS, Removal
from proof.figures import Result
from proof.host import Answer, Host
from proof.prepared import PREFIX, install, installation_options
from proof.runner import Lab

_CONTENT = """
import hashlib, os, stat, sys
for top in sys.argv[1:]:
    seen = [top]
    for folder, below, names in os.walk(top):
        seen += [os.path.join(folder, name) for name in below + names if name not in ("__pycache__",)]
    for path in sorted(seen):
        status = os.lstat(path)
        if stat.S_ISREG(status.st_mode) and not path.endswith((".pyc", ".llmfleet.lock")):
            with open(path, "rb") as stream:
                print(repr(path), oct(status.st_mode), hashlib.sha256(stream.read()).hexdigest())
        elif stat.S_ISLNK(status.st_mode):
            print(repr(path), os.readlink(path))
        elif not stat.S_ISDIR(status.st_mode):
            print(repr(path), oct(status.st_mode))
"""
_MAY_MOUNT = ("--cap-add", "SYS_ADMIN", "--security-opt", "apparmor=unconfined")


@dataclass(frozen=True)
class Site:
    """The image of a host that works."""

    lab: Lab
    image: str


def _site(lab: Lab) -> Site:
    image = f"llmfleet-lab/{lab.purpose}:removal"
    host = Host.start(lab, "removal-preparing")
    try:
        install(host, lab)
        wanted = {"installation": PREFIX, "name": "llm", "packages": ["lab-upgrade=1.0"]}
        host.must("conda_env", wanted)
        host.container.keep_as(image)
        return Site(lab, image)
    finally:
        host.container.remove()


def _kept(host: Host, removal: Removal) -> str:
    return host.container.python(_CONTENT, *removal.kept)


def _options(site: Site, removal: Removal) -> dict[str, Any]:
    if removal.module == "conda_env":
        return removal.options
    # Without a state of its own, the task is the one that every run of the role has.
    return {**installation_options(site.lab), **removal.options}


def _judge(removal: Removal, found: Answer) -> str:
    if "msg" not in found.result and found.failed:
        raise NotSurvived(f"the module crashed: {found.message}")
    if removal.refused:
        if not found.failed:
            raise NotSurvived("the task succeeded")
        if not re.search(removal.refused, found.message, re.DOTALL):
            raise NotSurvived(f"the error says nothing of {removal.refused!r}: {found.message}")
        return "refused, as asked"
    if found.failed:
        raise NotSurvived(f"the task failed: {found.message}")
    warnings = str(found.result.get("warnings"))
    if removal.warned and not re.search(removal.warned, warnings):
        raise NotSurvived(f"no warning says {removal.warned!r}: {warnings}")
    return "as asked"


def _case(site: Site, removal: Removal) -> Case[str]:
    def run(worker: str) -> str:
        host = Host.start(site.lab, f"removal-{worker}", *_MAY_MOUNT, image=site.image)
        host.container.shell(removal.script)
        before = _kept(host, removal)
        if not before:
            raise NotInjected("nothing of people's is there")
        options = _options(site, removal)
        found = host.module(removal.module, options, user=removal.user, python=removal.python)
        # The files first: a wrong message is less than a file that is gone.
        if (after := _kept(host, removal)) != before:
            lost = sorted(set(before.splitlines()) - set(after.splitlines()))
            raise NotSurvived(f"people's files are not as they were: {lost[:5]}")
        ended = _judge(removal, found)
        if removal.after:
            host.container.shell(removal.after)
        if removal.again:
            second = host.must(removal.module, options)
            if second.changed:
                raise NotSurvived("the second run changes something")
        return ended

    return Case(removal.name, run)


def run(lab: Lab) -> list[Result]:
    """Removal: people's files in and around prefixes outlive every task; refusals name them."""
    site = _site(lab)
    log = lab.work / "removal.jsonl"
    log.unlink(missing_ok=True)
    chosen = [one for one in REMOVALS if not lab.quick or one.name in QUICK]
    endings = play_all([_case(site, one) for one in chosen], ["one", "two"])
    results = []
    for kind in dict.fromkeys(one.kind for one in chosen):
        part = [ending for ending, one in zip(endings, chosen, strict=True) if one.kind == kind]
        results.append(survived(f"removal.{kind}", part, log))
    return results
