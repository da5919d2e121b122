"""Makes the conda package ``conda``: the real conda out of the wheel that carries it.

conda-lock vendors conda 24.7.1 whole, with its imports renamed; the names are put back here.  What
the wheel lacks (the shell functions and the start scripts) is the lab's own, in ``lab/data/conda``.
"""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path

from lab import cache, packages
from lab.errors import LabError

VERSION = "24.7.1"
"""The version of conda that the pinned wheel carries."""

CHANNEL_URL = "http://lab.invalid/conda/lab"
"""The channel's address in the records of an installed base; no such host exists (RFC 6761)."""

_DATA = Path(__file__).parent / "data" / "conda"

_VENDORED = "conda_lock/_vendor/conda/"

_DEPENDS = (
    "archspec >=0.2.3",
    "boltons >=23.0.0",
    "conda-package-handling >=2.2.0",
    "conda-package-streaming >=0.9.0",
    "distro >=1.5.0",
    "frozendict >=2.4.2",
    "jsonpatch >=1.32",
    "lab-conda-counter",
    "packaging >=23.0",
    "platformdirs >=3.10.0",
    "pluggy >=1.0.0",
    "python-sat",
    "requests >=2.28.0,<3",
    "ruamel.yaml >=0.11.14",
    "setuptools >=60.0.0",
    "tqdm >=4",
    "truststore >=0.8.0",
    "zstandard >=0.19.0",
)
"""Floors of conda 24.7.1's own recipe; ``python-sat`` stands where it has ``pycosat``, of which
PyPI has no wheel."""


def source_files() -> tuple[Path, ...]:
    """Return everything of the lab's own that goes into the package, for content keys."""
    return (Path(__file__), *sorted(_DATA.iterdir()))


def make(wheel: Path, minor: str, target: Path) -> Path:
    """Write the package for a Python minor version into ``target`` and return its path.

    Args:
        wheel: the wheel of conda-lock.
        minor: for instance ``"3.11"``.
        target: existing folder.

    Raises:
        LabError: the wheel carries another version of conda.
    """
    stage = cache.new_temporary("conda-")
    try:
        _stage_source(wheel, stage / "lib" / f"python{minor}" / "site-packages")
        _stage_own_files(stage, minor)
        major, number = minor.split(".")
        description = packages.Description(
            name="conda",
            version=VERSION,
            build=f"py{major}{number}lab_0",
            depends=(f"python >={minor},<{major}.{int(number) + 1}.0a0", *_DEPENDS),
            summary="OS-agnostic, system-level binary package manager",
            license="BSD-3-Clause",
        )
        return packages.pack(stage, description, target)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _stage_source(wheel: Path, site: Path) -> None:
    """Unpack conda under its own name, with metadata that pip and conda read.

    Raises:
        LabError: the wheel carries another version of conda, or none.
    """
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            if member.startswith(_VENDORED) and not member.endswith("/"):
                place = site / "conda" / member.removeprefix(_VENDORED)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(_own_names(archive.read(member)))
    version = site / "conda" / "_version.py"
    if not version.is_file() or f"'{VERSION}'" not in version.read_text():
        raise LabError(f"{wheel.name} does not carry conda {VERSION}")
    info = site / f"conda-{VERSION}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: conda\nVersion: {VERSION}\n"
        "Summary: OS-agnostic, system-level binary package manager.\n"
    )
    (info / "INSTALLER").write_text("conda\n")
    (info / "entry_points.txt").write_text("[console_scripts]\nconda = conda.cli.main_pip:main\n")
    rows = [p.relative_to(site).as_posix() for p in sorted(site.rglob("*")) if p.is_file()]
    rows.append(f"{info.name}/RECORD")
    (info / "RECORD").write_text("".join(f"{row},,\n" for row in rows))


def _own_names(source: bytes) -> bytes:
    return re.sub(rb"\bconda_lock\._?vendor\.conda\b", b"conda", source)


def _stage_own_files(stage: Path, minor: str) -> None:
    package = f"lib/python{minor}/site-packages/conda"
    places = {
        "conda.py": ("bin/conda", "condabin/conda"),
        "activate": ("bin/activate", "condabin/activate"),
        "deactivate": ("bin/deactivate", "condabin/deactivate"),
        # conda itself sources the second one, around `conda run` and package scripts.
        "conda.sh": ("etc/profile.d/conda.sh", f"{package}/shell/etc/profile.d/conda.sh"),
        "conda.fish": ("etc/fish/conf.d/conda.fish",),
        "condarc.yml": ("condarc.d/lab.yml",),
    }
    for name, targets in places.items():
        text = (_DATA / name).read_text().replace("@PREFIX@", packages.PLACEHOLDER)
        for target in targets:
            place = stage / target
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
            place.chmod(0o755 if place.parent.name in ("bin", "condabin") else 0o644)
