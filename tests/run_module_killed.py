"""Runs a module of the collection and kills it before the n-th step that changes files: real faults, at will.

    python tests/run_module_killed.py N NAME OPTIONS

A step is an audit event of Python (PEP 578) of the module's own process: a rename, a new directory, a mode, a
removal, a link, a file opened for writing, a child that is started. Children that run at that moment go on,
as after a kill of the module alone. Exits with 0 and prints the number of steps to stderr if there are fewer.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys

from ansible.module_utils.testing import patch_module_args

_CHANGES = {
    "os.rename",
    "os.mkdir",
    "os.chmod",
    "os.remove",
    "os.rmdir",
    "os.symlink",
    "os.link",
    "os.utime",
    "subprocess.Popen",
}


def main() -> None:
    """Run the module named in the second argument."""
    last, name, options = int(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
    module = importlib.import_module(f"ansible_collections.llmfleet.conda.plugins.modules.{name}")
    count, counting = 0, False

    def step(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        if not counting:
            return
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT
        # A bytecode file of the collection is no step of the module.
        if event not in _CHANGES and not writes:
            return
        if ".pyc" in str(arguments[0]) or "__pycache__" in str(arguments[0]):
            return
        count += 1
        if count == last:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(step)
    with patch_module_args(options):
        counting = True
        try:
            module.main()
        finally:
            counting = False
            print(f"{count} steps", file=sys.stderr)


if __name__ == "__main__":
    main()
