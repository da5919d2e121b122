"""With exact, reverting commits of an inventory brings environments back; conda and pip are the judges."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Options = Callable[..., dict[str, Any]]
Inventory = dict[str, Any]

# The lines that the inventory may have for one thing; None for no line. Each combination has a solution, and the
# names of dependencies do not depend on what was installed before.
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


class Host:
    """One environment that follows the inventory, as create_conda_env does it."""

    def __init__(self, run_module: Any, conda: Any, prefix: Path, base: Path, pip: Options) -> None:
        self.run_module, self.conda, self.prefix, self.base, self.pip = (
            run_module,
            conda,
            prefix,
            base,
            pip,
        )

    def follow(self, inventory: Inventory) -> bool:
        """Run both modules; returns whether one changed something. Check mode must say the same before."""
        env = {
            "installation": str(self.base),
            "prefix": str(self.prefix),
            "packages": ["python=3.11", "pip", *lines(inventory, "packages")],
            "pinned": lines(inventory, "pinned") or None,
            "variables": dict(lines(inventory, "variables")) or None,
            "exact": True,
        }
        requirements = lines(inventory, "requirements")
        pip = {**self.pip(*requirements), "prefix": str(self.prefix), "exact": True}
        changed = False
        for module, options in (("conda_env", env), ("conda_pip", pip)):
            foreseen = self.run_module(module, options, check=True)
            done = self.run_module(module, options)
            assert done["rc"] == 0, done
            assert foreseen["diff"] == done["diff"], (module, options)
            assert foreseen["changed"] == done["changed"], (module, options)
            changed |= done["changed"]
        return changed

    def state(self) -> dict[str, Any]:
        """Names with owners, requests, pins and variables, read by conda and from plain files."""
        prefix = ("--prefix", str(self.prefix))
        pinned = self.prefix / "conda-meta" / "pinned"
        requested = self.conda("env", "export", "--from-history", *prefix)["dependencies"]
        return {
            "owners": {
                one["name"]: "pip" if one["channel"] == "pypi" else "conda"
                for one in self.conda("list", *prefix)
            },
            "requested": sorted(requested),
            "pinned": pinned.read_text() if pinned.exists() else "",
            "variables": self.conda("env", "config", "vars", "list", *prefix),
        }

    def unsatisfied(self, inventory: Inventory) -> dict[str, Any]:
        """What conda would change to satisfy the declared packages."""
        solved: dict[str, Any] = self.conda(
            "install", "--dry-run", "--freeze-installed", "--offline", "--prefix", str(self.prefix),
            *lines(inventory, "packages"), "python=3.11",
        )  # fmt: skip
        return solved.get("actions", {})


@pytest.mark.parametrize(("seed", "commits"), [(1, 4), pytest.param(2, 20, marks=pytest.mark.full)])
def test_reverting_a_commit_brings_the_environment_back(
    seed: int,
    commits: int,
    conda_installation: Path,
    tmp_path: Path,
    run_module: Any,
    conda: Any,
    options: Options,
) -> None:
    chance = random.Random(seed)
    host = Host(run_module, conda, tmp_path / "env", conda_installation, options)
    inventory = empty()
    for _number in range(3):
        inventory = commit(inventory, chance)
    assert host.follow(inventory)
    before = host.state()
    for number in range(commits):
        changed = commit(inventory, chance)
        assert host.follow(changed), (number, inventory, changed)
        host.follow(inventory)
        after = host.state()
        assert after == before, (number, inventory, changed)
        assert host.unsatisfied(inventory) == {}, (number, inventory, changed)
        if chance.random() < 0.5:
            # The commit is made again and stays.
            inventory = changed
            host.follow(inventory)
            before = host.state()
    assert not host.follow(inventory)
