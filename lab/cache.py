"""Content keys, atomic publishing and locks: what makes the cache safe to share and to kill.

A published folder holds a file ``.lab-key`` with the key of what it was made from.  A part is
current exactly when that file says so, which costs one small read.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from lab import paths

KEY_FILE = ".lab-key"
"""Name of the file in a published folder that holds its key."""

_KEPT_SECONDS = 14 * 24 * 3600


def content_key(*things: object) -> str:
    """Return a short hexadecimal key of the things' content.

    A ``Path`` stands for the bytes of that file (its place does not matter, so two checkouts
    agree); anything else must be something that JSON can write.

    Raises:
        FileNotFoundError: a path does not exist.
        TypeError: a thing is neither a path nor JSON-like.
    """
    digest = hashlib.sha256()
    for thing in things:
        if isinstance(thing, Path):
            content = thing.read_bytes()
        else:
            content = json.dumps(thing, sort_keys=True).encode()
        digest.update(f"{len(content)}:".encode())
        digest.update(content)
    return digest.hexdigest()[:20]


def source_files(*names: str) -> tuple[Path, ...]:
    """Return files of the package ``lab`` by their names relative to it, for ``content_key``."""
    here = Path(__file__).parent
    return tuple(here / name for name in names)


def published_key(folder: Path) -> str | None:
    """Return the key of a published folder, or None when there is none."""
    try:
        return (folder / KEY_FILE).read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return None


@contextlib.contextmanager
def publishing(folder: Path, key: str) -> Iterator[Path]:
    """Give a temporary folder that takes the place of ``folder`` when the block ends well.

    The temporary folder lies on the same file system, so the change is a rename and a killed
    build leaves ``folder`` as it was.  An exception in the block removes the temporary folder.
    """
    work = new_temporary(f"{folder.name}-")
    try:
        yield work
        (work / KEY_FILE).write_text(key + "\n")
        work.chmod(0o755)
        folder.parent.mkdir(parents=True, exist_ok=True)
        old = new_temporary("old-")
        if folder.exists():
            folder.rename(old / folder.name)
        work.rename(folder)
        shutil.rmtree(old)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def new_temporary(prefix: str) -> Path:
    """Make a folder for work in progress inside the cache and return it."""
    root = paths.cache_dir() / "tmp"
    root.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=prefix, dir=root))


@contextlib.contextmanager
def lock(name: str, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the cache's lock of that name; a second process waits until it is free.

    The kernel lets go of it when the process dies, so a killed build leaves nothing to clean.

    Args:
        name: which lock.
        on_wait: called once when another process has it.
    """
    folder = paths.cache_dir() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def forget_unused(root: Path, used: Iterable[Path]) -> None:
    """Remove published folders below ``root`` that no build has used for two weeks.

    Old keys pile up as sources change; a recent one may be another checkout's.
    """
    for folder in used:
        os.utime(folder)
    for folder in root.iterdir():
        if time.time() - folder.stat().st_mtime > _KEPT_SECONDS:
            shutil.rmtree(folder)


def clear_temporaries() -> None:
    """Remove what killed builds left.  Only for a process that holds the build's lock."""
    shutil.rmtree(paths.cache_dir() / "tmp", ignore_errors=True)
