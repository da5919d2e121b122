# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The note of the last pass of the checks inside an environment's interpreter.

It is the only file that llm_check writes: ``conda-meta/.llmfleet-verified``, JSON compressed with gzip. conda
reads only ``*.json`` in that directory. A note counts if its file belongs to root or to this user and nobody
else can write it, so that no other user can pretend a pass.
"""

from __future__ import annotations

import errno
import gzip
import json
import os
import secrets
import stat
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._check.probe import Report
from ansible_collections.llmfleet.conda.plugins.module_utils._core import json_document

NOTE = ".llmfleet-verified"
_FORMAT = 1
# A note of transformers and torch has 60 kB; nobody gets this process to unpack gigabytes.
_LARGEST = 8 << 20
_LARGEST_TEXT = 64 << 20
# Seconds by which the clock of the host may differ from the kernel's own count: time daemons correct it.
_CORRECTION = 120.0
_BOOT = "/proc/sys/kernel/random/boot_id"


@dataclass(frozen=True)
class Moment:
    """A moment on the clocks of the host.

    Attributes:
        wall: seconds since 1970, as the host's clock has them; an administrator may set it.
        boot: names the time since the host was started; empty if the system tells none.
        uptime: seconds since then, also while the host sleeps; nobody can set it.
    """

    wall: float
    boot: str
    uptime: float


def now() -> Moment:
    """The present moment."""
    try:
        with open(_BOOT, encoding="ascii") as stream:
            boot = stream.read(64).strip()
    except (OSError, UnicodeDecodeError):
        boot = ""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    uptime = time.monotonic() if clock is None else time.clock_gettime(clock)
    return Moment(time.time(), boot, uptime)


@dataclass(frozen=True)
class LastPass:
    """A pass of the checks inside the interpreter.

    Attributes:
        checks: digest of what was asked.
        state: digests of what the results depend on, by part.
        moment: when the checks had passed.
        watched: absolute paths of the files that the interpreter had loaded.
        reports: the reports of the interpreter, by name.
    """

    checks: str
    state: Mapping[str, str]
    moment: Moment
    watched: tuple[str, ...] = ()
    reports: Mapping[str, Report] = field(default_factory=dict)

    @property
    def since(self) -> str:
        """When it was, for people."""
        return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(self.moment.wall))


def too_old(last: LastPass, moment: Moment, max_age: float) -> str:
    """Why the pass is too old; empty if it is not.

    Args:
        last: the pass.
        moment: the present moment.
        max_age: hours.
    """
    then = last.moment
    if moment.boot != then.boot:
        return "the host was restarted"
    age = moment.wall - then.wall
    if age < 0 or (then.boot and age < moment.uptime - then.uptime - _CORRECTION):
        return "the clock of the host was set back"
    if then.boot:
        age = max(age, moment.uptime - then.uptime)
    return f"the last pass is older than {max_age:g} hours" if age >= max_age * 3600 else ""


def read(prefix: str) -> LastPass | None:
    """The note in the prefix; None without a note, or with one that cannot be trusted or understood."""
    try:
        with _meta(prefix) as directory:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(NOTE, flags, dir_fd=directory)
            with open(descriptor, "rb") as stream:
                if not _is_ours(os.fstat(descriptor)):
                    return None
                text = zlib.decompressobj(31).decompress(stream.read(_LARGEST), _LARGEST_TEXT)
        return _from(json_document.loads(text))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, zlib.error):
        return None


def _is_ours(status: os.stat_result) -> bool:
    others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    owned = status.st_uid in {0, os.geteuid()}
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and owned and not others


def _from(data: Any) -> LastPass:
    if data["format"] != _FORMAT:
        raise ValueError("another format")
    then = data["moment"]
    return LastPass(
        checks=str(data["checks"]),
        state={str(name): str(digest) for name, digest in data["state"].items()},
        moment=Moment(float(then["wall"]), str(then["boot"]), float(then["uptime"])),
        watched=tuple(str(path) for path in data["watched"]),
        reports={
            str(one["name"]): Report(
                str(one["name"]), True, str(one["detail"]), 0.0, dict(one["measured"])
            )
            for one in data["reports"]
        },
    )


def write(prefix: str, last: LastPass) -> bool:
    """Replace the note of the prefix atomically; whether that was possible.

    Where it is not (another user's environment, a full or read-only volume), the next run repeats the checks.
    """
    data = {
        "format": _FORMAT,
        "checks": last.checks,
        "state": dict(last.state),
        "moment": vars(last.moment),
        "watched": list(last.watched),
        "reports": [
            {"name": one.name, "detail": one.detail, "measured": dict(one.measured)}
            for one in last.reports.values()
        ],
    }
    try:
        content = gzip.compress(json.dumps(data).encode("utf-8"), 6)
        with _meta(prefix) as directory:
            name = _new_file(directory, content)
            try:
                os.rename(name, NOTE, src_dir_fd=directory, dst_dir_fd=directory)
            except BaseException:
                os.unlink(name, dir_fd=directory)
                raise
    except (OSError, ValueError, TypeError):
        return False
    return True


def reference(prefix: str) -> int | None:
    """The present time on the clock of the prefix's file system, in nanoseconds.

    The server of a network file system has its own clock. None if no note can be written there.
    """
    try:
        with _meta(prefix) as directory:
            name = _new_file(directory, b"")
            try:
                return os.stat(name, dir_fd=directory, follow_symlinks=False).st_ctime_ns
            finally:
                os.unlink(name, dir_fd=directory)
    except OSError:
        return None


@contextmanager
def _meta(prefix: str) -> Iterator[int]:
    """A descriptor of ``conda-meta``; a link there could lead root to any directory."""
    path = os.path.join(prefix, "conda-meta")
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _new_file(directory: int, content: bytes) -> str:
    """Create a file that only this user can read, under a name that nobody can guess."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    name = f"{NOTE}-{secrets.token_hex(8)}"
    descriptor = os.open(name, flags, 0o600, dir_fd=directory)
    try:
        with open(descriptor, "wb") as stream:
            stream.write(content)
    except OSError as error:
        with suppress(OSError):
            os.unlink(name, dir_fd=directory)
        raise OSError(error.errno or errno.EIO, error.strerror, name) from error
    return name
