"""The image of a Debian 11 host, built only when it is named: its glibc 2.31 is the point of it.

The lab's interpreters need a newer one, so it is where a too old host can be shown.
"""

from __future__ import annotations

from collections.abc import Callable

from lab import hosts

NAME = "host-debian11"


def is_current() -> bool:
    """Say whether its tarball is in the cache."""
    return hosts.host("11").is_current()


def build(progress: Callable[[str], None]) -> None:
    """Make its tarball.

    Raises:
        LabError: as ``lab.hosts.build``.
    """
    hosts.build_hosts([hosts.host("11")], progress)
