"""Write requirements/constraints: the exact version of every distribution that the tests install.

The files in ``requirements`` and ``tests/unit/requirements.txt`` pin direct requirements. For each
environment, ``make pins`` resolves their dependencies and writes one constraints file. Versions that only
some Pythons or systems need carry an environment marker. Nothing is installed.

Only versions with wheels are accepted: pip would build a source distribution with unpinned build
requirements. uv does not read pip's configuration, so this script passes pip's indexes on to it.

Run it after changing a direct requirement, or to upgrade dependencies. ``make pins ARGS="units"`` writes
one file.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.generate.resolver import (
    ResolveError,
    Resolver,
    pip_listing,
    pip_settings,
    uv_variables,
)
from scripts.layout import ROOT
from scripts.setup import pythons
from scripts.setup.bootstrap import requirement_files
from scripts.testing import ansible_test

CONSTRAINTS = ROOT / "requirements" / "constraints"


@dataclass(frozen=True)
class Environment:
    """An environment that the tests create.

    Attributes:
        name: the name of its constraints file, without the suffix.
        purpose: what uses it, for the first line of the file.
        requirements: the requirements files that are installed into it.
        constraints: other constraints files that apply to it.
        python: the oldest Python that it is created with (``major.minor``).
        newest: the newest one.
    """

    name: str
    purpose: str
    requirements: tuple[Path, ...]
    python: str
    newest: str
    constraints: tuple[Path, ...] = ()

    @property
    def path(self) -> Path:
        """The constraints file."""
        return CONSTRAINTS / f"{self.name}.txt"

    @property
    def pythons(self) -> list[str]:
        """Every Python from the oldest to the newest."""
        (major, first), (_major, last) = (
            map(int, one.split(".")) for one in (self.python, self.newest)
        )
        return [f"{major}.{minor}" for minor in range(first, last + 1)]


def environments() -> list[Environment]:
    """All environments, in the order in which their files are written."""
    newest = pythons.NEWEST_CONTROLLER
    oldest = ".".join(map(str, pythons.OLDEST_PYTHON))
    return [
        Environment(
            name="venv",
            purpose="build/venv (scripts/setup/bootstrap.py)",
            requirements=tuple(requirement_files()),
            python="3.11",
            newest=newest,
        ),
        *(
            Environment(
                name=pythons.constraints(release).stem,
                purpose=f"build/controllers/{release} (scripts/setup/pythons.py)",
                requirements=(pythons.requirements(release),),
                python=oldest,
                newest=newest,
            )
            for release in pythons.releases()
        ),
        Environment(
            name=ansible_test.UNITS_CONSTRAINTS.stem,
            purpose="`ansible-test units --requirements` (scripts/testing/units.py)",
            requirements=(
                ROOT / "tests" / "unit" / "requirements.txt",
                ansible_test.data("units.txt"),
                ansible_test.data("ansible.txt"),
            ),
            constraints=(ansible_test.data("constraints.txt"),),
            python=pythons.TARGETS[0],
            newest=pythons.TARGETS[-1],
        ),
    ]


def shared_indexes(settings: Mapping[str, str]) -> dict[str, str]:
    """pip's settings without extra indexes on a local disk.

    Such an index may hold a release's wheel for one Python only. pip merges the files of all indexes; uv
    takes each release from the first index that has it, and would miss the other wheels.
    """
    extra = settings.get("extra-index-url", "").split()
    shared = [address for address in extra if not address.startswith("file:")]
    return {**settings, "extra-index-url": " ".join(shared)}


def resolve(resolver: Resolver, environment: Environment) -> str:
    """The pins of an environment, one a line.

    Raises:
        ResolveError: one of the Pythons has no solution, or only one without a wheel.
    """
    files = [str(path) for path in environment.requirements]
    held = [word for path in environment.constraints for word in ("--constraints", str(path))]
    pins = resolver.compile(*files, *held, "--universal", "--python-version", environment.python)
    with tempfile.TemporaryDirectory() as directory:
        made = Path(directory, "constraints.txt")
        made.write_text(pins, encoding="utf-8")
        for python in environment.pythons:
            # Fails if one of the pins has no wheel for this Python.
            own = resolver.compile(*files, "--constraints", str(made), "--python-version", python)
            unknown = names(own) - names(pins)
            if unknown:
                raise ResolveError(f"Python {python} also takes {', '.join(sorted(unknown))}")
    return pins


def names(pins: str) -> set[str]:
    """The names of the distributions that pins are for."""
    return {line.partition("==")[0] for line in pins.splitlines()}


def render(environment: Environment, pins: str) -> str:
    """The text of a constraints file."""
    head = [
        f"Constraints of {environment.purpose},",
        f"for Python {environment.python} to {environment.newest}. Written by `make pins`.",
    ]
    return "".join(f"# {line}\n" for line in head) + pins


def write(resolver: Resolver, chosen: Sequence[Environment]) -> Mapping[str, str]:
    """Write the files of these environments; return the reasons of those not written, by name."""
    CONSTRAINTS.mkdir(exist_ok=True)
    problems = {}
    for environment in chosen:
        try:
            pins = resolve(resolver, environment)
        except ResolveError as error:
            problems[environment.name] = str(error)
            continue
        environment.path.write_text(render(environment, pins), encoding="utf-8")
        sys.stdout.write(f"{environment.name}: {len(pins.splitlines())} pins\n")
    return problems


def main(words: Sequence[str] | None = None) -> int:
    """Write the files into the checkout.

    Returns 1 when an environment could not be resolved; its file stays as it was.
    """
    parser = argparse.ArgumentParser(prog="make pins", description=__doc__)
    known = {environment.name: environment for environment in environments()}
    parser.add_argument("environments", nargs="*", metavar="NAME", help=", ".join(known))
    chosen: Any = parser.parse_args(words).environments
    unknown = sorted(set(chosen) - set(known))
    if unknown:
        parser.error(f"no environment is called {', '.join(unknown)}")
    resolver = Resolver(uv_variables(shared_indexes(pip_settings(pip_listing()))))
    problems = write(resolver, [known[name] for name in chosen or known])
    for name, problem in problems.items():
        sys.stderr.write(f"{name}: not resolved: {problem}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
