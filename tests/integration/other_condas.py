"""Further versions of the conda package, for changes of conda itself: the lab's, under other numbers.

The files are those of conda 24.7.1 but for the version that they state, which is all that an upgrade or a
downgrade by conda can be told by. Made for the tests alone, so that the lab's channel stays as it is.
A conda that calls itself 24.9 refuses to run parts that were to be gone by then, as 24.7 still has them.
"""

from __future__ import annotations

import json
from pathlib import Path

from conda_package_streaming.extract import extract

from lab import channel, conda_source, packages, paths

OLDER, NEWER, BROKEN = "24.5.0", "24.8.1", "24.9.2"
_ALL = (OLDER, NEWER, BROKEN)


def make_channel(folder: Path, python: str) -> str:
    """Write a channel with conda ``OLDER``, ``NEWER`` and ``BROKEN`` into ``folder`` and return its URL.

    Args:
        folder: does not exist yet.
        python: minor version of the base environment, for instance ``"3.11"``.
    """
    build = f"py{python.replace('.', '')}lab_0"
    (source,) = (paths.channel_dir() / packages.SUBDIR).glob(
        f"conda-{conda_source.VERSION}-{build}.conda"
    )
    records = {}
    target = folder / packages.SUBDIR
    target.mkdir(parents=True)
    for version in _ALL:
        package = _renumbered(source, version, folder / f"stage-{version}", target)
        records[package.name] = channel.repodata_record(package)
    for subdir, listed in ((packages.SUBDIR, records), ("noarch", {})):
        (folder / subdir).mkdir(exist_ok=True)
        repodata = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": listed}
        for name in ("repodata.json", "current_repodata.json"):
            (folder / subdir / name).write_text(json.dumps(repodata))
    return folder.as_uri()


def _renumbered(source: Path, version: str, stage: Path, target: Path) -> Path:
    extract(source, stage)
    index = json.loads((stage / "info" / "index.json").read_text())
    for path in sorted((stage / "info").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    (stage / "info").rmdir()
    (site,) = stage.glob("lib/*/site-packages")
    stated = site / "conda" / "_version.py"
    text = stated.read_text()
    assert conda_source.VERSION in text
    # All files of the lab have one time stamp: another size tells Python that its bytecode is out of date.
    padding = "#" * (_ALL.index(version) + 1)
    stated.write_text(f"{text.replace(conda_source.VERSION, version)}{padding}\n")
    metadata = site / f"conda-{conda_source.VERSION}.dist-info"
    renamed = metadata.rename(site / f"conda-{version}.dist-info")
    for name in ("METADATA", "RECORD"):
        file = renamed / name
        file.write_text(file.read_text().replace(conda_source.VERSION, version))
    description = packages.Description(
        name="conda",
        version=version,
        build=index["build"],
        depends=tuple(index["depends"]),
        summary="conda under another number, for tests",
        license="BSD-3-Clause",
    )
    return packages.pack(stage, description, target)
