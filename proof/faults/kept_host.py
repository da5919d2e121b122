"""A host with an environment in generations, for the part generations: tasks, kills, and what must hold."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

from proof.faults.cases import NotInjected, NotSurvived
from proof.host import Answer, Host, answer
from proof.prepared import PREFIX
from proof.runner import Lab
from scripts.layout import ROOT

NAME = "job"
LINK = f"{PREFIX}/envs/{NAME}"
STORE = f"{PREFIX}/envs/.{NAME}"
VERSIONS = ("1.0", "2.0")
MODULE = "conda_generations"

_TOOLS = "/srv/llmfleet"
_KILLER = f"{_TOOLS}/run_module_killed.py"
_ENOUGH = 10**6

# What is wrong with the environment to which the link leads, judged by plain files; nothing if all is well.
_JUDGE = """
import json, os, sys
link, store = sys.argv[1:]
def judge():
    target = os.readlink(link)
    state = json.load(open(store + "/state.json"))
    known = state["generations"].get(target.rpartition("/")[2])
    if not known or known["failed"] or not known["verified"]:
        return target + " was not verified"
    meta = link + "/conda-meta/"
    records = [json.load(open(meta + name)) for name in os.listdir(meta) if name.endswith(".json")]
    found = sorted(one["name"] + " " + one["version"] for one in records)
    wanted = [" ".join(line.split()[:2]) for line in known["packages"] if not line.startswith("(")]
    if found != sorted(wanted):
        return "%s has %s, not %s" % (target, found, sorted(wanted))
    for one in records:
        for path in one["files"]:
            if not os.path.lexists(link + "/" + path):
                return target + " lacks " + path
    return "" if os.path.exists(meta + "frozen") else target + " is not frozen"
print(judge())
"""


class Kept:
    """One host, and the environment that its cases change in turn.

    Attributes:
        turn: how many declarations there were; each differs from all before, so that a generation is built.
    """

    def __init__(self, lab: Lab, number: int, image: str, python: str = "") -> None:
        killer = ROOT / "tests" / "run_module_killed.py"
        self.host = Host.start(
            lab, f"generations-{number}", "-v", f"{killer}:{_KILLER}:ro", image=image
        )
        self.python = python
        self.turn = 0
        self.must(self.declared())

    def declared(self, **more: Any) -> dict[str, Any]:
        """The options of a task that declares something new."""
        self.turn += 1
        packages = [f"lab-upgrade={VERSIONS[self.turn % 2]}"]
        packages += [f"python={self.python}"] if self.python else []
        # A pin of a package that is not there makes the declaration another one.
        environment = {"packages": packages, "pinned": [f"turn-{self.turn}<1"]}
        checks = {"checks": ["environment.records", "environment.files"]}
        return {**self.where(), "environment": environment, "checks": checks, **more}

    @staticmethod
    def where() -> dict[str, Any]:
        """The options that name the environment."""
        return {"installation": PREFIX, "name": NAME}

    def must(self, options: dict[str, Any]) -> Answer:
        """Run the module; raises NotSurvived if it fails."""
        return self.host.must(MODULE, options)

    def steps(self, options: dict[str, Any]) -> int:
        """How many steps an undisturbed run takes that change files."""
        done = self._run(_ENOUGH, options)
        found = answer(done.returncode, done.stdout, done.stderr)
        if found.failed:
            raise NotSurvived(f"an undisturbed run failed: {found.message}")
        return int(done.stderr.split()[-2])

    def kill(self, step: int, options: dict[str, Any]) -> None:
        """Run the module and kill it before a step; raises NotInjected if it ended before."""
        done = self._run(step, options)
        # docker exec hands on what a shell would say of a signal.
        if done.returncode not in (128 + signal.SIGKILL, -signal.SIGKILL):
            said = (done.stdout + done.stderr)[-300:]
            raise NotInjected(f"the module ended before step {step} ({done.returncode}): {said}")

    def _run(self, step: int, options: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        argv = ["python3", "-B", _KILLER, str(step), MODULE, json.dumps(options)]
        return self.host.container.run(argv, env={"PYTHONPATH": _TOOLS}, check=False)

    def must_be_whole(self) -> None:
        """Raises NotSurvived unless the link leads to a whole generation that was verified."""
        wrong = self.host.container.python(_JUDGE, LINK, STORE).strip()
        if wrong:
            raise NotSurvived(wrong)

    def must_come_to_rest(self, options: dict[str, Any]) -> None:
        """Raises NotSurvived unless one run converges, a second changes nothing, and nothing is left over."""
        self.must(options)
        self.must_be_whole()
        if self.must(options).changed:
            raise NotSurvived("the run after the next one changes something")
        names = self.host.container.run(["ls", "-A", STORE]).stdout.split()
        known = json.loads(self.host.container.run(["cat", f"{STORE}/state.json"]).stdout)
        numbers = set(known["generations"])
        left = set(names) - {"state.json", *numbers, *(f"{number}.txt" for number in numbers)}
        if left:
            raise NotSurvived(f"left over in {STORE}: {sorted(left)}")

    def current(self) -> str:
        """The generation to which the link leads, as text."""
        return self.host.container.run(["readlink", LINK]).stdout.strip().rpartition("/")[2]


def program(path: Path) -> str:
    """The text of a program that runs in a host."""
    return path.read_text(encoding="utf-8")
