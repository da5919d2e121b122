# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of an installation from its condarc files, without conda.

Files are read in conda's order. Of a list, the items of the more important file come first; of anything
else the more important file's value counts (conda, "Using the .condarc conda configuration file").
Variables of the environment and markers such as ``#!final`` are left out of account.
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
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import HISTORY

_SECRET_KEY = re.compile(r"(?:^|_)(?:token|password|passwd|secret)$", re.IGNORECASE)


@dataclass(frozen=True)
class CondarcFile:
    """One file: its path, its settings, and why it could not be read, empty where it could."""

    path: str
    settings: dict[str, Any]
    problem: str = ""


def read_condarcs(installation: str | None) -> list[CondarcFile]:
    """The condarc files that count for an installation (None: for any), least important first."""
    # Nothing can be below a device.
    return [_read(path) for path in condarc_files(installation or os.devnull)]


def combined(files: Iterable[CondarcFile]) -> dict[str, Any]:
    """One value for each key: lists and mappings of all files together, else the most important file's.

    What has a shape that conda refuses is left out, so that the others need not expect it.
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
    """The settings that count for conda once the file ``condarc`` has this text.

    Raises:
        CondarcError: the text is not understood.
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
        return CondarcFile(path, {}, f"it is not understood: {error}")


def masked(value: Any) -> Any:
    """The settings with credentials masked: in URLs, and whatever a key calls a token or a password."""
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
    """Whether this user may change the base environment, by conda's own test."""
    return os.access(os.path.join(installation, HISTORY), os.W_OK)


def effective(installation: str, files: list[CondarcFile]) -> dict[str, Any]:
    """What conda makes of the settings of a few keys; not masked."""
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
