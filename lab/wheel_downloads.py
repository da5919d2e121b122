"""Pinned lists of wheels, and pip as what downloads them: the common ground of the wheelhouses."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from packaging.utils import canonicalize_name, parse_wheel_filename

from lab.errors import LabError

Pin = tuple[str, str]
"""Normalized name (PEP 503) and version of one wheel."""


def read_pins(*listings: Path) -> list[Pin]:
    """Return what the lists name by ``NAME==VERSION``, a line each, in their order, each pin once."""
    found: dict[Pin, None] = {}
    for listing in listings:
        for line in listing.read_text(encoding="utf-8").splitlines():
            name, _, version = line.partition("#")[0].strip().partition("==")
            if version:
                found[(canonicalize_name(name), version)] = None
    return list(found)


def pin_of(wheel: Path) -> Pin:
    """Return the pin that a wheel's file name stands for."""
    name, version, _, _ = parse_wheel_filename(wheel.name)
    return name, str(version)


def rounds(wanted: Iterable[Pin]) -> list[list[Pin]]:
    """Split pins so that no round names a project twice: pip refuses that in one run."""
    result: list[dict[str, Pin]] = []
    for pin in wanted:
        for one in result:
            if pin[0] not in one:
                one[pin[0]] = pin
                break
        else:
            result.append({pin[0]: pin})
    return [list(one.values()) for one in result]


def pip_download(wanted: list[Pin], target: Path, *, python: str, index: str | None = None) -> None:
    """Download wheels for linux-x86_64 and for nothing else than what was asked for.

    Args:
        wanted: at least one pin, no project twice.
        target: an existing folder.
        python: minor version of the Python that the wheels are for, such as ``3.11``.
        index: URL of the index; None leaves the choice to pip's own configuration.

    Raises:
        LabError: pip could not get one of them; the message ends with what pip said.
    """
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
        "--python-version", python, "--implementation", "cp", "--dest", str(target),
        *(["--index-url", index] if index else []),
        *(f"{name}=={version}" for name, version in wanted),
    ]  # fmt: skip
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        said = [line for line in answer.stderr.splitlines() if "WARNING" not in line]
        raise LabError(
            f"pip could not download {', '.join('=='.join(pin) for pin in wanted[:3])}"
            f"{' ...' if len(wanted) > 3 else ''}: {' / '.join(said[-4:])}"
        )
