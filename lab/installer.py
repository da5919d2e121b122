"""The lab's conda installer: a shell script with the packages of a base prefix behind it.

This is the lab's one stand-in for something real.  It keeps a real installer's interface (options,
messages, exit statuses, layout of the prefix, also when it is cut off) and lets real conda link real
packages; only the shell script in front and the program that it unpacks first are the lab's own.
What it leaves out is the archives of the packages, which a real one keeps in ``pkgs``.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import shutil
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab import cache, channel, conda_source, packages, paths, wheels
from lab.errors import LabError, require_tool

NAME = "installer"

BUILD = "lab0"

_DATA = Path(__file__).parent / "data"
_TEMPLATE = _DATA / "installer.sh"
_PROGRAM = (_DATA / "bootstrapper.sh", _DATA / "bootstrapper.py")

_ROOTS = ("python", "conda", "pip", "setuptools", "wheel")
"""What a base prefix is asked to hold; the rest follows from their dependencies."""


def key() -> str:
    """Return the key of the installer that today's inputs make."""
    return cache.content_key(Path(__file__), _TEMPLATE, *_PROGRAM, channel.key())


def is_current() -> bool:
    """Say whether the published installer was made from today's inputs."""
    return cache.published_key(paths.installers_dir()) == key()


def current() -> dict[str, Any]:
    """Return filename, sha256, distribution, version, python and path of the first installer.

    ``index.json`` lists them all: the first has Python 3.11 where the machine has it, a second one
    another Python.

    Raises:
        LabError: it was not built yet.
    """
    try:
        listed = json.loads((paths.installers_dir() / "index.json").read_text())
    except FileNotFoundError:
        raise LabError("no installer yet: run `python -m lab build`") from None
    first: dict[str, Any] = listed[0]
    return {**first, "path": paths.installers_dir() / first["filename"]}


def build(progress: Callable[[str], None]) -> None:
    """Make the installer and its index.

    Raises:
        LabError: the channel lacks a package of the base, or a tool is missing.
    """
    if not channel.is_current():
        channel.build(progress)
    first = channel.base_interpreter().minor
    others = [minor for minor in channel.base_minors() if minor != first]
    with cache.publishing(paths.installers_dir(), key()) as work:
        entries = []
        for minor in (first, *others[:1]):
            progress(f"base prefix with Python {minor}")
            entries.append(_make(minor, work))
        (work / "index.json").write_text(json.dumps(entries, indent=2) + "\n")


