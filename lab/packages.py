"""Makes one conda package (``.conda``) from a folder of staged files.

The format is a zip of two ``.tar.zst`` with ``info/index.json``, ``info/paths.json`` and, for noarch
Python, ``info/link.json`` (conda documentation, "Package specification").  Written here and not by a
build tool since the lab needs prefix placeholders, entry points and the same bytes every time: a
base that was installed from an earlier build must match the channel of a later one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import subprocess
import tarfile
import time
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

PLACEHOLDER = "/opt/llmfleet_lab_prefix_placeholder_" + "placeholder_" * 6
"""Stands for the prefix in staged text files; conda writes the real prefix there when it links.

Long on purpose, as real ones are: a tool that forgets to replace it is found out."""

SUBDIR = "linux-64"
"""The one platform of the lab's binary packages."""

NEWEST_TIME = 1_700_000_000
"""Time stamp of what has none of its own, so that the same inputs give the same bytes.

No packed file is newer."""

_TIMES = 100_000_000
"""Seconds before ``NEWEST_TIME``, three years, from which a package's files get their time."""

_COMPRESSION_LEVEL = 9
"""zstd level: 19 makes packages a tenth smaller and takes ten times as long."""


@dataclass(frozen=True)
class Description:
    """What a package says about itself.

    Attributes:
        name: conda's name.
        version: conda's version.
        build: build string.
        depends: MatchSpecs.
        noarch: ``"python"``, ``"generic"`` or None for a package of ``SUBDIR``.
        entry_points: ``name = module:function`` lines of a noarch Python package.
        build_number: of two builds of one version conda prefers the higher.
        constrains: MatchSpecs that hold only when that package is there.
        summary: one line for ``info/about.json``.
        license: SPDX expression where it is known.
    """

    name: str
    version: str
    build: str
    depends: tuple[str, ...] = ()
    noarch: str | None = None
    entry_points: tuple[str, ...] = ()
    build_number: int = 0
    constrains: tuple[str, ...] = ()
    summary: str = ""
    license: str = ""
    extra_info: dict[str, str] = field(default_factory=dict)

    @property
    def subdir(self) -> str:
        """Return the channel's subfolder that the package belongs in."""
        return "noarch" if self.noarch else SUBDIR

    @property
    def stem(self) -> str:
        """Return the file name without its extension."""
        return f"{self.name}-{self.version}-{self.build}"


def pack(files: Path, description: Description, target: Path) -> Path:
    """Write the package of everything below ``files`` into the folder ``target``.

    Args:
        files: staged prefix; text files in it may hold ``PLACEHOLDER``.
        description: what the package says about itself.
        target: existing folder.

    Returns:
        the path of the package.
    """
    members = sorted(p for p in files.rglob("*") if p.is_symlink() or not p.is_dir())
    entries = [_path_entry(member, files) for member in members]
    mtime = _package_time(description, entries)
    package = target / f"{description.stem}.conda"
    with zipfile.ZipFile(package, "x", zipfile.ZIP_STORED) as container:
        container.writestr(_zip_info("metadata.json"), b'{"conda_pkg_format_version": 2}')
        with _component(container, f"pkg-{description.stem}.tar.zst") as archive:
            for member, entry in zip(members, entries, strict=True):
                _add_file(archive, member, entry["_path"], mtime)
        with _component(container, f"info-{description.stem}.tar.zst") as archive:
            for name, content in _info_files(description, entries):
                member_info = _tar_info(f"info/{name}", 0o644, mtime)
                member_info.size = len(content)
                archive.addfile(member_info, BytesIO(content))
    return package


@contextlib.contextmanager
def _component(container: zipfile.ZipFile, name: str) -> Iterator[tarfile.TarFile]:
    """Give an archive that becomes a compressed member of the package."""
    import zstandard

    compressor = zstandard.ZstdCompressor(level=_COMPRESSION_LEVEL)
    with (
        container.open(_zip_info(name), "w") as member,
        compressor.stream_writer(member, closefd=False) as compressed,
        tarfile.open(fileobj=compressed, mode="w|", format=tarfile.PAX_FORMAT) as archive,
    ):
        yield archive


