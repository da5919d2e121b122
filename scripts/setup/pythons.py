"""The Pythons that the collection is tested on: those of managed hosts, and those of controllers.

The tools' own environment has the oldest supported ansible-core. The other releases have environments of
their own below build/controllers: requirements/controllers/X.Y.txt and its dependencies, whose
versions are in requirements/constraints.
"""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from lab import interpreters
from lab.errors import LabError
from scripts.layout import BUILD, LOGS, ROOT

# What galaxy.yml's ansible-core releases support on managed hosts, as far as this collection is tested.
TARGETS = ("3.9", "3.10", "3.11", "3.12", "3.13")

# ansible-core 2.20 and 2.21 need Python 3.12 or newer on the controller (their Requires-Python).
OLDEST_PYTHON = (3, 12)

# The newest Python of a controller for which `make pins` looks for wheels.
NEWEST_CONTROLLER = "3.14"

_REQUIREMENTS = ROOT / "requirements"


def minor(one: interpreters.Interpreter) -> str:
    """An interpreter's version as ``major.minor``."""
    return ".".join(one.version.split(".")[:2])


def targets() -> list[interpreters.Interpreter]:
    """The interpreters of this machine that may be a managed host's, oldest first, one for each of TARGETS.

    Raises lab.errors.LabError when there is none.
    """
    found = {minor(one): one for one in interpreters.discover()}
    here = [found[version] for version in TARGETS if version in found]
    if not here:
        raise LabError(f"no Python of {', '.join(TARGETS)} is on this machine")
    return here


def releases() -> list[str]:
    """The releases (``major.minor``) that are pinned."""
    return sorted(path.stem for path in (_REQUIREMENTS / "controllers").glob("*.txt"))


def requirements(release: str) -> Path:
    """The file that pins the release."""
    return _REQUIREMENTS / "controllers" / f"{release}.txt"


def constraints(release: str) -> Path:
    """The versions of the release's dependencies; `make pins` writes this file."""
    return _REQUIREMENTS / "constraints" / f"controller-{release}.txt"


def for_controllers() -> Path | None:
    """The Python for their environments, or None where this machine has none that is new enough."""
    fitting = [
        one
        for one in interpreters.discover()
        if tuple(int(word) for word in minor(one).split(".")) >= OLDEST_PYTHON
    ]
    return fitting[0].executable if fitting else None


def controller(release: str, python: Path) -> Path:
    """The Python of the release's environment, which is made where it is not current.

    Raises subprocess.CalledProcessError when it cannot be made; build/logs/controller-X.Y.log has the reason.
    """
    pins, closure = requirements(release), constraints(release)
    folder = BUILD / "controllers" / release
    content = pins.read_bytes() + closure.read_bytes()
    wanted = hashlib.sha256(f"{python}\n".encode() + content).hexdigest()
    stamp = folder / ".requirements.sha256"
    own = folder / "bin" / "python"
    pip: list[str | Path] = [own, "-m", "pip", "--disable-pip-version-check"]
    if not stamp.is_file() or stamp.read_text().strip() != wanted:
        with (LOGS / f"controller-{release}.log").open("w") as log:
            commands: tuple[list[str | Path], ...] = (
                [python, "-m", "venv", "--clear", folder],
                [*pip, "install", "-r", pins, "-c", closure],
            )
            for argv in commands:
                subprocess.run(argv, check=True, stdout=log, stderr=subprocess.STDOUT)
        stamp.write_text(wanted + "\n")
    return own
