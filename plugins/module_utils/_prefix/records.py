# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the state of a conda prefix from its files alone: no conda process, no network, milliseconds.

The layout is that of conda 4.4 to 26: one JSON record for each linked package in ``conda-meta`` (conda,
``conda.core.prefix_data.PrefixData``), ``conda-meta/history`` marks a directory as an environment
(``conda.gateways.disk.test.is_conda_environment``), and ``conda-meta/frozen`` marks a frozen one (CEP 22).
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import (
    CondaModuleError,
    hint_for_reading,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular
from ansible_collections.llmfleet.conda.plugins.module_utils._core.volume import (
    without_volumes_own,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.record_file import read_record
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import (
    PackageRecord,
    PathLists,
)

HISTORY = os.path.join("conda-meta", "history")
FROZEN = os.path.join("conda-meta", "frozen")
# The journal of this collection (``transaction``) if it is inside the prefix. Its name does not end with
# .json, because conda reads every such file in conda-meta as a package record.
JOURNAL = os.path.join("conda-meta", ".llmfleet-journal")
# The token file in a directory that this collection is creating or removing.
MADE = ".llmfleet-made"
# The token file in a generation (``generations``) that is being built and verified.
BUILDING = ".llmfleet-building"
# The note in a directory whose installation or environment was removed and where users' files remain.
LEFT = ".llmfleet-left"


def python_of(prefix: str) -> str:
    """Path of a prefix's interpreter, whether it exists or not."""
    return os.path.join(prefix, "bin", "python")


@dataclass(frozen=True)
class PrefixState:
    """The state of a prefix on disk at one moment.

    Attributes:
        path: the absolute prefix.
        exists: something is at that path.
        is_environment: it contains ``conda-meta/history``.
        records: linked packages by name.
        problems: one sentence for each record that cannot be read.
        bad_records: the file names of those records, in ``conda-meta``.
        frozen: ``conda-meta/frozen`` exists.
        empty: the path is a directory without entries, or does not exist. The ``lost+found`` of a volume that
            is mounted there does not count.
        cleared: an installation or environment was removed here, and users' files remain.
        entries: the names directly below the path.
    """

    path: str
    exists: bool
    is_environment: bool
    records: Mapping[str, PackageRecord]
    problems: tuple[str, ...] = ()
    frozen: bool = False
    empty: bool = True
    bad_records: tuple[str, ...] = ()
    cleared: bool = False
    entries: tuple[str, ...] = ()

    @property
    def python_version(self) -> str | None:
        """``major.minor`` of the environment's Python, or None when it has none."""
        record = self.records.get("python")
        return ".".join(record.version.split(".")[:2]) if record else None

    @property
    def python(self) -> str:
        """Path of the environment's interpreter, whether it exists or not."""
        return python_of(self.path)

    @property
    def site_packages(self) -> str | None:
        """The directory that pip and noarch packages install into, or None without a Python."""
        if self.python_version is None:
            return None
        return os.path.join(self.path, "lib", f"python{self.python_version}", "site-packages")

    def labels(self) -> list[str]:
        """The packages as sorted lines, for diffs."""
        return sorted(record.label for record in self.records.values())


def _record_from(data: Mapping[str, Any], paths: PathLists, record_path: str) -> PackageRecord:
    if not isinstance(data["name"], str):
        raise TypeError("its name is not a string")
    features = data.get("track_features") or ()
    return PackageRecord(
        name=data["name"],
        version=str(data["version"]),
        build=str(data.get("build") or data.get("build_string") or ""),
        build_number=int(data.get("build_number") or 0),
        channel=str(data.get("channel") or ""),
        subdir=str(data.get("subdir") or ""),
        fn=str(data.get("fn") or ""),
        url=str(data.get("url") or ""),
        md5=str(data.get("md5") or ""),
        sha256=str(data.get("sha256") or ""),
        depends=tuple(data.get("depends") or ()),
        constrains=tuple(data.get("constrains") or ()),
        track_features=tuple(features.split() if isinstance(features, str) else features),
        requested=str(data.get("requested_spec") or ""),
        size=_size(data.get("size")),
        record_path=record_path,
        paths=paths,
    )


def _size(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


# The path of the record holds nothing that could be read at another time. Every other error tells nothing
# about the record: a failing disk or server, too many open files, missing permission.
_NO_FILE = frozenset(
    {
        errno.ENOENT,
        errno.EISDIR,
        errno.ENOTDIR,
        errno.ELOOP,
        errno.EINVAL,
        errno.ENXIO,
        errno.ENODEV,
    }
)


def _read_records(
    meta: str, thorough: bool, only_report: bool
) -> tuple[dict[str, PackageRecord], dict[str, str]]:
    """Records by name, and the problem of each other record by file name.

    Raises:
        OSError: the directory, or a record that may be intact, cannot be read.
    """
    records: dict[str, PackageRecord] = {}
    problems: dict[str, str] = {}
    for entry in sorted(os.listdir(meta)):
        if not entry.endswith(".json") or entry.startswith("."):
            continue
        path = os.path.join(meta, entry)
        try:
            # Unbuffered: one read call for each file, and there are hundreds.
            with open(path, "rb", buffering=0, opener=only_regular) as stream:
                data, paths = read_record(stream.readall())
            record = _record_from(data, paths, path)
            if thorough:
                paths.check()
        except OSError as error:
            if error.errno not in _NO_FILE and not only_report:
                raise OSError(error.errno, error.strerror, path) from error
            problems[entry] = f"{path}: {error.strerror}"
            continue
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            problems[entry] = f"{path} is not a package record ({type(error).__name__}: {error})"
            continue
        if record.name in records:
            problems[entry] = f"{path} is a second record of {record.name}"
            continue
        records[record.name] = record
    return records, problems


def observe_prefix(path: str, *, thorough: bool = False, only_report: bool = False) -> PrefixState:
    """Read the state of the prefix at ``path`` (absolute) from its files.

    Args:
        path: the prefix.
        thorough: also parse the file lists of the records, which takes several times as long; a record
            damaged there is a problem. Needed before the files themselves are checked
            (``linked_files.damaged_files``).
        only_report: the state is only reported, so a record that temporarily cannot be read is a problem like
            any other.

    Raises:
        CondaModuleError: the prefix, ``conda-meta`` or a record exists and cannot be read, so the state is
            unknown and no change may be based on it.
    """
    meta = os.path.join(path, "conda-meta")
    try:
        entries = without_volumes_own(path, os.listdir(path))
    except FileNotFoundError:
        return PrefixState(
            path=path, exists=os.path.lexists(path), is_environment=False, records={}
        )
    except NotADirectoryError:
        return PrefixState(path=path, exists=True, is_environment=False, records={}, empty=False)
    except OSError as error:
        raise _unreadable(path, error) from error
    records: dict[str, PackageRecord] = {}
    problems: dict[str, str] = {}
    environment, metadata = False, False
    if "conda-meta" in entries:
        try:
            # An empty directory is left by a removal that was killed.
            metadata = not os.path.isdir(meta) or bool(os.listdir(meta)) or MADE not in entries
            records, problems = _read_records(meta, thorough, only_report)
            environment = _is_file(os.path.join(path, HISTORY))
        except OSError as error:
            raise _unreadable(error.filename or meta, error) from error
    return PrefixState(
        path=path,
        exists=True,
        is_environment=environment,
        records=records,
        problems=tuple(problems.values()),
        bad_records=tuple(problems),
        frozen=os.path.lexists(os.path.join(path, FROZEN)),
        empty=not set(entries) - {MADE, BUILDING, *(() if metadata else ("conda-meta",))},
        cleared=LEFT in entries and not (environment or records or problems),
        entries=tuple(sorted(entries)),
    )


def _is_file(path: str) -> bool:
    """Like ``os.path.isfile``, which reports every file that cannot be inspected as absent."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError as error:
        if error.errno not in _NO_FILE:
            raise OSError(error.errno, error.strerror, path) from error
        return False


def _unreadable(path: str, error: OSError) -> CondaModuleError:
    return CondaModuleError(
        f"{path} cannot be read: {error.strerror}. The state of the prefix is unknown, so nothing was"
        " changed.",
        prefix=path,
        hint=hint_for_reading(error),
    )
