"""Hosts that have something already: images made once a run, so that every case begins the same."""

from __future__ import annotations

from typing import Any

from lab import installer
from proof.host import Host
from proof.runner import Lab

PREFIX = "/opt/miniconda3"


def installation_options(lab: Lab, prefix: str = PREFIX) -> dict[str, Any]:
    """Options of ``conda_installation`` that install the lab's Miniconda from the mirror."""
    made = installer.current()
    return {
        "prefix": prefix,
        "version": made["version"],
        "installer_url": f"{lab.mirror_url}/installers/{made['filename']}",
        "checksum": "sha256:" + str(made["sha256"]).removeprefix("sha256:"),
    }


def settings(mirror_url: str) -> dict[str, Any]:
    """The condarc of a lab host: the lab's channel from a mirror, the one solver that the lab has."""
    return {
        "channels": ["lab"],
        "channel_alias": f"{mirror_url}/conda",
        "solver": "classic",
        "auto_activate_base": False,
    }


def install(host: Host, lab: Lab, prefix: str = PREFIX) -> None:
    """Put Miniconda and its condarc on a host; raises NotSurvived when that fails."""
    host.must("conda_installation", installation_options(lab, prefix))
    host.must("conda_config", {"path": f"{prefix}/.condarc", "settings": settings(lab.mirror_url)})


def installed(lab: Lab) -> str:
    """The image of a host with Miniconda at ``PREFIX`` and the mirror of this run as its channel."""
    image = f"llmfleet-lab/{lab.purpose}:installed"
    host = Host.start(lab, "preparing")
    try:
        install(host, lab)
        host.container.keep_as(image)
    finally:
        host.container.remove()
    return image
