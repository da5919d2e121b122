# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of an installation from its condarc files, without running conda.

Files are read in conda's order. In a list, the items of the more important file come first; for any other
value, the more important file counts (conda, "Using the .condarc conda configuration file"). Environment
variables and markers such as ``#!final`` are ignored.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.channels import DEFAULT_ALIAS
from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.document import (
    Condarc,
    CondarcError,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.places import condarc_files
from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.shapes import misshapen
from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import MASK, redact_value
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular

_SECRET_KEY = re.compile(r"(?:^|_)(?:token|password|passwd|secret)$", re.IGNORECASE)


@dataclass(frozen=True)
class CondarcFile:
    """One file: its path, its settings, and why it could not be read (else empty)."""

    path: str
    settings: dict[str, Any]
    problem: str = ""


def read_condarcs(installation: str | None) -> list[CondarcFile]:
    """The condarc files of an installation (None: of any), the least important first."""
    # No file can be below a device.
    return [_read(path) for path in condarc_files(installation or os.devnull)]


def combined(files: Iterable[CondarcFile]) -> dict[str, Any]:
    """One value for each key: lists and mappings of all files merged, else the most important file's value.

    Values of a type that conda refuses are left out, so that callers need not expect them.
    """
    found: dict[str, Any] = {}
    for file in files:
        unusable = misshapen(file.settings)
        for key, value in file.settings.items():
            if key in unusable:
                continue
            present = found.get(key)
            if isinstance(present, list) and isinstance(value, list):
                found[key] = [*value, *(item for item in present if item not in value)]
            elif isinstance(present, dict) and isinstance(value, dict):
                found[key] = {**present, **value}
            elif value is not None:
                found[key] = value
    return found


def settings_with(installation: str | None, condarc: str, text: str) -> dict[str, Any]:
    """The effective settings if the file ``condarc`` has this text.

    Raises:
        CondarcError: the text is not supported YAML.
    """
    kept = CondarcFile(condarc, dict(Condarc(text).values))
    files = [kept if file.path == condarc else file for file in read_condarcs(installation)]
    return combined(files if kept in files else [*files, kept])


def _read(path: str) -> CondarcFile:
    try:
        with open(path, encoding="utf-8", opener=only_regular) as stream:
            return CondarcFile(path, dict(Condarc(stream.read()).values))
    except OSError as error:
        return CondarcFile(path, {}, f"it cannot be read: {error.strerror}")
    except (UnicodeDecodeError, CondarcError) as error:
        return CondarcFile(path, {}, f"it cannot be parsed: {error}")


def masked(value: Any) -> Any:
    """The settings with credentials masked: in URLs, and the values of keys named as tokens or passwords."""
    if isinstance(value, dict):
        return {
            key: MASK if isinstance(item, str) and _SECRET_KEY.search(str(key)) else masked(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [masked(item) for item in value]
    return redact_value(value)


def _list(files: list[CondarcFile], *keys: str) -> list[str]:
    found: list[str] = []
    for file in reversed(files):
        for key in keys:
            value = file.settings.get(key)
            items = value if isinstance(value, list) else [] if value is None else [value]
            found.extend(str(item) for item in items)
    return list(dict.fromkeys(found))


def _scalar(files: list[CondarcFile], key: str, default: str) -> str:
    for file in reversed(files):
        if file.settings.get(key) is not None:
            return str(file.settings[key])
    return default


def _directories(paths: list[str]) -> list[str]:
    expanded = (os.path.expanduser(os.path.expandvars(path)) for path in paths)
    return list(dict.fromkeys(os.path.normpath(path) for path in expanded if path.startswith("/")))


def is_writable(installation: str) -> bool:
    """Whether this user may change the base environment, by the same test as conda's."""
    # Not with the name in _prefix.records: conda_config would carry that file and two more for it.
    return os.access(os.path.join(installation, "conda-meta", "history"), os.W_OK)


def effective(installation: str, files: list[CondarcFile]) -> dict[str, Any]:
    """The values of a few keys as conda computes them; not masked."""
    own = [os.path.join(installation, "envs"), os.path.expanduser("~/.conda/envs")]
    caches = [os.path.join(installation, "pkgs"), os.path.expanduser("~/.conda/pkgs")]
    if not is_writable(installation):
        own.reverse()
        caches.reverse()
    pkgs_dirs = _list(files, "pkgs_dirs")
    return {
        "channels": _list(files, "channels", "channel"),
        "channel_alias": _scalar(files, "channel_alias", DEFAULT_ALIAS),
        "envs_dirs": _directories(_list(files, "envs_dirs", "envs_path") + own),
        "pkgs_dirs": _directories(pkgs_dirs or caches),
    }
