"""The conda channel ``lab``: every package, made once each, and an index over them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import cache, conda_source, counter, interpreters, packages, paths, sample_packages, wheels
from lab.errors import LabError

NAME = "channel"

_SOURCES = (
    "cache.py", "channel.py", "packages.py", "python_package.py", "interpreters.py",
    "sample_packages.py", "wheels.py", "wheels_to_conda.py",
)  # fmt: skip

_WORKERS = 2
"""The lab is built on two cores beside other work."""


@dataclass(frozen=True)
class _Job:
    """One package to make: where it is kept, and how."""

    name: str
    key: str
    make: Callable[[Path], object]
    python: str = ""
    """Minor version that a binary package is for."""

    @property
    def folder(self) -> Path:
        return paths.packages_dir() / f"{self.name}-{self.key}"


def key() -> str:
    """Return the key of the channel that today's inputs make."""
    found = interpreters.discover()
    lists = [wheels.CONDA_LIST, wheels.OLDER_LIST, *(wheels.pin_list(one.minor) for one in found)]
    return cache.content_key(
        *cache.source_files(*_SOURCES),
        *conda_source.source_files(),
        *counter.source_files(),
        *(listing for listing in lists if listing.is_file()),
        [one.key for one in found],
    )


def is_current() -> bool:
    """Say whether the published channel was made from today's inputs."""
    return cache.published_key(paths.channel_dir()) == key()


def base_minors() -> list[str]:
    """Return the Pythons that a base prefix can have here, the best first."""
    present = [one.minor for one in interpreters.discover()]
    return [minor for minor in ("3.11", "3.12", "3.13") if minor in present]


def base_interpreter() -> interpreters.Interpreter:
    """Return the Python that the base prefix gets: 3.11 where the machine has it.

    Raises:
        LabError: there is none that conda's dependencies are pinned for.
    """
    for minor in base_minors():
        return next(one for one in interpreters.discover() if one.minor == minor)
    raise LabError("conda 24.7.1 needs one of Python 3.11, 3.12 and 3.13 on this machine")


def build(progress: Callable[[str], None]) -> None:
    """Make what is missing and publish the channel.

    Raises:
        LabError: a wheel cannot be had or converted, or the index cannot be written.
    """
    interpreters.build(progress)
    with ThreadPoolExecutor(_WORKERS) as pool:
        lists = [(wheels.pin_list(one.minor), one) for one in interpreters.discover()]
        lists.append((wheels.OLDER_LIST, base_interpreter()))
        jobs = [job for jobs in pool.map(_wheel_jobs, lists) for job in jobs]
        jobs += _own_jobs()
        # A pure wheel that several Pythons share is one package: the first, which is the oldest,
        # Python's markers count, since it needs most.
        unique = list({(job.name, job.python): job for job in reversed(jobs)}.values())
        missing = [job for job in unique if cache.published_key(job.folder) != job.key]
        progress(f"{len(missing)} packages to make, {len(unique) - len(missing)} in the cache")
        for number, name in enumerate(pool.map(_run, missing), start=1):
            if number % 10 == 0 or number == len(missing):
                progress(f"{number} of {len(missing)} packages made (last: {name})")
    folders = [job.folder for job in unique]
    folders += [one.package_folder for one in interpreters.discover()]
    with cache.publishing(paths.channel_dir(), key()) as work:
        progress("indexing")
        _gather(folders, work)
    cache.forget_unused(paths.packages_dir(), used=folders)


def _minors() -> list[str]:
    return [one.minor for one in interpreters.discover()]


def _conda_names() -> dict[str, str]:
    """Return canonical name -> conda's name of every wheel in the pins."""
    from packaging.utils import canonicalize_name

    return {
        canonicalize_name(name): name
        for minor in _minors()
        for name in wheels.pins(wheels.pin_list(minor))
    }


