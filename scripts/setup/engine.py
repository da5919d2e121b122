"""The Docker engine of the Molecule step: used when it runs, started where that is possible."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable

from lab import docker_engine
from lab.errors import LabError
from scripts.layout import LOGS
from scripts.setup.debian_packages import SBIN, install_missing

# Set by `obtain`: what `release` has to undo.
_started_daemon = False
_started_service = False


def obtain(say: Callable[[str], None]) -> str | None:
    """Makes sure that a Docker engine runs; returns None, or why there is none."""
    global _started_daemon, _started_service
    path = os.environ.get("PATH", os.defpath).split(os.pathsep)
    os.environ["PATH"] = os.pathsep.join([*path, *(name for name in SBIN if name not in path)])
    if docker_engine.is_running():
        missing = install_missing(say, LOGS / "debian-packages.log")
        return missing and f"the hosts' images: {missing}"
    missing = install_missing(say, LOGS / "debian-packages.log")
    if missing:
        return f"no Docker engine answers; {missing}"
    try:
        # A daemon of ours is known by its process id; what systemd started here is not.
        _started_daemon = docker_engine.start(say)
        _started_service = not _started_daemon
    except LabError as error:
        return str(error)
    return None


def release(say: Callable[[str], None]) -> None:
    """Stops the engine if `obtain` started it, and with it every container."""
    global _started_daemon, _started_service
    if _started_daemon:
        _started_daemon = False
        docker_engine.stop(say)
    if _started_service:
        _started_service = False
        say("stopping the service docker, which was started here")
        argv = ["systemctl", "stop", "docker.socket", "docker", "containerd"]
        subprocess.run(argv, capture_output=True, check=False, timeout=120)
