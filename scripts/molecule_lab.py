"""The lab as Molecule's hosts need it: a mirror that containers reach, and what the inventory is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lab import docker_engine, hosts, installer, paths
from lab.mirror import Mirror
from scripts.console import say
from scripts.layout import BUILD

_PORT_FILE = BUILD / "molecule" / "port"


def open_mirror(host: str) -> Mirror:
    """The lab's mirror on the port of the last time, so that hosts which were kept still find it.

    Another port is taken where that one is in use by now; a converge then moves the hosts to it.
    """
    try:
        port = int(_PORT_FILE.read_text())
    except (OSError, ValueError):
        port = 0
    try:
        mirror = Mirror(paths.site_dir(), host=host, port=port)
    except OSError:
        mirror = Mirror(paths.site_dir(), host=host, port=0)
    _PORT_FILE.parent.mkdir(parents=True, exist_ok=True)
    _PORT_FILE.write_text(f"{mirror.port}\n")
    return mirror


@contextmanager
def serving(progress: Callable[[str], None] = say) -> Iterator[dict[str, str]]:
    """Serves the lab to containers; yields the variables that inventories/lab and the scenarios read.

    The engine gets the images of the hosts where it lacks them.

    Raises:
        LabError: no Docker engine runs, or a part of the lab is not built.
    """
    hosts.load(progress=progress)
    made = installer.current()
    with open_mirror(docker_engine.gateway()) as mirror:
        yield {
            "LAB_MIRROR_URL": mirror.url,
            "LAB_INSTALLER_FILE": str(made["filename"]),
            "LAB_INSTALLER_VERSION": str(made["version"]),
            "LAB_INSTALLER_CHECKSUM": "sha256:" + str(made["sha256"]).removeprefix("sha256:"),
            "LAB_MODELS_DIR": str(paths.models_dir()),
            "LAB_REPORT": str(BUILD / "molecule" / "report.json"),
        }
