"""Writes the constraints files of the role install_llm_stack, one for each profile, as resolved today.

``make constraints`` resolves the profiles that may share an environment together, so that their files agree,
and each profile that stands alone by itself. Nothing is installed. The indexes are those of pip's own
configuration, which uv does not read; no address is written into a file.

``make constraints ARGS="train app"`` writes the files of these profiles only.
"""

from __future__ import annotations

import argparse
import ast
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.layout import PYTHON, ROOT, VENV_BIN, tool_environment

ROLE = ROOT / "roles" / "install_llm_stack"
# What the builds of torch bring with them, each its own.
_OF_A_BUILD = re.compile(r"(?:torch|triton|nvidia-.*|cuda-.*)$")
# Seconds. A resolution takes a few; a mirror that is asked for the first time, more.
TIMEOUT = 900

Pins = Mapping[str, str]


class ResolveError(Exception):
    """uv found no solution, or a solution that nobody else could install; its text says why."""


@dataclass(frozen=True)
class Profile:
    """What a file of the role's ``vars/main/profiles`` says, as far as it counts here."""

    name: str
    python: str
    platform: str
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
        return (self.platform.replace("x86_64", "aarch64"), "aarch64-apple-darwin")

    @property
    def takes_torch(self) -> bool:
        """Whether torch is among the requirements themselves."""
        return any(Requirement(line).name == "torch" for line in self.lines)


