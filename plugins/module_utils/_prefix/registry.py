# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintains conda's lists of environments in home directories, ``~/.conda/environments.txt``.

conda and installers add a line for every prefix that a user creates, and only ``conda env remove`` removes
it. conda reads the files of all users when root asks (conda, ``core.envs_manager``).
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress

from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import HISTORY

_FILE = "environments.txt"


def forget_environments(prefix: str) -> list[str]:
    """Remove the lines of ``prefix`` and of prefixes below it from the lists of all users.

    Lines of prefixes that still exist stay, as do all other lines. A list that becomes empty is removed. Only
    root can change other users' lists.

    Returns:
        The lists that were changed.
    """
    return [
        os.path.join(directory, _FILE)
        for directory in _directories()
        if _forget(directory, os.path.normpath(prefix))
    ]


def list_instead(prefixes: Collection[str], path: str) -> None:
    """List ``path`` in this user's list, and take the lines of ``prefixes`` out, although they exist.

    If this user may not write the list, it stays as it is.

    Args:
        prefixes: generations, which conda listed when it created them.
        path: the link by which people know them.
    """
    gone = set(prefixes)
    if gone & set(listed_environments()):
        with suppress(OSError):
            _take_out(gone)
    if path not in listed_environments():
        with suppress(OSError):
            _append(f"{path}\n")


def _take_out(gone: Collection[str]) -> None:
    flags = os.O_NOFOLLOW | os.O_CLOEXEC
    parent = os.open(_own_directory(), os.O_RDONLY | os.O_DIRECTORY | flags)
    try:
        _rewrite(parent, lambda line: line in gone, flags)
    finally:
        os.close(parent)


def listed_environments() -> list[str]:
    """The lines of this user's own list; empty where it cannot be read."""
    try:
        with open(
            os.path.join(_own_directory(), _FILE),
            encoding="utf-8", errors="surrogateescape", opener=only_regular,
        ) as stream:  # fmt: skip
            return [line for line in stream.read().splitlines() if line.strip()]
    except OSError:
        return []


def environments_of_all() -> list[str]:
    """The lines of this user's list and, for root, of all users' lists; unreadable lists are passed over."""
    found: list[str] = []
    for directory in _directories():
        try:
            with open(
                os.path.join(directory, _FILE),
                encoding="utf-8", errors="surrogateescape", opener=only_regular,
            ) as stream:  # fmt: skip
                found += [line for line in stream.read().splitlines() if line.startswith("/")]
        except OSError:
            continue
    return found


def list_again(lines: object) -> None:
    """Put lines back that this user's list has lost and whose environments exist.

    conda truncates the list before it writes it (conda, ``core.envs_manager._rewrite_environments_txt``).

    Args:
        lines: the result of :func:`listed_environments` before the change, from a journal.
    """
    present = listed_environments()
    lost = [
        line
        for line in (lines if isinstance(lines, list) else [])
        if isinstance(line, str)
        and line not in present
        and os.path.isfile(os.path.join(line, HISTORY))
    ]
    if lost:
        # If this user may not write the list, it stays as it is, as when conda itself registers an
        # environment.
        with suppress(OSError):
            _append("".join(f"{line}\n" for line in lost))


def _append(text: str) -> None:
    flags = os.O_NOFOLLOW | os.O_CLOEXEC
    parent = os.open(_own_directory(), os.O_RDONLY | os.O_DIRECTORY | flags)
    try:
        descriptor = os.open(
            _FILE,
            os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK | flags,
            0o644,
            dir_fd=parent,
        )
    finally:
        os.close(parent)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode) and status.st_nlink <= 1:
            size = status.st_size
            ended = not size or os.pread(descriptor, 1, size - 1) == b"\n"
            os.write(descriptor, ("" if ended else "\n").encode() + os.fsencode(text))
    finally:
        os.close(descriptor)


def _own_directory() -> str:
    return os.path.join(os.path.expanduser("~"), ".conda")


def _directories() -> Iterator[str]:
    """The ``.conda`` directories of this user and, for root, of all users."""
    homes = [os.path.expanduser("~")]
    if os.geteuid() == 0:
        homes += [user.pw_dir for user in pwd.getpwall()]
    for home in dict.fromkeys(homes):
        if os.path.isabs(home):
            yield os.path.join(home, ".conda")


def _forget(directory: str, prefix: str) -> bool:
    # Follow no link: a user's directory must not lead root to another file.
    flags = os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        parent = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | flags)
    except OSError:
        return False
    try:
        return _rewrite(parent, lambda line: _is_gone(line, prefix), flags)
    except OSError:
        # This user may not change the list, or there is none: conda itself ignores lines of missing prefixes.
        return False
    finally:
        os.close(parent)


def _rewrite(parent: int, goes: Callable[[str], bool], flags: int) -> bool:
    descriptor = os.open(_FILE, os.O_RDWR | os.O_NONBLOCK | flags, dir_fd=parent)
    with os.fdopen(
        descriptor, "r+", encoding="utf-8", errors="surrogateescape", newline=""
    ) as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            return False
        lines = file.readlines()
        kept = [line for line in lines if not goes(line.strip())]
        if len(kept) == len(lines):
            return False
        if any(line.strip() for line in kept):
            file.seek(0)
            file.writelines(kept)
            file.truncate()
        else:
            os.unlink(_FILE, dir_fd=parent)
    return True


def _is_gone(line: str, prefix: str) -> bool:
    # A line may name the prefix by a link, which leads nowhere now.
    paths = (line, os.path.realpath(line)) if os.path.isabs(line) else (line,)
    below = any(path == prefix or path.startswith(f"{prefix}/") for path in paths)
    leads_nowhere = os.path.islink(line) and not os.path.exists(line)
    return below and (leads_nowhere or not os.path.lexists(line))
