"""Secrets through roles and playbooks: used by site, update, verify, remove and by roles that fail.

One host goes through the runs of `turns`. After each run every secret that the run was given is searched for
in every place where the run may have left it. A run begins with a play that shows texts of its own in these
places at the run's verbosity: where such a text is not found, the search there proves nothing and the case
does not count.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from lab import docker_engine
from lab.containers import Container
from proof.bench import connections
from proof.faults import canaries, mirror_site, role_inventory, witness
from proof.faults.canaries import Canary
from proof.faults.cases import Case, NotInjected, NotSurvived, play_all, survived
from proof.faults.guarded_server import GuardedServer
from proof.faults.role_inventory import Addresses, Given
from proof.figures import Result
from proof.fleet import Fleet
from proof.prepared import PREFIX
from proof.runner import Lab
from scripts.layout import ROOT, VENV_BIN

PRINTED = "the output"
LOG = "ANSIBLE_LOG_PATH"
SYSLOG = "the host's syslog"
FACTS = "the fact cache"
REPORT = "the reports of verify"
ARTIFACTS = "the runner's job_events"
RUNNER_STDOUT = "the runner's stdout"
RUNNER_FACTS = "the runner's fact_cache"
RUNNER_COMMAND = "the runner's command"
ARGV = "the command lines on the host"
FILES = "the files on the host"
TEMPORARY = "the controller's temporary files"

LEVELS = {0: "", 1: "-v", 3: "-vvv"}

_SHOWN = {level: f"planted-at-verbosity-{level}-0123456789" for level in LEVELS}
_PLANTED = {
    SYSLOG: "planted-in-syslog-0123456789",
    FACTS: "planted-in-facts-0123456789",
    REPORT: role_inventory.REPORTED,
    RUNNER_FACTS: "planted-in-facts-0123456789",
    RUNNER_COMMAND: "planted-in-the-command-0123456789",
    ARGV: "planted-in-a-file-0123456789",
    FILES: "planted-in-a-file-0123456789",
    TEMPORARY: "planted-beside-ansible-0123456789",
}
_PLANTED_FILE = "/var/tmp/planted-by-roles"


def planted(place: str, level: int) -> str:
    """The text that a run at that verbosity has left in a place on purpose."""
    return _PLANTED.get(place) or _SHOWN[level]


@dataclass(frozen=True)
class Turn:
    """One run of a playbook.

    does: in words, for the names of cases. given: the secrets that it gets. level: how many -v.
    acts: it does everything anew, so the server has to be shown every secret.
    failures, rescued: how many tasks are to fail. logs: a module that has to be in the host's syslog.
    runner: it is started by ansible-runner.
    """

    does: str
    playbook: str
    given: tuple[Given, ...]
    level: int = 0
    arguments: tuple[str, ...] = ()
    acts: bool = False
    failures: int = 0
    rescued: int = 0
    logs: str = "conda_env"
    runner: bool = False

    @property
    def name(self) -> str:
        """As in the names of cases."""
        words = [self.does, "by ansible-runner" if self.runner else "", LEVELS[self.level]]
        return " ".join(word for word in words if word)

    @property
    def places(self) -> tuple[str, ...]:
        """Where it may leave something."""
        found = [LOG, SYSLOG]
        found += [ARTIFACTS, RUNNER_STDOUT, RUNNER_FACTS, RUNNER_COMMAND] if self.runner else []
        found += [] if self.runner else [PRINTED, FACTS]
        return (*found, *([REPORT] if self._verifies else []))

    @property
    def _verifies(self) -> bool:
        known = ("site", "update", "verify")
        # In check mode nothing is written, the report neither.
        looks = self.failures or "--check" in self.arguments
        return not looks and self.playbook.rpartition(".")[2] in known


@dataclass(frozen=True)
class Seen:
    """What could be seen of one run, or of the host after all of them.

    texts: what was printed or written, by place. used: what the server was shown, and the variables of
    environments. tasks: those that came to a result. unlike: what was not as it was meant to be.
    """

    texts: Mapping[str, str]
    used: frozenset[str]
    tasks: frozenset[str] = frozenset()
    unlike: str = ""


@dataclass
class Evidence:
    """What all runs left: by the turn's name, and what was on the host at the end."""

    turns: dict[str, Seen] = field(default_factory=dict)
    end: Seen = field(default_factory=lambda: Seen({}, frozenset()))
    files: list[tuple[str, str, int]] = field(default_factory=list)


