# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Examines and removes an environment that the task deletes or recreates."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from ansible_collections.llmfleet.conda.plugins.module_utils._conda.command import Conda
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import (
    CondaModuleError,
    listed,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.frozen import (
    marker_lifted,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.request import Request
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.claim import claim
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.registry import (
    forget_environments,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.removal import (
    Contents,
    examine,
    refuse_mounts,
    remain,
    remove_prefix,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import (
    add_to_journal,
)

# Files of packages for which conda runs code on removal: a pre-unlink script, or a desktop menu entry
# (conda 24.7, core.link.run_script and core.initialize menuinst).
_UNDONE_BY_CONDA = re.compile(r"bin/\.[^/]+-pre-unlink\.sh|Menu/[^/]+\.json")


def examine_environment(request: Request, conda: Conda) -> Contents:
    """Examine the prefix of the request before its removal or replacement.

    Raises:
        CondaModuleError: a volume is mounted in it, it contains other environments, or it cannot be read.
    """
    contents = examine(request.prefix)
    if not contents.state.is_environment and not contents.state.cleared:
        contents = examine(request.prefix, caches=conda.caches)
    if contents.nested:
        raise CondaModuleError(
            f"The environment {request.prefix} contains other environments: {listed(contents.nested)}."
            " Nothing was changed.",
            prefix=request.prefix,
            hint="remove those first, or check that the option name or prefix names the right environment.",
        )
    refuse_mounts(contents)
    return contents


def foretell(request: Request, contents: Contents) -> list[str]:
    """The warnings of a removal in check mode, about files that would remain."""
    if not contents.foreign or request.remove_foreign:
        return []
    warning = remain(request.prefix, contents.foreign)
    if names := sorted(_undone_by_conda(contents)):
        warning += f" Check mode cannot tell what the removal scripts of {', '.join(names)} do."
    return [warning]


def remove_environment(request: Request, contents: Contents, conda: Conda) -> None:
    """Remove the environment, and its lines in conda's lists of environments.

    ``conda.warnings`` reports files that remain because neither conda nor pip installed them.

    Raises:
        CondaModuleError: a part of it cannot be removed.
    """
    contents = _let_conda_undo(request, contents, conda)
    add_to_journal(request.prefix, directory=claim(request.prefix))
    if left := remove_prefix(contents, remove_foreign=request.remove_foreign):
        conda.warnings.append(remain(request.prefix, left))
    # Last, so that the next run continues a removal that is interrupted before this.
    forget_environments(request.prefix)


def _let_conda_undo(request: Request, contents: Contents, conda: Conda) -> Contents:
    """Let conda remove the packages with removal scripts, and examine what is there then.

    A conda that was killed before it ran a script gets a second chance: what the script would have removed
    looks like a file of the user's afterwards, because no record names it.
    """
    for last in (False, True):
        names = sorted(_undone_by_conda(contents))
        if not names:
            break
        try:
            with marker_lifted(request.prefix, put_back=False):
                conda.remove_alone(request.prefix, names)
            killed = False
        except CondaModuleError as error:
            killed = error.cut_off
            if last or not killed:
                # Continue: what such a script leaves is outside the prefix, such as a menu entry.
                conda.warnings.append(
                    f"The removal scripts of {', '.join(names)} failed, but the environment is removed:"
                    f" {error}"
                )
        contents = examine_environment(request, conda)
        if not killed:
            break
    return contents


def _undone_by_conda(contents: Contents) -> Iterator[str]:
    for record in contents.state.records.values():
        found = filter(_UNDONE_BY_CONDA.fullmatch, record.paths.files)
        if any(os.path.lexists(os.path.join(contents.state.path, path)) for path in found):
            yield record.name
