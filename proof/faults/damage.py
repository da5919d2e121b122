"""Damage: files, records, caches, indexes, locks, journals, the clock; one more run mends it or says how.

Every case breaks something in a host that works, sees with the real conda, the interpreter or the file itself
that it is broken, and then does what a user does: runs the tasks of the host once more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from proof.faults.cases import Case, NotInjected, NotSurvived, play_all, survived
from proof.faults.damages import BASE, DAMAGES, ENVIRONMENT, QUICK, Damage
from proof.faults.trees import Tree, look, must_be, without_caches
from proof.figures import Result
from proof.host import Host
from proof.prepared import install, installation_options, settings
from proof.runner import Lab

Task = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Site:
    """What every case has: the image of a host that works, its tasks, and what lies on it."""

    lab: Lab
    image: str
    tasks: list[Task]
    tree: Tree
    packages: list[str]


def _tasks(lab: Lab) -> list[Task]:
    """The tasks of one host, in the order of its play."""
    return [
        ("conda_installation", installation_options(lab)),
        ("conda_config", {"path": f"{BASE}/.condarc", "settings": settings(lab.mirror_url)}),
        (
            "conda_env",
            {"installation": BASE, "name": "llm", "packages": ["python=3.11", "pip", "pillow"]},
        ),
        (
            "conda_pip",
            {
                "installation": BASE,
                "name": "llm",
                "requirements": ["regex"],
                "index_url": f"{lab.mirror_url}/simple/",
                "trusted_hosts": [lab.mirror_url.split("/")[2].split(":")[0]],
            },
        ),
    ]


def _packages(host: Host) -> list[str]:
    rows = host.conda(BASE, "list", "--json", "--prefix", ENVIRONMENT)
    return sorted(f"{row['name']} {row['version']} {row['channel']}" for row in rows)


def _site(lab: Lab) -> Site:
    image = f"llmfleet-lab/{lab.purpose}:damage"
    tasks = _tasks(lab)
    host = Host.start(lab, "damage-preparing")
    try:
        install(host, lab)
        for module, options in tasks[2:]:
            host.must(module, options)
        host.container.keep_as(image)
        return Site(lab, image, tasks, look(host, BASE), _packages(host))
    finally:
        host.container.remove()


def _play(host: Host, tasks: list[Task]) -> tuple[str, bool]:
    """Run the tasks until one fails; its message, empty without one, and whether something was changed."""
    changed = False
    for module, options in tasks:
        found = host.module(module, options)
        if found.failed:
            if "msg" not in found.result:
                raise NotSurvived(f"{module} crashed: {found.message}")
            return found.message, changed
        changed |= found.changed
    return "", changed


def _works(host: Host, probe: str) -> bool:
    return host.container.run(["sh", "-c", probe], check=False).returncode == 0


def _inflict(host: Host, damage: Damage) -> None:
    if not _works(host, damage.whole):
        raise NotSurvived(f"the host was broken before: {damage.whole}")
    host.container.shell(damage.script)
    if _works(host, damage.whole):
        raise NotInjected(f"nothing is broken: {damage.whole}")


def _must_be_mended(host: Host, site: Site, damage: Damage) -> None:
    if damage.stays:
        host.container.shell(damage.stays)
    if not _works(host, damage.whole):
        raise NotSurvived(f"it is still broken: {damage.whole}")
    must_be(
        without_caches(site.tree), without_caches(look(host, BASE)), "the host is not as it was"
    )
    host.container.run(
        [f"{ENVIRONMENT}/bin/python", "-I", "-c", "import PIL._imaging, regex, pip, ssl"]
    )
    if _packages(host) != site.packages:
        raise NotSurvived(f"conda list is not as it was: {_packages(host)}")


def _case(site: Site, damage: Damage) -> Case[str]:
    def run(worker: str) -> str:
        host = Host.start(site.lab, f"damage-{worker}", image=site.image)
        _inflict(host, damage)
        said, changed = _play(host, site.tasks)
        ended = "mended"
        if damage.refused:
            if not re.search(damage.refused, said) or "What to do:" not in said:
                raise NotSurvived(f"the error does not say what is broken and what to do: {said!r}")
            host.container.shell(damage.remedy)
            said, changed = _play(host, site.tasks)
            ended = "refused, and mended as the error says"
        if said:
            raise NotSurvived(f"the tasks fail: {said}")
        if damage.seen and not changed:
            raise NotSurvived("no task noticed the damage")
        _must_be_mended(host, site, damage)
        said, changed = _play(host, site.tasks)
        if said or changed:
            raise NotSurvived(f"the next run is no run without a change: {said or 'changed'}")
        return ended

    return Case(damage.name, run)


def run(lab: Lab) -> list[Result]:
    """Damage: files, records, caches, locks, journals, the clock; one more run mends it or says how."""
    site = _site(lab)
    log = lab.work / "damage.jsonl"
    log.unlink(missing_ok=True)
    chosen = [one for one in DAMAGES if not lab.quick or one.name in QUICK]
    endings = play_all([_case(site, one) for one in chosen], ["one", "two"])
    note = "right-size files with other bytes in a prefix are not looked for: the modules compare sizes"
    results = []
    for kind in dict.fromkeys(one.kind for one in chosen):
        part = [ending for ending, one in zip(endings, chosen, strict=True) if one.kind == kind]
        results.append(survived(f"damage.{kind}", part, log, note if kind == "files" else ""))
    return results
