# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interprets `direct_url.json` (PEP 610): the source of a distribution not installed from an index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from ansible_collections.llmfleet.conda.plugins.module_utils._core.signed_address import (
    without_secrets,
)


def same_source(url: str, direct_url: Mapping[str, Any] | None) -> bool:
    """Whether a direct_url.json (PEP 610) records an installation from `url`, ignoring secrets.

    The content behind an unchanged URL is not checked, unless the URL has a `#sha256=` fragment.
    """
    if not direct_url:
        return False
    bare, _hash, fragment = url.partition("#")
    vcs_info = direct_url.get("vcs_info")
    if isinstance(vcs_info, dict):
        vcs, plus, location = bare.partition("+")
        if not plus or vcs != vcs_info.get("vcs"):
            return False
        path_start = location.find("/", location.find("://") + 3)
        location, _at, revision = (
            (location[:at], "@", location[at + 1 :])
            if (at := location.rfind("@")) > path_start >= 0
            else (location, "", "")
        )
        revisions = (vcs_info.get("requested_revision") or "", vcs_info.get("commit_id") or "")
        return _plain(location) == _plain(direct_url.get("url", "")) and (
            revision in revisions if revision else not revisions[0]
        )
    if _plain(bare) != _plain(direct_url.get("url", "")):
        return False
    wanted = dict(part.partition("=")[::2] for part in fragment.split("&"))
    hashes = _hashes(direct_url)
    return all(hashes[name] == value for name, value in wanted.items() if name in hashes and value)


def _hashes(direct_url: Mapping[str, Any]) -> dict[str, str]:
    """Hashes by algorithm; `hashes` is the newer spelling, `hash` the older."""
    archive = direct_url.get("archive_info") or {}
    found = dict(archive.get("hashes") or {})
    algorithm, equals, value = str(archive.get("hash") or "").partition("=")
    if equals:
        found.setdefault(algorithm, value)
    return found


def source_of(direct_url: Mapping[str, Any] | None, *, exactly: bool = False) -> str:
    """The source in a direct_url.json as a URL for a requirement; empty if there is none.

    Args:
        exactly: name the commit instead of the requested branch or tag, and leave out the hash: with the
            hash, a file that was replaced on purpose could not be installed again.
    """
    url = str((direct_url or {}).get("url") or "")
    if not url or direct_url is None:
        return ""
    vcs_info = direct_url.get("vcs_info")
    if isinstance(vcs_info, dict):
        revision = vcs_info.get("commit_id")
        if not exactly:
            url = without_secrets(url)
            revision = vcs_info.get("requested_revision") or revision
        return f"{vcs_info.get('vcs')}+{url}@{revision}"
    digest = _hashes(direct_url).get("sha256", "")
    if exactly:
        return url
    # Show the URL as direct_url.json has it after the installation, without secrets.
    url = without_secrets(url)
    return f"{url}#sha256={digest}" if digest else url


def _plain(url: str) -> str:
    parts = urlsplit(without_secrets(url))
    host = parts.netloc.rsplit("@", 1)[-1]
    if parts.scheme == "file" and host == "localhost":
        host = ""
    path = unquote(parts.path).rstrip("/")
    return urlunsplit((parts.scheme, host, path, parts.query, ""))