def _zip_info(name: str) -> zipfile.ZipInfo:
    """Describe a member with a fixed time, so that the same inputs give the same bytes."""
    year, month, day, hour, minute, second, *_ = time.gmtime(NEWEST_TIME)
    return zipfile.ZipInfo(name, date_time=(year, month, day, hour, minute, second))


def compile_modules(interpreter: Path, folder: Path, shown: str, mode: str) -> None:
    """Compile the modules below a folder; a file that does not compile stays source.

    Args:
        interpreter: the Python to compile for.
        folder: where the modules are staged.
        shown: the folder's name in tracebacks, relative to a prefix.
        mode: ``checked-hash`` or ``unchecked-hash`` (PEP 552); time stamps change on the way.
    """
    command: list[str | Path] = [
        *(interpreter, "-m", "compileall", "-q", "--invalidation-mode", mode),
        *("-d", shown, folder),
    ]
    # Sets are written in the order of their hashes: a fixed seed gives the same bytes every time.
    environment = {"PATH": os.environ.get("PATH", os.defpath), "PYTHONHASHSEED": "0"}
    subprocess.run(command, check=False, capture_output=True, env=environment)


def _path_entry(member: Path, files: Path) -> dict[str, Any]:
    """Describe one file as ``info/paths.json`` does."""
    content = member.read_bytes() if member.exists() else b""
    entry: dict[str, Any] = {
        "_path": member.relative_to(files).as_posix(),
        "path_type": "softlink" if member.is_symlink() else "hardlink",
        "sha256": hashlib.sha256(content).hexdigest(),
        "size_in_bytes": len(content),
    }
    if not member.is_symlink() and PLACEHOLDER.encode() in content:
        entry["prefix_placeholder"] = PLACEHOLDER
        entry["file_mode"] = "binary" if b"\0" in content else "text"
    return entry


def _info_files(
    description: Description, entries: Iterable[dict[str, Any]]
) -> Iterable[tuple[str, bytes]]:
    """Give name and content of the files in ``info/``."""
    index: dict[str, Any] = {
        "name": description.name,
        "version": description.version,
        "build": description.build,
        "build_number": description.build_number,
        "depends": list(description.depends),
        "constrains": list(description.constrains),
        "subdir": description.subdir,
        "arch": None if description.noarch else "x86_64",
        "platform": None if description.noarch else "linux",
        "license": description.license,
        "timestamp": NEWEST_TIME * 1000,
    }
    if description.noarch:
        index["noarch"] = description.noarch
    listed = list(entries)
    yield "index.json", _json(index)
    yield "paths.json", _json({"paths": listed, "paths_version": 1})
    yield "files", "".join(f"{entry['_path']}\n" for entry in listed).encode()
    yield "about.json", _json({"summary": description.summary, "license": description.license})
    if description.noarch == "python":
        link = {"type": "python", "entry_points": list(description.entry_points)}
        yield "link.json", _json({"noarch": link, "package_metadata_version": 1})
    for name, text in sorted(description.extra_info.items()):
        yield name, text.encode()


def _json(value: object) -> bytes:
    return json.dumps(value, indent=2, sort_keys=True).encode()


def _package_time(description: Description, entries: Iterable[dict[str, Any]]) -> int:
    """Return the time stamp of the package's files: whole seconds that its content decides.

    Python takes bytecode for current when its source has the recorded size and modification time
    in seconds (``importlib``, "Cached bytecode invalidation").  With one time for all packages, an
    upgrade to a module of the same size would run the old bytecode.
    """
    content = json.dumps([description.stem, list(entries)], sort_keys=True).encode()
    return NEWEST_TIME - 1 - int.from_bytes(hashlib.sha256(content).digest()[:8], "big") % _TIMES


def _tar_info(name: str, mode: int, mtime: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.mode = mode
    info.mtime = mtime
    return info


def _add_file(archive: tarfile.TarFile, member: Path, name: str, mtime: int) -> None:
    """Add one staged file or link under its name in the prefix."""
    if member.is_symlink():
        info = _tar_info(name, 0o777, mtime)
        info.type = tarfile.SYMTYPE
        info.linkname = str(member.readlink())
        archive.addfile(info)
        return
    executable = member.stat().st_mode & stat.S_IXUSR
    info = _tar_info(name, 0o755 if executable else 0o644, mtime)
    info.size = member.stat().st_size
    with member.open("rb") as content:
        archive.addfile(info, content)
