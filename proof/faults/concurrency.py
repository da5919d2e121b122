"""Concurrency: runs of site.yml at one host, users at one package cache, tasks at one condarc."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lab.containers import Container
from proof.faults import condarc_races, two_users
from proof.faults.cases import Case, NotInjected, NotSurvived, play_all, survived
from proof.faults.same_host import differences, must_be_clean, state, wrong_sums
from proof.figures import Result
from proof.fleet import Fleet
from proof.prepared import PREFIX
from proof.runner import Lab
from scripts.layout import VENV_BIN, tool_environment

RUNS = 8
_VARIABLES: dict[str, Any] = {
    # Light: how runs get along does not depend on torch.
    "install_llm_stack_profiles": ["data"],
    "install_llm_stack_profile_overrides": {"data": {"conda": ["python-dateutil"]}},
    "install_llm_stack_requirements": ["jinja2"],
    "verify_model": "",
    "verify_imports": {"dateutil": "", "jinja2": ">=3", "markupsafe": ""},
}
_RECAP = re.compile(r"changed=(\d+) .*?unreachable=(\d+) .*?failed=(\d+)")

# A lock is held, by flock, while other modules run on the host: those wait for it. Their processes are
# those that Ansible started, which are no children of another Python.
_WATCH = """
import glob, json, os, sys, time
samples = 0
while not os.path.exists("/srv/enough"):
    held = set()
    for lock in glob.glob("/opt/.*.llmfleet.lock") + glob.glob("/opt/*/envs/.*.llmfleet.lock"):
        try:
            held.add(os.stat(lock).st_ino)
        except OSError:
            pass
    flocks = {int(l.split()[5].split(":")[2]) for l in open("/proc/locks") if " FLOCK " in l}
    modules = 0
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            words = open(path).read().split("\\0")
        except OSError:
            continue
        modules += words[0].endswith("python3") and (len(words) == 2 or "AnsiballZ" in words[1])
    samples += bool(held & flocks) and modules >= 2
    time.sleep(0.05)
print(samples)
"""


@dataclass(frozen=True)
class Played:
    """One run of the playbook: when, how it ended, what its recap counts."""

    began: float
    ended: float
    code: int
    changed: int
    output: str


class Site:
    """One host, played at by several controllers."""

    def __init__(self, lab: Lab, name: str) -> None:
        self.fleet = Fleet(lab, lab.work / name)
        self.host: Container = self.fleet.add(name)
        self.inventory = self.fleet.write_inventory(_VARIABLES)

    def play(self, number: int = 0) -> Played:
        """Run site.yml once, as a controller of its own."""
        own = self.fleet.folder / f"controller-{number}"
        environment = tool_environment({"ANSIBLE_HOME": str(own), "ANSIBLE_NOCOLOR": "1"})
        program = str(VENV_BIN / "ansible-playbook")
        argv = [program, "-i", str(self.inventory), "llmfleet.conda.site"]
        began = time.monotonic()
        done = subprocess.run(
            argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", timeout=900, check=False,
        )  # fmt: skip
        ended = time.monotonic()
        output = done.stdout + done.stderr
        (self.fleet.folder / f"run-{number}.log").write_text(output)
        recap = _RECAP.search(output)
        return Played(began, ended, done.returncode, int(recap[1]) if recap else -1, output)

    def play_all(self) -> list[Played]:
        """Run it eight times at once; raises NotInjected unless all ran at the same time."""
        with ThreadPoolExecutor(RUNS) as pool:
            found = list(pool.map(self.play, range(1, RUNS + 1)))
        if max(one.began for one in found) >= min(one.ended for one in found):
            raise NotInjected("the runs did not overlap")
        return found


@contextmanager
def watched(host: Container) -> Iterator[list[int]]:
    """Look at locks and modules of a host meanwhile; how often one waited for another is there at the end."""
    seen: list[int] = []
    host.shell("rm -f /srv/enough")
    thread = threading.Thread(target=lambda: seen.append(int(host.python(_WATCH, timeout=1200))))
    thread.start()
    try:
        yield seen
    finally:
        host.shell("touch /srv/enough")
        thread.join()


def run(lab: Lab) -> list[Result]:
    """Eight runs of site.yml at one host at once; two users at one shared cache, two tasks at one condarc."""
    if lab.quick:
        return []
    alone = Site(lab, "alone")
    lab.mirror.reset()
    began = alone.play()
    if began.code:
        raise NotSurvived(f"not even one run alone succeeds: {began.output[-2000:]}")
    once = _fetched(lab)
    whole = state(alone.host, PREFIX, "llm")
    lab.mirror.reset()
    facts: dict[str, float] = {}
    site = Site(lab, "crowded")

    def bare(_worker: None) -> str:
        with watched(site.host) as waits:
            played = site.play_all()
        _must_have_succeeded(played)
        if waits[0] < 3:
            raise NotInjected(f"nobody was seen to wait for a lock ({waits[0]} samples)")
        facts.update(
            waits=waits[0], changed=sum(one.changed > 0 for one in played), artifacts=_fetched(lab)
        )
        _must_be(site.host, whole)
        return f"as asked: {facts['changed']:.0f} runs changed something, others waited {waits[0]} samples"

    def converged(_worker: None) -> str:
        played = site.play_all()
        _must_have_succeeded(played)
        if any(one.changed for one in played):
            raise NotSurvived("a run at a converged host changed something")
        _must_be(site.host, whole)
        return "as before"

    def after(_worker: None) -> str:
        last = site.play()
        _must_have_succeeded([last])
        if last.changed:
            raise NotSurvived(f"the run after them changed something: {last.output[-800:]}")
        return "as before"

    cases: list[Case[None]] = [
        Case(f"{RUNS} runs of site.yml at a bare host", bare),
        Case("a run after them", after),
        Case(f"{RUNS} runs of site.yml at a converged host", converged),
        two_users.case(lab),
        condarc_races.case(lab),
    ]
    endings = play_all(cases, [None])
    times = facts.get("artifacts", 0) / max(1.0, once)
    note = f"{facts.get('artifacts', 0):.0f} downloads of artifacts by {RUNS} runs, {once:.0f} by one alone"
    return [
        survived("concurrency.cases", endings, lab.work / "concurrency.jsonl"),
        Result("concurrency.downloads", times, "times", note=note),
    ]


def _fetched(lab: Lab) -> float:
    """How many downloads of installers, packages and wheels the mirror has counted."""
    ends = (".sh", ".conda", ".tar.bz2", ".whl")
    return float(
        sum(one["requests"] for path, one in lab.mirror.counts().items() if path.endswith(ends))
    )


def _must_have_succeeded(played: list[Played]) -> None:
    bad = [one.output[-1500:] for one in played if one.code]
    if bad:
        raise NotSurvived(f"{len(bad)} of {len(played)} runs failed; the first: {bad[0]}")


def _must_be(host: Container, whole: dict[str, Any]) -> None:
    found = differences(whole, state(host, PREFIX, "llm"))
    if found:
        raise NotSurvived(
            f"not as a host made by one run: {len(found)} differ: {', '.join(found[:5])}"
        )
    wrong = wrong_sums(host, PREFIX, f"{PREFIX}/envs/llm")
    if wrong:
        raise NotSurvived(f"files that are not those of their packages: {', '.join(wrong[:3])}")
    must_be_clean(host)
