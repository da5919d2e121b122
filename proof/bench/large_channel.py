"""The lab's channel with as many records as conda-forge has: real packages, and an index to search them in.

conda reads and parses the whole index before it can say that nothing is to be done, so its size is
what a run that finds nothing to do costs on a real channel. The packages behind the additional records do not
exist, nothing asks for them, and no real package depends on them: conda parses them and solves what it would
solve without them.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import zstandard

from lab import cache, paths

RECORDS = 400_000
"""Additional records of both subdirs together."""

_SHARE = {"linux-64": 0.6, "noarch": 0.4}
"""Of the records; conda-forge has more of the binary ones, since each is built for several Pythons."""

_PYTHONS = ("310", "311", "312", "313")
_VERSIONS = 8
"""Of each package; the newest is also in the index of current packages."""

_INDEX_FILES = ("repodata.json", "current_repodata.json")


class _Record(NamedTuple):
    """One additional record: its file name, its text as JSON, whether it is of the newest version."""

    filename: str
    text: str
    newest: bool


def make(folder: Path, records: int = RECORDS) -> Path:
    """Make the channel below ``folder``, or take the one that is there; returns its folder (``.../lab``).

    Its packages are symbolic links to those of the lab's channel, its indexes (``repodata.json`` with
    everything, ``current_repodata.json`` with the newest version of each package as conda-index makes it,
    each as zstd too) hold the lab's records and the additional ones. The same lab gives the same bytes.

    Raises OSError when there is no room: about 0.4 GB for the usual number of records.
    """
    channel = folder / "lab"
    key = cache.content_key(Path(__file__), cache.published_key(paths.channel_dir()) or "", records)
    if cache.published_key(channel) == key:
        return channel
    shutil.rmtree(channel, ignore_errors=True)
    for subdir, share in _SHARE.items():
        _make_subdir(channel / subdir, subdir, round(records * share))
    # Last of all: without it the channel is made again.
    (channel / cache.KEY_FILE).write_text(key + "\n")
    return channel


def _make_subdir(target: Path, subdir: str, records: int) -> None:
    source = paths.channel_dir() / subdir
    target.mkdir(parents=True)
    for package in source.glob("*.conda"):
        (target / package.name).symlink_to(package)
    real = json.loads((source / "repodata.json").read_text())["packages.conda"]
    own = [f"{json.dumps(name)}:{json.dumps(record)}" for name, record in sorted(real.items())]
    made = list(generated(subdir, records))
    for name in _INDEX_FILES:
        everything = name == "repodata.json"
        lines = own + [f'"{one.filename}":{one.text}' for one in made if everything or one.newest]
        _write(target / name, subdir, lines)


def _write(path: Path, subdir: str, lines: list[str]) -> None:
    head = f'{{"info":{{"subdir":"{subdir}"}},"packages":{{}},"packages.conda":{{\n'
    tail = '\n},"removed":[],"repodata_version":1}\n'
    body = (head + ",\n".join(lines) + tail).encode()
    path.write_bytes(body)
    compressor = zstandard.ZstdCompressor(level=3, threads=os.cpu_count() or 1)
    path.with_name(path.name + ".zst").write_bytes(compressor.compress(body))


def generated(subdir: str, records: int) -> Iterator[_Record]:
    """Give the additional records of a subdir, in the shape and about the size of conda-forge's.

    A noarch package has one build of a version, one in two of linux-64 is built for each Python.
    """
    number = given = 0
    while given < records:
        builds = _PYTHONS if subdir != "noarch" and number % 2 else ("",)
        for version in range(_VERSIONS):
            for python in builds:
                if given == records:
                    return
                given += 1
                yield _record(subdir, number, version, python)
        number += 1


def _record(subdir: str, number: int, version: int, python: str) -> _Record:
    name = f"large-{subdir[:5]}-{number:05}"
    release = f"{1 + version // 4}.{version % 4}.{number % 7}"
    sha256 = hashlib.sha256(f"{name} {release} {python}".encode()).hexdigest()
    if subdir == "noarch":
        build, noarch = "pyhd8ed1ab_0", ',"noarch":"python"'
        depends = '"python >=3.9"'
    elif python:
        build, noarch = f"py{python}h{sha256[:7]}_0", ""
        minor = int(python[1:])
        depends = (
            f'"__glibc >=2.17,<3.0.a0","libgcc >=13","libstdcxx >=13",'
            f'"python >=3.{minor},<3.{minor + 1}.0a0","python_abi 3.{minor}.* *_cp{python}"'
        )
    else:
        build, noarch = f"h{sha256[:7]}_0", ""
        depends = '"__glibc >=2.17,<3.0.a0","libgcc >=13","libstdcxx >=13"'
    # Packages of a channel need each other, though never themselves.
    others = "".join(
        f',"large-{subdir[:5]}-{number // step:05} >={1 + step % 2}.0"'
        for step in (2, 3, 7)
        if number
    )
    stem = f"{name}-{release}-{build}"
    text = (
        f'{{"build":"{build}","build_number":0,"constrains":[],"depends":[{depends}{others}],'
        f'"license":"BSD-3-Clause","license_family":"BSD","md5":"{sha256[:32]}","name":"{name}"{noarch},'
        f'"sha256":"{sha256}","size":{20_000 + number * 31 % 900_000},"subdir":"{subdir}",'
        f'"timestamp":{1_600_000_000_000 + number * 4_000_000 + version * 1_000},"version":"{release}"}}'
    )
    return _Record(f"{stem}.conda", text, version == _VERSIONS - 1)
