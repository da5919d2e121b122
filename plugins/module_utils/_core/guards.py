# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuses prefixes that conda cannot use, or that a mistake in a variable would destroy."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import stat

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError

# Shebang lines hold 127 bytes on Linux before 5.1; "#!", "/bin/python3.12" and room for conda's own names
# leave about 110 for the prefix (conda.core.portability, MAX_SHEBANG_LENGTH_LINUX).
MAX_PREFIX_LENGTH = 110

_ENVIRONMENT_NAME = re.compile(r"[^/\s:#]+")
# System directories that no task may use as a conda prefix.
_SYSTEM = frozenset(
    {
        "/",
        "/bin",
        "/boot",
        "/dev",
        "/etc",
        "/home",
        "/lib",
        "/lib64",
        "/media",
        "/mnt",
        "/opt",
        "/proc",
        "/root",
    }
    | {
        "/run",
        "/sbin",
        "/srv",
        "/sys",
        "/tmp",
        "/usr",
        "/usr/local",
        "/var",
        "/Users",
        "/Library",
        "/Applications",
    }
)


def _home_directories() -> set[str]:
    homes = {os.path.expanduser("~")}
    # A directory service that does not answer must not stop the task; the current user's home is known
    # anyway.
    with contextlib.suppress(OSError):
        homes.update(entry.pw_dir for entry in pwd.getpwall())
    return {os.path.normpath(home) for home in homes if home.startswith("/")}


def _planted_link(path: str) -> str | None:
    """Return the first symbolic link in ``path`` that another user owns in a world-writable directory.

    Root would follow such a link to any place that its owner chose. Linux has the same protection for
    directories with the sticky bit only (``fs.protected_symlinks``).
    """
    trusted = {0, os.geteuid()}
    parts = path.split("/")
    for end in range(2, len(parts) + 1):
        step = "/".join(parts[:end])
        try:
            status = os.lstat(step)
        except (OSError, ValueError):
            return None
        if not stat.S_ISLNK(status.st_mode) or status.st_uid in trusted:
            continue
        if os.stat(os.path.dirname(step)).st_mode & stat.S_IWOTH:
            return step
    return None


def check_prefix(path: str, option: str = "prefix", *, keep_link: bool = False) -> str:
    """Return the real path of ``path``, without symbolic links, if it may be a conda prefix.

    Scripts, locks and journals name the prefix. They must not depend on a link: it may be changed to lead to
    another environment, and what lies beside the link would not be found beside its target.

    Args:
        path: the prefix.
        option: the option that named it, for the message.
        keep_link: the path itself may be a link, which is not followed; those above it are.

    Raises:
        CondaModuleError: the path is relative, contains ``..`` or white space, is longer than 110 bytes, is a
            system or home directory, or leads through a link that another user placed; or its target does.
    """
    problem = None
    normal = os.path.normpath(path)
    real = normal
    with contextlib.suppress(OSError, ValueError):
        if path.startswith("/"):
            parent, name = os.path.split(normal) if keep_link else (normal, "")
            real = (
                os.path.join(os.path.realpath(parent), name) if name else os.path.realpath(parent)
            )
    if not path.startswith("/"):
        problem = "is not an absolute path"
    elif ".." in path.split("/"):
        problem = "must not contain '..'"
    elif re.search(r"\s", path + real):
        problem = "contains white space, which breaks conda's activation scripts"
    elif not (path + real).isprintable():
        problem = "contains control characters"
    elif max(len(os.fsencode(normal)), len(os.fsencode(real))) > MAX_PREFIX_LENGTH:
        problem = f"is longer than {MAX_PREFIX_LENGTH} bytes, the limit for interpreter lines (#!) of scripts"
    elif normal in _SYSTEM or real in _SYSTEM:
        problem = "is a directory of the operating system"
    elif not {normal, real}.isdisjoint(_home_directories()):
        problem = "is a home directory"
    elif (link := _planted_link(normal)) is not None:
        problem = (
            f"leads through the symbolic link {link}, which another user created in a world-writable"
            " directory"
        )
    if problem:
        raise CondaModuleError(
            f"The option {option} {problem}: {path!r}"
            f"{f', which leads to {real!r}' if real != normal else ''}. Nothing was changed.",
            prefix=path,
            hint=f"set {option} to a dedicated directory, such as /opt/miniconda3 or"
            " /home/NAME/miniconda3.",
        )
    return real


def environment_prefix(
    installation: str | None, name: str | None, prefix: str | None, *, keep_link: bool = False
) -> str:
    """Return the prefix that a task names by ``prefix``, or by ``name`` within ``installation``.

    ``base`` is the installation itself, as in conda. ``keep_link`` is that of :func:`check_prefix`.

    Raises:
        CondaModuleError: neither or both are given, or the name or the path cannot be used.
    """
    if (name is None) == (prefix is None):
        raise CondaModuleError("Exactly one of the options name and prefix must be given.")
    if prefix is not None:
        return check_prefix(prefix, keep_link=keep_link)
    if installation is None:
        raise CondaModuleError(
            "The option name needs the option installation, which says where the environment is."
        )
    base = check_prefix(installation, "installation")
    if name == "base":
        return base
    if not _ENVIRONMENT_NAME.fullmatch(name or "") or name in {".", ".."}:
        raise CondaModuleError(
            f"The option name is not a valid environment name: {name!r}. Nothing was changed.",
            hint="use a name without slashes, spaces, ':' and '#', or the option prefix for a path.",
        )
    return check_prefix(os.path.join(base, "envs", str(name)), "name", keep_link=keep_link)
