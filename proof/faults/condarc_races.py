"""Two runs of conda_config at one condarc at the same time: neither loses what the other writes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab.hosts import USERS
from proof.faults.cases import Case, NotInjected, NotSurvived
from proof.host import Host, answer
from proof.prepared import PREFIX
from proof.runner import Lab
from scripts.layout import ROOT

ROUNDS = 100
START = """\
# Kept by hand.
ssl_verify: true  # the site's CA is among the system's
channels:
  # our own come first
  - lab
"""
_KEPT = tuple(START.splitlines())
_MODE = 0o640
_DOTFILES = "/home/ada/dotfiles/condarc"
_HOME_CONDARC = "/home/ben/.condarc"
_LINK = "/home/ada/.condarc"
_OTHER_VOLUME = "/mnt"
_IDS = dict(USERS)


@dataclass(frozen=True)
class Place:
    """Where a condarc is, and how two tasks name it.

    first, second: the options of each that say where. links: other names of the file.
    users: who runs the first, and who may run the second.
    scratch: where the modules have their temporary files; on another volume, a file cannot just be renamed.
    """

    name: str
    file: str
    first: Mapping[str, str]
    second: Mapping[str, str]
    users: tuple[str, ...] = ("root",)
    links: tuple[str, ...] = ()
    scratch: str = "/var/tmp"


PLACES = (
    Place("system", "/etc/conda/.condarc", {"scope": "system"}, {"scope": "system"}),
    Place("user", _HOME_CONDARC, {"scope": "user"}, {"path": _HOME_CONDARC}, users=("ben", "root")),
    Place("prefix", f"{PREFIX}/.condarc", {"scope": "prefix", "installation": PREFIX},
          {"path": f"{PREFIX}/.condarc"}, scratch=_OTHER_VOLUME),
    Place("link", _DOTFILES, {"path": _LINK}, {"path": _DOTFILES}, users=("ada", "root"), links=(_LINK,)),
)  # fmt: skip


@dataclass(frozen=True)
class Round:
    """One file, two tasks at once.

    settings: what each is to write. merge: into the list that is there. users: who runs them.
    """

    place: Place
    settings: tuple[dict[str, Any], dict[str, Any]]
    merge: bool
    users: tuple[str, str]

    def as_line(self) -> str:
        """For the driver."""
        place = self.place
        runs = [self._run(place.first, 0), self._run(place.second, 1)]
        folders = {str(Path(name).parent) for name in (place.file, *place.links)}
        watch = sorted(folders | {run["scratch"] for run in runs})
        asked = {"file": place.file, "text": START, "mode": _MODE, "owner": self.owner}
        return json.dumps({**asked, "links": place.links, "watch": watch, "runs": runs})

    @property
    def owner(self) -> int:
        """Whose the file is, by number."""
        return _IDS.get(self.place.users[0], 0)

    def _run(self, where: Mapping[str, str], number: int) -> dict[str, Any]:
        user = self.users[number]
        options = {**where, "settings": self.settings[number], "merge": self.merge}
        return {
            "options": options,
            "user": _IDS.get(user, 0),
            "home": f"/home/{user}",
            "scratch": f"{self.place.scratch}/races-{user}",
        }

    def problems(self, seen: Mapping[str, Any]) -> list[str]:
        """What is wrong after it, in words."""
        found = []
        for run in seen["runs"]:
            ended = answer(run["code"], run["said"], "")
            if ended.failed or not ended.changed:
                found.append(f"a run ended with {run['code']}: {ended.message[:300]}")
        found += self._lost(seen["text"])
        if (seen["mode"], seen["owner"]) != (_MODE, self.owner):
            found.append(f"the file has mode {seen['mode']:o} and is of user {seen['owner']}")
        if seen["links"] != list(self.place.links):
            found.append("the link is none any more")
        if seen["left"]:
            found.append(f"left behind: {', '.join(seen['left'][:3])}")
        return found

    def _lost(self, text: str) -> list[str]:
        """What of both tasks, and of the person's own, is not in the file."""
        try:
            values = yaml.safe_load(text) or {}
        except yaml.YAMLError as error:
            return [f"no YAML: {error}"]
        wanted = yaml.safe_load(START)
        for settings in self.settings:
            for key, value in settings.items():
                wanted[key] = [*wanted[key], *value] if self.merge else value
        found = [f"nobody asked for {key}" for key in values.keys() - wanted.keys()]
        for key, value in wanted.items():
            seen = values.get(key)
            if isinstance(value, list) and isinstance(seen, list):
                # Who comes first is open.
                lost = [one for one in value if one not in seen]
                found += [f"lost: {key} {lost}"] if lost else []
                found += [f"too much: {key} {seen}"] if len(seen) > len(value) else []
            elif seen != value:
                found.append(f"lost: {key}")
        return found + [
            f"lost: the line {line!r}" for line in _KEPT if line not in text.splitlines()
        ]


