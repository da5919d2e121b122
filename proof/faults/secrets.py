"""Secrets: used for real in every place that takes one, then searched for in all that a run leaves.

Searched are what ansible-playbook -vvv --diff prints, its log, the callbacks' files and the controller's
temporary files; on the host every command line while the modules run, what they say to the host's log,
every file that changed and every process that is left. That is about single modules; `secret_roles` has roles
and playbooks.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab import docker_engine
from lab.containers import Container
from proof.faults import canaries, mirror_site, secret_roles, secret_tasks, witness
from proof.faults.canaries import Canary
from proof.faults.cases import Case, NotInjected, NotSurvived, play_all, survived
from proof.faults.guarded_server import GuardedServer
from proof.faults.secret_tasks import Task
from proof.figures import Result
from proof.fleet import Fleet
from proof.host import Host
from proof.prepared import PREFIX, installed
from proof.runner import Lab

CONTROL = Canary("control", "tk-planted-control-0123456789")
"""Shown on purpose, so that a search that finds nothing means something."""

_PLANTED = (
    "a file",
    "command lines on the host",
    "the controller's temporary files",
    "the host's log",
    "the log of Ansible",
    "what ansible-playbook printed",
)
"""Where it is shown."""

_OF_CONDA = re.compile(
    rf"{PREFIX}/pkgs/(?:urls\.txt|cache/[0-9a-z]+\.(?:info\.)?json|[^/]+/info/repodata_record\.json)"
)
"""Where conda itself notes the whole addresses of what is in its package cache (conda 24.7,
``core.package_cache_data`` and ``core.subdir_data``); in ``conda-meta`` it leaves the secrets out."""


@dataclass
class Evidence:
    """All that could be seen.

    texts: what was printed or written, by the place where. files: what was found on the host: canary, place,
    permissions. used: names of the canaries that did their work. unlike: errors that were not meant.
    """

    texts: dict[str, str] = field(default_factory=dict)
    files: list[tuple[str, str, int]] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    unlike: list[str] = field(default_factory=list)


def run(lab: Lab) -> list[Result]:
    """Secrets are used, and shown nowhere."""
    log = lab.work / ("secrets-quick.jsonl" if lab.quick else "secrets.jsonl")
    log.unlink(missing_ok=True)
    secrets = canaries.make(secret_tasks.TOKENS, secret_tasks.PASSWORDS, time.time_ns())
    right = [one.value for one in secrets.values() if not one.wrong]
    site = mirror_site.make(lab.work / "secrets-site")
    image = installed(lab)
    with GuardedServer(site, docker_engine.gateway(), right) as server:
        fleet = Fleet(lab, lab.work / "secrets-fleet")
        container = fleet.add("secrets", image, Host.mounts())
        fleet.write_inventory()
        chosen = secret_tasks.tasks(server.address, secrets)
        if lab.quick:
            chosen = [one for one in chosen if one.name in secret_tasks.QUICK]
        found = _observe(lab, fleet, container, server, chosen, secrets)
    needed = sorted(frozenset[str]().union(*(one.needs for one in chosen)))
    cases = [_kept(secrets[name]) for name in needed]
    cases.append(Case("every task succeeds or fails as it is to", _as_meant))
    cases += [_planted(place) for place in _PLANTED]
    if not lab.quick:
        cases.append(_killed(secrets["channel-token"]))
    container.remove()
    kept = survived("secrets.kept", play_all(cases, [found]), log)
    return [kept, *secret_roles.run(lab, image)]


def _observe(
    lab: Lab,
    fleet: Fleet,
    container: Container,
    server: GuardedServer,
    chosen: list[Task],
    secrets: dict[str, Canary],
) -> Evidence:
    found = Evidence()
    since = time.time()
    book = secret_tasks.playbook(chosen, fleet.folder / "secrets.json")
    control = _control_book(fleet.folder / "control.json")
    controller = fleet.folder / "controller"
    controller.mkdir(exist_ok=True)
    logfile = fleet.folder / "ansible.log"
    logfile.write_text("")
    notes = lab.work / "secrets-host.log"
    env = {"ANSIBLE_LOG_PATH": str(logfile), "TMPDIR": str(controller)}
    printed = []
    events = []
    with witness.watching(container, notes):
        rounds = [(book, ("--check",)), (book, ()), (book, ())]
        for playbook, arguments in [*(rounds[1:2] if lab.quick else rounds), (control, ())]:
            done = fleet.play(playbook, "-vvv", "--diff", *arguments, env=env, check=False)
            printed.append(done.output)
            wrong = sum(done.count(kind) for kind in ("failures", "rescued", "unreachable"))
            if wrong or not done.count("ok"):
                found.unlike += re.findall(r"(?m)^\[ERROR\]: (.*)$", done.output) or ["no play"]
            events.append((fleet.folder / "recap.jsonl").read_text())
        if not lab.quick:
            found.texts["what a killed module said"] = _kill_one(container, server, secrets)
    found.texts["what ansible-playbook printed"] = "\n".join(printed)
    found.texts["the log of Ansible"] = logfile.read_text()
    found.texts["the callbacks' events"] = "\n".join(events)
    seen = notes.read_text(encoding="utf-8")
    for place, kind in (("command lines on the host", "argv"), ("the host's log", "syslog")):
        found.texts[place] = witness.noted(seen, kind)
    (controller / "planted").write_text(CONTROL.value)
    found.texts["the controller's temporary files"] = witness.below(controller)
    found.files = witness.left_on(container, {**secrets, CONTROL.name: CONTROL}, since)
    state = container.run(["cat", f"{PREFIX}/envs/token/conda-meta/state"], check=False).stdout
    found.used = {
        name for name, one in secrets.items() if one.value in server.used | {_variable(state)}
    }
    (lab.work / "secrets-found.json").write_text(json.dumps(found.files, indent=1))
    return found


def _variable(state: str) -> str:
    try:
        return str(json.loads(state)["env_vars"]["HF_TOKEN"])
    except (ValueError, KeyError):
        return ""


def _control_book(target: Path) -> Path:
    """A play that shows the control canary: printed, logged, as an argument and in a file."""
    value = CONTROL.value
    shown = {
        "argv": [
            "sh",
            "-c",
            f"echo {value} > /var/tmp/planted; chmod 644 /var/tmp/planted; sleep 0.3",
        ]
    }
    play = {
        "name": "What the search has to find",
        "hosts": "all",
        "gather_facts": False,
        "tasks": [{"name": "Show it", "ansible.builtin.command": shown}],
    }
    target.write_text(json.dumps([play]))
    return target


# -- a run that is killed --------------------------------------------------------------------------


def _kill_one(container: Container, server: GuardedServer, secrets: dict[str, Canary]) -> str:
    """Kill a module while its conda waits for the server; returns what it had said."""
    channel = f"http://{server.address}/t/{secrets['channel-token'].quoted}/conda/lab"
    options = {
        "installation": PREFIX,
        "prefix": f"{PREFIX}/envs/killed",
        "packages": ["lab-upgrade=1.0"],
        "channels": [channel],
    }
    script = (
        "import os, runpy, sys; sys.argv = ['run_module.py', 'conda_env', sys.stdin.read()];"
        "open('/run/killed.pid', 'w').write(str(os.getpid()));"
        "runpy.run_path('/srv/llmfleet/run_module.py', run_name='__main__')"
    )
    argv = container.argv(
        ["python3", "-B", "-c", script], env={"PYTHONPATH": "/srv/llmfleet"}, interactive=True
    )
    server.slow = 30.0
    process = subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(options))
    process.stdin.close()
    process.stdin = None
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        listed = container.run(["sh", "-c", "ls /tmp"], check=False).stdout
        if "llmfleet-conda-" in listed:
            break
        time.sleep(0.1)
    container.shell(
        "pid=$(cat /run/killed.pid); for child in $(cat /proc/$pid/task/$pid/children);"
        " do kill -9 $child; done; kill -9 $pid"
    )
    server.slow = 0.0
    said, _ = process.communicate(timeout=60)
    container.run(["touch", "/run/killed.seen"])
    return (
        said
        if process.returncode in (137, -signal.SIGKILL)
        else f"not killed: {process.returncode}"
    )


# -- the cases -------------------------------------------------------------------------------------


def _kept(canary: Canary) -> Case[Evidence]:
    def run_case(found: Evidence) -> str:
        if canary.name not in found.used:
            raise NotInjected("the server was never shown it")
        shown = canaries.shown_in(canary, found.texts)
        shown += [
            f"{where} (mode {mode:04o})"
            for name, where, mode in found.files
            if name == canary.name and not _may_hold(name, where, mode)
        ]
        if shown:
            raise NotSurvived("; ".join(shown[:12]))
        return "as asked, and shown nowhere"

    return Case(f"{canary.name} is used and kept", run_case)


def _may_hold(name: str, where: str, mode: int) -> bool:
    if name in secret_tasks.ALLOWED.get(where, ()) or _OF_CONDA.fullmatch(where):
        return True
    # What a killed run could not take away with it is for the eyes of its user only.
    return mode == 0o600 and where.startswith(("/tmp/llmfleet-conda-", f"{PREFIX}/envs/.killed"))


def _as_meant(found: Evidence) -> str:
    if found.unlike:
        raise NotInjected("; ".join(found.unlike[:3]))
    return "as asked"


def _planted(place: str) -> Case[Evidence]:
    def run_case(found: Evidence) -> str:
        texts: Mapping[str, str] = found.texts
        if place == "a file":
            seen = any(
                name == CONTROL.name and where == "/var/tmp/planted"
                for name, where, _mode in found.files
            )
        else:
            seen = bool(canaries.shown_in(CONTROL, {place: texts[place]}))
        if not seen:
            raise NotInjected("what was planted there was not found")
        return "found, as it must be"

    return Case(f"a planted secret is found in {place}", run_case)


def _killed(canary: Canary) -> Case[Evidence]:
    def run_case(found: Evidence) -> str:
        said = found.texts["what a killed module said"]
        if said.startswith("not killed"):
            raise NotInjected(said)
        left = [
            where for name, where, _mode in found.files if name == canary.name and "killed" in where
        ]
        return f"killed; left in private files: {len(left)}"

    return Case("a module is killed while conda holds a token", run_case)


__all__ = ["run"]
