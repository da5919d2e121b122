"""What the lab says when it cannot go on."""

from __future__ import annotations

import shutil


class LabError(Exception):
    """A part cannot be built; the message names the cause and what to do."""


def require_tool(program: str, debian_package: str) -> str:
    """Return the program's path.

    Raises:
        LabError: it is not there; the message names the Debian package that holds it.
    """
    found = shutil.which(program)
    if found is None:
        raise LabError(
            f"the lab needs the program {program!r}: install the Debian package "
            f"{debian_package!r} (apt-get install {debian_package})"
        )
    return found
