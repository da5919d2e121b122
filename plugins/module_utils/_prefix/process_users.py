# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the running processes that use files of a prefix, from ``/proc`` (Linux).

Directories are compared by device and inode, never by path: a container's own ``/opt/conda/bin/python`` has
the same path as the host's but is another file, and a bind mount of the prefix has another path but is the
same directory. Comparing files alone would not work: conda hard-links them from the package cache, so
environments share them.
"""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import MASK, redact
from ansible_collections.llmfleet.conda.plugins.module_utils._core.shorten import beginning

EXE, MAPS, CWD = "exe", "maps", "cwd"

_LONGEST_COMMAND = 120
# These directories of the base belong to others: environments, and the package cache.
_NOT_THE_BASE = ("envs", "pkgs")
_DELETED = " (deleted)"
_SECRET_OPTION = re.compile(
    r"(?P<name>-{0,2}[a-z0-9_.-]*(?:token|passwd|password|secret|credentials?|api[_-]?key|access[_-]?key))"
    r"(?P<value>=.*)?",
    re.IGNORECASE | re.DOTALL,
)

# Device and inode.
_Identity = tuple[int, int]


@dataclass(frozen=True)
class ProcessUser:
    """A process that uses a prefix.

    Attributes:
        how: ``exe``: its program is in the prefix; ``maps``: a library or another mapped file is; ``cwd``:
            only its working directory is.
    """

    pid: int
    user: str
    command: str
    age_seconds: int
    how: str

    def as_dict(self) -> dict[str, object]:
        """The dictionary that modules return."""
        return {
            "pid": self.pid,
            "user": self.user,
            "command": self.command,
            "age_seconds": self.age_seconds,
            "how": self.how,
        }


@dataclass(frozen=True)
class Seen:
    """The result of looking at the processes.

    Attributes:
        users: processes that use the prefix.
        suspects: processes that this user may not inspect and whose command begins with a path in the prefix.
        unseen: how many processes this user may not inspect.
        problem: why no process could be inspected, as a clause; else empty.
    """

    users: tuple[ProcessUser, ...] = ()
    suspects: tuple[ProcessUser, ...] = ()
    unseen: int = 0
    problem: str = ""


@dataclass
class Places:
    """The directories and files of a prefix, each by device and inode.

    ``path``: the real path of the prefix.
    """

    path: str
    directories: set[_Identity] = field(default_factory=set)
    files: set[_Identity] = field(default_factory=set)

    @property
    def devices(self) -> set[int]:
        return {device for device, _inode in self.directories}


def places_of(prefix: str, nested: bool = False) -> Places:
    """Read the directories of ``prefix``.

    Args:
        prefix: absolute path.
        nested: include environments inside it, because they are removed with it.
    """
    places = Places(os.path.realpath(prefix))
    waiting = [places.path]
    while waiting:
        directory = waiting.pop()
        try:
            status = os.stat(directory)
            entries = list(os.scandir(directory))
        except OSError:
            continue
        root = directory == places.path
        if (
            not (root or nested)
            and any(entry.name == "conda-meta" for entry in entries)
            and os.path.isfile(os.path.join(directory, "conda-meta/history"))
        ):
            continue
        device = status.st_dev
        places.directories.add((device, status.st_ino))
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                places.files.add((device, entry.inode()))
            elif nested or not (root and entry.name in _NOT_THE_BASE):
                waiting.append(entry.path)
    return places


def shown_command(argv: Sequence[str]) -> str:
    """A command line for messages: secrets masked, and shortened."""
    words: list[str] = []
    mask_next = False
    for word in argv:
        found = _SECRET_OPTION.fullmatch(word)
        if mask_next:
            word = MASK
        elif found and found["value"]:
            word = f"{found['name']}={MASK}"
        mask_next = not mask_next and bool(found and not found["value"] and word.startswith("-"))
        words.append(word)
    # Control characters would break the lines of a message.
    text = "".join(char if char.isprintable() else " " for char in redact(" ".join(words)))
    return beginning(text, _LONGEST_COMMAND)


def user_name(uid: int) -> str:
    """The name of a user, or the number if there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return str(uid)


def without_relatives(parents: Mapping[int, int], own: int) -> set[int]:
    """The processes in ``parents`` (parent by process) without ``own``, its ancestors and its descendants."""
    above: set[int] = set()
    pid = own
    while pid and pid not in above:
        above.add(pid)
        pid = parents.get(pid, 0)
    return {one for one in parents if one not in above and not _descends(one, own, parents)}


