"""Many hosts from one: a light stack is set up on one host, whose file system all others share."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from proof.fleet import Fleet
from proof.runner import Lab

SITE = "llmfleet.conda.site"

# What the roles do on a host is the same for a light stack; torch would only cost disk and time to set up.
STACK: Mapping[str, Any] = {
    "create_conda_env_environments": [{"name": "tools", "packages": ["python=3.11", "six"]}],
    "install_llm_stack_environment": "llm",
    "install_llm_stack_python": "3.11",
    "install_llm_stack_profiles": ["light"],
    "install_llm_stack_profile_overrides": {"light": {"conda": ["tqdm"], "pip": ["rich"]}},
    "install_llm_stack_torch": "",
}

# Starting a container is mostly waiting for the engine.
_AT_ONCE = 4


class LightHosts:
    """A fleet of which every host has the light stack; it is asked for in sizes.

    Hosts are started when the first fleet that needs them is asked for, and stay for the next.
    """

    def __init__(self, lab: Lab) -> None:
        self._fleet = Fleet(lab, lab.work / "many_hosts")
        self._image = f"llmfleet-lab/{lab.purpose}:light"
        self._names: list[str] = []
        seed = self._fleet.add("light-seed")
        self._fleet.write_inventory(STACK)
        self._fleet.play(SITE, "--skip-tags", "verify")
        seed.keep_as(self._image)
        self._fleet.remove("light-seed")
        self._all = self._fleet.containers

    def sized(self, count: int) -> Fleet:
        """The fleet with this many hosts, in its inventory no other."""
        missing = [f"light-{number:03d}" for number in range(len(self._names), count)]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            self._all |= zip(
                missing,
                pool.map(lambda name: self._fleet.start_ready(name, self._image), missing),
                strict=True,
            )
        self._names += missing
        self._fleet.containers = {name: self._all[name] for name in self._names[:count]}
        self._fleet.write_inventory(STACK)
        return self._fleet