def turns(refused: Path, mistaken: Path, foreseen: Path, *, quick: bool) -> list[Turn]:
    """The runs, in this order on one host without conda.

    refused: the playbook of roles that fail. mistaken: a file of variables with which ``site`` fails.
    foreseen: one with which look_ahead can foresee what it asks of the host.
    quick: one of them only, on a host that has conda.
    """
    right, wrong = role_inventory.RIGHT, role_inventory.MISTAKEN
    items = role_inventory.MISTAKEN_ITEMS
    if quick:
        early = tuple(one for one in wrong if one in items or "installer" in one.name)
        return [
            Turn("roles that fail", str(refused), early, 3, acts=True, rescued=role_inventory.QUICK_BLOCKS)
        ]  # fmt: skip
    site = "llmfleet.conda.site"
    diff = ("--diff",)
    check = ("--check", "--diff")

    def failing(level: int) -> Turn:
        return Turn(
            "roles that fail",
            str(refused),
            wrong,
            level,
            diff,
            acts=True,
            rescued=role_inventory.BLOCKS,
        )

    return [
        Turn("site --check on a bare host", site, right, 3, check),
        # At -vvv it prints all that it prints at less, and more.
        Turn("site on a bare host", site, right, 3, diff, acts=True, runner=True),
        Turn("site on a converged host", site, right, 0, diff),
        Turn("site --check on a converged host", site, right, 1, check),
        Turn(
            "site that looks ahead",
            site,
            role_inventory.FORESEEN,
            3,
            (*diff, "-e", f"@{foreseen}"),
            logs="look_ahead",
        ),
        failing(0),
        failing(1),
        failing(3),
        Turn("site that fails", site, items, 0, ("-e", f"@{mistaken}"), acts=True, failures=1),
        Turn("update", "llmfleet.conda.update", right, 1, diff),
        Turn("verify", "llmfleet.conda.verify", role_inventory.OF_STACK, 3, logs="llm_check"),
        Turn("remove", "llmfleet.conda.remove", right, 3, diff),
    ]


def run(lab: Lab, image: str) -> list[Result]:
    """The cases of roles and playbooks; image: of a host with conda, for the quick ones."""
    log = lab.work / ("secret-roles-quick.jsonl" if lab.quick else "secret-roles.jsonl")
    log.unlink(missing_ok=True)
    every = role_inventory.EVERY
    secrets = canaries.make(
        (one.name for one in every if not one.password),
        (one.name for one in every if one.password),
        time.time_ns(),
    )
    site = mirror_site.make(lab.work / "secret-roles-site")
    role_inventory.make_channels(site)
    right = [one.value for one in secrets.values() if not one.wrong]
    with GuardedServer(site, docker_engine.gateway(), right) as server:
        fleet = Fleet(lab, lab.work / "secret-roles-fleet")
        container = fleet.add("roles", image if lab.quick else "")
        at = Addresses(server.address, secrets)
        chosen = _prepare(fleet, container, at, lab.quick)
        found = _Observer(lab, fleet, container, server, secrets).observe(chosen)
    return [survived("secrets.roles", play_all(cases(chosen, secrets), [found]), log)]


def _prepare(fleet: Fleet, container: Container, at: Addresses, quick: bool) -> list[Turn]:
    folder = fleet.folder
    container.python(
        "import os, sys\n"
        "os.umask(0o077)\n"
        "with open(sys.argv[1], 'w') as stream:\n"
        "    stream.write(sys.argv[2])\n"
        # sshd reads its configuration anew.
        "os.kill(1, 1)\n",
        role_inventory.EXPORTED_IN,
        f"SetEnv {role_inventory.EXPORTED}={at.secrets['exported-password'].quoted}\n",
    )
    fleet.write_inventory(role_inventory.variables(at, folder))
    items = role_inventory.mistaken_items(at, folder)
    mistaken, foreseen = folder / "mistaken.json", folder / "foreseen.json"
    mistaken.write_text(json.dumps({"create_conda_env_environments": items}))
    foreseen.write_text(json.dumps(role_inventory.foreseen(at)))
    refused = role_inventory.refused_book(at, folder, quick=quick)
    return turns(refused, mistaken, foreseen, quick=quick)


# -- the runs --------------------------------------------------------------------------------------


