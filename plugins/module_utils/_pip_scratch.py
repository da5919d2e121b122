# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an installation leaves beside and inside a prefix: a private directory, and what a killed run left."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from ansible_collections.llmfleet.conda.plugins.module_utils._errors import (
    CondaModuleError,
    hint_for,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix import PrefixState


@contextmanager
def scratch_directory(parent: str, name: str) -> Iterator[str]:
    """A private directory `.NAME.llmfleet-pip-*` in `parent`, removed at the end.

    Raises:
        CondaModuleError: it cannot be made.
    """
    try:
        path = tempfile.mkdtemp(prefix=f".{name}.llmfleet-pip-", dir=parent)
    except OSError as error:
        raise CondaModuleError(
            f"No temporary directory can be made in {parent}: {error.strerror}. Nothing was changed.",
            hint=hint_for(error, "run the task as a user who may write there (become)."),
        ) from error
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def remove_leftovers(parent: str, name: str) -> None:
    """Remove scratch directories that a killed run left; to be called under the prefix's lock."""
    for entry in os.listdir(parent):
        if entry.startswith(f".{name}.llmfleet-pip-"):
            shutil.rmtree(os.path.join(parent, entry), ignore_errors=True)


def scratch_parent(prefix: str) -> str:
    """Beside the prefix, on its volume; inside for its owner below a directory of root's."""
    parent = os.path.dirname(prefix)
    if os.access(parent, os.W_OK | os.X_OK):
        return parent
    return os.path.join(prefix, "conda-meta")


def remove_metadata(path: str) -> None:
    """Remove the dist-info of a cut-off installation; pip cannot remove what it cannot read."""
    if os.path.isdir(path) and path.endswith((".dist-info", ".egg-info")):
        shutil.rmtree(path, ignore_errors=True)


def remove_renamed(state: PrefixState) -> None:
    """Remove the `~name` entries to which a killed pip had renamed what it was replacing."""
    site_packages = state.site_packages
    if site_packages is None or not os.path.isdir(site_packages):
        return
    for entry in os.listdir(site_packages):
        path = os.path.join(site_packages, entry)
        if entry.startswith("~") and not os.path.islink(path):
            if os.path.isdir(path):
                shutil.rmtree(path, ignore_errors=True)
            else:
                os.unlink(path)
