# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses the list of changes that uv prints after an installation or a dry run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from ansible_collections.llmfleet.conda.plugins.module_utils._core import json_document
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.report import Reported
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_marker import (
    normalize_name,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_requirement import (
    Requirement,
)

# A line of the list of changes: + installed, ~ reinstalled, - removed. A dry run uses the second form for
# distributions from URLs.
_CHANGE = re.compile(
    r"^ [+~] (?P<name>[\w.-]+)(?:==(?P<version>\S+)(?: \(from (?P<url>.+)\))?| @ (?P<address>.+))$",
    re.M,
)


def parse_changes(
    text: str, wanted: Sequence[Requirement] = (), document: str = ""
) -> list[Reported]:
    """The distributions that uv installed or would install, from its list of changes.

    Args:
        text: stderr of `uv pip install`.
        wanted: the requested lines; uv may print their URLs in another spelling.
        document: stdout, which with `--output-format json` also has the versions.
    """
    urls = {line.name: line.url for line in wanted if line.url}
    versions = _versions_in(document)
    found = []
    for match in _CHANGE.finditer(text):
        name = normalize_name(match["name"])
        used = match["url"] or match["address"] or ""
        version = match["version"] or versions.get(name) or _version_in(used)
        direct_url = _direct_url(urls.get(name) or used, used) if used else None
        found.append(Reported(name, version, direct_url=direct_url))
    return found


def _versions_in(document: str) -> dict[str, str]:
    try:
        changes = json_document.loads(document)["changes"]
        return {
            normalize_name(item["name"]): str(item["version"])
            for item in changes
            if item["action"] != "uninstalled"
        }
    except (ValueError, KeyError, TypeError):
        return {}


def _version_in(url: str) -> str:
    """The version in the file name of a wheel; empty for any other file."""
    name = unquote(url.partition("#")[0].rpartition("/")[2])
    return name.split("-")[1] if name.endswith(".whl") and name.count("-") >= 4 else ""


def _direct_url(asked: str, used: str) -> dict[str, Any]:
    """The direct_url.json that uv will write: no credentials, no fragment, no hash."""
    bare = asked.partition("#")[0]
    vcs, plus, location = bare.partition("+")
    if not plus or vcs not in ("git", "hg", "svn", "bzr"):
        return {"url": _without_credentials(bare), "archive_info": {}}
    path_start = location.find("/", location.find("://") + 3)
    at = location.rfind("@")
    revision = location[at + 1 :] if at > path_start else ""
    location = location[:at] if at > path_start else location
    commit = used.partition("#")[0].rpartition("@")[2]
    vcs_info = {"vcs": vcs, "commit_id": commit}
    if revision:
        vcs_info["requested_revision"] = revision
    return {"url": _without_credentials(location), "vcs_info": vcs_info}


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
