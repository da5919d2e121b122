"""Counts the starts of the lab's conda.

The package ``lab-conda-counter`` is a conda plugin (entry point group ``conda``); conda imports it
in every process, ``--version`` and ``list`` included, and on import it appends one line to a file
in the base prefix.  Only ``conda shell.*`` (what ``conda activate`` asks) loads no plugins and does
not count.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from lab import cache, packages

NAME = ".lab-conda-starts"

LOG = f"conda-meta/{NAME}"
"""The file, in the base prefix: time, process and arguments of each start.

It lies with the records, because everything else that no package brings is people's.
"""

_PLUGIN = Path(__file__).parent / "data" / "conda_counter.py"


def starts(prefix: str | Path) -> list[str]:
    """Return one line (ISO time, pid, argv) per start of the conda installed at ``prefix``."""
    try:
        return (Path(prefix) / LOG).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []


def reset(prefix: str | Path) -> None:
    """Forget the starts of the conda installed at ``prefix``."""
    (Path(prefix) / LOG).unlink(missing_ok=True)


def source_files() -> tuple[Path, ...]:
    """Return what the package is made of, for content keys."""
    return (Path(__file__), _PLUGIN)


def make(target: Path) -> Path:
    """Write the package into ``target`` and return its path."""
    stage = cache.new_temporary("counter-")
    try:
        site = stage / "site-packages"
        info = site / "lab_conda_counter-1.0.dist-info"
        info.mkdir(parents=True)
        shutil.copy(_PLUGIN, site / "lab_conda_counter.py")
        (info / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: lab-conda-counter\nVersion: 1.0\n"
        )
        (info / "INSTALLER").write_text("conda\n")
        (info / "entry_points.txt").write_text("[conda]\nlab-conda-counter = lab_conda_counter\n")
        names = ("METADATA", "INSTALLER", "entry_points.txt", "RECORD")
        rows = ["lab_conda_counter.py", *(f"{info.name}/{name}" for name in names)]
        (info / "RECORD").write_text("".join(f"{row},,\n" for row in rows))
        description = packages.Description(
            name="lab-conda-counter",
            version="1.0",
            build="pylab_0",
            depends=("python >=3.11",),
            noarch="python",
            summary="Writes down every start of conda",
        )
        return packages.pack(stage, description, target)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