class _Observer:
    """Does the runs and keeps what they leave."""

    def __init__(
        self,
        lab: Lab,
        fleet: Fleet,
        container: Container,
        server: GuardedServer,
        secrets: dict[str, Canary],
    ) -> None:
        self.lab = lab
        self.fleet = fleet
        self.container = container
        self.server = server
        self.secrets = secrets
        self.notes = lab.work / "secret-roles-host.log"
        self.controller = _empty(fleet.folder / "controller")

    def observe(self, chosen: list[Turn]) -> Evidence:
        """What all these runs left."""
        found = Evidence()
        since = time.time()
        with witness.watching(self.container, self.notes):
            for number, turn in enumerate(chosen):
                started = time.monotonic()
                found.turns[turn.name] = self._turn(
                    turn, _empty(self.fleet.folder / f"run-{number}")
                )
                self.lab.say(f"{turn.name}: {time.monotonic() - started:.0f} s")
        (self.controller / "planted").write_text(_PLANTED[TEMPORARY])
        texts = {
            ARGV: witness.noted(self.notes.read_text(encoding="utf-8"), "argv"),
            TEMPORARY: witness.below(self.controller),
        }
        control = Canary("control", _PLANTED[FILES])
        searched = {**self.secrets, control.name: control}
        found.files = witness.left_on(self.container, searched, since)
        if any((name, where) == (control.name, _PLANTED_FILE) for name, where, _ in found.files):
            texts[FILES] = control.value
        used = frozenset[str]().union(*(seen.used for seen in found.turns.values()))
        found.end = Seen(texts, used)
        return found

    def _turn(self, turn: Turn, folder: Path) -> Seen:
        self.server.used.clear()
        noted = self.notes.stat().st_size
        logfile = folder / "ansible.log"
        env = {
            "ANSIBLE_LOG_PATH": str(logfile),
            "ANSIBLE_CACHE_PLUGIN": "jsonfile",
            "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(folder / "facts"),
            "TMPDIR": str(self.controller),
        }
        book = write_book(folder / "book.json", turn.playbook)
        words = [*turn.arguments, "-e", f"verify_report={folder}/reports/report.json"]
        words += [LEVELS[turn.level]] if turn.level else []
        texts = (self._by_runner if turn.runner else self._by_playbook)(book, words, env, folder)
        # The watcher looks at the host's log every few milliseconds.
        time.sleep(0.1)
        with self.notes.open(encoding="utf-8", errors="replace") as stream:
            stream.seek(noted)
            texts[SYSLOG] = witness.noted(stream.read(), "syslog")
        texts[LOG] = logfile.read_text(errors="replace")
        texts[REPORT] = witness.below(folder / "reports")
        events = self.fleet.events()
        tasks = {str(one["task"]) for one in events if one["event"] == "result"}
        return Seen(
            texts,
            frozenset(self.server.used) | self._variables(),
            frozenset(name.rpartition(" : ")[2] for name in tasks),
            _unlike(turn, events, texts[SYSLOG]),
        )

    def _by_playbook(
        self, book: Path, words: list[str], env: dict[str, str], folder: Path
    ) -> dict[str, str]:
        done = self.fleet.play(book, *words, env=env, check=False)
        return {PRINTED: done.output, FACTS: witness.below(folder / "facts")}

    def _by_runner(
        self, book: Path, words: list[str], env: dict[str, str], folder: Path
    ) -> dict[str, str]:
        place = _empty(folder / "runner")
        (place / "project").mkdir()
        given = [*words, "-e", f"planted={_PLANTED[RUNNER_COMMAND]}"]
        argv = [
            *(str(VENV_BIN / "ansible-runner"), "run", str(place), "-i", "run", "-q", "-p", str(book)),
            *("--inventory", str(self.fleet.inventory), "--cmdline", " ".join(given)),
        ]  # fmt: skip
        with connections.opened() as held:
            environment = {**held.environment, **self.fleet.environment(env)}
            subprocess.run(
                argv, env=environment, cwd=ROOT, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, timeout=600, check=False,
            )  # fmt: skip
        left = place / "artifacts" / "run"
        events, facts = witness.below(left / "job_events"), witness.below(left / "fact_cache")
        rest = (path for path in left.iterdir() if path.is_file() and path.name != "stdout")
        return {
            ARTIFACTS: events,
            RUNNER_STDOUT: (left / "stdout").read_text(errors="replace"),
            RUNNER_FACTS: facts,
            RUNNER_COMMAND: "".join(path.read_text(errors="replace") for path in rest),
        }

    def _variables(self) -> frozenset[str]:
        """Those of the secrets that environments of the host have as variables."""
        script = f"cat {PREFIX}/envs/*/conda-meta/state"
        state = self.container.run(["sh", "-c", script], check=False).stdout
        return frozenset(one.value for one in self.secrets.values() if one.value in state)


