# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes tokens and passwords from the URLs that conda stores in its package caches.

conda (24.7 to 26) writes complete URLs into ``urls.txt``, ``cache/*.info.json`` and each package's
``repodata_record.json``, which every user of the host may read. In ``conda-meta`` it omits the password and
writes ``/t/<TOKEN>/``; this module does the same in the other files. conda still finds packages and indexes,
because it compares channels without credentials and derives an index's file name from the URL.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit

from ansible_collections.llmfleet.conda.plugins.module_utils._core import json_document
from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import secrets_in
from ansible_collections.llmfleet.conda.plugins.module_utils._core.rewritten_file import rewrite
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular
from ansible_collections.llmfleet.conda.plugins.module_utils._core.signed_address import (
    without_secrets,
)

# As in conda (common.url.split_anaconda_token).
_TOKEN = re.compile(r"/t/[^/]+(?=/|$)")
# Other programs store the URL of an index at the start of their files.
_HEAD = 1 << 16


def forget_addresses(caches: Iterable[str]) -> None:
    """Remove secrets from the URLs that conda stored. Files that cannot be written stay: conda has succeeded.

    Other files of the cache that contain a secret are made unreadable for other users.
    """
    for cache in caches:
        with suppress(OSError, ValueError):
            _forget_lines(os.path.join(cache, "urls.txt"))
        for path in _indexes(os.path.join(cache, "cache")):
            with suppress(OSError, ValueError):
                if path.endswith(".info.json"):
                    _forget_url(path)
                else:
                    _close(path)
        for path in _records(cache):
            with suppress(OSError, ValueError):
                _forget_url(path)


def shown_address(address: str) -> str:
    """The URL as conda stores it in an environment."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return address
    if parts.scheme in ("", "file"):
        return address
    path = _TOKEN.sub("/t/<TOKEN>", parts.path)
    return without_secrets(
        urlunsplit((parts.scheme, parts.netloc, path, parts.query, parts.fragment))
    )


def _indexes(directory: str) -> Iterator[str]:
    with suppress(OSError):
        for name in os.listdir(directory):
            if name.endswith((".json", ".solv", ".q")):
                yield os.path.join(directory, name)


def _records(cache: str) -> Iterator[str]:
    with suppress(OSError):
        for name in os.listdir(cache):
            path = os.path.join(cache, name, "info", "repodata_record.json")
            if os.path.isfile(path):
                yield path


def _forget_lines(path: str) -> None:
    with open(path, encoding="utf-8", opener=only_regular) as stream:
        lines = stream.read().split("\n")
    rewritten = [shown_address(line) for line in lines]
    if rewritten != lines:
        rewrite(path, "\n".join(rewritten).encode())


def _forget_url(path: str) -> None:
    with open(path, encoding="utf-8", opener=only_regular) as stream:
        text = stream.read()
    noted = json_document.loads(text)
    if not isinstance(noted, dict):
        return
    # The URLs of mirrors are stored as well.
    known = {
        key: value for key, value in noted.items() if isinstance(value, str) and "://" in value
    }
    changed = {key: shown_address(value) for key, value in known.items()}
    if changed != known:
        rewrite(path, json.dumps({**noted, **changed}, indent=2, sort_keys=True).encode())


def _close(path: str) -> None:
    status = os.stat(path)
    if not status.st_mode & 0o007:
        return
    with open(path, "rb", opener=only_regular) as stream:
        head = stream.read(_HEAD).decode("utf-8", "replace")
    if secrets_in(head.replace("<TOKEN>", "")):
        os.chmod(path, status.st_mode & 0o7770)
