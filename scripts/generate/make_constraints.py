"""Writes the constraints files of the role install_llm_stack, one for each profile, as resolved today.

``make constraints`` resolves the profiles that may share an environment together, so that their files agree,
and each profile that stands alone by itself, once for each Python of the profile. Nothing is installed. The
indexes are those of pip's own configuration, which uv does not read; no address is written into a file. Pins
that lag years behind the newest release are reported, see :mod:`scripts.generate.lagging_pins`.

``make constraints ARGS="train app"`` writes the files of these profiles only.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from scripts.generate import lagging_pins
from scripts.generate.resolver import (
    Pins,
    ResolveError,
    Resolver,
    pip_listing,
    pip_settings,
    render_pins,
    uv_variables,
)
from scripts.layout import ROOT

ROLE = ROOT / "roles" / "install_llm_stack"
# What the builds of torch bring with them, each its own.
_OF_A_BUILD = re.compile(r"(?:torch|triton|nvidia-.*|cuda-.*)$")


@dataclass(frozen=True)
class Profile:
    """What a file of the role's ``vars/main/profiles`` says, as far as it counts here."""

    name: str
    python: str
    pythons: tuple[str, ...]
    platform: str
    also_platforms: tuple[str, ...]
    alone: bool
    torch: str
    plain: tuple[str, ...]
    cuda: tuple[str, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """Every requirement line, those for hosts with CUDA as well."""
        return (*self.plain, *self.cuda)

    @property
    def other_platforms(self) -> tuple[str, ...]:
        """Where its file is tried too; the header names those on which it holds."""
        if "manylinux" not in self.platform:
            return self.also_platforms
        arm = self.platform.replace("x86_64", "aarch64")
        return (arm, *self.also_platforms, "aarch64-apple-darwin")

    @property
    def takes_torch(self) -> bool:
        """Whether torch is among the requirements themselves."""
        return any(Requirement(line).name == "torch" for line in self.lines)

    def file_name(self, python: str) -> str:
        """The name of its file for a Python; the role's vars/main/main.yml builds the same name."""
        suffix = "" if python == self.python else f"-py{python.replace('.', '')}"
        return f"{self.name}{suffix}.txt"


def read_profile(path: Path) -> Profile:
    """A profile of the role; its packages from conda count by their names in the package index."""
    (data,) = yaml.safe_load(path.read_text(encoding="utf-8")).values()
    lines = [line for key in ("conda", "pip", "optional") for line in data[key]]
    pinned = [f"torch=={data['torch']}"] if data["torch"] else []
    return Profile(
        name=path.stem,
        python=data["python"],
        pythons=tuple(data["pythons"]),
        platform=data["platform"],
        also_platforms=tuple(data["also_platforms"]),
        alone=data["alone"],
        torch=data["torch"],
        plain=tuple(lines + pinned),
        cuda=tuple(data["cuda"]),
    )


def read_profiles(role: Path) -> list[Profile]:
    """All profiles of the role, by name."""
    return [
        read_profile(path) for path in sorted((role / "vars" / "main" / "profiles").glob("*.yml"))
    ]


def torch_releases(role: Path) -> list[str]:
    """The releases of torch that the backends name, each once, as they stand in its ``backends.yml``."""
    data = yaml.safe_load((role / "vars" / "main" / "backends.yml").read_text(encoding="utf-8"))
    backends = data["install_llm_stack__backends"].values()
    return list(dict.fromkeys(each["torch"] for each in backends if each["torch"]))


def render(
    profile: Profile, python: str, pins: Pins, together: Sequence[str], also: Sequence[str]
) -> str:
    """The text of a constraints file."""
    today = datetime.now(UTC).date().isoformat()
    company = f", together with {', '.join(together)}" if together else ""
    head = [
        f"Profile {profile.name}: all that its requirements lead to, resolved on {today}",
        f"for Python {python} on {profile.platform}{company}.",
        f"It holds on these platforms as well: {', '.join(also) or 'none of those tried'}.",
        "Left out is what belongs to one build or release of torch. Written by `make constraints`.",
    ]
    return "".join(f"# {line}\n" for line in head) + render_pins(pins)


def of_torch(
    resolver: Resolver, profile: Profile, python: str, releases: Sequence[str]
) -> set[str]:
    """The names that a file must leave open: what torch's builds bring, and where its releases differ.

    Raises:
        ResolveError: a release of torch is not there.
    """
    closures = [
        resolver.resolve([f"torch=={release}"], python, profile.platform) for release in releases
    ]
    names = {name for closure in closures for name in closure}
    return {
        name
        for name in names
        if _OF_A_BUILD.match(name) or len({closure.get(name) for closure in closures}) > 1
    }


def make(
    resolver: Resolver, group: Sequence[Profile], python: str, releases: Sequence[str]
) -> dict[str, dict[str, str]]:
    """The pins of profiles that may share an environment with this Python, by profile.

    Raises:
        ResolveError: they do not fit together, or not with a release of torch.
    """
    platform = group[0].platform
    lines = sorted({line for profile in group for line in profile.lines})
    joint = resolver.resolve(lines, python, platform)
    found = {}
    for profile in group:
        closure = resolver.resolve(profile.lines, python, platform, joint)
        versions = [profile.torch] if profile.torch else list(releases)
        left = of_torch(resolver, profile, python, versions) if "torch" in closure else set()
        if not profile.alone:
            # Beside another profile in one environment it is torch that says which CUDA there is.
            left |= {name for name in closure if _OF_A_BUILD.match(name)}
        pins = {name: version for name, version in closure.items() if name not in left}
        for version in versions if profile.takes_torch else ():
            resolver.resolve([*profile.lines, f"torch=={version}"], python, platform, pins)
        found[profile.name] = pins
    return found


def platforms_of(resolver: Resolver, profile: Profile, python: str, pins: Pins) -> list[str]:
    """The profile's other platforms on which the pins hold as well, without what is for CUDA alone."""
    found = []
    for platform in profile.other_platforms:
        try:
            resolver.resolve(profile.plain, python, platform, pins)
        except ResolveError:
            continue
        found.append(platform)
    return found


def groups_of(profiles: Sequence[Profile]) -> list[tuple[str, list[Profile]]]:
    """The profiles that are resolved together, each group with its Python: all that do not stand alone."""
    shared = [profile for profile in profiles if not profile.alone]
    pythons = sorted({python for profile in shared for python in profile.pythons}, key=Version)
    groups = [(python, [each for each in shared if python in each.pythons]) for python in pythons]
    alone = [profile for profile in profiles if profile.alone]
    return groups + [(python, [profile]) for profile in alone for python in profile.pythons]


def write(
    resolver: Resolver,
    role: Path,
    chosen: Sequence[str],
    lagging: Callable[[Resolver, Profile, str, Pins], list[str]] | None = None,
) -> list[str]:
    """Writes the files of the chosen profiles, or of all; returns a line for each problem.

    Args:
        lagging: names the pins of a profile that are too old.
    """
    directory = role / "files" / "constraints"
    directory.mkdir(parents=True, exist_ok=True)
    problems = []
    for python, group in groups_of(read_profiles(role)):
        wanted = [profile for profile in group if not chosen or profile.name in chosen]
        if not wanted:
            continue
        try:
            made = make(resolver, group, python, torch_releases(role))
        except ResolveError as error:
            names = ", ".join(profile.name for profile in group)
            problems.append(f"not resolved: {names} for Python {python}: {error}")
            continue
        for profile in wanted:
            pins = made[profile.name]
            together = [other.name for other in group if other is not profile]
            also = platforms_of(resolver, profile, python, pins)
            text = render(profile, python, pins, together, also)
            (directory / profile.file_name(python)).write_text(text, encoding="utf-8")
            sys.stdout.write(f"{profile.name} for Python {python}: {len(pins)} pins\n")
            problems += lagging(resolver, profile, python, pins) if lagging else []
    return problems


def main(words: Sequence[str] | None = None) -> int:
    """Writes the files into the checkout.

    Returns:
        1 if a profile could not be resolved (its file then stays) or if a pin lags for no known reason.
    """
    parser = argparse.ArgumentParser(prog="make constraints", description=__doc__)
    names = [profile.name for profile in read_profiles(ROLE)]
    parser.add_argument("profiles", nargs="*", metavar="PROFILE", help=", ".join(names))
    chosen: Any = parser.parse_args(words).profiles
    unknown = sorted(set(chosen) - set(names))
    if unknown:
        parser.error(f"no profile is called {', '.join(unknown)}")
    resolver = Resolver(uv_variables(pip_settings(pip_listing())))
    problems = write(resolver, ROLE, chosen, lagging_pins.lagging)
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
