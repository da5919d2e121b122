"""The two Pythons of a run: the managed host's, which runs modules, and the controller's.

Both are the one that runs the tests, unless ``LLMFLEET_TARGET_PYTHON`` or ``LLMFLEET_CONTROLLER_PYTHON``
names another interpreter. A target's needs nothing installed: it is given the package ``ansible``.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import ansible

ROOT = Path(__file__).resolve().parents[2]
TARGET_PYTHON = os.environ.get("LLMFLEET_TARGET_PYTHON") or sys.executable
CONTROLLER_PYTHON = os.environ.get("LLMFLEET_CONTROLLER_PYTHON") or sys.executable


def module_command(
    name: str, arguments: dict[str, Any], *, user: int | None = None, python: str = TARGET_PYTHON
) -> list[str]:
    """The command line that runs a module, as the user ``user`` when that is given."""
    words = [python, str(ROOT / "tests" / "run_module.py"), name, json.dumps(arguments)]
    return words if user is None else [*words, str(user)]


def module_environment(home: Path) -> dict[str, str]:
    """A module's variables: a clean set, with the collection and ansible on the import path."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": f"{ROOT / 'build' / 'collections'}{os.pathsep}{_only_ansible()}",
        # Compiled once for all runs, and never beside the modules: that would be a change of the checkout.
        "PYTHONPYCACHEPREFIX": str(ROOT / "build" / "bytecode"),
    }


def _only_ansible() -> Path:
    """A directory that holds the package ``ansible`` and nothing else of the tests' environment."""
    package = Path(ansible.__file__).parent
    link = ROOT / "build" / "target-libraries" / "ansible"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.exists() or link.resolve() != package.resolve():
        # Renamed into place: several workers may come here at once.
        fresh = link.with_name(f"ansible.{os.getpid()}")
        fresh.symlink_to(package)
        fresh.replace(link)
    return link.parent
