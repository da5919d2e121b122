# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Classifies failures of uv by its output, with the same messages as for pip.

uv exits with 1 if it finds no solution or a download is bad, and with 2 otherwise; stderr has one cause per
line. Recorded with uv 0.13.9.
"""

from __future__ import annotations

import re
from functools import partial

from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.failures import (
    PipFailure,
    Verdict,
    classify,
    git_failed,
    host_trouble,
    no_match,
)

_SAID_LINES = 14
# Progress, and the list of changes.
_NOISE = re.compile(
    r"(?:Using |Resolved |Prepared |Downloaded |Building |Built |Checked |Audited |Uninstalled "
    r"|Installed |Would )|\s[-+~] \S+==|warning: "
)
_STATUS = re.compile(r"HTTP status (?:server|client) error \((?P<code>\d{3})")
_DENIED = re.compile(
    r"(?:returned a |credentials \(|HTTP status client error \()(?P<code>401|403|407)"
)
_NETWORK = (
    r"error sending request|client error \(Connect\)|dns error|error trying to connect"
    r"|[Cc]onnection (?:refused|reset)|[Nn]etwork is unreachable|operation timed out|timed out"
    r"|error decoding response body|end of file before message length"
)
_BAD_FILE = (
    r"Bad CRC|invalid package format|Failed to extract archive|Failed to read from zip|"
    r"Failed to unzip wheel|invalid gzip"
)
_PATH = re.compile(r"`(?P<path>/[^`\n]+)`")
_CAUSE = re.compile(
    r"^\s+cause: (?P<cause>Because .*?)(?=\n\s*\n|\n\s*(?:cause|hint): |\Z)", re.M | re.S
)
_OTHER_PYTHON = re.compile(r"\S+ (?:requires Python|depends on Python) ?[<>=!~]")
_ABSENT = re.compile(
    r"was not found in |[Tt]here (?:is|are) no versions? of |has no (?:wheels|usable wheels|publicly)"
    r"|has no (?:source distribution|matching) |are in the cache|no wheels are usable"
)
_ONLY = re.compile(r"[Bb]ecause only (?P<name>[\w.-]+)[^,]*? (?:is|are) available")


def explain(rc: int, output: str, timed_out: bool = False) -> PipFailure:
    """Classify a failed run of uv; the kinds are those of `PipFailure`.

    Args:
        rc: exit status, negative for a signal.
        output: stdout and stderr.
        timed_out: the run exceeded its timeout and was stopped.
    """
    steps = (_local_trouble, _distrust, _transport, _resolution, _installation)
    checks = [partial(step, output) for step in steps]
    # uv names only URLs that failed, unless it found no solution; those failures name no server.
    return classify("uv", rc, timed_out, checks, _said(output), output)


def _local_trouble(output: str) -> Verdict | None:
    if trouble := host_trouble(output):
        return trouble
    if "externally managed" in output:
        return Verdict("managed")
    if re.search(r"\(os error (?:1|13)\)", output):
        path = _PATH.search(output)
        return Verdict("permission", path["path"] if path else "a file that uv has to write")
    if re.search(r"No virtual environment or system Python|Failed to inspect Python", output):
        return Verdict("interpreter")
    return None


def _distrust(output: str) -> Verdict | None:
    if "Hash mismatch for" in output:
        return Verdict("hash_differs")
    if "must have their versions pinned" in output:
        return Verdict("hash_unpinned")
    if re.search(r"Hash-checking is required|all requirements must have a hash", output):
        return Verdict("hash_missing")
    if re.search(r"invalid peer certificate|UnknownIssuer|CertificateRequired", output):
        return Verdict("tls")
    return None


def _transport(output: str) -> Verdict | None:
    if re.search(r"Git operation failed|Git executable not found", output):
        return git_failed(output)
    denied = _DENIED.search(output)
    if denied:
        return Verdict("credentials", denied["code"])
    status = _STATUS.search(output)
    if status and (status["code"] == "429" or status["code"].startswith("5")):
        return Verdict("server_error", status["code"])
    if status:
        return Verdict("file_gone", status["code"])
    if re.search(_NETWORK, output):
        return Verdict("network")
    if re.search(_BAD_FILE, output):
        return Verdict("download")
    return None


def _resolution(output: str) -> Verdict | None:
    if re.search(r"Couldn't parse requirement|Failed to parse", output):
        return Verdict("requirement")
    if "No solution found when resolving dependencies" not in output:
        return None
    found = _CAUSE.search(output)
    cause = " ".join(found["cause"].split()) if found else ""
    if _OTHER_PYTHON.search(cause):
        return Verdict("python", cause)
    if _is_absence(cause):
        return no_match(f"that satisfies the requirements: {cause}")
    return Verdict("conflict", cause)


def _is_absence(cause: str) -> bool:
    """Whether a version is unavailable, as opposed to a conflict between requirements."""
    if _ABSENT.search(cause):
        return True
    only = _ONLY.search(cause)
    if only is None:
        return False
    wants = rf"(?:depends? on|require) {re.escape(only['name'])}(?![\w.-])"
    # "only a<=2 is available and you require a>=3", without a second requirement.
    return bool(re.search(wants, cause)) and cause.count("depend") <= 1


def _installation(output: str) -> Verdict | None:
    if re.search(r"Unable to uninstall|distutils-installed", output):
        return Verdict("uninstall")
    if re.search(
        r"Failed to (?:download and )?build|[Bb]uild backend|Failed to resolve.*build", output
    ):
        return Verdict("build")
    return None


def _said(output: str) -> str:
    """The relevant lines, without progress and empty lines."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    lines = [line for line in lines if not _NOISE.match(line)]
    return "\n".join(lines[:_SAID_LINES])
