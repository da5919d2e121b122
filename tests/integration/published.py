"""What a site's mirror would serve: installers under their published names, and terms of channels."""

from __future__ import annotations

import json
import os
from pathlib import Path

from lab import installer as lab_installer

# Versions of the catalogue whose conda is that of the lab's installer.
MINICONDA = "py311_24.7.1-0"
MINIFORGE = "24.7.1-2"


def make_site(directory: Path) -> Path:
    """Fill ``directory``, to be served; returns it.

    The bytes of every installer are those of the lab's. The terms are those of the channels ``pkgs/main`` and
    ``pkgs/r``, at the place where conda-anaconda-tos looks for them.
    """
    directory.mkdir(parents=True, exist_ok=True)
    machine = os.uname().machine
    for name in (f"Miniconda3-{MINICONDA}", f"Miniforge3-{MINIFORGE}", "Site-1.0"):
        (directory / f"{name}-Linux-{machine}.sh").symlink_to(lab_installer.current()["path"])
    terms = {"version": "2025-07-15T00:00:00Z", "text": "Be kind.", "support": "Ask."}
    for name in ("main", "r"):
        channel = directory / "pkgs" / name
        channel.mkdir(parents=True)
        (channel / "terms.json").write_text(json.dumps(terms))
    return directory
