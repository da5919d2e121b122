"""The lab's installer under the names of published ones, as a site's mirror of them would serve it."""

from __future__ import annotations

import os
from pathlib import Path

from lab import installer as lab_installer

# Versions of the catalogue whose conda is that of the lab's installer.
MINICONDA = "py311_24.7.1-0"
MINIFORGE = "24.7.1-2"


def make_site(directory: Path) -> Path:
    """Fill ``directory`` with the installer under each name; returns it, to be served."""
    directory.mkdir(parents=True, exist_ok=True)
    machine = os.uname().machine
    for name in (f"Miniconda3-{MINICONDA}", f"Miniforge3-{MINIFORGE}", "Site-1.0"):
        (directory / f"{name}-Linux-{machine}.sh").symlink_to(lab_installer.current()["path"])
    return directory
