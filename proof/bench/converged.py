"""Converged hosts to measure on: one by the roles, one by hand, from a mirror whose channel can grow."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab import docker_engine, paths
from lab.containers import Container
from lab.errors import LabError
from lab.mirror import Mirror
from proof.bench import by_hand
from proof.bench.cost import Run
from proof.fleet import Fleet, model_mount
from proof.runner import Lab

PREFIX = "/opt/miniconda3"
ENVIRONMENT = f"{PREFIX}/envs/llm"

CONDA_PACKAGES = ["numpy", "pandas", "matplotlib"]
PIP_PACKAGES = ["torch==2.13.0", "transformers>=5.0"]
"""What inventories/lab asks for beside Python and pip, as people write it by hand."""

LIGHT: Mapping[str, Any] = {
    "install_llm_stack_profiles": [],
    "install_llm_stack_torch": "",
    "install_llm_stack_requirements": ["filelock"],
}
"""Variables of a stack of a minute less: Python, pip and one small package of pip's. As many module runs."""


@contextmanager
def served(lab: Lab, folder: Path) -> Iterator[tuple[Lab, Path]]:
    """The lab with a mirror of its own, and the link behind ``conda/lab`` on it, which ``show`` moves.

    A channel that grows keeps its address. Were it another one, conda would take it for another channel.
    """
    site = folder / "site"
    shutil.rmtree(site, ignore_errors=True)
    (site / "conda").mkdir(parents=True)
    for name in ("installers", "wheels", "simple", "models"):
        (site / name).symlink_to(paths.site_dir() / name)
    link = site / "conda" / "lab"
    show(link, paths.channel_dir())
    with Mirror(site, host=docker_engine.gateway()) as mirror:
        yield replace(lab, mirror=mirror), link


def show(link: Path, channel: Path) -> None:
    """Let a mirror's channel be another folder from the next request on."""
    link.unlink(missing_ok=True)
    link.symlink_to(channel)


def ours(lab: Lab, folder: Path, variables: Mapping[str, Any] | None = None) -> Fleet:
    """One host that the roles have converged.

    Raises LabError when they fail.
    """
    fleet = Fleet(lab, folder / "ours")
    fleet.add("noop-ours", options=model_mount())
    fleet.write_inventory(variables)
    converge(fleet)
    return fleet


def hand(lab: Lab, folder: Path) -> Fleet:
    """One host that the playbook written by hand has converged.

    Raises LabError when it fails.
    """
    fleet = Fleet(lab, folder / "hand")
    fleet.add("noop-hand")
    fleet.write_inventory(by_hand.variables(CONDA_PACKAGES, PIP_PACKAGES))
    fleet.play(by_hand.DECIDING)
    return fleet


def both(lab: Lab, folder: Path) -> tuple[Fleet, Fleet]:
    """One host of each kind, made at the same time, with the same packages.

    Raises LabError when one of them fails, or when they differ.
    """
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.submit(ours, lab, folder), pool.submit(hand, lab, folder)
        found = first.result(), second.result()
    mine, theirs = (packages(host(fleet)) for fleet in found)
    if mine != theirs:
        raise LabError(f"by hand is not the same: {sorted(set(mine) ^ set(theirs))[:6]}")
    return found


def converge(fleet: Fleet) -> Run:
    """Run the three converging roles."""
    return fleet.play("llmfleet.conda.site", "--skip-tags", "verify")


def unchanged(run: Run) -> Run:
    """The run, if it did change nothing; raises LabError otherwise."""
    if run.count("changed") or run.count("failures") or not run.recap:
        raise LabError(f"this was to change nothing: {run.recap}\n{run.output[-2000:]}")
    return run


def host(fleet: Fleet) -> Container:
    """The only host of a fleet."""
    (container,) = fleet.containers.values()
    return container


def packages(container: Container) -> Sequence[tuple[str, str, str]]:
    """Name, version and build of all that conda sees in the environment, pip's as well."""
    argv = [f"{PREFIX}/bin/python", "-I", "-m", "conda", "list", "-p", ENVIRONMENT, "--json"]
    listed = json.loads(container.run(argv).stdout)
    return sorted((one["name"], one["version"], one["build_string"]) for one in listed)
