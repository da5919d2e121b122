"""A lab host under attack: the collection's modules run inside it, the real conda and plain files judge.

The modules run as Ansible runs them, in a process of their own, but without a connection and a
controller between, so that a fault meets the module alone. The collection and ansible-core lie in the
container, mounted read-only.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ansible

from lab.containers import Container
from proof.faults.cases import NotSurvived
from proof.runner import Lab
from scripts.layout import ROOT

_TOOLS = "/srv/llmfleet"
_RUNNER = f"{_TOOLS}/run_module.py"
_COLLECTION = f"{_TOOLS}/ansible_collections/llmfleet/conda/plugins"


@dataclass(frozen=True)
class Answer:
    """What a run of a module came to.

    result: its JSON result; empty when it printed none, because it was killed.
    code: its exit code; 137 when it was ended by SIGKILL.
    said: all of its standard output and error, for messages and for the search for secrets.
    """

    result: dict[str, Any]
    code: int
    said: str

    @property
    def failed(self) -> bool:
        """Whether it told of a failure, or could tell nothing."""
        return self.code != 0 or bool(self.result.get("failed"))

    @property
    def changed(self) -> bool:
        """Whether it says that it changed something."""
        return bool(self.result.get("changed"))

    @property
    def message(self) -> str:
        """What a person reads."""
        return str(self.result.get("msg", "")) or self.said[-600:]


class Host:
    """A container in which modules of the collection can be run."""

    def __init__(self, container: Container) -> None:
        self.container = container

    @staticmethod
    def mounts() -> list[str]:
        """The options of ``docker run`` that bring the collection and ansible-core into a container."""
        core = Path(ansible.__file__).parent
        places = {
            core: f"{_TOOLS}/ansible",
            ROOT / "plugins": _COLLECTION,
            ROOT / "tests" / "run_module.py": _RUNNER,
        }
        return [word for here, there in places.items() for word in ("-v", f"{here}:{there}:ro")]

    @classmethod
    def start(cls, lab: Lab, name: str, *options: str, image: str = "") -> Host:
        """A new host; options: further ones of ``docker run``. Removed at the end of the run."""
        return cls(lab.host(name, [*cls.mounts(), *options], image))

    def argv(
        self,
        module: str,
        options: dict[str, Any],
        user: str = "root",
        env: dict[str, str] | None = None,
        python: str = "python3",
    ) -> list[str]:
        """The command line, on this machine, that runs a module in the host."""
        return self.container.argv(
            # -B: the mounted code cannot be written to
            [python, "-B", _RUNNER, module, json.dumps(options)],
            user=user,
            env={"PYTHONPATH": _TOOLS, **(env or {})},
        )

    def module(
        self,
        module: str,
        options: dict[str, Any],
        *,
        user: str = "root",
        env: dict[str, str] | None = None,
        python: str = "python3",
        timeout: float = 600,
    ) -> Answer:
        """Run a module of the collection and return what it came to, failed or not."""
        done = subprocess.run(
            self.argv(module, options, user, env, python),
            capture_output=True, text=True, errors="replace", timeout=timeout, check=False,
        )  # fmt: skip
        return answer(done.returncode, done.stdout, done.stderr)

    def must(self, module: str, options: dict[str, Any], **how: Any) -> Answer:
        """As ``module``, for a run that must succeed; raises NotSurvived with what it said."""
        found = self.module(module, options, **how)
        if found.failed:
            raise NotSurvived(f"{module} failed ({found.code}): {found.message}")
        return found

    def conda(self, prefix: str, *arguments: str, user: str = "root") -> Any:
        """Ask the real conda of an installation; its JSON document, or its text without ``--json``.

        Raises NotSurvived when it fails: a conda that does not answer is a broken host.
        """
        done = self.container.run(
            [f"{prefix}/bin/python", "-I", "-m", "conda", *arguments], user=user, check=False
        )
        if done.returncode:
            said = (done.stdout + done.stderr).strip()[-600:]
            raise NotSurvived(f"conda {' '.join(arguments)} ended with {done.returncode}: {said}")
        return json.loads(done.stdout) if "--json" in arguments else done.stdout


def answer(code: int, stdout: str, stderr: str) -> Answer:
    """What a run of a module came to, from its exit code and its output."""
    try:
        result = json.loads(stdout)
    except ValueError:
        result = {}
    return Answer(result if isinstance(result, dict) else {}, code, stdout + stderr)
