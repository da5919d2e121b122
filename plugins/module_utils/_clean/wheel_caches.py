# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the caches of pip and uv. Environments hold copies or hard links of what is in there.

The directories of pip are those of its ``cache`` command (``commands/cache.py``), and ``selfcheck``. uv's
directories are named after their format, such as ``wheels-v5``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from ansible_collections.llmfleet.conda.plugins.module_utils._clean.leftover import (
    PIP,
    UV,
    Leftover,
    is_old,
    leftover,
    names,
)

_OF_PIP = ("http", "http-v2", "selfcheck", "wheels")
_OF_UV = re.compile(
    r"(?:archive|binaries|builds|environments|flat-index|git|interpreter|python|sdists|simple|wheels)-v\d+"
)


def _user_cache(name: str) -> str:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join("~", ".cache")
    if os.path.isdir(os.path.expanduser("~/Library/Caches")) and name == "pip":
        base = "~/Library/Caches"
    return os.path.join(os.path.expanduser(base), name)


def pip_cache() -> str:
    """pip's cache directory of this user, as pip finds it without configuration."""
    return _user_cache("pip")


def uv_cache() -> str:
    """uv's cache directory of this user, as uv finds it without configuration."""
    return os.environ.get("UV_CACHE_DIR") or _user_cache("uv")


def of_pip(cache: str, min_age: int) -> Iterator[Leftover]:
    """pip's directories in its cache, if nothing was written into the cache lately."""
    yield from _whole([os.path.join(cache, name) for name in _OF_PIP], PIP, min_age)


def of_uv(cache: str, min_age: int) -> Iterator[Leftover]:
    """uv's directories in its cache, if nothing was written into the cache lately."""
    found = [os.path.join(cache, name) for name in names(cache) if _OF_UV.fullmatch(name)]
    yield from _whole(found, UV, min_age)


def _whole(paths: Sequence[str], kind: str, min_age: int) -> Iterator[Leftover]:
    for path in paths:
        if os.path.isdir(path) and not os.path.islink(path) and _rests(path, min_age):
            yield leftover(kind, path)


def _rests(path: str, min_age: int) -> bool:
    return all(is_old((directory,), min_age) for directory, _below, _files in os.walk(path))


def links_into(cache: str, prefixes: Sequence[str]) -> str:
    """An environment whose packages are symbolic links into the cache (uv's link-mode), or an empty string.

    uv links each file of a package, so the first two levels of site-packages show it.
    """
    root = os.path.realpath(cache) + os.sep
    for prefix in prefixes:
        library = os.path.join(prefix, "lib")
        for python in names(library):
            packages = os.path.join(library, python, "site-packages")
            for name in names(packages):
                path = os.path.join(packages, name)
                inner = [] if os.path.islink(path) else [os.path.join(path, x) for x in names(path)]
                for one in (path, *inner):
                    if os.path.islink(one) and os.path.realpath(one).startswith(root):
                        return prefix
    return ""
