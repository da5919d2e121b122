"""A Docker network without a way out: its hosts reach this machine's end of it and nothing else.

What stands for a site without the internet: a mirror that listens on that end is all there is.
``python -m lab.isolated_network seal CONTAINER`` takes a container's way out: some engines (Docker
20.10) give hosts of an internal network a default route, by which this machine's other addresses
answer.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lab import docker_engine
from lab.errors import LabError

NAME = "llmfleet-lab-isolated"

# Runs in the container, for Debian's minimal base has no tool for it: takes every default route away
# (SIOCDELRT of linux/sockios.h with a struct rtentry of linux/route.h). The kernel's table has
# addresses in the machine's own byte order.
_SEAL = """
import fcntl, socket, struct
def address(word):
    return struct.pack("HH4s8x", socket.AF_INET, 0, struct.pack("=L", int(word, 16)))
def default_gateways():
    with open("/proc/net/route") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    return [row[2] for row in rows if row[1] == row[7] == "00000000"]
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
    for gateway in default_gateways():
        parts = (0, address("0"), address(gateway), address("0"), 3, 0, 0, 0, 0, 0, 0, 0, 0)
        fcntl.ioctl(probe, 0x890C, struct.pack("L16s16s16sHhLPhPLLH", *parts))
assert not default_gateways()
"""


@contextmanager
def isolated_network(name: str = NAME) -> Iterator[str]:
    """Make the network where it is not there; yields the address of this machine in it.

    It is removed at the end, unless containers are still in it: those find it again the next time.

    Raises:
        LabError: no engine answers, it cannot make the network, or one of that name leads out.
    """
    if _docker("inspect", name).returncode:
        made = _docker("create", "--internal", "--label", "org.llmfleet.lab=molecule", name)
        if made.returncode:
            raise LabError(f"Docker makes no network {name!r}: {made.stderr.strip()}")
    inside = _docker("inspect", "--format", "{{.Internal}}", name)
    if inside.stdout.strip() != "true":
        raise LabError(f"the Docker network {name!r} is not an internal one: remove it")
    try:
        yield docker_engine.gateway(name)
    finally:
        _docker("rm", name)


def seal(container: str) -> None:
    """Take the default route of a running container, so that only its own network answers.

    container: one that was given the capability NET_ADMIN.

    Raises:
        LabError: there is no such container, or it keeps its route.
    """
    command = ["docker", "exec", container, "python3", "-c", _SEAL]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(
            f"the route of {container!r} cannot be taken: {(done.stderr or done.stdout).strip()[-300:]}"
        )


def _docker(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", "network", *words], capture_output=True, text=True, check=False
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the one command and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m lab.isolated_network", description=__doc__)
    parser.add_argument("command", choices=["seal"])
    parser.add_argument("container")
    try:
        seal(parser.parse_args(arguments).container)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