def read_profile(path: Path) -> Profile:
    """A profile of the role; its packages from conda count by their names in the package index."""
    (data,) = yaml.safe_load(path.read_text(encoding="utf-8")).values()
    lines = [line for key in ("conda", "pip", "optional") for line in data[key]]
    pinned = [f"torch=={data['torch']}"] if data["torch"] else []
    return Profile(
        name=path.stem,
        python=data["python"],
        platform=data["platform"],
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


def pip_settings(listing: str) -> dict[str, str]:
    """pip's settings by key from what ``pip config list`` prints; environment variables win, as for pip.

    Of the sections only ``global`` and the variables count.
    """
    found: dict[str, str] = {}
    for section in ("global", ":env:"):
        for line in listing.splitlines():
            name, _, value = line.partition("=")
            if name.startswith(f"{section}."):
                found[name.removeprefix(f"{section}.")] = str(ast.literal_eval(value))
    return found


def uv_variables(settings: Mapping[str, str]) -> dict[str, str]:
    """The variables by which uv takes distributions from the indexes of pip's settings.

    Local directories (``find-links``) are left out: what lies there by chance is no answer for others.
    Addresses travel as variables and not as arguments, since they may hold credentials.
    """
    variables = {
        "UV_DEFAULT_INDEX": settings.get("index-url", ""),
        "UV_INDEX": " ".join(settings.get("extra-index-url", "").split()),
        "SSL_CERT_FILE": settings.get("cert", ""),
        "UV_HTTP_TIMEOUT": settings.get("default-timeout", ""),
    }
    return {
        **{name: value for name, value in variables.items() if value},
        # As pip: the newest of all indexes counts. And nothing of the machine's own settings.
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_NO_CONFIG": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        # torch's wheels need it; uv's own idea of macOS is older.
        "MACOSX_DEPLOYMENT_TARGET": "14.0",
    }


class Resolver:
    """uv, with the indexes that it is to use."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        inherited = tool_environment().items()
        own = {name: value for name, value in inherited if not name.startswith("UV_")}
        self._environment = {**own, **variables}

    def compile(self, *words: str) -> str:
        """What ``uv pip compile`` prints for these arguments: pins, one a line, wheels only.

        Raises:
            ResolveError: there is no solution.
        """
        argv = [
            *(str(VENV_BIN / "uv"), "pip", "compile", "--quiet", *words),
            *("--python", str(PYTHON), "--only-binary", ":all:"),
            *("--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"),
        ]
        done = subprocess.run(
            argv,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT,
        )
        if done.returncode:
            raise ResolveError(done.stderr.strip())
        return done.stdout

    def resolve(
        self, lines: Iterable[str], python: str, platform: str, pins: Pins | None = None
    ) -> dict[str, str]:
        """The versions, by name, that the requirement lines lead to; wheels only.

        Args:
            platform: as uv names them, such as x86_64-manylinux_2_28.
            pins: versions that may not differ.

        Raises:
            ResolveError: there is no solution, or one of its versions is of no public index.
        """
        with tempfile.TemporaryDirectory() as directory:
            wanted, held = Path(directory, "requirements.in"), Path(directory, "constraints.txt")
            wanted.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            held.write_text(render_pins(pins or {}), encoding="utf-8")
            printed = self.compile(
                *(str(wanted), "--constraints", str(held)),
                *("--python-version", python, "--python-platform", platform),
            )
        found: dict[str, str] = {}
        for line in printed.splitlines():
            name, _, version = line.partition("==")
            if not version or "+" in version:
                raise ResolveError(f"{line}: not a version that a public index has")
            found[canonicalize_name(name)] = version
        return found


def render_pins(pins: Pins) -> str:
    """One line for each, by name."""
    return "".join(f"{name}=={version}\n" for name, version in sorted(pins.items()))


def render(profile: Profile, pins: Pins, together: Sequence[str], also: Sequence[str]) -> str:
    """The text of a constraints file."""
    today = datetime.now(UTC).date().isoformat()
    company = f", together with {', '.join(together)}" if together else ""
    head = [
        f"Profile {profile.name}: all that its requirements lead to, resolved on {today}",
        f"for Python {profile.python} on {profile.platform}{company}.",
        f"It holds on these platforms as well: {', '.join(also) or 'none of those tried'}.",
        "Left out is what belongs to one build or release of torch. Written by `make constraints`.",
    ]
    return "".join(f"# {line}\n" for line in head) + render_pins(pins)


def of_torch(resolver: Resolver, profile: Profile, releases: Sequence[str]) -> set[str]:
    """The names that a file must leave open: what torch's builds bring, and where its releases differ.

    Raises:
        ResolveError: a release of torch is not there.
    """
    closures = [
        resolver.resolve([f"torch=={release}"], profile.python, profile.platform)
        for release in releases
    ]
    names = {name for closure in closures for name in closure}
    return {
        name
        for name in names
        if _OF_A_BUILD.match(name) or len({closure.get(name) for closure in closures}) > 1
    }


def make(
    resolver: Resolver, group: Sequence[Profile], releases: Sequence[str]
) -> dict[str, dict[str, str]]:
    """The pins of profiles that may share an environment, by profile.

    Raises:
        ResolveError: they do not fit together, or not with a release of torch.
    """
    python, platform = group[0].python, group[0].platform
    lines = sorted({line for profile in group for line in profile.lines})
    joint = resolver.resolve(lines, python, platform)
    found = {}
    for profile in group:
        closure = resolver.resolve(profile.lines, python, platform, joint)
        versions = [profile.torch] if profile.torch else list(releases)
        left = of_torch(resolver, profile, versions) if "torch" in closure else set()
        if not profile.alone:
            # Beside another profile in one environment it is torch that says which CUDA there is.
            left |= {name for name in closure if _OF_A_BUILD.match(name)}
        pins = {name: version for name, version in closure.items() if name not in left}
        for version in versions if profile.takes_torch else ():
            resolver.resolve([*profile.lines, f"torch=={version}"], python, platform, pins)
        found[profile.name] = pins
    return found


def platforms_of(resolver: Resolver, profile: Profile, pins: Pins) -> list[str]:
    """The profile's other platforms on which the pins hold as well, without what is for CUDA alone."""
    found = []
    for platform in profile.other_platforms:
        try:
            resolver.resolve(profile.plain, profile.python, platform, pins)
        except ResolveError:
            continue
        found.append(platform)
    return found


def groups_of(profiles: Sequence[Profile]) -> list[list[Profile]]:
    """The profiles that are resolved together: all that do not stand alone."""
    shared = [profile for profile in profiles if not profile.alone]
    return [shared, *([profile] for profile in profiles if profile.alone)]


def write(resolver: Resolver, role: Path, chosen: Sequence[str]) -> list[str]:
    """Writes the files of the chosen profiles, or of all; returns a line for each profile that failed."""
    directory = role / "files" / "constraints"
    directory.mkdir(parents=True, exist_ok=True)
    problems = []
    for group in groups_of(read_profiles(role)):
        wanted = [profile for profile in group if not chosen or profile.name in chosen]
        if not wanted:
            continue
        try:
            made = make(resolver, group, torch_releases(role))
        except ResolveError as error:
            problems.append(f"{', '.join(profile.name for profile in group)}: {error}")
            continue
        for profile in wanted:
            pins = made[profile.name]
            together = [other.name for other in group if other is not profile]
            text = render(profile, pins, together, platforms_of(resolver, profile, pins))
            (directory / f"{profile.name}.txt").write_text(text, encoding="utf-8")
            sys.stdout.write(f"{profile.name}: {len(pins)} pins\n")
    return problems


def pip_listing() -> str:
    """What pip says of its configuration.

    Raises:
        subprocess.CalledProcessError: pip fails.
    """
    argv = [str(PYTHON), "-m", "pip", "config", "list"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def main(words: Sequence[str] | None = None) -> int:
    """Writes the files into the checkout; 1 when a profile could not be resolved, whose file then stays."""
    parser = argparse.ArgumentParser(prog="make constraints", description=__doc__)
    names = [profile.name for profile in read_profiles(ROLE)]
    parser.add_argument("profiles", nargs="*", metavar="PROFILE", help=", ".join(names))
    chosen: Any = parser.parse_args(words).profiles
    unknown = sorted(set(chosen) - set(names))
    if unknown:
        parser.error(f"no profile is called {', '.join(unknown)}")
    resolver = Resolver(uv_variables(pip_settings(pip_listing())))
    problems = write(resolver, ROLE, chosen)
    for problem in problems:
        sys.stderr.write(f"not resolved: {problem}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
