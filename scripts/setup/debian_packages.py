"""Installs the Debian packages named in debian-packages.txt, as root on Debian, and says so."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scripts.processes import clean_environment, run

LIST = Path(__file__).with_name("debian-packages.txt")
SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")


@dataclass(frozen=True)
class Package:
    """A Debian package wanted for the command that it brings."""

    command: str
    name: str
    purpose: str


def wanted() -> list[Package]:
    """The packages of the list."""
    lines = (line.strip() for line in LIST.read_text().splitlines())
    rows = (line.split(maxsplit=2) for line in lines if line and not line.startswith("#"))
    return [Package(*row) for row in rows]


def find(command: str) -> str | None:
    """The path of a command, also where an ordinary user's PATH lacks the sbin directories."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *SBIN])
    return shutil.which(command, path=path)


def missing() -> list[Package]:
    """The packages whose command is not there."""
    return [package for package in wanted() if find(package.command) is None]


def install_missing(say: Callable[[str], None], log: Path) -> str | None:
    """Installs what is missing where that is possible.

    Returns None when nothing is missing in the end, else why, naming the packages.
    """
    absent = missing()
    if not absent:
        return None
    names = " ".join(package.name for package in absent)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return f"needs the Debian packages {names} (only root can install them)"
    say(f"installing the Debian packages {names} (missing here, needed by Molecule's hosts)")
    env = clean_environment({"DEBIAN_FRONTEND": "noninteractive"})
    if run(["apt-get", "update", "-q"], log=log, env=env, timeout=600) != 0:
        return f"apt-get update failed, so {names} could not be installed; see {log}"
    for package in absent:
        # Not all at once: docker-cli is unknown to Debian 12, where docker.io brings the command.
        if find(package.command) is None:
            argv = ["apt-get", "install", "-y", "-q", "--no-install-recommends", package.name]
            run(argv, log=log, env=env, timeout=900, append=True)
    still = missing()
    if still:
        return f"could not install {' '.join(package.name for package in still)}; see {log}"
    return None
