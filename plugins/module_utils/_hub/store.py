# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes to a cache of huggingface_hub: imports local files, sets revisions, removes models."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import (
    CondaModuleError,
    hint_for,
    listed,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular
from ansible_collections.llmfleet.conda.plugins.module_utils._core.tree import remove_made, survey
from ansible_collections.llmfleet.conda.plugins.module_utils._hub.cache import (
    CachedModel,
    Choice,
    commit_of,
    tree_text,
)

_CHUNK = 1 << 20
# The entries that huggingface_hub keeps for a model.
_OWN = ("blobs", "refs", "snapshots", "trees", ".no_exist")
# Names of contents as the hub makes them (digits of a digest; those of a mirror may add the number of parts),
# also during a download, and copies that this collection is writing.
_BLOB = re.compile(
    r"blobs/(?:[0-9a-f]{32,}(?:-\d+)?(?:\.[^/]+)?|[^/]+\.incomplete|\.llmfleet-[^/]+)"
)


@dataclass(frozen=True)
class Source:
    """A directory with the files of a model.

    Attributes:
        path: absolute.
        files: size in bytes and time of the last change in nanoseconds by relative path.
    """

    path: str
    files: Mapping[str, tuple[int, int]]

    @property
    def commit(self) -> str:
        """An identifier of this state of the directory, in the form of a commit; reads no file."""
        lines = [f"{name}\0{size}\0{time}\n" for name, (size, time) in sorted(self.files.items())]
        return _sha1("".join(lines).encode()).hexdigest()


def read_source(path: str, choice: Choice) -> Source:
    """List the files of a directory; hidden files and directories (``.git``, ``.cache``) are left out.

    Raises:
        OSError: the directory cannot be read.
        ValueError: it contains no wanted file.
    """
    files: dict[str, tuple[int, int]] = {}

    def give_up(error: OSError) -> None:
        raise error

    for directory, below, names in os.walk(path, onerror=give_up):
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in names:
            whole = os.path.join(directory, name)
            relative = os.path.relpath(whole, path)
            if not name.startswith(".") and choice.wants(relative):
                seen = os.stat(whole)
                files[relative] = (seen.st_size, seen.st_mtime_ns)
    if not files:
        raise ValueError("it contains no wanted file")
    return Source(path, files)


@contextmanager
def writing(cached: CachedModel) -> Iterator[None]:
    """Raise errors of the system in the block as a CondaModuleError with a hint.

    Raises:
        CondaModuleError: a file cannot be written or removed.
    """
    try:
        yield
    except OSError as error:
        raise CondaModuleError(
            f"The model cache {cached.cache} cannot be written: {error.strerror} ({error.filename}).",
            asked=cached.model,
            hint=hint_for(error, "run the task as a user who may write there (become)."),
        ) from error


def import_source(cached: CachedModel, source: Source, commit: str) -> None:
    """Copy the files of a directory into the cache, as the files of ``commit``.

    Raises:
        CondaModuleError: the cache cannot be written, or the directory cannot be read.
    """
    listed: dict[str, dict[str, Any]] = {}
    snapshot = cached.snapshot(commit)
    with writing(cached):
        os.makedirs(os.path.dirname(cached.blob("any")), exist_ok=True)
        for name in source.files:
            blob, size = _copy(os.path.join(source.path, name), cached)
            listed[name] = {"size": size, "blob_id": blob}
            link = os.path.join(snapshot, name)
            os.makedirs(os.path.dirname(link), exist_ok=True)
            _link(os.path.relpath(cached.blob(blob), os.path.dirname(link)), link)
        write_tree(cached, commit, listed)


def _copy(path: str, cached: CachedModel) -> tuple[str, int]:
    """Copy a file to the blob named by git's digest of its content; return that name and the size."""
    size = os.stat(path).st_size
    digest = _sha1(b"blob %d\0" % size)
    descriptor, temporary = tempfile.mkstemp(
        dir=os.path.dirname(cached.blob("any")), prefix=".llmfleet-"
    )
    try:
        copied = 0
        with os.fdopen(descriptor, "wb") as target, open(path, "rb", opener=only_regular) as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
                copied += target.write(chunk)
        if copied != size:
            raise CondaModuleError(
                f"The file {path} changed while it was copied.", hint="run the task again."
            )
        # Weights are often saved with private permissions; the cache is for all its readers.
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, cached.blob(digest.hexdigest()))
    except BaseException:
        os.unlink(temporary)
        raise
    return digest.hexdigest(), size


