"""The wheelhouse: every wheel that the lab's hosts install, as a flat folder and as an index.

The lists in ``lab/data`` hold every name and version, so pip downloads without resolving anything
and the wheelhouse does not change by itself. All of it is for Python 3.11 on linux-x86_64: of
torch 2.13.0 that is where a build without CUDA was found.

That build of torch has the version ``2.13.0+cpu``. Where pip's own configuration does not offer
it, set ``$LLMFLEET_TORCH_INDEX`` to the URL of PyTorch's index for CPUs; torch's plain wheel would
take gigabytes of CUDA packages with it and is never downloaded here.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from packaging.utils import canonicalize_name, parse_wheel_filename

from lab import cache, paths, simple_index
from lab.errors import LabError

NAME = "wheelhouse"

PYTHON = "3.11"
"""Minor version of the Python that the wheels are for."""

TORCH_INDEX = "LLMFLEET_TORCH_INDEX"
"""Environment variable: URL of an index that has torch's CPU wheel."""

_DATA = Path(__file__).parent / "data"
_MORE = _DATA / "wheelhouse-more.txt"

Pin = tuple[str, str]
"""Normalized name (PEP 503) and version of one wheel."""


def constraints_file() -> Path:
    """Return the full list of the LLM stack's versions, which pip takes as constraints."""
    return _DATA / "llm-constraints.txt"


def pins() -> list[Pin]:
    """Return what the wheelhouse holds: the stack and the small packages, each pin once."""
    found: dict[Pin, None] = {}
    for listing in (constraints_file(), _MORE):
        for line in listing.read_text(encoding="utf-8").splitlines():
            name, _, version = line.partition("#")[0].strip().partition("==")
            if version:
                found[(canonicalize_name(name), version)] = None
    return list(found)


def key() -> str:
    """Return the content key of the wheelhouse."""
    sources = cache.source_files("wheelhouse.py", "simple_index.py")
    return cache.content_key(*sources, constraints_file(), _MORE)


def is_current() -> bool:
    """Say whether wheels and index in the cache were made from today's lists."""
    folders = (paths.wheels_dir(), paths.simple_dir())
    return all(cache.published_key(folder) == key() for folder in folders)


def build(progress: Callable[[str], None]) -> None:
    """Download the wheels that the cache lacks, then write the index.

    Raises:
        LabError: pip could not get a wheel; the message ends with what pip said.
    """
    wanted = pins()
    with cache.publishing(paths.wheels_dir(), key()) as work:
        kept = _keep(wanted, paths.wheels_dir(), work)
        missing = [pin for pin in wanted if pin not in kept]
        progress(f"{len(kept)} wheels at hand, {len(missing)} to download")
        _download(missing, work, progress)
        found = {pin_of(wheel) for wheel in work.glob("*.whl")}
        if found != set(wanted):
            odd = sorted(found.symmetric_difference(wanted))
            raise LabError(f"pip downloaded something else than was asked for: {odd}")
        for wheel in work.glob("*.whl"):
            wheel.chmod(0o644)
            simple_index.write_metadata(wheel)
    wheels = sorted(paths.wheels_dir().glob("*.whl"))
    size = sum(wheel.stat().st_size for wheel in wheels)
    progress(f"{len(wheels)} wheels, {size / 1e6:.0f} MB; writing the index")
    with cache.publishing(paths.simple_dir(), key()) as work:
        simple_index.write_index(wheels, work, base=f"../../{paths.wheels_dir().name}/")


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


def _keep(wanted: list[Pin], folder: Path, work: Path) -> set[Pin]:
    """Link the wheels of an older wheelhouse that are still wanted."""
    kept = set()
    for wheel in folder.glob("*.whl"):
        if pin_of(wheel) in wanted:
            os.link(wheel, work / wheel.name)
            kept.add(pin_of(wheel))
    return kept


def _download(missing: list[Pin], target: Path, progress: Callable[[str], None]) -> None:
    # torch comes from an index of its own, and is half of the bytes: beside the others
    torch = [pin for pin in missing if pin[0] == "torch"]
    runs = [torch] if torch else []
    runs += rounds(pin for pin in missing if pin[0] != "torch")
    with ThreadPoolExecutor(max_workers=2) as pool:
        jobs = [pool.submit(_pip_download, run, target) for run in runs]
        for run, job in zip(runs, jobs, strict=True):
            job.result()
            names = ", ".join(name for name, _ in run[:3])
            progress(f"downloaded {names}{' ...' if len(run) > 3 else ''} ({len(run)})")


def _pip_download(run: list[Pin], target: Path) -> None:
    index = os.environ.get(TORCH_INDEX)
    of_torch = run[0][0] == "torch"
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
        "--python-version", PYTHON, "--implementation", "cp", "--dest", str(target),
        *(["--index-url", index] if of_torch and index else []),
        *(f"{name}=={version}" for name, version in run),
    ]  # fmt: skip
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        said = [line for line in answer.stderr.splitlines() if "WARNING" not in line]
        hint = (
            f"; set ${TORCH_INDEX} to PyTorch's index for CPUs, or put the wheel where pip's own "
            "configuration finds it"
        )
        raise LabError(
            f"pip could not download {', '.join('=='.join(pin) for pin in run[:3])}"
            f"{' ...' if len(run) > 3 else ''}: {' / '.join(said[-4:])}{hint if of_torch else ''}"
        )
