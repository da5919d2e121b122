"""The lab's conda installer: a shell script with the packages of a base prefix behind it.

This is the lab's one stand-in for something real.  It keeps a real installer's interface (options,
messages, exit statuses, layout of the prefix) and lets real conda link real packages; only the
shell script in front is the lab's own.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from lab import cache, channel, conda_source, packages, paths, wheels
from lab.errors import LabError, require_tool

NAME = "installer"

BUILD = "lab0"

_DATA = Path(__file__).parent / "data"
_TEMPLATE = _DATA / "installer.sh"
_INSTALL = _DATA / "install.py"

_ROOTS = ("python", "conda", "pip", "setuptools", "wheel")
"""What a base prefix is asked to hold; the rest follows from their dependencies."""


def key() -> str:
    """Return the key of the installer that today's inputs make."""
    return cache.content_key(Path(__file__), _TEMPLATE, _INSTALL, channel.key())


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
        _stage(chosen, filename, stage)
        payload = stage.with_suffix(".tar.gz")
        _archive(stage, payload)
        needed = sum(p.stat().st_size for p in stage.rglob("*") if p.is_file())
        python = next(package for package in chosen if package.name.startswith("python-3"))
        script = target / filename
        _join(script, payload, {
            "NAME": "Miniconda3", "VERSION": version, "DEFAULT_FOLDER": "miniconda3",
            # Most files are linked, not copied, from the package cache into the prefix.
            "NEEDED_MB": str(needed * 5 // 4 // 1024**2),
            "PYTHON": f"pkgs/{python.stem}/bin/python",
        })  # fmt: skip
        payload.unlink()
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


def _stage(chosen: Iterable[Path], filename: str, stage: Path) -> None:
    """Lay out what the script unpacks into the prefix: a package cache and what drives conda."""
    from conda_package_streaming.extract import extract

    cache_folder, own = stage / "pkgs", stage / ".lab-installer"
    own.mkdir()
    explicit, import_path, urls = ["@EXPLICIT"], [], []
    for package in chosen:
        folder = cache_folder / package.stem
        extract(package, folder)
        record = channel.repodata_record(package)
        url = f"{conda_source.CHANNEL_URL}/{record['subdir']}/{package.name}"
        record |= {"fn": package.name, "url": url, "channel": conda_source.CHANNEL_URL}
        (folder / "info" / "repodata_record.json").write_text(json.dumps(record, indent=2))
        explicit.append(f"{url}#{record['md5']}")
        urls.append(url)
        # The counter would count the installation itself.
        if record["name"] not in ("python", "lab-conda-counter"):
            import_path += [
                str(path.relative_to(cache_folder))
                for path in (*folder.glob("site-packages"), *folder.glob("lib/*/site-packages"))
            ]
    (cache_folder / "urls.txt").write_text("".join(f"{url}\n" for url in urls))
    (cache_folder / "urls").write_text("".join(f"{url}\n" for url in urls))
    (own / "explicit.txt").write_text("".join(f"{line}\n" for line in explicit))
    (own / "import-path.txt").write_text("".join(f"{line}\n" for line in import_path))
    (own / "LICENSE.txt").write_text("Each package has its own license; see pkgs/*/info.\n")
    (own / "installer.info").write_text(f"{filename}\n")
    shutil.copy(_INSTALL, own / "install.py")


def _archive(stage: Path, payload: Path) -> None:
    """Pack the staged files.

    Raises:
        LabError: tar or gzip is missing or fails.
    """
    tar, gzip = require_tool("tar", "tar"), require_tool("gzip", "gzip")
    # In the order of names, without this machine's times and users: the same bytes every time. Files
    # of packages are older than the given time and keep their own, which tell versions apart.
    times = (f"--mtime=@{packages.NEWEST_TIME}", "--clamp-mtime")
    same = ("--sort=name", *times, "--owner=0", "--group=0", "--numeric-owner")
    command: list[str | Path] = [
        *(tar, "--create", "--format=gnu", "--file", payload),
        *("--use-compress-program", f"{gzip} -n", *same),
        *("--directory", stage, "pkgs", ".lab-installer"),
    ]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise LabError(f"tar failed: {answer.stderr.strip()}")


def _join(script: Path, payload: Path, values: dict[str, str]) -> None:
    """Write the shell script, filled in, and the payload behind it."""
    body = payload.read_bytes()
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
