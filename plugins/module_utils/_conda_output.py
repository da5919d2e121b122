# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Understands what conda prints: finds its JSON and turns its errors into sentences for people.

Pure functions over text; nothing here starts a process. The shapes are those of conda 24.7 to 26.7 with
``--json`` (recorded runs, and ``conda.exceptions``): errors carry ``exception_name`` and no ``success``;
warnings, plugins and progress may surround the document, and two documents may come.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_TELLING_KEYS = (
    "success",
    "exception_name",
    "error",
    "errors",
    "actions",
    "message",
    "solver_problems",
)


def find_document(text: str) -> dict[str, Any] | None:
    """The JSON object that tells how conda fared, or None when there is no such object in ``text``.

    The last object with one of conda's own keys wins: progress and plugin output come before it.
    """
    decoder = json.JSONDecoder()
    found: dict[str, Any] | None = None
    position = text.find("{")
    while position >= 0:
        try:
            value, end = decoder.raw_decode(text, position)
        except ValueError:
            position = text.find("{", position + 1)
            continue
        if isinstance(value, dict) and any(key in value for key in _TELLING_KEYS):
            found = value
        position = text.find("{", end)
    return found


@dataclass(frozen=True)
class Failure:
    """Why conda failed.

    Attributes:
        kind: ``not_found``, ``unsatisfiable``, ``network``, ``disk_full``, ``permission``, ``frozen``,
            ``terms``, ``channels``, ``corrupt``, ``not_environment``, ``usage``, ``timeout`` or ``unknown``.
        headline: the same as a clause for people.
        said: conda's own words, trimmed.
        hint: what a person can do next.
        retry: the same command may succeed a moment later.
    """

    kind: str
    headline: str
    said: str
    hint: str
    retry: bool = False


_HEADLINES = {
    "not_found": "the channels do not have what the option packages asks for",
    "unsatisfiable": "the specs in the option packages exclude each other, or what is installed",
    "network": "a channel could not be reached",
    "disk_full": "the disk is full",
    "permission": "this user may not write there",
    "frozen": "the environment is frozen",
    "terms": "the terms of service of a channel have not been accepted",
    "channels": "no channel is configured",
    "corrupt": "files of the environment or of the package cache are damaged",
    "not_environment": "there is no environment",
    "usage": "it did not understand its command line",
    "timeout": "it took longer than the option timeout allows",
    "unknown": "it gave no reason that is known here",
}


_HINTS = {
    "not_found": "correct the name or version in the option packages, or add a channel that has it.",
    "unsatisfiable": "loosen one of the conflicting specs in the option packages, or split the environment.",
    "network": "check that the channel's address answers from this host, and its proxy and CA settings.",
    "disk_full": "make room on the volumes of the prefix and of the package cache (pkgs_dirs).",
    "permission": "run the task as the user who owns the prefix and the package cache (become_user).",
    "frozen": "the environment is frozen (conda-meta/frozen): change another one, or thaw it on purpose.",
    "terms": (
        "use conda-forge (the default of this collection), or accept the terms of that channel explicitly"
        " (conda tos accept, or the role's variable install_miniconda_tos)."
    ),
    "channels": "name the channels in the option channels, or in the condarc.",
    "corrupt": "the package cache holds a damaged archive: 'conda clean --packages --tarballs' removes it.",
    "not_environment": "create the environment first with llmfleet.conda.conda_env.",
    "usage": "this conda does not know the command; report it together with its version.",
    "timeout": "raise the option timeout, or look at what keeps conda busy (network, disk).",
    "unknown": "read what conda said, and run the command by hand on the host to see more.",
}

