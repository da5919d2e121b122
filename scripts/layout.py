"""Where things are, for the drivers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from scripts.processes import clean_environment

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
LOGS = BUILD / "logs"
VENV_BIN = BUILD / "venv" / "bin"
PYTHON = VENV_BIN / "python"
COLLECTIONS = BUILD / "collections"


def shown(path: Path) -> str:
    """A path as a person in the checkout would type it."""
    try:
        return str(path.relative_to(ROOT))
    except ValueError:
        return str(path)


def tool_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of every tool: the checkout's own programs first, droppings under build/.

    CI is left out: conda accepts channels' terms by itself when it is set, which would hide what
    happens to a person.
    """
    environment = clean_environment()
    environment.pop("CI", None)
    path = os.pathsep.join([str(VENV_BIN), environment.get("PATH", os.defpath)])
    environment.update(
        {
            "PATH": path,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_HOME": str(BUILD / "ansible"),
            "HYPOTHESIS_STORAGE_DIRECTORY": str(BUILD / "hypothesis"),
            "PYTHONUNBUFFERED": "1",
        }
    )
    environment.update(extra or {})
    return environment
