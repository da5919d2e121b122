# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks an installer file on the managed host."""

from __future__ import annotations

import os

from ansible_collections.llmfleet.conda.plugins.module_utils._core.download import sha256_of
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._installation.installers import (
    Installer,
)


def foresee_installer_file(installer: Installer, prefix: str) -> None:
    """In check mode: fail as the real run will, unless an earlier task may still create the file.

    Raises:
        CondaModuleError: as :func:`check_installer_file`, for an existing file.
    """
    if not installer.is_url and os.path.lexists(installer.source):
        check_installer_file(installer, prefix)


def check_installer_file(installer: Installer, prefix: str) -> None:
    """Compare a file with its expected SHA-256 sum.

    Raises:
        CondaModuleError: it cannot be read, or has another SHA-256 sum.
    """
    try:
        found = sha256_of(installer.source)
    except OSError as error:
        raise CondaModuleError(
            f"The option installer_path cannot be read: {installer.source}: {error.strerror}."
            " Nothing was changed.",
            prefix=prefix,
        ) from error
    if found != installer.sha256:
        raise CondaModuleError(
            f"{installer.source} has the SHA-256 sum {found}; expected {installer.sha256} (option"
            " checksum, or the catalogue). Nothing was changed.",
            prefix=prefix,
            hint="compare the option checksum with the one that the publisher lists.",
        )