def rounds(count: int) -> list[Round]:
    """So many, evenly shared among the places, with other keys and with one list, by one user and by two."""
    return [_round(number) for number in range(count)]


def _round(number: int) -> Round:
    place = PLACES[number % len(PLACES)]
    merge = bool(number // len(PLACES) % 2)
    second = place.users[number // (2 * len(PLACES)) % len(place.users)]
    one: dict[str, Any] = {"remote_max_retries": number}
    two: dict[str, Any] = {"channel_priority": "strict", "default_threads": 2}
    if merge:
        one, two = {"channels": [f"one-{number}"]}, {"channels": [f"two-{number}"]}
    return Round(place, (one, two), merge, (place.users[0], second))


def overlapped(seen: Mapping[str, Any]) -> bool:
    """Whether both runs were at work at the same time."""
    began, ended = ([run.get(word) for run in seen["runs"]] for word in ("began", "ended"))
    return None not in began and max(began) < min(ended)


def met(seen: Mapping[str, Any]) -> bool:
    """Whether both had read the file before either wrote it: the later one then knew an old one."""
    read, wrote = ([run.get(word) for run in seen["runs"]] for word in ("read", "wrote"))
    return None not in [*read, *wrote] and max(read) < min(wrote)


def judged(played: Sequence[Round], seen: Sequence[Mapping[str, Any]]) -> str:
    """How all rounds ended.

    Raises NotSurvived with the first rounds that went wrong, NotInjected when too few were races.
    """
    together, races, count = sum(map(overlapped, seen)), sum(map(met, seen)), len(played)
    told = f"{together} of {count} rounds overlapped, in {races} both had read before either wrote"
    wrong = {
        number: problems
        for number, (one, after) in enumerate(zip(played, seen, strict=True))
        if (problems := one.problems(after))
    }
    if wrong:
        lost = sum(any(word.startswith("lost") for word in words) for words in wrong.values())
        first = " | ".join(
            f"{number} ({played[number].place.name}): {'; '.join(words)}"
            for number, words in list(wrong.items())[:4]
        )
        raise NotSurvived(f"{len(wrong)} rounds went wrong, {lost} lost something; {told}; {first}")
    if 2 * together <= count or 4 * races <= count:
        raise NotInjected(told)
    return f"as asked; {told}"


def case(lab: Lab) -> Case[None]:
    """The case, on a host of its own."""

    def tried(_worker: None) -> str:
        mounts = ("-v", f"{ROOT / 'proof'}:/srv/llmfleet/proof:ro", "--tmpfs", _OTHER_VOLUME)
        host = Host.start(lab, "condarc", *mounts)
        host.container.shell(f"mkdir -p /etc/conda {PREFIX}/conda-meta")
        host.container.shell(
            f"mkdir {Path(_DOTFILES).parent}; ln -s {_DOTFILES} {_LINK}", user="ada"
        )
        played = rounds(ROUNDS)
        done = host.container.run(
            ["python3", "-B", "-m", "proof.faults.condarc_driver"],
            env={"PYTHONPATH": "/srv/llmfleet"},
            stdin="".join(one.as_line() + "\n" for one in played),
        )
        (lab.work / "condarc-races.jsonl").write_text(done.stdout, encoding="utf-8")
        return judged(played, [json.loads(line) for line in done.stdout.splitlines()])

    return Case(f"{ROUNDS} rounds of two conda_config at one condarc", tried)
