"""Runs modules of the collection for a test suite: one interpreter imports everything, each run is a fork.

    python tests/module_server.py SOCKET

Every connection to the socket carries one request, a JSON object in one line:

    name: of the module, ``conda_env``
    options: of the module, with ``_ansible_check_mode`` and the like
    environment: all variables of the run
    user: the number of the user to become, or null

The answer is one JSON object: ``rc``, ``stdout``, ``stderr``. Each module runs in a process of its own that
has run no module before, so runs cannot affect each other. This saves the interpreter's start and the
imports, most of the time of a module with nothing to do. Tests that need a fresh interpreter (one that is
killed at any moment) use ``tests/run_module.py``.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import socket
import sys
import tempfile
import traceback
from pathlib import Path

PACKAGE = "ansible_collections.llmfleet.conda.plugins"


def import_all() -> None:
    """Import every module and all of module_utils, also what they import only when they need it."""
    for part in ("module_utils", "modules"):
        package = importlib.import_module(f"{PACKAGE}.{part}")
        # Not by pkgutil: the packages of module_utils have no __init__.py, which Ansible does not need.
        for folder in map(Path, package.__path__):
            for path in sorted(folder.rglob("*.py")):
                words = path.relative_to(folder).with_suffix("").parts
                importlib.import_module(".".join([package.__name__, *words]))


def run(name: str, options: dict[str, object], user: int | None) -> int:
    """Run a module in this process, which it may leave as it likes; returns the exit code."""
    from ansible.module_utils.testing import patch_module_args

    module = importlib.import_module(f"{PACKAGE}.modules.{name}")
    if user is not None:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    try:
        with patch_module_args(options):
            module.main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _module_process(request: dict[str, object], out: int, err: int) -> None:
    """Become the process of one module: never returns."""
    code = 1
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.closerange(3, max(out, err) + 1)
        environment = request["environment"]
        os.environ.clear()
        os.environ.update(environment)
        # Found once for each process, from variables that have just changed.
        tempfile.tempdir = None
        code = run(request["name"], request["options"], request["user"])
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _answer(connection: socket.socket) -> None:
    """Run what one connection asks for, and say what came of it."""
    with connection, connection.makefile("rw", encoding="utf-8") as stream:
        request = json.loads(stream.readline())
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = os.fork()
            if not child:
                _module_process(request, out.fileno(), err.fileno())
            _pid, status = os.waitpid(child, 0)
            code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
            texts = []
            for written in (out, err):
                written.seek(0)
                texts.append(written.read().decode("utf-8", errors="replace"))
        json.dump({"rc": code, "stdout": texts[0], "stderr": texts[1]}, stream)
        stream.write("\n")


def _reap() -> None:
    """Collect the processes of connections that have been answered."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def serve(path: str) -> None:
    """Answer one connection after the other, each in a process of its own, until the parent has gone."""
    parent = os.getppid()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{path}.new")
        listening.listen(16)
        # A socket that is there, but does not listen yet, refuses connections.
        os.rename(f"{path}.new", path)
        while os.getppid() == parent:
            _reap()
            if not select.select([listening], [], [], 1.0)[0]:
                continue
            connection, _address = listening.accept()
            if not os.fork():
                listening.close()
                try:
                    _answer(connection)
                finally:
                    os._exit(0)
            connection.close()


if __name__ == "__main__":
    import_all()
    serve(sys.argv[1])