# The first matching row decides, so that what lies deepest (a full disk) comes before what it causes.
_BY_TEXT: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "disk_full",
        re.compile(r"no space left|errno 28|disk quota|ENOSPC|NoSpaceLeft", re.IGNORECASE),
    ),
    ("terms", re.compile(r"CondaToS|terms of service", re.IGNORECASE)),
    ("frozen", re.compile(r"EnvironmentIsFrozen|EnvironmentIsReadOnly", re.IGNORECASE)),
    (
        "corrupt",
        re.compile(
            r"ChecksumMismatch|CorruptedEnvironment|BadZipFile|InvalidArchive", re.IGNORECASE
        ),
    ),
    (
        "not_found",
        re.compile(
            r"PackagesNotFound|ResolvePackageNotFound|PackageNotInstalled|nothing provides"
            # What libmamba says of a package that no channel has.
            r"|unsupported request"
        ),
    ),
    (
        "unsatisfiable",
        re.compile(r"Unsatisfiable|LibMambaUnsat|SpecsConfigurationConflict|solver_problems"),
    ),
    (
        "network",
        re.compile(
            r"CondaHTTPError|CondaSSLError|ProxyError|UnavailableInvalidChannel|ConnectionFailed"
            r"|HTTP (?:000|\d{3})"
            r"|Connection (?:refused|reset|broken)|timed out|Could not resolve",
            re.IGNORECASE,
        ),
    ),
    (
        "permission",
        re.compile(
            r"NoWritable|NotWritable|PermissionError|permission denied|errno 13", re.IGNORECASE
        ),
    ),
    ("channels", re.compile(r"NoChannelsConfigured|no channels", re.IGNORECASE)),
    (
        "not_environment",
        re.compile(
            r"EnvironmentLocationNotFound|DirectoryNotACondaEnvironment|EnvironmentNameNotFound"
            r"|No prefix found at|given prefix does not exist"
        ),
    ),
    ("usage", re.compile(r"unrecognized arguments|invalid choice|usage:", re.IGNORECASE)),
)

_SERVER_SIDE = re.compile(
    r"HTTP (?:000|429|5\d\d)|connection|timed out|reset|truncated|IncompleteRead", re.IGNORECASE
)


def _sentence(document: Mapping[str, Any]) -> str:
    """Conda's own explanation, without the parts that only conda's developers want."""
    problems = document.get("solver_problems")
    if problems:
        return "\n".join(str(problem) for problem in problems)
    errors = document.get("errors")
    if errors:
        return "\n".join(
            _sentence(item) if isinstance(item, dict) else str(item) for item in errors
        )
    text = str(
        document.get("message") or document.get("error") or document.get("exception_name") or ""
    )
    names = document.get("packages")
    if isinstance(names, (list, tuple)) and names and not any(str(name) in text for name in names):
        text += f" ({', '.join(str(name) for name in names)})"
    return text


# mamba prints its whole log when it gives up.
_MAMBA_NOISE = re.compile(r"(?:trace|debug|info)\s+libmamba ")


def _last_lines(text: str, count: int = 12) -> str:
    lines = [
        line.rstrip() for line in text.splitlines() if line.strip() and not _MAMBA_NOISE.match(line)
    ]
    return "\n".join(lines[-count:])


def trim(text: str, limit: int = 2000) -> str:
    """``text`` without empty lines and cut in its middle to ``limit`` characters."""
    text = "\n".join(line.rstrip() for line in text.splitlines() if line.strip())
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[...]\n{text[-half:]}"


def classify(
    rc: int, stdout: str, stderr: str, document: Mapping[str, Any] | None, timed_out: bool = False
) -> Failure:
    """Say why a run of conda that did not succeed failed."""
    if document is None:
        said = _last_lines(stderr) or _last_lines(stdout) or f"nothing (exit status {rc})"
        searched: Iterable[str] = (stdout, stderr)
    else:
        said = _sentence(document) or _last_lines(stderr) or f"nothing (exit status {rc})"
        keys = ("exception_name", "exception_type", "error", "message", "caused_by")
        searched = [*(str(document.get(key) or "") for key in keys), said]
        if document.get("solver_problems"):
            searched.append("solver_problems")
    if timed_out:
        return _failure("timeout", said)
    text = "\n".join(searched)
    kind = next((kind for kind, pattern in _BY_TEXT if pattern.search(text)), "unknown")
    retry = kind == "corrupt" or (kind == "network" and bool(_SERVER_SIDE.search(text)))
    return _failure(kind, said, retry)


# What conda says after the list of missing packages helps nobody on a fleet.
_ADVERTISEMENT = re.compile(r"\s*To search for alternate channels.*", re.DOTALL)


def _failure(kind: str, said: str, retry: bool = False) -> Failure:
    return Failure(kind, _HEADLINES[kind], trim(_ADVERTISEMENT.sub("", said)), _HINTS[kind], retry)
