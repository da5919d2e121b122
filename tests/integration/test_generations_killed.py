"""A module that is killed at any step leaves the link as it should be, and one more run converges."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.target import ROOT, TARGET_PYTHON, module_environment

ENOUGH = 10**6


class Killed:
    """An environment in generations, and runs that are killed."""

    def __init__(self, run_module: Callable[..., Any], base: Path, home: Path, name: str) -> None:
        self.run_module, self.base, self.home = run_module, base, home
        self.name = name
        self.link, self.store = base / "envs" / name, base / "envs" / f".{name}"

    def options(self, version: str, **more: Any) -> dict[str, Any]:
        """Options of the module for one version of the package."""
        return {
            "installation": str(self.base),
            "name": self.name,
            "environment": {"packages": [f"lab-upgrade={version}"]},
            **more,
        }

    def kill(self, step: int, options: dict[str, Any]) -> int:
        """Run the module and kill it before a step; returns how many steps there were, 0 if it was killed."""
        script = str(ROOT / "tests" / "run_module_killed.py")
        done = subprocess.run(
            [TARGET_PYTHON, script, str(step), "conda_generations", json.dumps(options)],
            env=module_environment(self.home),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == -signal.SIGKILL:
            return 0
        assert done.returncode == 0, done.stdout + done.stderr
        return int(done.stderr.split()[-2])

    def is_whole(self) -> str:
        """What is wrong with the environment to which the link leads."""
        target = os.readlink(self.link)
        state = json.loads((self.store / "state.json").read_text())
        known = state["generations"].get(target.rpartition("/")[2])
        if not known or known["failed"]:
            return f"{target} was not verified"
        records = sorted((self.link / "conda-meta").glob("*.json"))
        lines = [json.loads(path.read_text()) for path in records]
        found = [f"{one['name']} {one['version']}" for one in lines]
        wanted = [" ".join(line.split()[:2]) for line in known["packages"]]
        if found != wanted:
            return f"{target} has {found}, not {wanted}"
        for one in lines:
            for path in one["files"]:
                if not os.path.lexists(self.link / path):
                    return f"{target} lacks {path}"
        return "" if (self.link / "conda-meta" / "frozen").is_file() else f"{target} is not frozen"

    def converges(self, options: dict[str, Any], version: str) -> str:
        """What is wrong after one more run, and after a run with nothing to do."""
        result = self.run_module("conda_generations", options)
        if result.get("failed"):
            return str(result["msg"])
        records = [path.name for path in (self.link / "conda-meta").glob("*.json")]
        if records != [f"lab-upgrade-{version}-lab_0.json"]:
            return f"{records} after the next run"
        if self.run_module("conda_generations", options)["changed"]:
            return "the run after the next one changes something"
        numbers = set(json.loads((self.store / "state.json").read_text())["generations"])
        expected = {"state.json", *numbers, *(f"{number}.txt" for number in numbers)}
        left = {path.name for path in self.store.iterdir()} ^ expected
        return f"unexpected in {self.store}: {sorted(left)}" if left else ""


@pytest.fixture
def env(run_module: Callable[..., Any], conda_installation: Path, home: Path) -> Iterator[Killed]:
    """An environment with one generation."""
    found = Killed(run_module, conda_installation, home, "killed")
    assert run_module("conda_generations", found.options("1.0"))["changed"]
    yield found
    for directory, _names, _files in os.walk(found.store):
        os.chmod(directory, 0o755)
    shutil.rmtree(found.store)
    found.link.unlink()


def spread(steps: int, count: int) -> list[int]:
    """Numbers of steps from the first to the last, evenly."""
    return sorted({1 + (steps - 1) * index // max(count - 1, 1) for index in range(count)})


@pytest.mark.full
@pytest.mark.parametrize("count", [8, 100], ids=["some", "many"])
def test_killed_while_building_switching_and_removing(env: Killed, count: int) -> None:
    """With keep: 1, every run also removes the generation before the last one."""
    wrong = []
    steps = env.kill(ENOUGH, env.options("2.0", keep=1, run="counted"))
    assert steps > 20
    versions = ("1.0", "2.0")
    for turn, step in enumerate(spread(steps, count)):
        version = versions[turn % 2]
        # Another declaration each time, so that a generation has to be built.
        options = env.options(version, keep=1)
        options["environment"]["pinned"] = [f"turn-{turn}<1"]
        env.kill(step, options)
        wrong += [f"step {step}: {text}" for text in (env.is_whole(),) if text]
        wrong += [f"step {step}: {text}" for text in (env.converges(options, version),) if text]
    assert wrong == []


@pytest.mark.full
def test_killed_while_going_back(env: Killed) -> None:
    options = env.options("2.0")
    assert env.run_module("conda_generations", options)["generation"] == 2
    back = {**env.options("2.0"), "generation": "1"}
    step, ended = 0, 0
    while not ended:
        step += 1
        assert not env.run_module("conda_generations", {**back, "generation": "2"}).get("failed")
        ended = env.kill(step, back)
        assert env.is_whole() == "", step
        result = env.run_module("conda_generations", back)
        assert result["generation"] == 1, (step, result)
        assert env.is_whole() == "", step
    assert step > 5


def test_a_full_disk_leaves_the_old_generation(env: Killed, tmp_path: Path) -> None:
    """The limit on file sizes is a disk that is full at once, for conda as well."""
    script = (
        "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096));"
        " sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    argv = [TARGET_PYTHON, "-c", script, str(ROOT / "tests" / "run_module.py")]
    options = env.options("2.0")
    options["environment"]["packages"].append("lab-needs-glibc")
    done = subprocess.run(
        [*argv, "conda_generations", json.dumps(options)],
        env={**module_environment(env.home), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0, done.stdout
    assert env.is_whole() == ""
    assert os.readlink(env.link) == ".killed/1"
    result = env.run_module("conda_generations", options)
    assert result["changed"], result
    assert env.is_whole() == ""
