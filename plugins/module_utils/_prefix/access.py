# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Owner, group and permissions of an installation or environment, and who may create environments in it.

If nothing else changes, only a few places are checked: the prefix, its directories and the records in
``conda-meta``. All files are walked after a change, or when one of these places is wrong.

Package files stay read-only for the group even where its members may fill the package cache: conda hard-links
the same file into every environment, so whoever may write one may change all of them. For the same reason, a
change of owner leaves out the files that an environment shares.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.volume import (
    without_volumes_own,
)

GROUP_WRITABLE = ("envs", "pkgs")

# Files that conda itself writes in a directory of environments or packages. conda uses ~/.conda instead for a
# group member who may not write them (conda 24.7, ``context`` and ``package_cache_data``). They are created
# in advance, because the first member who creates one would own it alone. A trailing slash means a directory.
_WRITTEN_TO = {
    "envs": (".conda_envs_dir_test",),
    "pkgs": ("urls.txt", "cache/"),
}

# conda opens the state of a channel's repodata for writing even to read it (conda 24.7,
# ``gateways.repodata``), and the umask of the member who fetched it denies that to the others. A default ACL
# overrides the umask (acl(5)). Whoever may write the directory could replace these files anyway.
_REPODATA = "cache"
_DEFAULT_ACL = "system.posix_acl_default"
# Version 2, then for owner, group and others: tag, permissions, no id (Linux, uapi/linux/posix_acl_xattr.h).
_GROUP_WRITES = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, bits, 0xFFFFFFFF) for tag, bits in ((0x01, 7), (0x04, 7), (0x20, 5))
)


@dataclass(frozen=True)
class Access:
    """The wanted owner, group and permissions; None or an empty value leaves them unchanged.

    Attributes:
        owner, group: names or numbers.
        mode: permissions of the prefix itself.
        group_writable: directories of :data:`GROUP_WRITABLE` in which the group may write.
    """

    owner: str | None = None
    group: str | None = None
    mode: int | None = None
    group_writable: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        wanted = (self.owner, self.group, self.mode)
        return any(value is not None for value in wanted) or bool(self.group_writable)


def parse_mode(mode: str | int | None) -> int | None:
    """Return the option ``mode`` as a number.

    Raises:
        CondaModuleError: it is not an octal number of three or four digits.
    """
    if mode is None or mode == "":
        return None
    try:
        number = mode if isinstance(mode, int) else int(str(mode), 8)
    except ValueError:
        number = -1
    if isinstance(mode, bool) or not 0 <= number <= 0o7777:
        raise CondaModuleError(
            f"The option mode is not an octal number such as '0755': {mode!r}. Nothing was changed.",
            hint="quote the value, so that YAML does not read it as a decimal number.",
        )
    return number


# The next number, -1, means "leave unchanged" to chown.
_LARGEST_ID = 2**32 - 2


def _number(name: str | None, option: str, look_up: Callable[[str], int]) -> int:
    if name is None:
        return -1
    try:
        return look_up(name)
    except (KeyError, ValueError):
        if name.isascii() and name.isdigit() and len(name) <= 10 and int(name) <= _LARGEST_ID:
            return int(name)
        raise CondaModuleError(
            f"The option {option} names an unknown {'user' if option == 'owner' else 'group'}: {name}."
            " Nothing was changed.",
            hint=f"create the {'user' if option == 'owner' else 'group'} on this host first, or correct"
            " the option.",
        ) from None


