"""Downloads the wheels that become conda packages, by pinned lists, with the machine's own pip.

``lab/data/wheels-X.Y.txt`` holds every name and version for Python X.Y, written by hand from one
resolution, so that a download needs no resolver and the channel does not change by itself.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from lab import cache, paths
from lab.errors import LabError

_DATA = Path(__file__).parent / "data"

OLDER_LIST = _DATA / "wheels-older.txt"
"""Pins of pure wheels in further versions."""

CONDA_LIST = _DATA / "wheels-conda.txt"
"""Pins of the wheel that carries conda itself."""


def pin_list(minor: str) -> Path:
    """Return the list of pins for a Python minor version; it need not exist."""
    return _DATA / f"wheels-{minor}.txt"


def pins(listing: Path) -> dict[str, str]:
    """Return name -> version of a list of pins, in its order; empty when there is no list.

    The names are spelled as conda spells them.
    """
    pairs = (line.partition("==") for line in _lines(listing))
    return {name: version for name, _, version in pairs}


def _lines(listing: Path) -> list[str]:
    if not listing.is_file():
        return []
    lines = (line.split("#")[0].strip() for line in listing.read_text().splitlines())
    return [line for line in lines if line]


def download(listing: Path, minor: str) -> list[Path]:
    """Return the wheels of a list of pins for a Python version, downloading them once.

    Args:
        listing: a file of ``name==version`` lines.
        minor: for instance ``"3.11"``.

    Raises:
        LabError: pip could not get them; the message ends with what pip said.
    """
    key = cache.content_key(listing, minor)
    folder = paths.downloads_dir() / f"{listing.stem}-{key}"
    if cache.published_key(folder) != key:
        with cache.publishing(folder, key) as work:
            for requirements in _rounds(_lines(listing)):
                _pip_download(requirements, minor, work)
    return sorted(folder.glob("*.whl"))


def _rounds(requirements: list[str]) -> list[list[str]]:
    """Split requirements so that no name comes twice in one round, which pip would refuse."""
    rounds: list[dict[str, str]] = []
    for requirement in requirements:
        name = requirement.partition("==")[0]
        free = next((one for one in rounds if name not in one), None)
        if free is None:
            free = {}
            rounds.append(free)
        free[name] = requirement
    return [list(one.values()) for one in rounds]


def _pip_download(requirements: list[str], minor: str, target: Path) -> None:
    answer = subprocess.run(
        [
            sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
            "--only-binary=:all:", "--python-version", minor, "--implementation", "cp",
            "--dest", target, *requirements,
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if answer.returncode:
        said = [line for line in answer.stderr.splitlines() if "WARNING" not in line]
        raise LabError("pip could not download the channel's wheels: " + " / ".join(said[-4:]))
