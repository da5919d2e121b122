"""The pip phase: conda_pip with uv and with pip, and pip as people type it, in fresh environments."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from lab import wheelhouse
from lab.errors import LabError
from lab.wheel_downloads import read_pins
from proof import prepared
from proof.figures import Result, at_least, median, ratio
from proof.host import Host
from proof.runner import Lab

ROUNDS = 2
ENVIRONMENT = f"{prepared.PREFIX}/envs/llm"
_VERSIONS = dict(read_pins(wheelhouse.constraints_file()))
UV = f"uv=={_VERSIONS['uv']}"
REQUIREMENTS = [f"{name}=={_VERSIONS[name]}" for name in ("numpy", "scikit-learn", "transformers")]
"""As many files as a tutorial's job has, without torch, whose unpacking outweighs all else."""


def run(lab: Lab) -> list[Result]:
    """The pip phase from one wheelhouse: uv against pip, and against pip without Ansible's module."""
    if lab.quick:
        return []
    image = _image(lab)
    contenders: dict[str, Callable[[Host], object]] = {
        "uv": lambda host: _module(lab, host, "uv"),
        "pip": lambda host: _module(lab, host, "pip"),
        "plain": lambda host: host.container.run(
            [
                f"{ENVIRONMENT}/bin/python",
                "-m",
                "pip",
                "install",
                "-q",
                *_source(lab),
                *REQUIREMENTS,
            ]
        ),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _number in range(ROUNDS):
        states = {}
        for name, contender in contenders.items():
            host = Host.start(lab, "pip-phase", image=image)
            try:
                started = time.perf_counter()
                contender(host)
                seconds[name].append(time.perf_counter() - started)
                states[name] = _state(host)
            finally:
                host.container.remove()
        if any(state != states["pip"] for state in states.values()):
            raise LabError(f"not all left the same distributions: {states}")
    return results(seconds)


def results(seconds: dict[str, list[float]]) -> list[Result]:
    """The figures, from the seconds of each round."""
    return [
        *(median(f"pip_phase.{name}", samples, "s") for name, samples in seconds.items()),
        ratio("pip_phase.pip_to_uv", seconds["pip"], seconds["uv"], at_least(1)),
        ratio("pip_phase.plain_to_uv", seconds["plain"], seconds["uv"]),
        ratio("pip_phase.pip_to_plain", seconds["pip"], seconds["plain"]),
    ]


def _image(lab: Lab) -> str:
    """The image of a host with an environment of Python and pip, and uv in the installation."""
    image = f"llmfleet-lab/{lab.purpose}:pip-phase"
    host = Host.start(lab, "pip-phase")
    try:
        prepared.install(host, lab)
        python = f"{prepared.PREFIX}/bin/python"
        host.container.run(
            [python, "-m", "conda", "create", "-q", "-y", "-p", ENVIRONMENT, "python=3.11", "pip"]
        )
        host.container.run([python, "-m", "pip", "install", "-q", *_source(lab), UV])
        host.container.keep_as(image)
    finally:
        host.container.remove()
    return image


def _source(lab: Lab) -> list[str]:
    host = str(urlsplit(lab.mirror_url).hostname)
    links = f"{lab.mirror_url}/wheels/"
    return ["--no-index", "--find-links", links, "--trusted-host", host]


def _module(lab: Lab, host: Host, installer: str) -> None:
    """Raises LabError when another installer did it, or there was nothing to do."""
    done = host.must(
        "conda_pip",
        {
            "installation": prepared.PREFIX,
            "prefix": ENVIRONMENT,
            "requirements": REQUIREMENTS,
            "installer": installer,
            "find_links": [f"{lab.mirror_url}/wheels/"],
            "no_index": True,
            "trusted_hosts": [str(urlsplit(lab.mirror_url).hostname)],
        },
    )
    if not done.changed or done.result["installer"] != installer:
        raise LabError(f"conda_pip with {installer}: {done.message}")


def _state(host: Host) -> Any:
    listed = host.container.run(
        [f"{ENVIRONMENT}/bin/python", "-m", "pip", "list", "--format=json"]
    ).stdout
    return sorted((one["name"], one["version"]) for one in json.loads(listed))