class AccessManager:
    """Compares an installation or environment with the wanted :class:`Access`, and applies it.

    Args:
        prefix: of the installation or environment.
        wanted: owner, group and permissions to apply.
        shared: also give away files with more than one hard link. Without it, these only go back to the user
            and group that run this, who own the package cache.
        inherit: new files in directories that are given to a group belong to that group (setgid).

    Raises:
        CondaModuleError: the owner or the group is unknown on this host.
    """

    def __init__(
        self, prefix: str, wanted: Access, *, shared: bool = True, inherit: bool = False
    ) -> None:
        self.prefix = prefix
        self._shared = shared
        self._inherit = inherit
        self.wanted = wanted
        self._uid = _number(wanted.owner, "owner", lambda name: pwd.getpwnam(name).pw_uid)
        self._gid = _number(wanted.group, "group", lambda name: grp.getgrnam(name).gr_gid)

    # -- observe ------------------------------------------------------------------------------------

    def faults(self) -> list[str]:
        """One sentence for each difference from what is wanted; only the first path of each kind."""
        strangers = self._wrong_owners()
        found: dict[str, str] = {}
        if "owner" in strangers:
            path, owner = strangers["owner"]
            found["owner"] = f"{self._shown(path)} is owned by {owner}"
        if "group" in strangers:
            path, group = strangers["group"]
            found["group"] = f"{self._shown(path)} has the group {group}"
        mode = self._mode_fault()
        if mode:
            found["mode"] = mode
        for path, missing in self._missing_permissions():
            found.setdefault("group_writable", f"{self._shown(path)} lacks {missing} for its group")
        return list(found.values())

    def others(self) -> dict[str, str]:
        """The actual ``owner`` and ``group`` where they differ from the wanted ones."""
        return {kind: name for kind, (_path, name) in self._wrong_owners().items()}

    def _wrong_owners(self) -> dict[str, tuple[str, str]]:
        """The first path with another owner or group than wanted, and that owner or group."""
        found: dict[str, tuple[str, str]] = {}
        if self._uid < 0 and self._gid < 0:
            return found
        for path in self._checked_paths():
            status = os.lstat(path)
            if self._uid not in (-1, status.st_uid):
                found.setdefault("owner", (path, _user_name(status.st_uid)))
            if self._gid not in (-1, status.st_gid):
                found.setdefault("group", (path, _group_name(status.st_gid)))
        return found

    def lines(self) -> list[str]:
        """The lines of a diff for the options that are set, once everything is as wanted."""
        wanted = self.wanted
        lines = [f"owner {wanted.owner}"] if wanted.owner is not None else []
        lines += [f"group {wanted.group}"] if wanted.group is not None else []
        lines += [f"mode {wanted.mode:04o}"] if wanted.mode is not None else []
        writable = [name for name in GROUP_WRITABLE if name in wanted.group_writable]
        return lines + ([f"the group may write {' and '.join(writable)}"] if writable else [])

    def _mode_fault(self) -> str | None:
        if self.wanted.mode is None:
            return None
        mode = stat.S_IMODE(os.lstat(self.prefix).st_mode)
        return None if mode == self.wanted.mode else f"{self.prefix} has the mode {mode:04o}"

    def _shown(self, path: str) -> str:
        return path if path == self.prefix else os.path.relpath(path, self.prefix)

    def _checked_paths(self) -> Iterator[str]:
        yield self.prefix
        for name in ("bin", "conda-meta", "envs", "lib", "pkgs"):
            path = os.path.join(self.prefix, name)
            if os.path.lexists(path):
                yield path
        with os.scandir(os.path.join(self.prefix, "conda-meta")) as entries:
            for entry in entries:
                # The lock and the journal belong to the user of the run.
                if not entry.name.startswith(".llmfleet"):
                    yield entry.path

    def _writable_places(self) -> Iterator[tuple[str, int]]:
        """The paths that the group must be able to write, with the mode bits that this needs."""
        for name in self.wanted.group_writable:
            directory = os.path.join(self.prefix, name)
            yield directory, 0o2070
            for inner in _WRITTEN_TO[name]:
                bits = 0o2070 if inner.endswith("/") else 0o060
                yield os.path.join(directory, inner.rstrip("/")), bits

    def _missing_permissions(self) -> Iterator[tuple[str, str]]:
        for path, bits in self._writable_places():
            mode = stat.S_IMODE(os.lstat(path).st_mode) if os.path.lexists(path) else 0
            if mode & bits != bits:
                words = "write permission" if mode & 0o020 == 0 else "the setgid bit or access"
                yield path, words
        repodata = self._repodata()
        if repodata and os.path.isdir(repodata) and _closes_new_files(repodata):
            yield repodata, "a default ACL that lets the group write new files"

    def _repodata(self) -> str | None:
        """The directory of the channels' repodata, if the group may write it."""
        if "pkgs" not in self.wanted.group_writable:
            return None
        return os.path.join(self.prefix, "pkgs", _REPODATA)

    def _make_writable_places(self) -> None:
        for path, bits in self._writable_places():
            if bits & 0o2000:
                os.makedirs(path, exist_ok=True)
            elif not os.path.lexists(path):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o664))

    # -- apply --------------------------------------------------------------------------------------

    def apply(self) -> None:
        """Set owner, group and permissions as wanted.

        Raises:
            CondaModuleError: this user may not do that.
        """
        try:
            self._make_writable_places()
            if self._uid >= 0 or self._gid >= 0:
                self._set_owners()
            for path, bits in self._writable_places():
                mode = stat.S_IMODE(os.lstat(path).st_mode)
                if mode & bits != bits:
                    _open_to_group(path, bits)
            repodata = self._repodata()
            if repodata and _closes_new_files(repodata):
                _open_new_files(repodata)
            if self._mode_fault() and self.wanted.mode is not None:
                os.chmod(self.prefix, self.wanted.mode)
        except OSError as error:
            raise CondaModuleError(
                f"Cannot set owner, group or permissions of {error.filename or self.prefix}:"
                f" {error.strerror or error}.",
                prefix=self.prefix,
                hint="run the task as root (become), or leave out owner, group, mode and group_writable.",
            ) from error

    def _set_owners(self) -> None:
        """Set owner and group of everything except environments, which belong to their creators."""
        self._chown(self.prefix, None)
        environments = os.path.join(self.prefix, "envs")
        # By descriptors: in a directory that others may write, no link can mislead root.
        for directory, directories, files, descriptor in os.fwalk(self.prefix):
            if directory == self.prefix:
                directories[:] = without_volumes_own(self.prefix, directories)
            if directory == environments:
                directories.clear()
                files = [name for name in files if name in _WRITTEN_TO["envs"]]
            for name in (*directories, *files):
                self._chown(name, descriptor)
            if self._inherit and self._gid >= 0:
                mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
                if not mode & stat.S_ISGID:
                    os.fchmod(descriptor, mode | stat.S_ISGID)

    def _chown(self, name: str, directory: int | None) -> None:
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        uid, gid = self._uid, self._gid
        if not self._shared and status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
            uid, gid = uid if uid == os.geteuid() else -1, gid if gid == os.getegid() else -1
        if uid not in (-1, status.st_uid) or gid not in (-1, status.st_gid):
            os.chown(name, uid, gid, dir_fd=directory, follow_symlinks=False)


