"""The lab as Molecule's hosts need it: a mirror that containers reach, and what the inventory is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lab import docker_engine, hosts, installer, interpreters, paths
from lab.isolated_network import isolated_network
from lab.mirror import Mirror
from scripts.console import say
from scripts.layout import BUILD
from scripts.testing.molecule_needs import needs_of

_PORT_FILE = BUILD / "molecule" / "port"
_ISOLATED_PORT_FILE = BUILD / "molecule" / "isolated-port"


def open_mirror(host: str, port_file: Path = _PORT_FILE) -> Mirror:
    """The lab's mirror on the port of the last time, so that hosts which were kept still find it.

    Another port is taken where that one is in use by now; a converge then moves the hosts to it.
    """
    try:
        port = int(port_file.read_text())
    except (OSError, ValueError):
        port = 0
    try:
        mirror = Mirror(paths.site_dir(), host=host, port=port)
    except OSError:
        mirror = Mirror(paths.site_dir(), host=host, port=0)
    port_file.parent.mkdir(parents=True, exist_ok=True)
    port_file.write_text(f"{mirror.port}\n")
    return mirror


def report(name: str) -> Path:
    """Where the report of a scenario's hosts lies; scenarios that run at the same time have one each."""
    return BUILD / "molecule" / f"{name}.json"


@contextmanager
def serving(
    scenarios: Iterable[str], progress: Callable[[str], None] = say
) -> Iterator[dict[str, str]]:
    """Serves the lab to the scenarios' containers; yields the variables that the inventories read.

    The engine gets the images of the hosts where it lacks them, and hosts in the network without a
    way out get a mirror of their own in it.

    Raises:
        LabError: no Docker engine runs, or a part of the lab is not built.
    """
    needs = needs_of(scenarios)
    hosts.load(needs.releases, progress=progress)
    made = installer.current()
    with ExitStack() as open_parts:
        mirror = open_parts.enter_context(open_mirror(docker_engine.gateway()))
        isolated = {}
        if needs.isolated:
            address = open_parts.enter_context(isolated_network())
            inside = open_parts.enter_context(open_mirror(address, _ISOLATED_PORT_FILE))
            isolated["LAB_ISOLATED_MIRROR_URL"] = inside.url
        yield {
            **isolated,
            "LAB_MIRROR_URL": mirror.url,
            "LAB_INSTALLER_PATH": str(made["path"]),
            "LAB_INSTALLER_FILE": str(made["filename"]),
            "LAB_INSTALLER_VERSION": str(made["version"]),
            "LAB_INSTALLER_CHECKSUM": "sha256:" + str(made["sha256"]).removeprefix("sha256:"),
            # No package can bring the C library along, and the interpreters were made on this machine.
            "LAB_MINIMUM_GLIBC": interpreters.glibc(),
            "LAB_MODELS_DIR": str(paths.models_dir()),
            "LAB_REPORT": str(report("report")),
        }
