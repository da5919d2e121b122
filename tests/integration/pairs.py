"""Ordered pairs of tasks over one environment, in which conda and pip ask for the same distributions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

# Of conda_env in all pairs, beside what they declare themselves.
BASE = ("python=3.11", "pip")

OWNED = "pip would have to replace packages that conda owns"
REMOVED = "pip would have to remove packages that conda owns"
REPLACED = "with replace_conda_packages: true has replaced conda's six by 1.17.0"

Run = Callable[..., dict[str, Any]]


@dataclass(frozen=True)
class Task:
    """One module with the specs or requirements, and its other options."""

    module: str
    asked: tuple[str, ...]
    options: dict[str, Any] = field(default_factory=dict)


def env(*specs: str, python: str = BASE[0], **options: Any) -> Task:
    """A task of conda_env that declares Python and pip as well."""
    return Task("conda_env", (python, *BASE[1:], *specs), options)


def package(*specs: str, **options: Any) -> Task:
    """A task of conda_package."""
    return Task("conda_package", specs, options)


def pip(*lines: str, **options: Any) -> Task:
    """A task of conda_pip."""
    return Task("conda_pip", lines, options)


@dataclass(frozen=True)
class Pair:
    """Two tasks that run one after the other, round by round.

    Attributes:
        refused: words of the message with which one of them is refused by the second round; None if both have
            nothing to do in the third.
    """

    first: Task
    second: Task
    refused: str | None = None


_TOLD = {"replace_conda_packages": True}

PAIRS = {
    "conda's is good enough for pip": Pair(env("six=1.16"), pip("six")),
    "conda takes over the same version": Pair(pip("six"), env("six")),
    "conda takes over, pip insists": Pair(pip("six==1.17.0"), env("six=1.16"), OWNED),
    "pip insists on another version": Pair(env("six=1.16"), pip("six==1.17.0"), OWNED),
    "a package takes over, pip insists": Pair(pip("six==1.17.0"), package("six=1.16"), OWNED),
    "a package is good enough for pip": Pair(package("six=1.16"), pip("six>=1.10")),
    "a package takes over an older version": Pair(pip("tqdm"), package("tqdm=4.66.5")),
    "pip's latest, then a package": Pair(pip("tqdm", state="latest"), package("tqdm=4.66.5")),
    "a package, then pip's latest": Pair(package("tqdm=4.66.5"), pip("tqdm", state="latest")),
    "conda's latest after pip": Pair(pip("tqdm==4.66.5"), package("tqdm", state="latest"), OWNED),
    "pip after conda's latest": Pair(package("tqdm", state="latest"), pip("tqdm")),
    "a dependency of pip's becomes conda's": Pair(pip("requests"), package("urllib3")),
    "pip's needs conda's": Pair(package("urllib3"), pip("requests")),
    "a dependency of conda's takes over": Pair(pip("urllib3"), package("requests")),
    "a dependency of conda's is good enough": Pair(package("requests"), pip("urllib3")),
    "a dependency of conda's is too new": Pair(package("requests"), pip("urllib3<2"), OWNED),
    "a dependency of conda's takes over, pip insists": Pair(
        pip("urllib3<2"), package("requests"), OWNED
    ),
    "told, but conda's spec forbids it": Pair(
        env("six<1.17"), pip("six==1.17.0", **_TOLD), REPLACED
    ),
    "told first, but conda's spec forbids it": Pair(
        pip("six==1.17.0", **_TOLD), env("six<1.17"), REPLACED
    ),
    "told, and conda's spec allows it": Pair(env("six"), pip("six==1.16.0", **_TOLD)),
    "told first, and conda's spec allows it": Pair(pip("six==1.16.0", **_TOLD), env("six")),
    "told, beside a package": Pair(package("six"), pip("six==1.16.0", **_TOLD)),
    "told, beside prune": Pair(env("six", prune=True), pip("six==1.16.0", **_TOLD)),
    "told, beside exact": Pair(env("six", exact=True), pip("six==1.16.0", **_TOLD)),
    "told, beside prune of it": Pair(env(prune=True), pip("six==1.16.0", **_TOLD)),
    "told, a dependency of conda's": Pair(
        package("requests"), pip("urllib3<2", **_TOLD, check=False)
    ),
    "told, without repair": Pair(env("six", repair=False), pip("six==1.16.0", **_TOLD)),
    "prune leaves pip's": Pair(pip("six"), env(prune=True)),
    "exact of pip beside a package": Pair(package("requests"), pip("six", exact=True)),
    "exact of pip, then conda's dependency": Pair(pip("requests", exact=True), env("urllib3")),
    "exact of both": Pair(env("requests", exact=True), pip("requests", exact=True)),
    "conda's absent, pip's present": Pair(package("six", state="absent"), pip("six")),
    "pip's present, conda's absent": Pair(pip("six"), package("six", state="absent")),
    "conda's present, pip's absent": Pair(package("six=1.16"), pip("six", state="absent"), REMOVED),
    "a pin of conda's": Pair(env("tqdm", pinned=["tqdm<4.70"]), pip("tqdm")),
    "a pin of conda's, pip first": Pair(pip("tqdm"), env("tqdm", pinned=["tqdm<4.70"])),
    "an extra needs conda's": Pair(package("six=1.16"), pip("t-extra[six]")),
    "what an extra needs becomes conda's": Pair(pip("t-extra[six]"), package("six=1.16")),
    "another Python": Pair(env("six", python="python=3.12"), pip("six==1.16.0", **_TOLD)),
    "another Python after pip": Pair(pip("tqdm"), env("tqdm=4.66.5", python="python=3.12")),
}


def play(pair: Pair, run: Run) -> str | None:
    """Run the pair, at most three rounds.

    Args:
        pair: the tasks.
        run: runs a task; takes a task and ``check``, returns the module's result.

    Returns:
        The message of the task that was refused; None if a round by the third changed nothing.
    """
    for number in (1, 2, 3):
        changed = []
        for task in (pair.first, pair.second):
            result = run(task, check=False)
            if result.get("failed"):
                assert number < 3, result["msg"]
                foreseen = run(task, check=True)
                assert foreseen.get("failed"), (task, foreseen)
                assert not result.get("changed"), result
                return str(result["msg"])
            changed.append(result["changed"])
        if changed == [False, False]:
            return None
    raise AssertionError(f"the third round still changes something: {changed}")
