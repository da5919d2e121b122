# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The GNU C library: the host's version, and the least that installers need.

No package can bring it along, so a host whose own is too old is found before anything is fetched.
"""

from __future__ import annotations

import os

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.conda_version import (
    InvalidSpecError,
    parse_version,
)

# By distribution and processor: from which version of conda on, Linux installers need which glibc.
# As of 2026-11, from what published installers said on too old hosts: conda issues 11107 (aarch64, 4.10) and
# 10934 (x86_64, 4.10), numba/llvmlite issue 1342 and apache/gluten issue 11029 (Miniconda of October 2025).
# Later steps are added when they are seen; a version that is not covered is left to its installer.
INSTALLERS_NEED: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {
    ("miniconda", "x86_64"): (("4.10", "2.17"), ("25.9", "2.28")),
    ("miniconda", "aarch64"): (("4.10", "2.26"),),
}


def host_glibc() -> str | None:
    """Version of the host's GNU C library (confstr(3), _CS_GNU_LIBC_VERSION), None without one."""
    try:
        words = (os.confstr("CS_GNU_LIBC_VERSION") or "").split()
    except (ValueError, OSError):
        return None
    return words[1] if len(words) == 2 and words[0] == "glibc" else None


def needed_by_installer(distribution: str, conda: str | None, system: str, arch: str) -> str | None:
    """The oldest glibc on which a published installer runs, None where that is not known.

    Args:
        distribution: as the module's option has it.
        conda: the version of conda in the installer, None when its name does not say.
        system, arch: of the host, as the names of installers have them.
    """
    if system != "Linux" or conda is None:
        return None
    needed = None
    for since, glibc in INSTALLERS_NEED.get((distribution, arch), ()):
        if parse_version(conda) >= parse_version(since):
            needed = glibc
    return needed


def refuse_old_glibc(glibc: str | None, needed: str | None, *, prefix: str, option: bool) -> None:
    """Refuse a host on which what is to be installed cannot run.

    Args:
        glibc: the host's version, None when it has another C library.
        needed: the oldest that will do, None for any.
        prefix: where to install, for the message.
        option: whether ``needed`` was set by the task, for the message.

    Raises:
        CondaModuleError: the host's is older, or ``needed`` is no version.
    """
    if not needed:
        return
    try:
        fits = glibc is not None and parse_version(glibc) >= parse_version(needed)
    except InvalidSpecError as error:
        raise CondaModuleError(
            f"The option minimum_glibc cannot be used: {error}. Nothing was changed.",
            prefix=prefix,
            asked=needed,
            hint="write a version such as 2.28.",
        ) from error
    if fits:
        return
    has = f"glibc {glibc}" if glibc else "a C library that is not glibc"
    whose = "the option minimum_glibc" if option else "its publisher's need"
    raise CondaModuleError(
        f"This host has {has}, and the installer needs glibc {needed} or newer ({whose})."
        " Nothing was changed.",
        prefix=prefix,
        asked=needed,
        hint="use a newer release of the operating system, or an older version of the distribution; the"
        " option minimum_glibc says what an installer of the site's own needs.",
    )