def _make(minor: str, target: Path) -> dict[str, str]:
    """Write one installer into ``target`` and return its entry in the index."""
    version = f"py{minor.replace('.', '')}_{conda_source.VERSION}-{BUILD}"
    filename = f"Miniconda3-{version}-Linux-x86_64.sh"
    stage = cache.new_temporary("installer-")
    try:
        chosen = base_packages(minor)
        parts = [_program(chosen), *_archives(chosen, filename, stage)]
        needed = sum(p.stat().st_size for p in (stage / "pkgs").rglob("*") if p.is_file())
        program_end, lists_end, packages_end = itertools.accumulate(map(len, parts))
        script = target / filename
        _join(script, b"".join(parts), {
            "NAME": "Miniconda3", "VERSION": version, "DEFAULT_FOLDER": "miniconda3",
            # Most files are linked, not copied, from the package cache into the prefix.
            "NEEDED_MB": str(needed * 5 // 4 // 1024**2),
            "PROGRAM_END": str(program_end), "LISTS_END": str(lists_end), "PACKAGES_END": str(packages_end),
        })  # fmt: skip
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return {
        "filename": filename,
        "sha256": hashlib.sha256(script.read_bytes()).hexdigest(),
        "distribution": "miniconda",
        "version": version,
        "python": minor,
    }


def base_packages(minor: str) -> list[Path]:
    """Return the packages of a base prefix: the roots and all they depend on.

    The pins for one Python fit each other, so following names needs no solver; a test lets conda
    confirm that it would change nothing.

    Raises:
        LabError: a package is not in the channel.
    """
    available = _available(minor)
    chosen: dict[str, Path] = {}
    waiting = list(_ROOTS)
    while waiting:
        name = waiting.pop()
        if name in chosen or name.startswith("__"):
            continue
        if name not in available:
            raise LabError(f"the base prefix needs {name} for Python {minor}; not in the channel")
        chosen[name], depends = available[name]
        waiting += [spec.split()[0] for spec in depends]
    return sorted(chosen.values())


def _available(minor: str) -> dict[str, tuple[Path, list[str]]]:
    """Return name -> package and its ``depends``, of what fits one Python."""
    pinned = wheels.pins(wheels.pin_list(minor))
    tag = f"py{minor.replace('.', '')}lab_"
    found: dict[str, tuple[Path, list[str]]] = {}
    for subdir in (packages.SUBDIR, "noarch"):
        folder = paths.channel_dir() / subdir
        records = json.loads((folder / "repodata.json").read_text())["packages.conda"]
        for filename, record in records.items():
            name, version, build = record["name"], record["version"], record["build"]
            fits = pinned[name] == version if name in pinned else True
            if name == "python":
                fits = version.startswith(f"{minor}.")
            if fits and (build.startswith((tag, "pylab_")) or name == "python"):
                found[name] = (folder / filename, record["depends"])
    return found


def _program(chosen: Sequence[Path]) -> bytes:
    """Return ``_conda``: a shell script with an archive behind it that Python runs."""
    script, module = _PROGRAM
    python = next(package for package in chosen if package.name.startswith("python-3"))
    text = script.read_text().removesuffix("@@ARCHIVE@@\n")
    start = text.replace("@PYTHON@", f"pkgs/{python.stem}/bin/python").encode()
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w") as archive:
        archive.writestr(zipfile.ZipInfo("__main__.py"), module.read_text())
    return start + found.getvalue()


def _archives(chosen: Iterable[Path], filename: str, stage: Path) -> list[bytes]:
    """Return what the program unpacks: the lists, with a part that is for the end, and the packages.

    The names and their order are those of constructor 3.16 (shar.py, preconda.py). What is called
    ``.tar.bz2`` is compressed by gzip: the lab's hosts have no bzip2.
    """
    records = _unpack(chosen, stage)
    urls = [record["url"] for record in records]
    summed = [f"{record['url']}#{record['md5']}" for record in records]
    _write(stage, {
        ".installer.info": [filename],
        "pkgs/.constructor-build.info": [json.dumps({"constructor": BUILD})],
        "pkgs/urls": summed,
        "pkgs/urls.txt": urls,
        "conda-meta/initial-state.explicit.txt": ["@EXPLICIT", *summed],
        "conda-meta/history": [],
        "LICENSE.txt": ["Each package has its own license; see pkgs/*/info."],
    })  # fmt: skip
    of_packages = [
        f"pkgs/{Path(record['fn']).stem}/info/repodata_record.json" for record in records
    ]
    lists = [".installer.info", "pkgs/.constructor-build.info", "pkgs/urls", "pkgs/urls.txt",
             "conda-meta/initial-state.explicit.txt", *of_packages]  # fmt: skip
    _archive(stage, [*lists, "conda-meta/history"], stage / "preconda.tar.bz2")
    _write(stage, {"conda-meta/history": _history(records)})
    _archive(stage, ["conda-meta/history"], stage / "postconda.tar.bz2")
    payload = ["preconda.tar.bz2", "postconda.tar.bz2", "LICENSE.txt"]
    _archive(stage, payload, stage / "payload")
    for name in lists:
        (stage / name).unlink()
    _archive(stage, ["pkgs"], stage / "packages")
    return [(stage / name).read_bytes() for name in ("payload", "packages")]


def _unpack(chosen: Iterable[Path], stage: Path) -> list[dict[str, Any]]:
    """Unpack the packages into ``pkgs`` and return their records, as they are in a package cache."""
    from conda_package_streaming.extract import extract

    records = []
    for package in chosen:
        folder = stage / "pkgs" / package.stem
        extract(package, folder)
        record: dict[str, Any] = channel.repodata_record(package)
        url = f"{conda_source.CHANNEL_URL}/{record['subdir']}/{package.name}"
        record |= {"fn": package.name, "url": url, "channel": conda_source.CHANNEL_URL}
        (folder / "info" / "repodata_record.json").write_text(json.dumps(record, indent=2))
        records.append(record)
    return records


def _history(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the history that takes the place of conda's own: as if the maker of the installer had installed.

    constructor writes the exact versions of what it was asked for as wishes, so conda keeps to them.
    """
    dists, wishes = [], []
    for record in records:
        dist = f"{record['name']}-{record['version']}-{record['build']}"
        dists.append(f"+{conda_source.CHANNEL_URL}/{record['subdir']}::{dist}")
        wishes.append(f"{record['name']}=={record['version']}={record['build']}")
    made = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(packages.NEWEST_TIME))
    return [f"==> {made} <==", "# cmd: constructor lab", *dists, f"# update specs: {wishes}"]


def _write(stage: Path, texts: Mapping[str, Iterable[str]]) -> None:
    for name, lines in texts.items():
        (stage / name).parent.mkdir(parents=True, exist_ok=True)
        (stage / name).write_text("".join(f"{line}\n" for line in lines))


def _archive(folder: Path, names: Iterable[str], target: Path) -> None:
    """Pack files of a folder, in the order given; what is below a directory goes by name.

    Raises:
        LabError: tar or gzip is missing or fails.
    """
    tar, gzip = require_tool("tar", "tar"), require_tool("gzip", "gzip")
    # Without this machine's times and users: the same bytes every time. Files of packages are older than
    # the given time and keep their own, which tell versions apart.
    times = (f"--mtime=@{packages.NEWEST_TIME}", "--clamp-mtime")
    same = ("--sort=name", *times, "--owner=0", "--group=0", "--numeric-owner")
    command: list[str | Path] = [tar, "--create", "--format=gnu", "--file", target]
    command += ["--use-compress-program", f"{gzip} -n", *same]
    command += ["--directory", folder, *names]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise LabError(f"tar failed: {answer.stderr.strip()}")


def _join(script: Path, body: bytes, values: dict[str, str]) -> None:
    """Write the shell script, filled in, and the payload behind it."""
    text = _TEMPLATE.read_text().removesuffix("@@PAYLOAD@@\n")
    values = {
        **values,
        "MD5": hashlib.md5(body, usedforsecurity=False).hexdigest(),
        "HEADER_LINES": str(text.count("\n") + 1),
    }
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    # The script states its own size, and stating it must not change it.
    size = len(text.encode()) + len(body)
    while len(text.replace("@SIZE@", str(size)).encode()) + len(body) != size:
        size = len(text.replace("@SIZE@", str(size)).encode()) + len(body)
    script.write_bytes(text.replace("@SIZE@", str(size)).encode() + body)
    script.chmod(0o755)
