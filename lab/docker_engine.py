"""A Docker engine for the lab's hosts: the running one, or one started here where that is allowed.

``python -m lab.docker_engine start | stop | status | gateway``. What is started here is ended here:
``stop`` knows the engine by the process id in a file of its own and leaves every other one alone.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lab import cache
from lab.errors import LabError

DEBIAN_PACKAGE = "docker.io"

#: tried in this order until an engine stays up: a kernel may lack the parts for address
#: translation or for overlay file systems, and the lab can do without both
FLAGS: tuple[tuple[str, ...], ...] = (
    (),
    ("--iptables=false", "--ip6tables=false"),
    ("--storage-driver=vfs",),
    ("--iptables=false", "--ip6tables=false", "--storage-driver=vfs"),
)

_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_SIOCGIFADDR = 0x8915  # linux/sockios.h: the IPv4 address of an interface

Progress = Callable[[str], None]


def state_dir() -> Path:
    """Return where process id and log of an engine started here are kept: ``build/docker``."""
    return Path(__file__).resolve().parents[1] / "build" / "docker"


def pid_file() -> Path:
    """Return the file with the process id of the engine that was started here."""
    return state_dir() / "dockerd.pid"


def log_file() -> Path:
    """Return the log of the engine that was started here."""
    return state_dir() / "dockerd.log"


def info() -> dict[str, Any] | None:
    """Return what the running engine says of itself, None when none answers.

    The keys are those of ``docker info --format '{{json .}}'``.
    """
    if shutil.which("docker") is None:
        return None
    try:
        answer = subprocess.run(
            ["docker", "info", "--format", "{{json .}}"],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return None
    try:
        facts: dict[str, Any] = json.loads(answer.stdout)
    except json.JSONDecodeError:
        return None
    # without an engine the client still prints its own half, and older ones exit with 0
    return facts if answer.returncode == 0 and facts.get("ServerVersion") else None


def is_running() -> bool:
    """Say whether a Docker engine answers, whoever started it."""
    return info() is not None


def own_pid() -> int | None:
    """Return the process id of the engine that was started here, None when it does not run."""
    try:
        pid = int(pid_file().read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    # process ids are used again: only one that names our own file is ours
    ours = b"--pidfile=" + os.fsencode(pid_file())
    return pid if ours in command else None


def start(progress: Progress = print) -> bool:
    """Make sure that a Docker engine runs.

    Returns:
        True when one was started here, False when one ran already.

    Raises:
        LabError: there is none and none can be started; the message says what was tried.
    """
    if is_running():
        return False
    if os.geteuid() != 0:
        raise LabError(
            "no Docker engine answers and only root can start one: start it "
            "(systemctl start docker), or add yourself to the group 'docker' if it runs"
        )
    # Two that start one at the same time lock each other out of the engine's own files, and both fail.
    with cache.lock("docker-engine"):
        return False if is_running() else _start(progress)


def _start(progress: Progress) -> bool:
    """Start an engine; returns what :func:`start` does, and must run under its lock."""
    if shutil.which("dockerd") is None or shutil.which("docker") is None:
        install(progress)
    if _start_service(progress):
        return False
    failures = []
    for flags in FLAGS:
        failure = _start_daemon(flags, progress)
        if failure is None:
            return True
        failures.append(f"dockerd {' '.join(flags)}: {failure}".replace(" :", ":"))
        progress(failures[-1])
    raise LabError(f"no Docker engine could be started; log: {log_file()}; " + "; ".join(failures))


def install(progress: Progress = print) -> None:
    """Install Docker with apt.

    Raises:
        LabError: this is no Debian, or apt failed; the message names the package.
    """
    if shutil.which("apt-get") is None:
        raise LabError(
            f"Docker is not installed and there is no apt-get here: install Docker, which Debian "
            f"calls {DEBIAN_PACKAGE!r}, by this system's own means"
        )
    progress(f"installing the Debian package {DEBIAN_PACKAGE} (apt-get install {DEBIAN_PACKAGE})")
    install_packages([DEBIAN_PACKAGE])


def install_packages(packages: Sequence[str]) -> None:
    """Install Debian packages as root, without recommended ones and without questions.

    Raises:
        LabError: apt failed; the message ends with what it said.
    """
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    answer = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if answer.returncode:
        # most often the lists are missing, as on a fresh machine, or older than the archive
        subprocess.run(
            ["apt-get", "update"], capture_output=True, text=True, env=environment, check=False
        )
        answer = subprocess.run(
            command, capture_output=True, text=True, env=environment, check=False
        )
    if answer.returncode:
        said = [line for line in answer.stderr.splitlines() if line.startswith("E:")]
        raise LabError(
            f"{' '.join(command)} failed: {' / '.join(said[-3:]) or answer.stderr[-300:]}"
        )


def stop(progress: Progress = print) -> bool:
    """End the engine that was started here, and with it its containers.

    Returns:
        True when it was ended, False when none of ours ran.

    Raises:
        LabError: it does not end.
    """
    pid = own_pid()
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    if not _wait(lambda: own_pid() is None, _STOP_SECONDS):
        raise LabError(f"the Docker engine with process id {pid} does not end; log: {log_file()}")
    pid_file().unlink(missing_ok=True)
    progress(f"docker engine {pid} stopped")
    return True


def gateway(network: str = "bridge") -> str:
    """Return the IPv4 address at which containers reach servers on this machine.

    It is this machine's end of the network, by default that of Docker's default bridge; a server
    must listen on it, for instance on 0.0.0.0.

    Raises:
        LabError: no engine answers, or its bridge is not on this machine.
    """
    answer = subprocess.run(
        ["docker", "network", "inspect", network], capture_output=True, text=True, check=False
    )
    if answer.returncode:
        raise LabError(f"no Docker engine with a network {network!r}: {answer.stderr.strip()}")
    facts = json.loads(answer.stdout)[0]
    # a bridge without a name of its own is called by the first digits of the network's number
    own = "docker0" if network == "bridge" else f"br-{facts['Id'][:12]}"
    name = facts.get("Options", {}).get("com.docker.network.bridge.name", own)
    address = _interface_address(name)
    if address is None:
        raise LabError(
            f"Docker's bridge {name!r} is not on this machine (rootless or in a virtual machine): "
            "the lab's hosts could not reach the mirror"
        )
    return address


def _interface_address(name: str) -> str | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = struct.pack("256s", name.encode()[:15])
        try:
            answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, request)
        except OSError:
            return None
    return socket.inet_ntoa(answer[20:24])


def _start_service(progress: Progress) -> bool:
    """Start the engine as the service that it is where systemd runs the machine."""
    if not Path("/run/systemd/system").is_dir():
        return False
    progress("starting the service docker (systemctl start docker)")
    subprocess.run(["systemctl", "start", "docker"], capture_output=True, check=False)
    return _wait(is_running, 20)


def _start_daemon(flags: Sequence[str], progress: Progress) -> str | None:
    """Start dockerd in the background; return None when it answers, otherwise what it said."""
    state_dir().mkdir(parents=True, exist_ok=True)
    pid_file().unlink(missing_ok=True)
    command = ["dockerd", f"--pidfile={pid_file()}", *flags]
    progress(f"starting {' '.join(command)}")
    with log_file().open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    _wait(lambda: process.poll() is not None or is_running(), _START_SECONDS)
    if process.poll() is None and is_running():
        facts = info() or {}
        progress(
            f"docker engine {facts.get('ServerVersion')} started as process {process.pid}, storage "
            f"driver {facts.get('Driver')}; it goes on running until "
            f"`{Path(sys.executable).name} -m lab.docker_engine stop`"
        )
        return None
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    said = log_file().read_text(errors="replace").strip().splitlines()
    return said[-1] if said else f"ended with {process.returncode} and said nothing"


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.25)
    return True


def status() -> str:
    """Return one line on the engine for a person."""
    facts = info()
    if facts is None:
        return "no Docker engine answers"
    pid = own_pid()
    whose = f"started here as process {pid}" if pid else "not started here"
    return f"Docker engine {facts['ServerVersion']}, storage driver {facts['Driver']}, {whose}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m lab.docker_engine", description=__doc__)
    parser.add_argument("command", choices=["start", "stop", "status", "gateway"])
    command = parser.parse_args(arguments).command
    try:
        if command == "start":
            start()
            print(status())
        elif command == "stop":
            print("stopped" if stop() else "no engine that was started here runs")
        elif command == "gateway":
            print(gateway())
        else:
            print(status())
            return 0 if is_running() else 1
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
