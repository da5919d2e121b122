"""Environments in generations: built beside, verified, switched and rolled back, with the real conda."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., dict[str, Any]]

ONE, TWO = "lab-upgrade=1.0", "lab-upgrade=2.0"


class Env:
    """An environment NAME in generations, and the module that keeps it."""

    def __init__(self, run_module: Run, base: Path, name: str) -> None:
        self.run_module = run_module
        self.base = base
        self.name = name
        self.link = base / "envs" / name
        self.store = base / "envs" / f".{name}"

    def run(self, *packages: str, check: bool = False, warns: bool = False, **more: Any) -> Any:
        """Run the module with these packages."""
        conda = {"packages": list(packages), **more.pop("environment", {})}
        options = {"installation": str(self.base), "name": self.name, "environment": conda, **more}
        return self.run_module("conda_generations", options, check=check, warns=warns)

    def back(self, generation: str = "previous", **more: Any) -> Any:
        """Run the module for a rollback."""
        options = {"installation": str(self.base), "name": self.name, "generation": generation}
        return self.run_module("conda_generations", {**options, **more})

    def generation(self, number: int) -> Path:
        """The prefix of a generation."""
        return self.store / str(number)

    def current(self) -> str:
        """What the link says."""
        return os.readlink(self.link)

    def state(self) -> Any:
        """The content of state.json."""
        return json.loads((self.store / "state.json").read_text())


@pytest.fixture
def env(run_module: Run, conda_installation: Path, request: Any) -> Iterator[Env]:
    """An environment that does not exist yet; everything of it goes afterwards."""
    made = Env(run_module, conda_installation, f"g{abs(hash(request.node.name)) % 10**6}")
    yield made
    for path in (made.store, made.link):
        if path.is_symlink():
            path.unlink()
        elif path.is_dir():
            for directory, _names, _files in os.walk(path):
                os.chmod(directory, 0o755)
            shutil.rmtree(path)


def labels(env: Env, number: int, conda: Callable[..., Any]) -> list[tuple[str, str]]:
    """What the real conda lists in a generation."""
    listed = conda("list", "--prefix", str(env.generation(number)))
    return sorted((one["name"], one["version"]) for one in listed)


def test_a_change_is_built_beside_and_a_rollback_switches_back(
    env: Env, conda: Callable[..., Any]
) -> None:
    first = env.run(ONE)
    assert (first["changed"], first["generation"]) == (True, 1)
    assert env.current() == f".{env.name}/1"
    assert not env.run(ONE)["changed"]

    foreseen = env.run(TWO, check=True)
    assert env.current() == f".{env.name}/1"
    assert not env.generation(2).exists()
    second = env.run(TWO)
    assert (second["changed"], second["generation"], second["previous"]) == (True, 2, 1)
    assert foreseen["diff"] == second["diff"]
    assert (foreseen["generation"], foreseen["changed"]) == (2, True)
    assert [line.split()[:2] for line in second["added"]] == [["lab-upgrade", "2.0"]]

    # conda sees a plain environment, with what people asked for in its history.
    assert labels(env, 2, conda) == [("lab-upgrade", "2.0")]
    known = conda("env", "list")["envs"]
    assert str(env.link) in known
    assert not [one for one in known if f".{env.name}" in one]
    asked = conda("env", "export", "--name", env.name, "--from-history")["dependencies"]
    assert asked == [TWO]

    back = env.back()
    assert (back["changed"], back["generation"]) == (True, 1)
    assert [line.split()[:2] for line in back["added"]] == [["lab-upgrade", "1.0"]]
    assert env.current() == f".{env.name}/1"
    # Once more goes neither further back nor forward.
    assert not env.back()["changed"]
    # What the task declares counts again; nothing is built for it.
    forward = env.run(TWO)
    assert (forward["plan"]["action"], forward["generation"]) == ("switch", 2)
    assert not env.run(TWO)["changed"]
    assert sorted(path.name for path in env.store.iterdir()) == [
        "1", "1.txt", "2", "2.txt", "state.json",
    ]  # fmt: skip


def test_a_failed_check_changes_nothing_and_is_named(env: Env) -> None:
    good = {"checks": ["environment.records"]}
    bad = {"checks": ["environment.python"], "python_version": "3.99"}
    assert env.run(ONE, checks=good)["changed"]
    failed = env.run(TWO, checks=bad)
    assert failed["failed"]
    assert "environment.python" in failed["msg"]
    assert "still leads to generation 1" in failed["msg"]
    assert env.current() == f".{env.name}/1"
    assert sorted(path.name for path in env.store.iterdir()) == ["1", "1.txt", "state.json"]
    assert env.run(TWO, checks=bad, keep_failed=True)["failed"]
    assert env.generation(2).is_dir()
    assert env.state()["generations"]["2"]["failed"]
    assert env.current() == f".{env.name}/1"
    # The link never leads there, and the next one that passes has a number of its own.
    refused = env.back("2")
    assert refused["failed"]
    assert "failed its verification" in refused["msg"]
    fine = env.run(TWO, checks=good)
    assert fine["generation"] == 3
    assert not env.generation(2).exists()


def test_what_people_did_is_seen_and_mended(env: Env, conda: Callable[..., Any]) -> None:
    env.run(ONE)
    # conda install -n NAME as root, which no permission stops.
    (record,) = (env.generation(1) / "conda-meta").glob("lab-upgrade-*.json")
    os.chmod(record.parent, 0o755)
    record.rename(record.with_suffix(".away"))
    mended = env.run(ONE)
    assert (mended["changed"], mended["generation"]) == (True, 2)
    assert labels(env, 2, conda) == [("lab-upgrade", "1.0")]
    refused = env.back("1")
    assert refused["failed"]
    assert "not those that were verified" in refused["msg"]
    # conda env remove, or rm.
    env.link.unlink()
    linked = env.run(ONE)
    assert (linked["plan"]["action"], linked["generation"]) == ("switch", 2)
    # conda create -y -n NAME puts a directory in the place of the link.
    env.link.unlink()
    conda("create", "--yes", "--name", env.name, "lab-needs-glibc")
    (env.link / "notes.txt").write_text("mine")
    set_aside = env.run(ONE, warns=True)
    assert env.current() == f".{env.name}/{set_aside['generation']}"
    (aside,) = env.store.glob("aside-*")
    assert (aside / "notes.txt").read_text() == "mine"
    assert str(aside) in set_aside["warnings"][0]
    assert not env.run(ONE)["changed"]


@pytest.mark.full
def test_a_plain_environment_is_adopted_only_when_told(env: Env) -> None:
    plain = {"installation": str(env.base), "prefix": str(env.link), "packages": [ONE]}
    assert env.run_module("conda_env", plain)["changed"]
    refused = env.run(ONE)
    assert refused["failed"]
    assert "adopt: true" in refused["msg"]
    adopted = env.run(ONE, adopt=True)
    assert (adopted["changed"], adopted["generation"]) == (True, 1)
    assert env.current() == f".{env.name}/1"
    assert env.state()["generations"]["0"]["adopted"]
    assert not env.run(ONE, adopt=True)["changed"]
    assert env.back("0")["changed"]
    assert env.current() == f".{env.name}/0"


@pytest.mark.full
def test_back_to_a_plain_environment(env: Env, conda: Callable[..., Any]) -> None:
    env.run(ONE)
    where = {"installation": str(env.base), "prefix": str(env.link)}
    plain = env.run_module("conda_generations", {**where, "plain": True})
    assert plain["changed"]
    assert env.link.is_dir()
    assert not env.link.is_symlink()
    assert not env.store.exists()
    listed = conda("list", "--name", env.name)
    assert [(one["name"], one["version"]) for one in listed] == [("lab-upgrade", "1.0")]
    asked = conda("env", "export", "--name", env.name, "--from-history")["dependencies"]
    assert asked == [ONE]
    assert not env.run_module("conda_generations", {**where, "plain": True})["changed"]
    # conda_env changes it in place, as every other environment.
    assert env.run_module("conda_env", {**where, "packages": [TWO]})["changed"]


def test_generations_that_are_not_kept_go(env: Env) -> None:
    env.run(ONE)
    env.run(TWO)
    third = env.run("lab-rebuilt", keep=2)
    assert third["generation"] == 3
    assert third["removed_generations"] == [1]
    assert not env.generation(1).exists()
    assert sorted(env.state()["generations"]) == ["2", "3"]
    gone = env.run_module(
        "conda_generations",
        {"installation": str(env.base), "name": env.name, "state": "absent"},
    )
    assert gone["changed"]
    assert not os.path.lexists(env.link)
    assert not env.store.exists()


def test_tasks_in_place_are_refused(env: Env) -> None:
    env.run(ONE)
    for prefix in (env.link, env.generation(1)):
        where = {"installation": str(env.base), "prefix": str(prefix)}
        for name, more in (
            ("conda_env", {"packages": [TWO]}),
            ("conda_env", {"state": "absent"}),
            ("conda_package", {"packages": [TWO]}),
        ):
            refused = env.run_module(name, {**where, **more})
            assert refused["failed"], (name, prefix)
            assert "conda_generations" in refused["msg"], (name, prefix)
        same = env.run_module("conda_package", {**where, "packages": [ONE]})
        assert not same["changed"]
    assert env.current() == f".{env.name}/1"
    assert not env.run(ONE)["changed"]
