# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the files that keep processes in their generation, and tells which of them are missing."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping
from contextlib import suppress

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import (
    CondaModuleError,
    hint_for,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.python_hook import (
    python_hooks,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.shell_hooks import (
    shell_hooks,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.launchers import launcher_of
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import PrefixState


def own_files(prefix: str, state: PrefixState) -> dict[str, tuple[bytes, int]]:
    """The content and the permissions of each file that a generation has besides its packages.

    Args:
        prefix: path of the generation, not of the link.
        state: its packages.

    Returns:
        By path relative to the prefix.
    """
    # The kernel tells the real path of a program.
    prefix = os.path.realpath(prefix)
    files = {path: (text.encode(), 0o644) for path, text in shell_hooks(prefix).items()}
    if state.site_packages is None:
        return files
    site = os.path.relpath(state.site_packages, state.path)
    for name, text in python_hooks(prefix).items():
        files[os.path.join(site, name)] = (text.encode(), 0o644)
    interpreter = os.path.join("bin", f"python{state.python_version}")
    for path in _links_to(interpreter, state):
        files[path] = (launcher_of(os.path.join(prefix, interpreter)), 0o755)
    return files


def _links_to(interpreter: str, state: PrefixState) -> list[str]:
    """The names by which the package has its interpreter, besides its own: ``bin/python``, ``bin/python3``.

    macOS runs no script as the interpreter of another script (execve(2), ENOEXEC), which entry points that
    name ``bin/python`` would need: conda's links stay there, and only the ``.pth`` files keep a process.
    """
    if sys.platform == "darwin":
        return []
    names = {"bin/python", "bin/python3", "bin/python3.1"} - {interpreter}
    record = state.records.get("python")
    return sorted(names & set(record.paths.files)) if record else []


def missing_files(prefix: str, state: PrefixState) -> list[str]:
    """The paths, relative to the prefix, of own files that are missing or have another content."""
    return [
        path
        for path, (content, mode) in own_files(prefix, state).items()
        if not _is_there(os.path.join(prefix, path), content, mode)
    ]


def _is_there(path: str, content: bytes, mode: int) -> bool:
    try:
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o555 != mode & 0o555:
            return False
        with open(path, "rb", opener=only_regular) as stream:
            return stream.read(len(content) + 1) == content
    except OSError:
        return False


def write_own_files(prefix: str, state: PrefixState) -> None:
    """Write the own files that are missing; each appears under its name complete.

    Raises:
        CondaModuleError: one of them cannot be written.
    """
    files: Mapping[str, tuple[bytes, int]] = own_files(prefix, state)
    for path in missing_files(prefix, state):
        content, mode = files[path]
        full = os.path.join(prefix, path)
        try:
            os.makedirs(os.path.dirname(full), exist_ok=True)
            write_file(full, content, mode)
        except OSError as error:
            raise CondaModuleError(
                f"{full} cannot be written: {error.strerror}.",
                prefix=prefix,
                hint=hint_for(error, "run the task as the user who owns the environment (become)."),
            ) from error


def write_file(path: str, content: bytes, mode: int) -> None:
    """Write a file beside its name and rename it: the file that was there is never changed.

    It may be a hard link to a file in the package cache.

    Raises:
        OSError: the file cannot be written.
    """
    unfinished = f"{path}.llmfleet-unfinished"
    with suppress(FileNotFoundError):
        os.unlink(unfinished)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(unfinished, flags, mode)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            # The umask does not count: every user of the environment needs these files.
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        os.replace(unfinished, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(unfinished)
        raise
