# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interprets conda's output: finds its JSON document and turns its errors into messages.

Pure functions over text; nothing here starts a process. The formats are those of conda 24.7 to 26.7 with
``--json`` (recorded runs, and ``conda.exceptions``): errors have ``exception_name`` and no ``success``;
warnings, plugins and progress may surround the document, and conda may print two documents.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._conda.failures import (
    OF_SERVERS,
    ended_by_signal,
    kind_of,
    may_pass,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._conda.kinds import KINDS
from ansible_collections.llmfleet.conda.plugins.module_utils._core.hosts import hosts_in
from ansible_collections.llmfleet.conda.plugins.module_utils._core.process import CRASH_SIGNALS
from ansible_collections.llmfleet.conda.plugins.module_utils._core.shorten import both_ends
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.wanted import spec_name

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
    """The JSON object with conda's result, or None if ``text`` contains no such object.

    The last object with one of conda's own keys counts: progress and plugin output come before it.
    """
    decoder = json.JSONDecoder()
    found: dict[str, Any] | None = None
    position = text.find("{")
    while position >= 0:
        try:
            value, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            position = text.find("{", position + 1)
            continue
        if isinstance(value, dict) and any(key in value for key in _TELLING_KEYS):
            found = value
        position = text.find("{", end)
    return found


# Kinds of failure that a new download or extraction fixes.
CURABLE = frozenset({"corrupt", "index", "compiled"})


@dataclass(frozen=True)
class Failure:
    """Why conda failed.

    Attributes:
        kind: one of the keys of ``failures.KINDS``.
        headline: the kind as a clause for messages.
        said: conda's own words, shortened.
        hint: what to do next.
        retry: the same command may succeed a moment later.
        whole: the whole output of conda, to find the file that it complains about.
        hosts: the servers that conda names, for messages about the network; empty for other kinds.
        signal: the number of the signal that ended conda before it printed a result, else 0.
    """

    kind: str
    headline: str
    said: str
    hint: str
    retry: bool = False
    whole: str = ""
    hosts: str = ""
    signal: int = 0


def _documents(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The document and all documents in its list ``errors``, recursively."""
    yield document
    for item in document.get("errors") or ():
        if isinstance(item, Mapping):
            yield from _documents(item)


def _sentence(document: Mapping[str, Any]) -> str:
    """conda's own explanation, without details for conda's developers."""
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


# mamba prints its whole log when it fails.
_MAMBA_NOISE = re.compile(r"(?:trace|debug|info)\s+libmamba ")
_TRACEBACK = "Traceback (most recent call last):"
# Stack frames and the lines between two tracebacks; the exceptions' messages stay.
_FRAME = re.compile(r"\s|Traceback \(most|During handling of|The above exception")


def _last_lines(text: str, count: int = 12) -> str:
    lines = [
        line.rstrip() for line in text.splitlines() if line.strip() and not _MAMBA_NOISE.match(line)
    ]
    if _TRACEBACK in text:
        lines = [line for line in lines if not _FRAME.match(line)]
    return "\n".join(lines[-count:])


def trim(text: str, limit: int = 2000) -> str:
    """``text`` without empty lines, shortened in the middle to about ``limit`` characters."""
    return both_ends("\n".join(line.rstrip() for line in text.splitlines() if line.strip()), limit)


def classify(
    rc: int,
    stdout: str,
    stderr: str,
    document: Mapping[str, Any] | None,
    timed_out: bool = False,
    asked: Sequence[str] = (),
) -> Failure:
    """Return why a run of conda failed.

    Args:
        rc: exit status, negative for a signal.
        stdout, stderr: its output.
        document: conda's result, from :func:`find_document`.
        timed_out: the run was ended because it took too long.
        asked: the specs of the run.
    """
    nothing = f"no output (exit status {rc})"
    names: list[str] = []
    not_asked = False
    if document is None:
        said = _last_lines(stderr) or _last_lines(stdout) or nothing
        text = f"{stdout}\n{stderr}"
    else:
        said = _sentence(document) or _last_lines(stderr) or nothing
        parts = list(_documents(document))
        names = [str(part.get("exception_name") or "") for part in parts]
        keys = ("exception_name", "exception_type", "error", "message", "caused_by", "traceback")
        searched = [str(part.get(key) or "") for part in parts for key in keys]
        text = "\n".join([*searched, said])
        if document.get("solver_problems"):
            text += "\nsolver_problems"
        missing = [str(one) for part in parts for one in _listed(part.get("packages"))]
        wanted = {spec_name(spec) for spec in asked}
        not_asked = bool(missing and wanted) and not any(spec_name(m) in wanted for m in missing)
    kind = "timeout" if timed_out else kind_of(names, text, not_asked)
    number = ended_by_signal(rc)
    if kind in ("unknown", "crash") and document is None and number:
        kind = "crash" if number in CRASH_SIGNALS else "killed"
        ended = f"signal {number}"
        said = f"no output ({ended})" if said == nothing else f"{said} (ended by {ended})"
    return Failure(
        kind,
        KINDS[kind].headline,
        trim(_ADVERTISEMENT.sub("", said).rstrip()),
        KINDS[kind].hint,
        may_pass(kind, text),
        text,
        # A redirect is followed: this host may be another one than that in the condarc.
        hosts_in(said) if kind in OF_SERVERS else "",
        number if document is None else 0,
    )


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else ()


# conda's advice after a list of missing packages is of no use on a fleet.
_ADVERTISEMENT = re.compile(r"To search for alternate channels.*", re.DOTALL)