def _descends(pid: int, own: int, parents: Mapping[int, int]) -> bool:
    passed: set[int] = set()
    while pid and pid not in passed:
        if pid == own:
            return True
        passed.add(pid)
        pid = parents.get(pid, 0)
    return False


@dataclass(frozen=True)
class Mount:
    """One line of ``/proc/PID/mountinfo``."""

    point: str
    device: int
    kind: str


def read_mounts(path: str) -> list[Mount]:
    """Read a ``mountinfo`` file; empty when it cannot be read."""
    mounts = []
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            for line in stream:
                words = line.split()
                major, minor = words[2].split(":")
                kind = words[words.index("-") + 1]
                point = re.sub(r"\\(\d{3})", lambda found: chr(int(found[1], 8)), words[4])
                mounts.append(Mount(point, os.makedev(int(major), int(minor)), kind))
    except (OSError, ValueError, IndexError):
        return []
    return mounts


def mount_of(path: str, mounts: Sequence[Mount]) -> Mount | None:
    """The mount on which ``path`` lies: of those with the longest path, the last one."""
    best: Mount | None = None
    for mount in mounts:
        below = path == mount.point or path.startswith(f"{mount.point.rstrip('/')}/")
        if below and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


class ProcFiles:
    """Finds the processes that use ``places``.

    Args:
        places: of the prefix.
        proc: path of ``/proc``; tests use another one.
        own: the process that asks.
    """

    def __init__(self, places: Places, proc: str = "/proc", own: int | None = None) -> None:
        self._places = places
        self._proc = proc
        self._own = os.getpid() if own is None else own
        self._namespace = self._link("self", "ns/mnt")
        self._mounts: dict[str, list[Mount]] = {
            self._namespace: read_mounts(os.path.join(proc, "self", "mountinfo"))
        }
        self._below: dict[tuple[str, str], bool] = {}
        mount = mount_of(places.path, self._mounts[self._namespace])
        self._devices = places.devices | ({mount.device} if mount else set())
        # On many kernels, `maps` reports the device of the lower layer.
        self._any_device = mount is not None and mount.kind == "overlay"
        self._uptime = self._read_uptime()

    def seen(self) -> Seen:
        """Inspect all processes except this one, its ancestors and its descendants."""
        status = {pid: self._status(pid) for pid in self._pids()}
        parents = {pid: int(one.get("PPid", "0")) for pid, one in status.items()}
        users: list[ProcessUser] = []
        suspects: list[ProcessUser] = []
        unseen = 0
        for pid in sorted(without_relatives(parents, self._own)):
            try:
                how = self._how(pid)
            except PermissionError:
                unseen += 1
                if self._is_suspect(pid):
                    suspects.append(self._described(pid, status[pid], "command"))
                continue
            except OSError:
                continue  # it has ended, or it is a kernel thread
            if how:
                users.append(self._described(pid, status[pid], how))
        return Seen(tuple(users), tuple(suspects), unseen)

    # -- one process ------------------------------------------------------------------------------

    def _how(self, pid: int) -> str:
        program = self._link(pid, "exe")
        namespace = self._link(pid, "ns/mnt")
        # A path of another mount namespace is looked up in that namespace.
        base = "" if namespace == self._namespace else os.path.join(self._proc, str(pid), "root")
        how = ""
        # Compare the device in `maps` before any file: a stat on a dead NFS server never returns.
        for addresses, device, inode, path in self._mapped(pid):
            if not self._any_device and device not in self._devices:
                continue
            if self._is_below(namespace, base, path) or (
                (device, inode) in self._places.files
                and self._is_only_link(pid, "exe" if path == program else f"map_files/{addresses}")
            ):
                if path == program:
                    return EXE
                how = MAPS
        return how or (CWD if self._is_cwd_in_prefix(pid, namespace) else "")

    def _mapped(self, pid: int) -> Iterator[tuple[str, int, int, str]]:
        passed: set[str] = set()
        with open(
            os.path.join(self._proc, str(pid), "maps"),
            encoding="utf-8", errors="surrogateescape",
        ) as stream:  # fmt: skip
            for line in stream:
                start = line.find("/")
                path = line[start:].rstrip("\n")
                # A file has several lines, and most lines of a process name no file.
                if start <= 0 or path in passed:
                    continue
                words = line[:start].split()
                if len(words) != 5:
                    continue
                passed.add(path)
                major, minor = words[3].split(":")
                yield words[0], os.makedev(int(major, 16), int(minor, 16)), int(words[4]), path

    def _is_below(self, namespace: str, base: str, path: str) -> bool:
        """Whether the file is in the prefix; for a removed directory, its closest existing parent counts."""
        directory = os.path.dirname(path[: -len(_DELETED)] if path.endswith(_DELETED) else path)
        key = (base or namespace, directory)
        if key not in self._below:
            self._below[key] = self._is_there(base, directory)
        return self._below[key]

    def _is_there(self, base: str, directory: str) -> bool:
        while True:
            try:
                status = os.stat(f"{base}{directory}")
            except (FileNotFoundError, NotADirectoryError):
                if directory in ("/", ""):
                    return False
                directory = os.path.dirname(directory)
            except OSError:
                return False
            else:
                return (status.st_dev, status.st_ino) in self._places.directories

    def _is_only_link(self, pid: int, name: str) -> bool:
        """Whether the mapped file has no other hard link, so it cannot be another environment's."""
        try:
            return os.stat(os.path.join(self._proc, str(pid), name)).st_nlink == 1
        except OSError:
            return False

    def _is_cwd_in_prefix(self, pid: int, namespace: str) -> bool:
        try:
            return self._cwd_is_in_prefix(pid, namespace)
        except OSError:
            return False

    def _cwd_is_in_prefix(self, pid: int, namespace: str) -> bool:
        path = self._link(pid, "cwd")
        if namespace not in self._mounts:
            place = os.path.join(self._proc, str(pid), "mountinfo")
            self._mounts[namespace] = read_mounts(place)
        mount = mount_of(path, self._mounts[namespace])
        if mount is not None and mount.device not in self._devices and not self._any_device:
            return False
        status = os.stat(os.path.join(self._proc, str(pid), "cwd"))
        return (status.st_dev, status.st_ino) in self._places.directories

    def _is_suspect(self, pid: int) -> bool:
        program = (self._argv(pid) or [""])[0]
        return program.startswith(f"{self._places.path}/")

    # -- what /proc says --------------------------------------------------------------------------

    def _pids(self) -> list[int]:
        return [int(name) for name in os.listdir(self._proc) if name.isdigit()]

    def _link(self, pid: int | str, name: str) -> str:
        try:
            return os.readlink(os.path.join(self._proc, str(pid), name))
        except FileNotFoundError:
            # A kernel without namespaces; if the process has ended, the next read fails.
            if name.startswith("ns/"):
                return ""
            raise

    def _text(self, pid: int | str, name: str) -> str:
        try:
            with open(
                os.path.join(self._proc, str(pid), name),
                encoding="utf-8", errors="replace",
            ) as stream:  # fmt: skip
                return stream.read()
        except OSError:
            return ""

    def _status(self, pid: int) -> dict[str, str]:
        pairs = (line.partition(":") for line in self._text(pid, "status").splitlines())
        return {name: value.strip() for name, _colon, value in pairs}

    def _argv(self, pid: int) -> list[str]:
        return self._text(pid, "cmdline").rstrip("\0").split("\0")

    def _described(self, pid: int, status: Mapping[str, str], how: str) -> ProcessUser:
        argv = self._argv(pid)
        uids = status.get("Uid", "").split()
        return ProcessUser(
            pid=pid,
            user=user_name(int(uids[1])) if len(uids) > 1 else "",
            command=shown_command(argv if argv != [""] else [status.get("Name", "")]),
            age_seconds=self._age(pid),
            how=how,
        )

    def _read_uptime(self) -> float:
        try:
            return float(self._text("", "uptime").split()[0])
        except (IndexError, ValueError):
            return 0.0

    def _age(self, pid: int) -> int:
        # The name in parentheses may contain spaces. The start time is field 22, in ticks since boot.
        words = self._text(pid, "stat").rpartition(")")[2].split()
        try:
            return max(0, int(self._uptime - int(words[19]) / os.sysconf("SC_CLK_TCK")))
        except (IndexError, ValueError):
            return 0


def look(places: Places) -> Seen:
    """The processes on this host that use the prefix, as far as this user may see them."""
    if os.path.exists("/proc/self/maps"):
        return ProcFiles(places).seen()
    from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.process_users_macos import (
        look_with_lsof,
    )

    return look_with_lsof(places)
