# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory ``lib/pythonX.Y`` that stays behind when conda changes the Python of an environment.

conda unlinks the files of its own packages only. What pip installed for the old Python stays, and the new
Python does not see it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import listed
from ansible_collections.llmfleet.conda.plugins.module_utils._core.tree import (
    is_mount_point,
    remove_some,
    survey,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.justified import (
    Justified,
    recorded_in,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.leftovers import remove_file
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.linked_files import conda_files
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import (
    PrefixState,
    observe_prefix,
)


def library(version: str) -> str:
    """The directory of the Python ``version`` (major.minor), relative to the prefix."""
    return f"lib/python{version}"


@dataclass(frozen=True)
class OldPython:
    """The files of a Python that conda replaces or has replaced, as paths relative to the prefix.

    Attributes:
        state: the prefix, read thoroughly.
        version: the old Python, as major.minor.
        known: files in its directory that conda or pip put there, or that Python generated.
        foreign: the other files in its directory.
        elsewhere: files outside the directory that pip installed for the old Python, such as scripts in
            ``bin``, and that no package of the current environment has as well.
    """

    state: PrefixState
    version: str
    known: frozenset[str]
    foreign: tuple[str, ...]
    elsewhere: tuple[str, ...]

    def remain(self) -> str:
        """The warning about files that stay; empty if none does."""
        if not self.foreign:
            return ""
        many = len(self.foreign) > 1
        return (
            f"{self.state.path} contains {len(self.foreign)} file{'s' if many else ''} of Python"
            f" {self.version} that neither conda nor pip put there: {listed(self.foreign)}."
            f" {'They stay' if many else 'It stays'}; later versions of Python do not see"
            f" {'them' if many else 'it'}."
        )


def examine_old_python(prefix: str, version: str) -> OldPython | None:
    """List the files of the Python ``version`` (major.minor) in ``prefix``.

    Returns:
        None if its directory does not exist, or is a link or a mount point, which is not conda's.

    Raises:
        CondaModuleError: a part of the directory cannot be read.
    """
    directory = os.path.join(prefix, library(version))
    if not os.path.isdir(directory) or os.path.islink(directory) or is_mount_point(directory):
        return None
    state = observe_prefix(prefix, thorough=True)
    start = f"{library(version)}/"
    found = [f"{start}{path}" for path in survey(directory).files]
    judge = Justified(state, found)
    known = frozenset(path for path in found if judge(path))
    theirs = {path for path in recorded_in(prefix, found) if not path.startswith(start)}
    current = conda_files(state.records.values()) | _of_current_python(state)
    elsewhere = sorted(
        path
        for path in theirs - current
        # A RECORD may name any path: conda's own files never belong to a distribution.
        if not path.startswith("conda-meta/") and os.path.lexists(os.path.join(prefix, path))
    )
    foreign = tuple(path for path in found if path not in known)
    return OldPython(state, version, known, foreign, tuple(elsewhere))


def _of_current_python(state: PrefixState) -> set[str]:
    """The files of the distributions that pip has installed for the Python that the environment has."""
    site = state.site_packages
    if site is None or not os.path.isdir(site):
        return set()
    start = os.path.relpath(site, state.path).replace(os.sep, "/")
    records = [f"{start}/{name}/RECORD" for name in os.listdir(site)]
    return recorded_in(state.path, records)


def remove_old_python(prefix: str, version: str) -> str:
    """Remove what conda and pip left of the Python ``version``; the caller holds the lock of the prefix.

    Returns:
        A warning that names the files that stay; empty if none does.

    Raises:
        CondaModuleError: a file cannot be removed.
    """
    old = examine_old_python(prefix, version)
    if old is None or old.state.python_version == version:
        return ""
    for path in old.elsewhere:
        remove_file(prefix, path)
    start = f"{library(version)}/"
    # Last, because the RECORDs in it name the files elsewhere.
    remove_some(os.path.join(prefix, library(version)), lambda path: f"{start}{path}" in old.known)
    return old.remain()