def _wheel_jobs(source: tuple[Path, interpreters.Interpreter]) -> list[_Job]:
    """Download the wheels of a list for one Python and return a job for each."""
    listing, interpreter = source
    minor = interpreter.minor
    if not listing.is_file():
        return []
    names = _conda_names()
    sources = cache.source_files("packages.py", "wheels_to_conda.py")
    jobs = []
    for wheel in wheels.download(listing, minor):
        job_key = cache.content_key(*sources, wheel, wheel.name, minor, interpreter.identity)
        # A binary wheel of the stable ABI fits several Pythons and is a package for each.
        python = "" if wheel.name.endswith("-none-any.whl") else minor
        make = _converter(wheel, minor, names, interpreter)
        jobs.append(_Job(wheel.stem, job_key, make, python))
    return jobs


def _converter(
    wheel: Path, minor: str, names: dict[str, str], interpreter: interpreters.Interpreter
) -> Callable[[Path], object]:
    def convert(target: Path) -> object:
        from lab import wheels_to_conda

        return wheels_to_conda.convert(wheel, minor, names, interpreter.executable, target)

    return convert


def _own_jobs() -> Iterator[_Job]:
    """Give the jobs of conda, the counter and the samples."""
    packer = cache.source_files("packages.py")
    (carrier,) = wheels.download(wheels.CONDA_LIST, base_interpreter().minor)
    for minor in base_minors():
        job_key = cache.content_key(*packer, *conda_source.source_files(), carrier, minor)
        yield _Job(f"conda-py{minor}", job_key, _conda_maker(carrier, minor))
    counter_key = cache.content_key(*packer, *counter.source_files())
    yield _Job("lab-conda-counter", counter_key, counter.make)
    sample_key = cache.content_key(*packer, *cache.source_files("sample_packages.py"))
    for sample in sample_packages.samples():
        yield _Job(sample.description.stem, sample_key, _sample_maker(sample))


def _conda_maker(carrier: Path, minor: str) -> Callable[[Path], object]:
    return lambda target: conda_source.make(carrier, minor, target)


def _sample_maker(sample: sample_packages.Sample) -> Callable[[Path], object]:
    return lambda target: sample_packages.make(sample, target)


def _run(job: _Job) -> str:
    with cache.publishing(job.folder, job.key) as target:
        job.make(target)
    return job.name


def _gather(folders: list[Path], channel: Path) -> None:
    """Put every package into the subfolder that it says it is of, and index the subfolders."""
    records: dict[str, dict[str, dict[str, Any]]] = {packages.SUBDIR: {}, "noarch": {}}
    for folder in folders:
        for package in folder.glob("*.conda"):
            record = repodata_record(package)
            records[record["subdir"]][package.name] = record
            place = channel / record["subdir"] / package.name
            place.parent.mkdir(exist_ok=True)
            os.link(package, place)
    for subdir, listed in records.items():
        _write_index(channel / subdir, subdir, listed)


def repodata_record(package: Path) -> dict[str, Any]:
    """Return what a channel's index says of a package: its ``info/index.json``, sums and size."""
    from conda_package_streaming.package_streaming import stream_conda_info

    body = package.read_bytes()
    sums = {
        "md5": hashlib.md5(body, usedforsecurity=False).hexdigest(),
        "sha256": hashlib.sha256(body).hexdigest(),
        "size": len(body),
    }
    for archive, member in stream_conda_info(package):
        if member.name == "info/index.json":
            handle = archive.extractfile(member)
            assert handle is not None
            return {**json.load(handle), **sums}
    raise LabError(f"{package.name} has no info/index.json")


def _write_index(folder: Path, subdir: str, records: dict[str, dict[str, Any]]) -> None:
    """Write ``repodata.json``, its zstd form and ``current_repodata.json``.

    A real ``current_repodata.json`` holds the newest builds only; this channel is so small that
    it holds everything, which spares conda a second round for ``python=3.8``.
    """
    import zstandard

    folder.mkdir(exist_ok=True)
    repodata = {
        "info": {"subdir": subdir},
        "packages": {},
        "packages.conda": dict(sorted(records.items())),
        "removed": [],
        "repodata_version": 1,
    }
    body = json.dumps(repodata, indent=1, sort_keys=True).encode()
    for name in ("repodata.json", "current_repodata.json"):
        (folder / name).write_bytes(body)
        (folder / f"{name}.zst").write_bytes(zstandard.ZstdCompressor(level=9).compress(body))
