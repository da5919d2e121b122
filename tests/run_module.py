"""Runs one module of the collection in a process of its own, as Ansible would, without a connection.

    python tests/run_module.py conda_env '{"name": "llm", ...}'

Prints the module's JSON result. Needs the collection on the import path (``build/collections``).
A third argument is the number of the user to become, once everything is imported: that user need not be
able to read the checkout.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path

from ansible.module_utils.testing import patch_module_args


def _import_all() -> None:
    """Import what modules import only when they need it: afterwards it may be out of the user's reach."""
    package = importlib.import_module("ansible_collections.llmfleet.conda.plugins.module_utils")
    for folder in map(Path, package.__path__):
        for path in folder.rglob("*.py"):
            words = path.relative_to(folder).with_suffix("").parts
            importlib.import_module(".".join([package.__name__, *words]))


def main() -> None:
    """Run the module named in the first argument with the options in the second."""
    name, options = sys.argv[1], json.loads(sys.argv[2])
    module = importlib.import_module(f"ansible_collections.llmfleet.conda.plugins.modules.{name}")
    if len(sys.argv) > 3:
        _import_all()
        os.setgroups([])
        os.setgid(int(sys.argv[3]))
        os.setuid(int(sys.argv[3]))
    with patch_module_args(options):
        module.main()


if __name__ == "__main__":
    main()
