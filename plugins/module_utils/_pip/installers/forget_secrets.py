# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes secrets from the URLs in direct_url.json, which pip and uv write and every user may read."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
from contextlib import suppress

from ansible_collections.llmfleet.conda.plugins.module_utils._core import json_document
from ansible_collections.llmfleet.conda.plugins.module_utils._core.rewritten_file import rewrite
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular
from ansible_collections.llmfleet.conda.plugins.module_utils._core.signed_address import (
    without_secrets,
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


def _forget(directory: str) -> None:
    path = os.path.join(directory, _NAME)
    with open(path, encoding="utf-8", opener=only_regular) as stream:
        document = json_document.load(stream)
    url = document.get("url") if isinstance(document, dict) else None
    if not isinstance(url, str) or without_secrets(url) == url:
        return
    content = json.dumps({**document, "url": without_secrets(url)}, sort_keys=True).encode()
    rewrite(path, content)
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
