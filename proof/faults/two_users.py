"""Two users at one package cache: by the modules and at the keyboard, all at the same time."""

from __future__ import annotations

import json
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from proof.faults.cases import Case, NotInjected, NotSurvived
from proof.faults.same_host import must_be_clean, wrong_sums
from proof.host import Host, answer
from proof.prepared import PREFIX, install, installation_options, settings
from proof.runner import Lab

GROUP = "research"
_PACKAGES = ("python=3.12", "six", "lab-upgrade=1.0")
"""The installer brings none of them, so that all want to fetch and unpack the same."""


@dataclass(frozen=True)
class Ended:
    """When a process began and ended, in seconds of the same clock, and how."""

    name: str
    began: float
    ended: float
    code: int
    said: str


def shared(lab: Lab, name: str) -> Host:
    """A host with an installation in which the members of a group may make environments."""
    host = Host.start(lab, name)
    host.container.shell(f"groupadd {GROUP}; for u in ada ben; do usermod -aG {GROUP} $u; done")
    install(host, lab)
    access = {"owner": "root", "group": GROUP, "mode": "0755", "group_writable": ["envs", "pkgs"]}
    host.must("conda_installation", {**installation_options(lab), **access})
    places = {"envs_dirs": [f"{PREFIX}/envs"], "pkgs_dirs": [f"{PREFIX}/pkgs"]}
    config = {
        "scope": "prefix",
        "installation": PREFIX,
        "settings": {**settings(lab.mirror_url), **places},
    }
    host.must("conda_config", config)
    return host


def at_once(host: Host) -> list[Ended]:
    """Ada and ben, each by a module and at the keyboard, all four begun together."""
    processes = {}
    for user in ("ada", "ben"):
        options = {"installation": PREFIX, "name": f"{user}-module", "packages": [*_PACKAGES]}
        processes[f"{user}-module"] = host.argv("conda_env", options, user=user)
        words = ["-I", "-m", "conda", "create", "--yes", "--name", f"{user}-keyboard", *_PACKAGES]
        processes[f"{user}-keyboard"] = host.container.argv(
            [f"{PREFIX}/bin/python", *words], user=user
        )

    def one(name: str) -> Ended:
        began = time.monotonic()
        done = subprocess.run(
            processes[name],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=300,
            check=False,
        )
        return Ended(name, began, time.monotonic(), done.returncode, _words(done))

    with ThreadPoolExecutor(len(processes)) as pool:
        return list(pool.map(one, processes))


def _words(done: subprocess.CompletedProcess[str]) -> str:
    """What a person would read of it."""
    return answer(done.returncode, done.stdout, done.stderr).message


def case(lab: Lab) -> Case[None]:
    """The case, on a host of its own."""

    def tried(_worker: None) -> str:
        host = shared(lab, "shared")
        ends = at_once(host)
        if max(one.began for one in ends) >= min(one.ended for one in ends):
            raise NotInjected("they did not run at the same time")
        modules = [one for one in ends if one.name.endswith("module")]
        bad = [f"{one.name}: {one.said[:1500]}" for one in modules if one.code]
        if bad:
            raise NotSurvived(" | ".join(bad))
        # A conda that met another conda may have given up; what it says is its own, but it must do now.
        gave_up = [one.name for one in ends if one.code]
        for name in gave_up:
            host.conda(
                PREFIX, "create", "--yes", "--name", name, *_PACKAGES, user=name.partition("-")[0]
            )
        _sound(host, [one.name for one in ends])
        note = f"; {', '.join(gave_up)} gave up once" if gave_up else ""
        return f"as asked, four environments{note}"

    return Case("two users at one package cache, each by a module and at the keyboard", tried)


def _sound(host: Host, names: list[str]) -> None:
    prefixes = [f"{PREFIX}/envs/{name}" for name in names]
    wrong = wrong_sums(host.container, *prefixes)
    if wrong:
        raise NotSurvived(f"{len(wrong)} files are not those of their packages: {wrong[:3]}")
    for name, prefix in zip(names, prefixes, strict=True):
        listed = host.conda(PREFIX, "list", "--prefix", prefix, "--json")
        found = {one["name"]: one["version"] for one in listed}
        if found.get("lab-upgrade") != "1.0" or not found.get("python", "").startswith("3.12"):
            raise NotSurvived(f"{name} is not as asked: {json.dumps(found)}")
        host.container.run([f"{prefix}/bin/python", "-I", "-c", "import six, ssl, sqlite3"])
        user = name.partition("-")[0]
        options = {"installation": PREFIX, "name": name, "packages": [*_PACKAGES]}
        if host.must("conda_env", options, user=user).changed:
            raise NotSurvived(f"a run after it changes {name}")
    must_be_clean(host.container)
