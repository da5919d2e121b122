# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the secrets in conda's configuration files and in those of ``anaconda login``."""

from __future__ import annotations

import os
from collections.abc import Iterable

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.places import (
    condarc_files,
    token_files,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular
from ansible_collections.llmfleet.conda.plugins.module_utils._core.secrets import secrets_among

_LONGEST_FILE = 1 << 20


def secrets_of_conda(prefixes: Iterable[str]) -> set[str]:
    """The secrets in the condarc files of conda at these prefixes and in the files of ``anaconda login``."""
    # The user's and the system's files count for every conda; no file can be below a device.
    places = [os.path.expanduser(prefix) for prefix in prefixes if prefix.startswith(("/", "~"))]
    files = dict.fromkeys(path for place in places or [os.devnull] for path in condarc_files(place))
    found: set[str] = set()
    for text in map(_text_of, files):
        found |= secrets_among(text) | secrets_among(os.path.expandvars(text))
    return found | {token for token in map(str.strip, map(_text_of, token_files())) if token}


def _text_of(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace", opener=only_regular) as stream:
            return stream.read(_LONGEST_FILE)
    except OSError:
        return ""
