"""With exact, reverting commits of an inventory brings environments back; conda and pip are the judges."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Options = Callable[..., dict[str, Any]]
Inventory = dict[str, Any]

_BASE = ("python=3.11", "pip")

# The lines that the inventory may have for one thing; None for no line. Each combination has a solution, and
# the names of dependencies do not depend on what was installed before.
PACKAGES: tuple[tuple[str | None, ...], ...] = (
    (None, "lab-upgrade", "lab-upgrade=1.0", "lab-upgrade=1.1", "lab-upgrade<2"),
    (None, "lab-conflict-b"),
    (None, "lab-rebuilt", "lab-rebuilt=1.0=lab_0"),
    (None, "lab-needs-glibc"),
    (None, "lab-post-link"),
    (None, "wheel=0.45", "wheel=0.48"),
)
REQUIREMENTS: tuple[tuple[str | None, ...], ...] = (
    (None, "t-app==1.0", "t-app==2.0", "t-old", "t-alone==1.0", "t-alone==2.0"),
    (None, "t-more"),
)
PINS = ((None, "lab-upgrade<2"), (None, "lab-versions<1.1"))
VARIABLES = ((None, ("A", "1"), ("A", "2")), (None, ("B", "1")))
GROUPS = {
    "packages": PACKAGES,
    "requirements": REQUIREMENTS,
    "pinned": PINS,
    "variables": VARIABLES,
}


def empty() -> Inventory:
    return {
        f"{key} {number}": None for key, groups in GROUPS.items() for number in range(len(groups))
    }


def commit(inventory: Inventory, chance: random.Random) -> Inventory:
    """The inventory with one to three other lines."""
    changed = dict(inventory)
    for place in chance.sample(sorted(changed), chance.randint(1, 3)):
        key, number = place.split()
        others = [line for line in GROUPS[key][int(number)] if line != inventory[place]]
        changed[place] = chance.choice(others)
    return changed


def lines(inventory: Inventory, key: str) -> list[Any]:
    return [line for place, line in inventory.items() if place.startswith(key) and line]


_READ = """
import json, sys
from conda.base.context import reset_context
from conda.core.prefix_data import PrefixData
from conda.history import History
from conda.models.match_spec import MatchSpec
reset_context()
prefix, specs = sys.argv[1], json.loads(sys.argv[2])
data = PrefixData(prefix, pip_interop_enabled=True)
records = list(data.iter_records())
print(json.dumps({
    "owners": {one.name: "pip" if one.channel.name == "pypi" else "conda" for one in records},
    "requested": sorted(History(prefix).get_requested_specs_map()),
    "variables": data.get_environment_env_vars(),
    "unsatisfied": [spec for spec in specs if not any(map(MatchSpec(spec).match, records))],
}))
"""


class Host:
    """One environment that follows the inventory, as create_conda_env does it."""

    def __init__(self, run_module: Any, prefix: Path, base: Path, pip: Options) -> None:
        self.run_module, self.prefix, self.base, self.pip = run_module, prefix, base, pip

    def follow(self, inventory: Inventory, check: bool = False) -> bool:
        """Run both modules; returns whether one changed something.

        Args:
            inventory: the lines.
            check: run check mode before, which must say the same.
        """
        env = {
            "installation": str(self.base),
            "prefix": str(self.prefix),
            "packages": [*_BASE, *lines(inventory, "packages")],
            "pinned": lines(inventory, "pinned") or None,
            "variables": dict(lines(inventory, "variables")) or None,
            "exact": True,
        }
        requirements = lines(inventory, "requirements")
        pip = {**self.pip(*requirements), "prefix": str(self.prefix), "exact": True}
        changed = False
        for module, options in (("conda_env", env), ("conda_pip", pip)):
            foreseen = self.run_module(module, options, check=True) if check else None
            done = self.run_module(module, options)
            assert done["rc"] == 0, done
            if foreseen:
                assert foreseen["diff"] == done["diff"], (module, options)
                assert foreseen["changed"] == done["changed"], (module, options)
            changed |= done["changed"]
        return changed

    def state(self, inventory: Inventory) -> dict[str, Any]:
        """Names with owners, requests, pins and variables, and unsatisfied specs, as conda reads them."""
        specs = json.dumps([*_BASE, *lines(inventory, "packages")])
        done = subprocess.run(
            [str(self.base / "bin" / "python"), "-I", "-c", _READ, str(self.prefix), specs],
            env={"PATH": os.environ["PATH"], "HOME": str(self.prefix.parent)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        pinned = self.prefix / "conda-meta" / "pinned"
        read: dict[str, Any] = json.loads(done.stdout)
        return {**read, "pinned": pinned.read_text() if pinned.exists() else ""}


# make test has few steps: a step starts conda and pip several times.
@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("seed", "commits"), [(1, 2), (2, 20)])
def test_reverting_commits_brings_the_environment_back(
    seed: int,
    commits: int,
    conda_installation: Path,
    tmp_path: Path,
    run_module: Any,
    options: Options,
) -> None:
    chance = random.Random(seed)
    host = Host(run_module, tmp_path / "env", conda_installation, options)
    inventory = commit(commit(empty(), chance), chance)
    past = []
    for _number in range(commits):
        assert host.follow(inventory)
        past.append((inventory, host.state(inventory)))
        inventory = commit(inventory, chance)
    assert host.follow(inventory)
    for number, (earlier, state) in enumerate(reversed(past)):
        assert host.follow(earlier, check=number % 4 == 0), (number, earlier)
        assert host.state(earlier) == state, (number, earlier)
        assert state["unsatisfied"] == [], (number, earlier)
    assert not host.follow(past[0][0])
