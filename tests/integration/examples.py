"""Runs the EXAMPLES of a module as one play on this machine, each example four times."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.repository.documentation import calls, modules, tasks

ROOT = Path(__file__).resolve().parents[2]
PLACES = Path(__file__).with_name("examples.yml")
STEPS = {"check": True, "run": False, "check again": True, "run again": False}

# What the lab does not have. Names that end in .invalid stand for what is only written down, never asked.
_ELSEWHERE = re.compile(
    r"https?://(?![^\s\"'/]*(?:\.invalid|127\.0\.0\.1))[^\s\"']+|(?<![\w.-])example\.(?:org|com)"
    r"|conda-forge|(?<![\w@/.-])/(?:opt|srv|home|mnt|etc)/[^\s\"']*"
)


@dataclass(frozen=True)
class Result:
    """What one task came to; ``step`` is one of STEPS, or "before", or empty for another module's task."""

    example: str
    step: str
    outcome: str
    said: dict[str, Any]


class Examples:
    """The examples of one module, with the places of the lab in them.

    Args:
        module: short name.
        words: what stands for the words of examples.yml (``@base@``), without the signs.
    """

    def __init__(self, module: str, words: Mapping[str, str]) -> None:
        self.module = module
        self._words = words
        loaded = yaml.safe_load(PLACES.read_text())
        own = (loaded["modules"].get(module)) or {}
        # Those of the module come first, and win.
        self._places = {**own.get("places", {})}
        for documented, here in loaded["places"].items():
            self._places.setdefault(documented, here)
        self._known = own.get("examples", {})
        self.files = {
            self._filled(path): self._filled(text) for path, text in own.get("files", {}).items()
        }
        text = modules()[module]["examples"]
        names = [task["name"] for task in tasks(text)]
        assert set(self._known) <= set(names), (
            f"{PLACES.name} speaks of examples that {module} does not have:"
            f" {sorted(set(self._known) - set(names))}"
        )
        for documented, here in self._places.items():
            text = text.replace(documented, here)
        lost = sorted({found.group() for found in _ELSEWHERE.finditer(text)})
        assert not lost, f"{', '.join(lost)}: give it a place in {PLACES.name}, under {module}"
        self.tasks = [
            self._adapted({**task, "name": name})
            for name, task in zip(names, tasks(self._filled(text)), strict=True)
        ]

    def _filled(self, text: str) -> str:
        for word, here in self._words.items():
            text = text.replace(f"@{word}@", here)
        return text

    def _adapted(self, task: dict[str, Any]) -> dict[str, Any]:
        known = self._of(task["name"])
        for key in known.get("without", ()):
            del task[key]
        for key in list(task):
            if known.get("with") and key.startswith("llmfleet.conda."):
                task[key] = {**(task[key] or {}), **known["with"]}
        return task

    def _of(self, name: str) -> dict[str, Any]:
        known: dict[str, Any] = json.loads(self._filled(json.dumps(self._known.get(name) or {})))
        return known

    # -- the play -----------------------------------------------------------------------------------

    def play(self) -> list[dict[str, Any]]:
        """The tasks of the play: of each example what comes before it, then its four steps."""
        return [task for example in self.tasks for task in self._steps(example)]

    def _steps(self, example: dict[str, Any]) -> Iterator[dict[str, Any]]:
        name = example["name"]
        for before in self._of(name).get("before", ()):
            yield {**before, "name": f"{name} | before"}
        if not list(calls(example)):
            yield {**example, "name": f"{name} | "}
            return
        # What only reads is not asked again: it has nothing to be idempotent about.
        changes = self._can_change(example)
        for step, check in STEPS.items():
            if (check or not example.get("check_mode")) and (changes or "again" not in step):
                yield {**example, "name": f"{name} | {step}", "check_mode": check}

    @staticmethod
    def _can_change(task: dict[str, Any]) -> bool:
        ((module, _options),) = calls(task)
        support: str = modules()[module]["doc"]["attributes"]["diff_mode"]["support"]
        return support == "full"

    # -- the verdict --------------------------------------------------------------------------------

    def problems(self, results: list[Result]) -> Iterator[str]:
        """One sentence for everything that is not as it should be."""
        for result in results:
            where = f"{result.example} | {result.step}"
            if result.outcome != "ok":
                yield f"{where}: {result.outcome}: {result.said.get('msg') or result.said}"
            elif result.said.get("warnings") or result.said.get("deprecations"):
                yield f"{where}: warns: {result.said.get('warnings')}"
        for task in self.tasks:
            if list(calls(task)):
                yield from self._of_steps(
                    task, [one for one in results if one.example == task["name"]]
                )
        seen = {(result.example, result.step) for result in results}
        names = [tuple(task["name"].split(" | ")) for task in self.play()]
        if unseen := [" | ".join(name) for name in names if name not in seen]:
            yield f"{len(unseen)} tasks did not run, the first of them: {unseen[0]}"

    def _of_steps(self, task: dict[str, Any], results: list[Result]) -> Iterator[str]:
        name, known = task["name"], self._of(task["name"])
        said = {result.step: result.said for result in results if result.step in STEPS}
        first = known.get("changes", self._can_change(task))
        expected = {step: "again" not in step and first for step in STEPS}
        if known.get("again") or task.get("check_mode"):
            expected = dict.fromkeys(STEPS, first)
        for step, answer in said.items():
            if bool(answer.get("changed")) != expected[step]:
                word = "changed" if answer.get("changed") else "changed nothing"
                yield (
                    f"{name} | {step}: {word} (plan: {answer.get('plan')}); if that is right, say so in"
                    f" {PLACES.name}, or give it something to begin with there (before)"
                )
        for key, value in known.get("says", {}).items():
            if said.get("run", {}).get(key) != value:
                yield f"{name}: {key} is not {value}: {said.get('run')}"
        if {"check", "run"} <= set(said) and said["check"].get("diff") != said["run"].get("diff"):
            yield f"{name}: check mode shows {said['check'].get('diff')}, the run {said['run'].get('diff')}"


def play(examples: Examples, directory: Path, home: Path) -> tuple[list[Result], str]:
    """Play the examples with ansible-playbook; returns what each task came to, and all that was printed."""
    for name, text in examples.files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    book = directory / "play.yml"
    header = {"hosts": "all", "gather_facts": False, "tasks": examples.play()}
    book.write_text(yaml.safe_dump([header], sort_keys=False))
    inventory = directory / "hosts.yml"
    host = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "ansible_remote_tmp": str(directory / "tmp"),
    }
    (directory / "tmp").mkdir(mode=0o700)
    inventory.write_text(yaml.safe_dump({"all": {"hosts": {"lab": host}}}))
    written = directory / "results.jsonl"
    written.write_text("")
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), book, "-i", inventory, "--diff"],
        cwd=directory,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "ANSIBLE_HOME": str(directory / "ansible"),
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).with_name("callbacks")),
            "ANSIBLE_CALLBACKS_ENABLED": "every_result",
            "EVERY_RESULT": str(written),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=540,
    )
    results = []
    for line in written.read_text().splitlines():
        found = json.loads(line)
        example, _, step = found["task"].partition(" | ")
        results.append(Result(example, step, found["outcome"], found["result"]))
    return results, done.stdout
