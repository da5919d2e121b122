# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rewrites direct_url.json, which pip and uv write: without secrets, and with the hash that uv leaves out."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._core import json_document
from ansible_collections.llmfleet.conda.plugins.module_utils._core.rewritten_file import rewrite
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular
from ansible_collections.llmfleet.conda.plugins.module_utils._core.signed_address import (
    without_secrets,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_marker import (
    normalize_name,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_requirement import (
    Requirement,
)

_NAME = "direct_url.json"


def forget_secrets(site_packages: str) -> None:
    """Rewrite each direct_url.json with a secret in its address, and its line in RECORD.

    A file that cannot be read or written stays: the installation itself is complete.
    """
    for entry in os.listdir(site_packages) if os.path.isdir(site_packages) else ():
        if entry.endswith(".dist-info"):
            with suppress(OSError, ValueError, csv.Error):
                _forget(os.path.join(site_packages, entry))


def note_hashes(site_packages: str, wanted: Iterable[Requirement]) -> None:
    """Add the hash of its URL to each direct_url.json that has none.

    pip writes the hash of an archive into it. uv compares the hash while it downloads, but does not write it
    (uv 0.13.9); without it, nobody could tell later that the URL now has other content.

    Args:
        wanted: requirements that were just installed.
    """
    digests = {}
    for line in wanted:
        fragment = (line.url or "").partition("#")[2]
        pairs = [part.partition("=")[::2] for part in fragment.split("&")]
        if found := {name: value for name, value in pairs if name in _ALGORITHMS and value}:
            digests[line.name] = found
    if not digests or not os.path.isdir(site_packages):
        return
    for entry in os.listdir(site_packages):
        name = normalize_name(entry.partition("-")[0])
        if entry.endswith(".dist-info") and name in digests:
            with suppress(OSError, ValueError, csv.Error):
                _note(os.path.join(site_packages, entry), digests[name])


_ALGORITHMS = ("sha256", "sha384", "sha512")


def _forget(directory: str) -> None:
    document = _read(directory)
    url = document.get("url")
    if isinstance(url, str) and without_secrets(url) != url:
        _write(directory, {**document, "url": without_secrets(url)})


def _note(directory: str, hashes: Mapping[str, str]) -> None:
    document = _read(directory)
    archive = document.get("archive_info")
    if isinstance(archive, dict) and not (archive.get("hashes") or archive.get("hash")):
        _write(directory, {**document, "archive_info": {**archive, "hashes": dict(hashes)}})


def _read(directory: str) -> dict[str, Any]:
    path = os.path.join(directory, _NAME)
    with open(path, encoding="utf-8", opener=only_regular) as stream:
        document = json_document.load(stream)
    return document if isinstance(document, dict) else {}


def _write(directory: str, document: Mapping[str, Any]) -> None:
    """Write direct_url.json and its line in RECORD."""
    content = json.dumps(document, sort_keys=True).encode()
    rewrite(os.path.join(directory, _NAME), content)
    record = os.path.join(directory, "RECORD")
    with open(record, encoding="utf-8", newline="", opener=only_regular) as stream:
        text = stream.read()
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
    own = f"{os.path.basename(directory)}/{_NAME}"
    # The other lines stay unchanged, including their line endings.
    lines = [
        _row(own, f"sha256={digest}", len(content)) + line[len(line.rstrip("\r\n")) :]
        if next(csv.reader([line]), [""])[0] == own
        else line
        for line in text.splitlines(keepends=True)
    ]
    rewrite(record, "".join(lines).encode())


def _row(path: str, digest: str, size: int) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="").writerow([path, digest, size])
    return stream.getvalue()
