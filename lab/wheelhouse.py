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
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import cache, paths, simple_index
from lab.errors import LabError
from lab.wheel_downloads import Pin, pin_of, pip_download, read_pins, rounds

NAME = "wheelhouse"

PYTHON = "3.11"
"""Minor version of the Python that the wheels are for."""

TORCH_INDEX = "LLMFLEET_TORCH_INDEX"
"""Environment variable: URL of an index that has torch's CPU wheel."""

_DATA = Path(__file__).parent / "data"
_MORE = _DATA / "wheelhouse-more.txt"


def constraints_file() -> Path:
    """Return the full list of the LLM stack's versions, which pip takes as constraints."""
    return _DATA / "llm-constraints.txt"


def pins() -> list[Pin]:
    """Return what the wheelhouse holds: the stack and the small packages, each pin once."""
    return read_pins(constraints_file(), _MORE)


def key() -> str:
    """Return the content key of the wheelhouse."""
    sources = cache.source_files("wheelhouse.py", "wheel_downloads.py", "simple_index.py")
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
    if run[0][0] != "torch":
        pip_download(run, target, python=PYTHON)
        return
    try:
        pip_download(run, target, python=PYTHON, index=os.environ.get(TORCH_INDEX))
    except LabError as error:
        raise LabError(
            f"{error}; set ${TORCH_INDEX} to PyTorch's index for CPUs, or put the wheel where pip's "
            "own configuration finds it"
        ) from error
