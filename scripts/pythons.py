"""The Pythons that the collection is tested on: those of managed hosts, and those of controllers.

The tools' own environment has the oldest supported ansible-core. The other releases have environments of
their own below build/controllers, with what requirements/controllers/X.Y.txt pins and nothing else.
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
    return sorted(path.stem for path in (ROOT / "requirements" / "controllers").glob("*.txt"))


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
    pins = ROOT / "requirements" / "controllers" / f"{release}.txt"
    folder = BUILD / "controllers" / release
    wanted = hashlib.sha256(f"{python}\n".encode() + pins.read_bytes()).hexdigest()
    stamp = folder / ".requirements.sha256"
    own = folder / "bin" / "python"
    if not stamp.is_file() or stamp.read_text().strip() != wanted:
        with (LOGS / f"controller-{release}.log").open("w") as log:
            commands: tuple[list[str | Path], ...] = (
                [python, "-m", "venv", "--clear", folder],
                [own, "-m", "pip", "--disable-pip-version-check", "install", "-r", pins],
            )
            for argv in commands:
                subprocess.run(argv, check=True, stdout=log, stderr=subprocess.STDOUT)
        stamp.write_text(wanted + "\n")
    return own
