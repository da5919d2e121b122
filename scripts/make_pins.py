"""Writes requirements/constraints: the exact version of everything that the tests install.

The files in ``requirements`` and ``tests/unit/requirements.txt`` name the direct requirements. For each
environment that is made of them, ``make pins`` resolves all that they lead to and writes one constraints
file. A version that only some Pythons or systems take has an environment marker. Nothing is installed.

Only versions with wheels are taken: pip builds a source distribution with build requirements of its
choice, which no constraint reaches. The indexes are those of pip's configuration, which uv does not read.

Run it after changing a direct requirement, and to raise what they lead to. ``make pins ARGS="units"``
writes that file only.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts import ansible_test, pythons
from scripts.bootstrap import requirement_files
from scripts.layout import ROOT
from scripts.make_constraints import (
    ResolveError,
    Resolver,
    pip_listing,
    pip_settings,
    uv_variables,
)

CONSTRAINTS = ROOT / "requirements" / "constraints"


@dataclass(frozen=True)
class Environment:
    """An environment that the tests make.

    Attributes:
        name: the constraints file's, without its suffix.
        purpose: what uses it, for the first line of the file.
        requirements: the files whose requirements it is made of.
        constraints: files that restrict them.
        python: the oldest Python that it is made with (``major.minor``).
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
    """All of them, in the order in which their files are written."""
    newest = pythons.NEWEST_CONTROLLER
    oldest = ".".join(map(str, pythons.OLDEST_PYTHON))
    return [
        Environment(
            name="venv",
            purpose="build/venv (scripts/bootstrap.py)",
            requirements=tuple(requirement_files()),
            python="3.11",
            newest=newest,
        ),
        *(
            Environment(
                name=pythons.constraints(release).stem,
                purpose=f"build/controllers/{release} (scripts/pythons.py)",
                requirements=(pythons.requirements(release),),
                python=oldest,
                newest=newest,
            )
            for release in pythons.releases()
        ),
        Environment(
            name=ansible_test.UNITS_CONSTRAINTS.stem,
            purpose="`ansible-test units --requirements` (scripts/units.py)",
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
    """pip's settings without extra indexes on this machine's disk.

    Such an index may hold a release for one Python only. uv takes a release from one index, unlike pip,
    and would not see the other wheels.
    """
    extra = settings.get("extra-index-url", "").split()
    shared = [address for address in extra if not address.startswith("file:")]
    return {**settings, "extra-index-url": " ".join(shared)}


def resolve(resolver: Resolver, environment: Environment) -> str:
    """The pins of an environment, one a line.

    Raises:
        ResolveError: the requirements do not fit together on one of the Pythons, or a version that they
            lead to has no wheel.
    """
    files = [str(path) for path in environment.requirements]
    held = [word for path in environment.constraints for word in ("--constraints", str(path))]
    pins = resolver.compile(*files, *held, "--universal", "--python-version", environment.python)
    with tempfile.TemporaryDirectory() as directory:
        made = Path(directory, "constraints.txt")
        made.write_text(pins, encoding="utf-8")
        for python in environment.pythons:
            # uv answers with pins of this Python alone, and fails where one of them has no wheel for it.
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
    """Writes the files of these environments; returns why one was not written, by name."""
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
    """Writes the files into the checkout; 1 when an environment could not be resolved, whose file then stays."""
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
