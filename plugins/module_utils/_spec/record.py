# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A linked package, from its record in conda-meta."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._core import json_document


class PathLists:
    """The files of one package.

    ``files`` are all paths relative to the prefix. ``sizes`` has the size in bytes of the files that are
    linked unchanged.
    """

    def __init__(
        self, files: Sequence[str] | bytes = (), paths: Mapping[str, Any] | bytes = b""
    ) -> None:
        self._files = files
        self._paths = paths

    @cached_property
    def files(self) -> tuple[str, ...]:
        """All paths of the package.

        Raises:
            ValueError, TypeError: the record has no list of paths.
        """
        found = _loaded(self._files)
        if not isinstance(found, (list, tuple, dict)) or set(map(type, found)) - {str}:
            raise TypeError("its files are not a list of paths")
        return tuple(found)

    @cached_property
    def sizes(self) -> Mapping[str, int]:
        """Sizes in bytes of the files that are linked unchanged.

        Raises:
            ValueError, TypeError, KeyError, AttributeError: the record has no such list.
        """
        sizes: dict[str, int] = {}
        for item in (_loaded(self._paths) or {}).get("paths") or ():
            size = item.get("size_in_bytes")
            # conda rewrites a file with a placeholder for this prefix, so its size may differ.
            if size is None or "prefix_placeholder" in item or item.get("path_type") == "softlink":
                continue
            sizes[item["_path"]] = int(size)
        return sizes

    def check(self) -> None:
        """Parse both lists now.

        Raises:
            ValueError, TypeError, KeyError, AttributeError: one of them is damaged.
        """
        len(self.files) + len(self.sizes)


NO_PATHS = PathLists()


def _loaded(value: Any) -> Any:
    if isinstance(value, bytes):
        return json_document.loads(value) if value else {}
    return value


@dataclass(frozen=True)
class PackageRecord:
    """One linked package, from ``conda-meta/<name>-<version>-<build>.json``.

    ``channel`` is as conda wrote it (a URL or a name). ``size`` is that of the archive in
    bytes, 0 if unknown.
    """

    name: str
    version: str
    build: str
    build_number: int = 0
    channel: str = ""
    subdir: str = ""
    fn: str = ""
    url: str = ""
    md5: str = ""
    sha256: str = ""
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    track_features: tuple[str, ...] = ()
    requested: str = ""
    size: int = field(default=0, compare=False)
    record_path: str = field(default="", compare=False)
    paths: PathLists = field(default=NO_PATHS, compare=False, repr=False)

    @property
    def channel_name(self) -> str:
        """The canonical channel name: the last part of the URL that is neither a platform nor a token."""
        return canonical_channel(self.channel or self.url)

    @property
    def label(self) -> str:
        """``name version build channel``, as diffs and messages show a package."""
        return f"{self.name} {self.version} {self.build} {self.channel_name}"


_PLATFORM_WORDS = frozenset({"noarch"})


_PLATFORM_STARTS = ("linux-", "osx-", "win-", "freebsd-", "zos-", "emscripten-", "wasi-")


def is_subdir(word: str) -> bool:
    """Whether ``word`` is a platform directory of a channel (``linux-64``, ``noarch`` ...)."""
    return word in _PLATFORM_WORDS or word.startswith(_PLATFORM_STARTS)


def canonical_channel(channel: str) -> str:
    """The name by which channels are compared, whichever mirror they came from.

    ``https://conda.anaconda.org/conda-forge/linux-64``, ``http://mirror/t/TOKEN/conda-forge`` and
    ``conda-forge`` all give ``conda-forge``; the parts of ``defaults`` (``pkgs/main`` ...) keep two words. An
    empty string stays empty.
    """
    path = channel.split("://", 1)[1] if "://" in channel else channel
    words = [word for word in path.split("/") if word]
    if words and (words[-1].endswith(".conda") or words[-1].endswith(".tar.bz2")):
        words.pop()
    if words and is_subdir(words[-1]):
        words.pop()
    if "://" in channel and len(words) > 1 and not channel.startswith("file:"):
        words = words[1:]
    if len(words) >= 2 and words[-2] == "label":
        return "/".join(words[-3:])
    if len(words) >= 2 and words[-2] == "pkgs":
        return "/".join(words[-2:])
    return words[-1] if words else ""
