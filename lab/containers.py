"""Hosts of the lab that run: a Docker container each, used by tests and measurements.

Started here, removed here: every container carries the label ``org.llmfleet.lab`` with the purpose
that it was started for, and a name that begins with ``llmfleet-``.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

LABEL = "org.llmfleet.lab"


@dataclass(frozen=True)
class Container:
    """A running host by its name in the engine."""

    name: str

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        user: str = "root",
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        timeout: float = 600,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in it, without a shell, and return what it said.

        env: variables beside the container's own. timeout: seconds.

        Raises:
            LabError: it ended with another code than 0 and ``check`` is set.
            subprocess.TimeoutExpired: it took longer; it may still run in the container.
        """
        done = subprocess.run(
            self.argv(argv, user=user, env=env, interactive=stdin is not None),
            input=stdin, capture_output=True, text=True, errors="replace", timeout=timeout,
            check=False,
        )  # fmt: skip
        if check and done.returncode:
            words = " ".join(str(word) for word in argv)
            raise LabError(
                f"{self.name}: {words} ended with {done.returncode}:"
                f" {(done.stdout + done.stderr).strip()[-800:]}"
            )
        return done

    def argv(
        self,
        argv: Sequence[str | Path],
        *,
        user: str = "root",
        env: Mapping[str, str] | None = None,
        interactive: bool = False,
    ) -> list[str]:
        """Return the command line that runs a command in it, for callers who start it themselves."""
        variables = [
            word for name, value in (env or {}).items() for word in ("-e", f"{name}={value}")
        ]
        return [
            *("docker", "exec", "-u", user, *(["-i"] if interactive else []), *variables),
            *(self.name, *(str(word) for word in argv)),
        ]

    def shell(self, script: str, *, user: str = "root", timeout: float = 600) -> str:
        """Run a script of the caller's with ``sh -eu`` and return its output.

        Raises LabError as ``run`` does.
        """
        return self.run(["sh", "-euc", script], user=user, timeout=timeout).stdout

    def python(self, script: str, *arguments: str, user: str = "root", timeout: float = 600) -> str:
        """Run a script with the host's own Python, given on standard input; return its output.

        Raises LabError as ``run`` does.
        """
        return self.run(
            ["python3", "-", *arguments], user=user, stdin=script, timeout=timeout
        ).stdout

    def put(self, source: Path, target: str) -> None:
        """Copy a file or folder of this machine into it.

        Raises LabError when that fails.
        """
        _docker("cp", str(source), f"{self.name}:{target}")

    def get(self, source: str, target: Path) -> None:
        """Copy a file or folder of its own to this machine.

        Raises LabError when that fails.
        """
        _docker("cp", f"{self.name}:{source}", str(target))

    def address(self) -> str:
        """Return its IPv4 address in its (first) network."""
        facts = json.loads(_docker("inspect", self.name))[0]
        return next(str(one["IPAddress"]) for one in facts["NetworkSettings"]["Networks"].values())

    def pid(self) -> int:
        """Return the process id, on this machine, of its first process."""
        return int(json.loads(_docker("inspect", self.name))[0]["State"]["Pid"])

    def keep_as(self, image: str) -> None:
        """Make an image of its file system as it is now; one of that name is replaced."""
        _docker("commit", self.name, image)

    def remove(self) -> None:
        """End it and drop its file system; one that is gone already is fine."""
        subprocess.run(["docker", "rm", "-f", "-v", self.name], capture_output=True, check=False)


def start(
    name: str,
    image: str,
    *,
    purpose: str,
    options: Sequence[str] = (),
    command: Sequence[str] = ("sleep", "infinity"),
) -> Container:
    """Start a host; one of that name that was left behind is removed first.

    options: further ones of ``docker run``, such as ``["--tmpfs", "/opt:size=300m,exec"]``.

    Raises:
        LabError: the engine does not start it.
    """
    if not name.startswith("llmfleet-"):
        raise LabError(f"a container's name must begin with llmfleet-: {name!r}")
    found = Container(name)
    found.remove()
    # --init reaps what a killed conda leaves behind
    _docker("run", "-d", "--init", "--name", name, "--hostname", name, "--label",
            f"{LABEL}={purpose}", *options, image, *command)  # fmt: skip
    return found


@contextmanager
def started(
    name: str,
    image: str,
    *,
    purpose: str,
    options: Sequence[str] = (),
    command: Sequence[str] = ("sleep", "infinity"),
) -> Iterator[Container]:
    """As ``start``, for a block; the host is removed at its end."""
    container = start(name, image, purpose=purpose, options=options, command=command)
    try:
        yield container
    finally:
        container.remove()


def remove_all(purpose: str) -> None:
    """Remove every container that was started for a purpose, also by a run that was killed."""
    names = _docker("ps", "-aq", "--filter", f"label={LABEL}={purpose}").split()
    if names:
        _docker("rm", "-f", "-v", *names)


def remove_images(purpose: str) -> None:
    """Remove the images ``llmfleet-lab/PURPOSE:*`` that ``Container.keep_as`` made."""
    names = _docker("images", "-q", f"llmfleet-lab/{purpose}").split()
    if names:
        _docker("rmi", "-f", *dict.fromkeys(names))


def _docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"docker {words[0]} failed: {done.stderr.strip()[-500:]}")
    return done.stdout