def _open_to_group(path: str, bits: int) -> None:
    # By descriptor: members may write the directory, and their links must not be followed.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, stat.S_IMODE(os.fstat(descriptor).st_mode) | bits)
    finally:
        os.close(descriptor)


def _closes_new_files(directory: str) -> bool:
    """Whether the directory lacks a default ACL; False where none is possible (macOS, NFS)."""
    if not hasattr(os, "getxattr"):
        return False
    try:
        os.getxattr(directory, _DEFAULT_ACL, follow_symlinks=False)
    except OSError as error:
        return error.errno == errno.ENODATA
    return False


def _open_new_files(directory: str) -> None:
    """Let the group write existing and new files; a file of another user is changed by root only."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(directory, flags)
    try:
        os.setxattr(descriptor, _DEFAULT_ACL, _GROUP_WRITES)
        for name in os.listdir(descriptor):
            status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            if stat.S_ISREG(status.st_mode) and os.geteuid() in (0, status.st_uid):
                _open_file_to_group(name, descriptor)
    finally:
        os.close(descriptor)


def _open_file_to_group(name: str, directory: int) -> None:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(name, flags, dir_fd=directory)
    try:
        status = os.fstat(descriptor)
        # A file with a second hard link may not be conda's.
        if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
            os.fchmod(descriptor, stat.S_IMODE(status.st_mode) | 0o060)
    finally:
        os.close(descriptor)


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def access_of(
    owner: str | None,
    group: str | None,
    mode: str | int | None,
    group_writable: Sequence[str],
) -> Access:
    """Return the wanted access from the module's options.

    Raises:
        CondaModuleError: an option is invalid.
    """
    if group_writable and group is None:
        raise CondaModuleError(
            "The option group_writable needs the option group. Nothing was changed.",
            hint="name the group whose members may write.",
        )
    return Access(owner, group, parse_mode(mode), tuple(group_writable))
