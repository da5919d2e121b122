# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes and removes ``conda-meta/frozen``, the marker of a frozen environment (CEP 22); it may be empty."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import FROZEN


def set_marker(prefix: str, content: bytes = b"") -> None:
    """Create the marker of the environment at ``prefix``.

    Raises:
        CondaModuleError: it cannot be written.
    """
    with (
        _marker_errors(prefix, "written"),
        open(os.path.join(prefix, FROZEN), "wb", opener=only_regular) as stream,
    ):
        stream.write(content)


def remove_marker(prefix: str) -> None:
    """Remove the marker of the environment at ``prefix``, if it has one.

    Raises:
        CondaModuleError: it cannot be removed.
    """
    with _marker_errors(prefix, "removed"), suppress(FileNotFoundError):
        os.unlink(os.path.join(prefix, FROZEN))


@contextmanager
def marker_lifted(prefix: str, *, put_back: bool) -> Iterator[None]:
    """Remove the marker for the block, because newer versions of conda refuse to change a frozen environment.

    Args:
        prefix: of the environment; without a marker nothing happens.
        put_back: restore the marker with its content if the block succeeds. If the block fails, the marker
            is always restored, provided the environment still exists.

    Raises:
        CondaModuleError: the marker cannot be read, removed or written.
    """
    path = os.path.join(prefix, FROZEN)
    content = None
    with _marker_errors(prefix, "removed"), suppress(FileNotFoundError, NotADirectoryError):
        with open(path, "rb", opener=only_regular) as stream:
            content = stream.read()
        os.unlink(path)
    if content is None:
        yield
        return
    try:
        yield
    except BaseException:
        if os.path.isdir(os.path.dirname(path)):
            set_marker(prefix, content)
        raise
    if put_back:
        set_marker(prefix, content)


@contextmanager
def _marker_errors(prefix: str, action: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CondaModuleError(
            f"The marker {os.path.join(prefix, FROZEN)} cannot be {action}: {error.strerror}.",
            prefix=prefix,
            hint="check that path: it must be a regular file that this user may write and remove.",
        ) from error