def _empty(folder: Path) -> Path:
    """A folder of this run alone."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _unlike(turn: Turn, events: list[dict[str, Any]], syslog: str) -> str:
    """What of a run was not as it was meant to be, by Ansible's recap and the host's log."""
    if f"llmfleet.conda.{turn.logs}: Invoked with" not in syslog:
        return f"the host never ran {turn.logs}"
    counts = [host for one in events if one["event"] == "recap" for host in one["hosts"].values()]
    total = {
        kind: sum(one.get(kind, 0) for one in counts)
        for kind in ("ok", "failures", "rescued", "unreachable")
    }
    wanted = {"failures": turn.failures, "rescued": turn.rescued, "unreachable": 0}
    if total.pop("ok") and total == wanted:
        return ""
    said = [str(one["message"]) for one in events if one.get("outcome") == "failed"]
    return f"{total} instead of {wanted}: {'; '.join(said)[:600]}"


def write_book(target: Path, playbook: str) -> Path:
    """Write a playbook that runs another one behind a play that shows the planted texts."""
    shows = role_inventory.play_of("What the search has to find", _planting())
    runs = {"name": "Run the playbook", "ansible.builtin.import_playbook": playbook}
    # JSON is YAML.
    target.write_text(json.dumps([shows, runs], indent=1))
    return target


def _planting() -> list[dict[str, Any]]:
    """Tasks that show the planted texts: at each verbosity, in the host's log, as a fact, in a file."""
    text = _PLANTED[FILES]
    script = f"echo {text} > {_PLANTED_FILE}; chmod 644 {_PLANTED_FILE}; sleep 0.3"
    tasks: list[dict[str, Any]] = [
        {
            "name": f"Show a text at verbosity {level}",
            "ansible.builtin.debug": {"msg": shown, "verbosity": level},
        }
        for level, shown in _SHOWN.items()
    ]
    tasks += [
        {
            "name": "Have a module's arguments logged",
            "ansible.builtin.command": {"argv": ["echo", _PLANTED[SYSLOG]]},
        },
        {
            "name": "Keep a fact",
            "ansible.builtin.set_fact": {"planted_fact": _PLANTED[FACTS], "cacheable": True},
        },
        {
            "name": "Show a text to the host",
            "ansible.builtin.command": {"argv": ["sh", "-c", script]},
            "check_mode": False,
        },
    ]
    return tasks


# -- the cases -------------------------------------------------------------------------------------


def cases(chosen: list[Turn], secrets: Mapping[str, Canary]) -> list[Case[Evidence]]:
    """One for every secret in every place of every run that was given it, and for the host at the end."""
    return list(_cases(chosen, secrets))


def _cases(chosen: list[Turn], secrets: Mapping[str, Canary]) -> Iterator[Case[Evidence]]:
    for turn in chosen:
        for given in turn.given:
            for place in turn.places:
                yield _kept(turn, given, secrets[given.name], place)
    everything = {one.name: one for turn in chosen for one in turn.given}
    for given in everything.values():
        for place in (ARGV, FILES, TEMPORARY):
            yield _kept_at_the_end(given, secrets[given.name], place)


def _kept(turn: Turn, given: Given, canary: Canary, place: str) -> Case[Evidence]:
    def run_case(found: Evidence) -> str:
        seen = found.turns[turn.name]
        if seen.unlike:
            raise NotInjected(seen.unlike)
        if turn.acts and "failing" not in given.name:
            if canary.value not in seen.used:
                raise NotInjected("the server was never shown it, and no environment has it")
        elif not seen.tasks & given.tasks:
            raise NotInjected(f"none of its tasks ran: {', '.join(sorted(given.tasks))}")
        _search(canary, place, seen.texts[place], planted(place, turn.level))
        return "as asked, and shown nowhere"

    return Case(f"{given.name}, {turn.name}: not in {place}", run_case)


def _kept_at_the_end(given: Given, canary: Canary, place: str) -> Case[Evidence]:
    def run_case(found: Evidence) -> str:
        if canary.value not in found.end.used and "failing" not in given.name:
            raise NotInjected("it was never used")
        _search(canary, place, found.end.texts.get(place, ""), planted(place, 0))
        if place == FILES:
            shown = [
                f"{where} (mode {mode:04o})"
                for name, where, mode in found.files
                if name == canary.name and not (given.file and fnmatch(where, given.file))
            ]
            if shown:
                raise NotSurvived("; ".join(shown[:12]))
        return "as asked, and shown nowhere"

    return Case(f"{given.name}, after all runs: not in {place}", run_case)


def _search(canary: Canary, place: str, text: str, control: str) -> None:
    """Raises NotInjected where the planted text is not found, NotSurvived where the secret is."""
    if control not in text:
        raise NotInjected(f"what was planted in {place} was not found")
    shown = canaries.shown_in(canary, {place: text})
    if shown:
        raise NotSurvived("; ".join(shown))


__all__ = ["run"]
