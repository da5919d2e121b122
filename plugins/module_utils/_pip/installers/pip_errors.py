# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Classifies failures of pip by its output and its log.

pip has one exit code for all failures. Its output with `--quiet` lacks the cause: an index that answers 500
appears as "no matching distribution", and the pairs of a conflict are missing. Its log (`--log`) has both, so
this reads the log too. Observed with pip 23.0, 23.2, 24.2 and 26.3.
"""

from __future__ import annotations

import re
from functools import partial

from ansible_collections.llmfleet.conda.plugins.module_utils._core.compiled import CUT_SHORT
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.failures import (
    PipFailure,
    Verdict,
    classify,
    git_failed,
    host_trouble,
    no_match,
)

_STAMP = re.compile(r"^\d{4}-\d\d-\d\dT[\d:,]+ ", re.MULTILINE)
_SAID_LINES = 14

_NETWORK = (
    r"Connection refused|NewConnectionError|Max retries exceeded|[Rr]ead timed out|ReadTimeoutError"
    r"|ConnectTimeoutError|Temporary failure in name resolution|Name or service not known"
    r"|nodename nor servname|Network is unreachable|No route to host|Connection reset"
    r"|RemoteDisconnected|ProtocolError|ProxyError|IncompleteRead|incomplete-download"
    r"|Connection interrupted|Connection aborted|Download failed after|URL [^\n]*: connection error:"
)
_HTTP_STATUS = re.compile(
    r"HTTP error (?P<a>\d{3})|(?P<b>\d{3}) (?:Client|Server) Error|too many (?P<c>\d{3}) error"
)
_NO_MATCH = re.compile(r"No matching distribution found for (?P<what>[^\n]+)")
_SEEN = re.compile(
    r"Could not find a version that satisfies the requirement [^\n]*"
    r"\(from versions: (?P<seen>[^)]*)\)"
)
_CONFLICT = re.compile(r"(?P<text>(?:ERROR: )?Cannot install [^\n]*conflicting dependencies\.?)")
# pip 23.2 says this of one requirement alone if the index lacks a version with a local part (1.0+cu126).
_ALONE = re.compile(
    r"Cannot install (?P<what>\S+==\S+\+\S+) because these package versions have conflicting"
)
_GIT = re.compile(
    r"git (?:version|clone|fetch|checkout|ls-remote|rev-parse|reset|submodule|config)\b[^\n]*did not run"
    r"|Cannot find command '?git\b"
)
_CAUSES = re.compile(r"The conflict is caused by:\n(?P<lines>(?:[ \t]+[^\n]+\n)+)")
_FETCH = re.compile(r"Could not fetch URL [^\n]+")
_OTHER_PYTHON = re.compile(
    r"Package '[^']+' requires a different Python: [^\n]+"
    r"|Ignored the following versions that require a different python version: [^\n]+"
)
_PATH = re.compile(r"(?:'|\")(?P<path>/[^'\"\n]+)(?:'|\")")


def explain(rc: int, output: str, log: str = "", timed_out: bool = False) -> PipFailure:
    """Classify a failed run.

    Args:
        rc: exit status, negative for a signal.
        output: stdout and stderr.
        log: the content of pip's log, if any.
        timed_out: the run exceeded its timeout and was stopped.
    """
    log = _STAMP.sub("", log)
    both = f"{output}\n{log}"
    steps = (_local_trouble, _distrust, _transport, _resolution, _installation)
    checks = [partial(step, output, both) for step in steps]
    return classify("pip", rc, timed_out, checks, _said(output, both), _blamed(output, both))


def _local_trouble(output: str, both: str) -> Verdict | None:
    if trouble := host_trouble(output):
        return trouble
    if CUT_SHORT.search(output):
        return Verdict("compiled")
    if "externally-managed-environment" in output:
        return Verdict("managed")
    if re.search(r"No module named '?pip\b", output):
        return Verdict("no_pip")
    if re.search(
        r"(?:OSError|PermissionError|ERROR|EnvironmentError)[^\n]*"
        r"(?:Permission denied|\[Errno (?:1|13)\])",
        output,
    ):
        path = _PATH.search(output)
        return Verdict("permission", path["path"] if path else "a file that pip has to write")
    return None


def _distrust(output: str, both: str) -> Verdict | None:
    if re.search(r"DO NOT MATCH THE HASHES|Can't verify hashes", output):
        return Verdict("hash_differs")
    if re.search(r"Hashes are required in --require-hashes mode", output):
        return Verdict("hash_missing")
    if "all requirements must have their versions pinned" in output:
        return Verdict("hash_unpinned")
    if "CERTIFICATE_VERIFY_FAILED" in both:
        return Verdict("tls")
    if "not a trusted or secure host" in both:
        return Verdict("untrusted")
    return None


def _statuses(both: str) -> set[int]:
    return {int(match["a"] or match["b"] or match["c"]) for match in _HTTP_STATUS.finditer(both)}


def _transport(output: str, both: str) -> Verdict | None:
    if not re.search(r"ERROR|error:|Exception", output):
        return None
    if _GIT.search(output):
        return git_failed(output)
    # A successful retry is not a cause; a page that pip could not fetch may be one.
    lines = [line for line in output.splitlines() if "WARNING: Retrying" not in line]
    evidence = "\n".join([*lines, *_FETCH.findall(both)])
    statuses = _statuses(evidence)
    bad = sorted(status for status in statuses if status >= 500 or status == 429)
    if bad:
        return Verdict("server_error", str(bad[0]))
    denied = sorted(statuses & {401, 403, 407})
    if denied:
        return Verdict("credentials", str(denied[0]))
    if re.search(r"HTTP error 4\d\d", output):
        return Verdict("file_gone", str(min(statuses)))
    if re.search(_NETWORK, evidence):
        return Verdict("network")
    if re.search(r"Wheel '[^']*' located at [^\n]* is invalid|BadZipFile|not a zip file", output):
        return Verdict("download")
    return None


def _resolution(output: str, both: str) -> Verdict | None:
    if "ResolutionImpossible" in output:
        alone = _ALONE.search(output)
        if alone and not _CAUSES.search(both):
            return no_match(f"for {alone['what']}.")
        conflict = _CONFLICT.search(output)
        what = conflict["text"].replace("ERROR: ", "") if conflict else "they conflict."
        return Verdict("conflict", what)
    python = _OTHER_PYTHON.search(output)
    if python:
        return Verdict("python", f"{python[0].rstrip('.')}.")
    missing = _NO_MATCH.search(output)
    if missing:
        seen = _SEEN.search(output)
        versions = seen["seen"].strip() if seen else ""
        tail = f"; versions seen: {versions}" if versions and versions != "none" else ""
        return no_match(f"for {missing['what'].strip()}{tail}.")
    if re.search(r"Invalid requirement|InvalidRequirement", output):
        return Verdict("requirement")
    return None


def _installation(output: str, both: str) -> Verdict | None:
    if re.search(r"uninstall-no-record-file|uninstall-distutils|Cannot uninstall", output):
        return Verdict("uninstall")
    if re.search(
        r"metadata-generation-failed|subprocess-exited-with-error|Failed building wheel"
        r"|Failed to build|failed-wheel-build|build-backend",
        output,
    ):
        return Verdict("build")
    return None


def _blamed(output: str, both: str) -> str:
    """The lines that name the server that failed: what pip could not fetch, otherwise its retries."""
    lines = output.splitlines()
    errors = [line for line in lines if re.search(r"ERROR: .*https?://|error:.*https?://", line)]
    distrusted = re.findall(r"repository located at (\S+) is not a trusted", both)
    found = [*_FETCH.findall(both), *errors, *(f"http://{host}" for host in distrusted)]
    return "\n".join(found or [line for line in lines if "WARNING: Retrying" in line])


def _said(output: str, both: str) -> str:
    """The relevant lines, the cause last."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    # Drop progress and pip's notices about itself.
    lines = [line for line in lines if not line.startswith(("[notice]", "WARNING: Running pip as"))]
    kept = lines[-_SAID_LINES:]
    causes = _CAUSES.search(both)
    if causes and causes["lines"].strip() not in output:
        kept += ["The conflict is caused by:", *causes["lines"].rstrip().splitlines()]
    for found in dict.fromkeys(_FETCH.findall(both)):
        if found not in kept:
            kept.append(found)
    return "\n".join(kept[-_SAID_LINES - 4 :])
