# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernelspec by which Jupyter starts kernels in the current generation of an environment.

Jupyter looks for the directory ``kernels`` in its data directories: ``/usr/local/share/jupyter`` for all
users, and for one user ``JUPYTER_DATA_DIR``, ``~/Library/Jupyter`` on macOS, or ``~/.local/share/jupyter``
(jupyter_core 5.9, ``paths``). A kernel has a name of ASCII letters, digits, dots, hyphens and underscores
(jupyter_client 8.6, ``kernelspec``); Jupyter writes it in lower case.

The interpreter is named by the link, so a kernel starts in the generation that is current then. The launcher
``bin/python`` and the ``.pth`` file let it stay there.
"""

from __future__ import annotations

import json
import os
import re
import sys
from contextlib import suppress
from dataclasses import dataclass

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import (
    CondaModuleError,
    hint_for,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.stay import write_file
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import PrefixState

MISSING, CURRENT, OLD, FOREIGN = "missing", "current", "old", "foreign"
"""What is at the path of a kernelspec: nothing, ours, ours with another content, somebody else's."""

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_LAUNCHER = "ipykernel_launcher.py"
_MOST = 1 << 16


@dataclass(frozen=True)
class KernelSpec:
    """The kernelspec of one environment.

    Attributes:
        link: the path of the environment, which is that of the link.
        path: of the file ``kernel.json``.
    """

    link: str
    path: str

    def content(self) -> bytes:
        """The file as this collection writes it."""
        name = os.path.basename(self.link)
        written = {
            "argv": [
                os.path.join(self.link, "bin", "python"),
                *("-m", "ipykernel_launcher", "-f", "{connection_file}"),
            ],
            "display_name": name,
            "language": "python",
            "metadata": {"debugger": True, "llmfleet": {"prefix": self.link}},
        }
        return (json.dumps(written, indent=1) + "\n").encode()


def kernelspec_of(link: str) -> KernelSpec | None:
    """The kernelspec of an environment; None if Jupyter knows no kernel of such a name."""
    name = os.path.basename(link)
    if not _NAME.fullmatch(name):
        return None
    return KernelSpec(link, os.path.join(_data_directory(), "kernels", name.lower(), "kernel.json"))


def _data_directory() -> str:
    if os.geteuid() == 0:
        return "/usr/local/share/jupyter"
    if os.environ.get("JUPYTER_DATA_DIR"):
        return os.environ["JUPYTER_DATA_DIR"]
    if sys.platform == "darwin":
        return os.path.expanduser("~/Library/Jupyter")
    shared = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return os.path.join(shared, "jupyter")


def look(spec: KernelSpec) -> str:
    """What is at the path of a kernelspec."""
    try:
        with open(spec.path, "rb", opener=only_regular) as stream:
            text = stream.read(_MOST)
    except (FileNotFoundError, NotADirectoryError):
        return MISSING
    except OSError:
        return FOREIGN
    if text == spec.content():
        return CURRENT
    try:
        ours = json.loads(text)["metadata"]["llmfleet"]["prefix"] == spec.link
    except (ValueError, KeyError, TypeError):
        return FOREIGN
    return OLD if ours else FOREIGN


def refuse_foreign(spec: KernelSpec | None, link: str, found: str) -> None:
    """Refuse a kernelspec that is not ours, and a name that Jupyter does not know.

    Raises:
        CondaModuleError: it cannot be written.
    """
    if spec is None:
        raise CondaModuleError(
            f"Jupyter knows no kernel with the name of {link}. Nothing was changed.",
            prefix=link,
            hint="choose a name of ASCII letters, digits, dots, hyphens and underscores, or omit kernel.",
        )
    if found == FOREIGN:
        raise CondaModuleError(
            f"{spec.path} is not a kernelspec that this collection wrote for {link}. Nothing was changed.",
            prefix=link,
            hint="remove it with jupyter kernelspec remove, choose another name, or omit kernel.",
        )


def lacks_ipykernel(packages: PrefixState | None) -> str:
    """Why no kernel starts in an environment, as a clause; empty if ipykernel is in it."""
    site = packages.site_packages if packages else None
    if site and os.path.isfile(os.path.join(site, _LAUNCHER)):
        return ""
    return "the package ipykernel is not in it, which the option kernel needs"


def write_kernelspec(spec: KernelSpec) -> None:
    """Write the kernelspec.

    Raises:
        CondaModuleError: it cannot be written.
    """
    try:
        os.makedirs(os.path.dirname(spec.path), exist_ok=True)
        write_file(spec.path, spec.content(), 0o644)
    except OSError as error:
        raise CondaModuleError(
            f"{spec.path} cannot be written: {error.strerror}.",
            prefix=spec.link,
            hint=hint_for(
                error, "run the task as root for all users, or as the user who needs the kernel."
            ),
        ) from error


def remove_kernelspec(spec: KernelSpec) -> None:
    """Remove the kernelspec, and its directory if nothing else is in it.

    Raises:
        CondaModuleError: it cannot be removed.
    """
    try:
        os.unlink(spec.path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise CondaModuleError(
            f"{spec.path} cannot be removed: {error.strerror}.",
            prefix=spec.link,
            hint=hint_for(error, "run the task as the user who owns the file."),
        ) from error
    with suppress(OSError):
        os.rmdir(os.path.dirname(spec.path))