def _sha1(data: bytes) -> hashlib._Hash:
    """A digest as git computes it, forty digits long; not used for security."""
    return hashlib.new("sha1", data, usedforsecurity=False)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _link(target: str, link: str) -> None:
    temporary = f"{link}.llmfleet"
    for path in (temporary, link):
        if os.path.lexists(path):
            os.unlink(path)
    os.symlink(target, temporary)
    os.replace(temporary, link)


def write_tree(cached: CachedModel, commit: str, files: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the list of the files of a commit."""
    with writing(cached):
        _write(cached.tree(commit), tree_text(files))


def write_ref(cached: CachedModel, revision: str, commit: str) -> None:
    """Set the commit of a branch or tag; a revision that is a commit needs nothing."""
    if commit_of(cached, revision) != commit:
        with writing(cached):
            _write(cached.ref(revision), commit)


def _write(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = f"{path}.llmfleet"
    with open(temporary, "w", encoding="utf-8") as stream:
        stream.write(text)
    os.replace(temporary, path)


def drop(cached: CachedModel, commit: str, names: tuple[str, ...]) -> None:
    """Remove broken files and the blobs that they point to; otherwise the hub's library would keep them."""
    with writing(cached):
        for name in names:
            link = os.path.join(cached.snapshot(commit), name)
            # Only remove blobs in this model's own directory: a link may lead anywhere.
            blob = os.path.realpath(link)
            inside = blob.startswith(os.path.realpath(cached.directory) + os.sep)
            for path in (blob if inside else link, link):
                if os.path.lexists(path):
                    os.unlink(path)


def refuse_others(cached: CachedModel) -> None:
    """Fail if the cache has files of the model that are not the hub's; nothing is changed.

    Raises:
        CondaModuleError: the path is not a directory of the cache, or contains files that are not the hub's.
    """
    if os.path.islink(cached.directory) or not os.path.isdir(cached.directory):
        raise CondaModuleError(
            f"{cached.directory} is not a directory of the model cache. Nothing was changed.",
            asked=cached.model,
            hint="inspect that path, and remove it by hand.",
        )
    found = survey(cached.directory)
    others = [*_others(cached, found.files), *found.mounts]
    if others:
        raise CondaModuleError(
            f"{cached.directory} contains files that do not belong to the model cache: {listed(others)}."
            " Nothing was changed.",
            asked=cached.model,
            hint="move them away, then run the task again.",
        )


def _others(cached: CachedModel, files: Sequence[str]) -> Iterator[str]:
    """The files in a model's directory that are not the hub's, also within the hub's own directories."""
    links = {
        os.path.normpath(os.path.join(os.path.dirname(path), target))
        for path in files
        if (target := _target(os.path.join(cached.directory, path)))
    }
    # On a volume without links, the hub's files are in the snapshots themselves; a copied cache may have lost
    # its links.
    sizes = {_length(cached, path) for path in files if path.startswith("blobs/")}
    for path in files:
        place = path.split("/", 1)[0]
        if place == "blobs":
            own = path in links or _BLOB.fullmatch(path) is not None
        elif place == "snapshots":
            is_link = os.path.islink(os.path.join(cached.directory, path))
            own = is_link or not sizes or _length(cached, path) in sizes
        else:
            own = place in _OWN
        if not own:
            yield path


def _length(cached: CachedModel, path: str) -> int:
    return os.lstat(os.path.join(cached.directory, path)).st_size


def _target(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def remove(cached: CachedModel) -> None:
    """Remove everything that the cache has of a model.

    Raises:
        CondaModuleError: it cannot be removed, is not a directory of the cache, or contains files that are
            not the hub's.
    """
    refuse_others(cached)
    with writing(cached):
        remove_made(cached.directory, quiet=False)
        locks = os.path.join(cached.cache, ".locks", os.path.basename(cached.directory))
        remove_made(locks)
