# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuses a host whose C library or macOS is too old for the installer, before anything is downloaded.

No package can provide either, so the installation could not succeed.
"""

from __future__ import annotations

import platform
import re

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._host.glibc import host_glibc
from ansible_collections.llmfleet.conda.plugins.module_utils._installation._installer_rows import (
    FLOORS,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._installation.plan import (
    InstallationRequest,
    is_older,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.conda_version import (
    InvalidSpecError,
    parse_version,
)

_VERSION = re.compile(r"\d+(\.\d+)*")


def needed_by_installer(
    distribution: str, version: str | None, system: str, arch: str
) -> str | None:
    """The oldest glibc (Linux) or macOS on which a published installer runs, None if unknown.

    Args:
        distribution: as in the module's option.
        version: as in the installer's name, without the Python: conda's for Miniconda and Miniforge
            (``26.5.3-1``), Anaconda's own (``2025.12-2``). None if the name has no version.
        system, arch: of the host, as in the names of installers.
    """
    # Without the build number: 26.5.3 of 26.5.3-1.
    plain = (version or "").split("-")[0]
    if not _VERSION.fullmatch(plain):
        return None
    steps = FLOORS.get((distribution, system, arch), ())
    return next((floor for since, floor in reversed(steps) if not is_older(plain, since)), None)


def host_macos() -> str | None:
    """The host's version of macOS, None on other systems and where it cannot be told.

    macOS 11 and newer call themselves 10.16 to a Python that was built for an older SDK.
    """
    version = platform.mac_ver()[0]
    return None if not version or version.startswith("10.16") else version


def refuse_old_host(request: InstallationRequest, system: str, arch: str) -> None:
    """Refuse a host on which the installer of the request cannot run.

    Args:
        system, arch: of the host, as in the names of installers.

    Raises:
        CondaModuleError: the host's glibc or macOS is older, or the option minimum_glibc is invalid.
    """
    version = (request.version or "").rpartition("_")[2]
    needed = needed_by_installer(request.distribution, version, system, arch)
    if system == "MacOSX":
        # The floor is that of a published installer. There is no option for that of another file.
        if not (request.installer_url or request.installer_path):
            _refuse_old_macos(request, needed)
    elif request.minimum_glibc or needed:
        _refuse_old_glibc(request, request.minimum_glibc or needed or "")


def _refuse_old_glibc(request: InstallationRequest, needed: str) -> None:
    glibc = host_glibc()
    try:
        fits = glibc is not None and parse_version(glibc) >= parse_version(needed)
    except InvalidSpecError as error:
        raise CondaModuleError(
            f"The option minimum_glibc is not a valid version: {error}. Nothing was changed.",
            prefix=request.prefix,
            asked=needed,
            hint="write a version such as 2.28.",
        ) from error
    if fits:
        return
    has = f"glibc {glibc}" if glibc else "a C library that is not glibc"
    whose = (
        "the option minimum_glibc" if request.minimum_glibc else "the requirement of its publisher"
    )
    raise CondaModuleError(
        f"The installer needs glibc {needed} or newer ({whose}); this host has {has}. Nothing was changed.",
        prefix=request.prefix,
        asked=needed,
        hint="use a newer release of the operating system, or an older version of the distribution; for"
        " an installer of your own, set minimum_glibc to the version that it needs.",
    )


def _refuse_old_macos(request: InstallationRequest, needed: str | None) -> None:
    macos = host_macos()
    if not (macos and needed and is_older(macos, needed)):
        return
    raise CondaModuleError(
        f"The installer of {request.distribution} {request.version} needs macOS {needed} or newer (the"
        f" requirement of its publisher); this host has macOS {macos}. Nothing was changed.",
        prefix=request.prefix,
        asked=needed,
        hint="update macOS, or use an older version of the distribution"
        + ("." if request.distribution == "miniforge" else ", or the distribution miniforge."),
    )
