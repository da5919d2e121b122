"""A package added to a large environment and removed again: our modules against conda itself."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab import many_packages
from lab.errors import LabError
from proof.figures import Result, at_most, median, ratio
from proof.host import Host
from proof.prepared import PREFIX, install
from proof.runner import Lab

RECORDS = 250
ROUNDS = 3
ENVIRONMENT = f"{PREFIX}/envs/large"
PACKAGE = "tqdm"

_CONDA = [f"{PREFIX}/bin/conda"]
_PLACE = {"installation": PREFIX, "prefix": ENVIRONMENT}
_NOTE = (
    "The module runs as Ansible starts it on a host, without connection and controller: noop measures "
    "those."
)


def run(lab: Lab) -> list[Result]:
    """A package added to an environment of 250 records and removed again, against conda itself."""
    if lab.quick:
        return []
    host = _prepared(lab)
    base = [str(one) for one in _names(host)]
    if len(base) < RECORDS:
        raise LabError(f"the environment has {len(base)} records, not {RECORDS}")
    steps: dict[str, Callable[[], object]] = {
        "plain.add": lambda: host.container.run(
            [*_CONDA, "install", "-q", "-y", "-p", ENVIRONMENT, PACKAGE]
        ),
        "plain.remove": lambda: host.container.run(
            [*_CONDA, "remove", "-q", "-y", "-p", ENVIRONMENT, PACKAGE]
        ),
        "conda_package.add": lambda: _changed(host, "conda_package", {"packages": [PACKAGE]}),
        "conda_package.remove": lambda: _changed(
            host, "conda_package", {"packages": [PACKAGE], "state": "absent"}
        ),
        "conda_env.add": lambda: _changed(host, "conda_env", {"packages": [*_ASKED, PACKAGE]}),
        "conda_env.remove": lambda: _changed(
            host, "conda_env", {"packages": [*_ASKED, *_many_names()], "prune": True}
        ),
    }
    found: dict[str, list[float]] = {name: [] for name in steps}
    # The first round fills the package cache and compiles conda; it is not counted.
    for number in range(ROUNDS + 1):
        for name, step in steps.items():
            started = time.perf_counter()
            step()
            if number:
                found[name].append(time.perf_counter() - started)
            there = PACKAGE in _names(host)
            if there != name.endswith("add"):
                raise LabError(f"{name} left {PACKAGE} {'there' if there else 'out'}")
    return _results(found)


_ASKED = ["python=3.11", "pip"]


def _many_names() -> list[str]:
    return [f"lab-many-{number:04}" for number in range(RECORDS)]


def _prepared(lab: Lab) -> Host:
    """A host with the large environment; its small packages were never in a channel."""
    host = Host.start(lab, "one-package")
    install(host, lab)
    with tempfile.TemporaryDirectory(dir=lab.work) as folder:
        made = many_packages.make(Path(folder), RECORDS)
        host.container.put(Path(folder), "/srv/packages")
        paths = [f"file:///srv/packages/{one.relative_to(folder)}" for one in made]
    host.container.run([*_CONDA, "create", "-q", "-y", "-p", ENVIRONMENT, *_ASKED])
    host.container.run(
        ["tee", "/srv/explicit.txt"], stdin="".join(f"{line}\n" for line in ["@EXPLICIT", *paths])
    )
    host.container.run(
        [*_CONDA, "install", "-q", "-y", "-p", ENVIRONMENT, "--file", "/srv/explicit.txt"]
    )
    return host


def _names(host: Host) -> set[str]:
    """The packages that have a record."""
    return {
        str(json.loads(text)["name"])
        for text in host.container.shell(
            f"for one in {ENVIRONMENT}/conda-meta/*.json; do tr -d '\\n' < $one; echo; done"
        ).splitlines()
    }


def _changed(host: Host, module: str, options: dict[str, Any]) -> None:
    """Run a module that has something to do; raises LabError when it did nothing."""
    if not host.must(module, {**_PLACE, **options}).changed:
        raise LabError(f"{module} had nothing to do")


def _results(found: dict[str, list[float]]) -> list[Result]:
    results = [median(f"one_package.{name}", samples, "s") for name, samples in found.items()]
    for module in ("conda_package", "conda_env"):
        for step in ("add", "remove"):
            results.append(
                ratio(
                    f"one_package.{module}_to_plain.{step}",
                    found[f"{module}.{step}"],
                    found[f"plain.{step}"],
                    at_most(1.1),
                    _NOTE,
                )
            )
    return results
