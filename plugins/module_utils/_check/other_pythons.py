# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds what pip installed for a Python that the environment no longer has."""

from __future__ import annotations

import os
import re

from ansible_collections.llmfleet.conda.plugins.module_utils._check.request import (
    Finding,
    skipped,
    verdict,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import listed
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.linked_files import conda_files
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.python_packages import (
    PIP,
    observe_packages,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import PrefixState

_LIBRARY = re.compile(r"python(\d+\.\d+)")


def of_other_pythons(state: PrefixState) -> Finding:
    """List pip's distributions for versions of Python that the environment no longer has.

    Raises:
        CondaModuleError: one of their directories cannot be read.
    """
    library = os.path.join(state.path, "lib")
    try:
        names = sorted(os.listdir(library))
    except FileNotFoundError:
        names = []
    except OSError as error:
        return skipped(f"{library} cannot be read: {error.strerror}.")
    found: dict[str, list[str]] = {}
    for name in names:
        match = _LIBRARY.fullmatch(name)
        path = os.path.join(library, name)
        # python of conda-forge has a link python3.1, for programs that cut the version short.
        if match is None or match[1] == state.python_version or os.path.islink(path):
            continue
        site = os.path.join(path, "site-packages")
        there = observe_packages(state.path, site, conda_files(state.records.values())).by_name
        theirs = [f"{one.name}=={one.version}" for one in there.values() if one.owner == PIP]
        if theirs:
            found[match[1]] = sorted(theirs)
    measured = {"other_pythons": found}
    if not found:
        return verdict(True, "pip installed nothing for another version of Python.", measured)
    parts = "; ".join(
        f"for Python {version} in {os.path.join(library, f'python{version}')}: {listed(theirs)}"
        for version, theirs in found.items()
    )
    now = f"Python {state.python_version}" if state.python_version else "the environment"
    return verdict(True, f"pip installed distributions that {now} does not see, {parts}.", measured)
