"""The client of ``tests/module_server.py``: modules run on the target's Python without its start."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.target import ROOT, module_environment

START_SECONDS = 60


@dataclass(frozen=True)
class Ran:
    """What a run of a module came to."""

    rc: int
    stdout: str
    stderr: str


class ModuleServer:
    """A process of one Python that runs modules, started at its first use.

    Args:
        python: the interpreter.
        directory: of the socket; its path must be short, as paths of sockets are (108 bytes, unix(7)).
        home: the home directory of the server itself; each run has a home of its own.
    """

    def __init__(self, python: str, directory: Path, home: Path) -> None:
        self._python, self._home = python, home
        self._socket = directory / "modules.socket"
        self._process: subprocess.Popen[bytes] | None = None

    def run(
        self,
        name: str,
        options: dict[str, Any],
        environment: dict[str, str],
        *,
        user: int | None = None,
        timeout: float = 600,
    ) -> Ran:
        """Run a module with all of its options and variables, as the user of that number."""
        if self._process is None:
            self._start()
        request = {"name": name, "options": options, "environment": environment, "user": user}
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout)
            connection.connect(str(self._socket))
            with connection.makefile("rw", encoding="utf-8") as stream:
                stream.write(json.dumps(request) + "\n")
                stream.flush()
                answer = stream.readline()
        if not answer:
            raise RuntimeError(f"the server of modules gave no answer about {name}")
        return Ran(**json.loads(answer))

    def _start(self) -> None:
        argv = [self._python, str(ROOT / "tests" / "module_server.py"), str(self._socket)]
        self._process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, env=module_environment(self._home)
        )
        deadline = time.monotonic() + START_SECONDS
        while not self._socket.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{argv} did not begin to serve modules")
            time.sleep(0.02)

    def close(self) -> None:
        """End the server; runs that are under way go on to their end."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=10)
            self._process = None
