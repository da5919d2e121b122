# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The GNU C library: the host's version, and the oldest version that installers need.

No package can provide it, so a host whose version is too old is refused before anything is downloaded.
"""

from __future__ import annotations

import os

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.conda_version import (
    InvalidSpecError,
    parse_version,
)

# By distribution and processor: the glibc that Linux installers need, from a version of conda on. As of
# 2026-11, from the messages of published installers on hosts that are too old: conda issues 11107 (aarch64,
# 4.10) and 10934 (x86_64, 4.10), numba/llvmlite issue 1342 and apache/gluten issue 11029 (Miniconda of
# October 2025). Add later steps when they become known; for versions that are not covered, the installer
# itself decides.
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
    """The oldest glibc on which a published installer runs, None if unknown.

    Args:
        distribution: as in the module's option.
        conda: the version of conda in the installer, None if its name does not contain it.
        system, arch: of the host, as in the names of installers.
    """
    if system != "Linux" or conda is None:
        return None
    needed = None
    for since, glibc in INSTALLERS_NEED.get((distribution, arch), ()):
        if parse_version(conda) >= parse_version(since):
            needed = glibc
    return needed


def refuse_old_glibc(glibc: str | None, needed: str | None, *, prefix: str, option: bool) -> None:
    """Refuse a host on which the installer cannot run.

    Args:
        glibc: the host's version, None if it has another C library.
        needed: the oldest version that works, None for any.
        prefix: where to install, for the message.
        option: whether the task set ``needed``, for the message.

    Raises:
        CondaModuleError: the host's version is older, or ``needed`` is not a version.
    """
    if not needed:
        return
    try:
        fits = glibc is not None and parse_version(glibc) >= parse_version(needed)
    except InvalidSpecError as error:
        raise CondaModuleError(
            f"The option minimum_glibc is not a valid version: {error}. Nothing was changed.",
            prefix=prefix,
            asked=needed,
            hint="write a version such as 2.28.",
        ) from error
    if fits:
        return
    has = f"glibc {glibc}" if glibc else "a C library that is not glibc"
    whose = "the option minimum_glibc" if option else "the requirement of its publisher"
    raise CondaModuleError(
        f"The installer needs glibc {needed} or newer ({whose}); this host has {has}. Nothing was changed.",
        prefix=prefix,
        asked=needed,
        hint="use a newer release of the operating system, or an older version of the distribution; for"
        " an installer of your own, set minimum_glibc to the version that it needs.",
    )
