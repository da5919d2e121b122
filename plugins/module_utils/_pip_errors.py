# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells from what pip wrote why it failed, and what a person can do about it.

pip has one exit code for everything. What it prints under `--quiet` is short of the cause: an index
that answers 500 shows as "no matching distribution", and the pairs of a conflict are left out. Both are
in its log (`--log`), so that is read too. Seen with pip 23.0, 23.2, 24.2 and 26.3.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

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
_CAUSES = re.compile(r"The conflict is caused by:\n(?P<lines>(?:[ \t]+[^\n]+\n)+)")
_FETCH = re.compile(r"Could not fetch URL [^\n]+")
_OTHER_PYTHON = re.compile(
    r"Package '[^']+' requires a different Python: [^\n]+"
    r"|Ignored the following versions that require a different python version: [^\n]+"
)
_PATH = re.compile(r"(?:'|\")(?P<path>/[^'\"\n]+)(?:'|\")")


@dataclass(frozen=True)
class PipFailure:
    """Why pip failed.

    Attributes:
        kind: one word of the taxonomy (`no_match`, `conflict`, `hash`, `network`, `http`,
            `credentials`, `tls`, `download`, `disk_full`, `permission`, `untrusted`, `managed`,
            `no_pip`, `interpreter`, `python`, `build`, `uninstall`, `requirement`, `timeout`, `killed`,
            `other`).
        message: one sentence.
        option: the module's option that is wrong or that decides, empty when none is.
        hint: what to do next, an imperative sentence.
        said: the lines of pip's output that matter.
        retryable: whether the same command may succeed a moment later.
    """

    kind: str
    message: str
    option: str = ""
    hint: str = ""
    said: str = ""
    retryable: bool = False


def explain(rc: int, output: str, log: str = "", timed_out: bool = False) -> PipFailure:
    """Classify a failed run.

    Args:
        rc: exit status, negative for a signal.
        output: stdout and stderr.
        log: the content of pip's log, if there is one.
        timed_out: the run was ended because its time was over.
    """
    log = _STAMP.sub("", log)
    both = f"{output}\n{log}"
    kind, message, option, hint, retryable = _classify(rc, output, both, timed_out)
    return PipFailure(kind, message, option, hint, _said(output, both), retryable)


# Kind, message, option, hint and whether another attempt may go better.
Verdict = tuple[str, str, str, str, bool]


def _classify(rc: int, output: str, both: str, timed_out: bool) -> Verdict:
    if timed_out:
        return (
            "timeout",
            "pip was ended because it took longer than the option timeout allows.",
            "timeout",
            "raise timeout, or name a nearer index or wheelhouse; the next run takes up the work.",
            False,
        )
    if rc < 0:
        return (
            "killed",
            f"pip was ended by signal {-rc}.",
            "",
            "look for an out-of-memory kill in the host's kernel log; the next run repairs what "
            "was cut off.",
            False,
        )
    for check in (_local_trouble, _distrust, _transport, _resolution, _installation):
        verdict = check(output, both)
        if verdict:
            return verdict
    return ("other", f"pip failed with exit code {rc}.", "", "read what pip said.", False)


def _local_trouble(output: str, both: str) -> Verdict | None:
    if re.search(r"No space left on device|Disk quota exceeded|\[Errno (?:28|122)\]", output):
        return (
            "disk_full",
            "The volume is full: pip could not write.",
            "prefix",
            "make room on the volume of the prefix (temporary files lie beside it), or set "
            "cache_dir to another volume; the next run repairs what was cut off.",
            False,
        )
    if "externally-managed-environment" in output:
        return (
            "managed",
            "This environment is marked as managed by somebody else (EXTERNALLY-MANAGED).",
            "prefix",
            "use an environment of its own instead of a base environment.",
            False,
        )
    if re.search(r"No module named '?pip\b", output):
        return (
            "no_pip",
            "There is no pip in the environment.",
            "prefix",
            "add pip to the packages of the environment (llmfleet.conda.conda_env).",
            False,
        )
    if re.search(
        r"(?:OSError|PermissionError|ERROR|EnvironmentError)[^\n]*"
        r"(?:Permission denied|Read-only file system|\[Errno (?:1|13|30)\])",
        output,
    ):
        path = _PATH.search(output)
        return (
            "permission",
            f"This user may not write {path['path'] if path else 'what pip has to write'}.",
            "prefix",
            "run the task as the environment's owner (become, become_user).",
            False,
        )
    return None


def _distrust(output: str, both: str) -> Verdict | None:
    if re.search(r"DO NOT MATCH THE HASHES|Can't verify hashes", output):
        return (
            "hash",
            "What was downloaded does not have the hash that was asked for.",
            "requirements",
            "do not install it before you know why: compare the hash with its publisher's, then "
            "correct --hash in requirements, or the index.",
            False,
        )
    if re.search(r"Hashes are required in --require-hashes mode", output):
        return (
            "hash",
            "One line has a --hash, so pip wants one for everything that it installs.",
            "requirements",
            "add the lines with hashes that pip names below.",
            False,
        )
    if "all requirements must have their versions pinned" in output:
        return (
            "hash",
            "One line has a --hash, so pip wants an exact version (==) for everything.",
            "requirements",
            "pin the lines that pip names below with ==.",
            False,
        )
    if "CERTIFICATE_VERIFY_FAILED" in both:
        return (
            "tls",
            "The index's certificate is not trusted on this host.",
            "index_url",
            "install the CA on the host, or name it in the task's environment (SSL_CERT_FILE) or in "
            "the host's pip configuration (cert).",
            False,
        )
    if "not a trusted or secure host" in both:
        return (
            "untrusted",
            "pip does not use an index by plain HTTP unless its host is trusted.",
            "trusted_hosts",
            "use HTTPS, or name the host in trusted_hosts.",
            False,
        )
    return None


def _statuses(both: str) -> set[int]:
    return {int(match["a"] or match["b"] or match["c"]) for match in _HTTP_STATUS.finditer(both)}


def _transport(output: str, both: str) -> Verdict | None:
    if not re.search(r"ERROR|error:|Exception", output):
        return None
    # A retry that went well is no cause; a page that could not be had in the end may be one.
    lines = [line for line in output.splitlines() if "WARNING: Retrying" not in line]
    evidence = "\n".join([*lines, *_FETCH.findall(both)])
    statuses = _statuses(evidence)
    bad = sorted(status for status in statuses if status >= 500 or status == 429)
    if bad:
        return (
            "http",
            f"The index or mirror answered with HTTP {bad[0]}.",
            "index_url",
            "try again later, or name another index (index_url, extra_index_urls, find_links).",
            True,
        )
    denied = sorted(statuses & {401, 403, 407})
    if denied:
        return (
            "credentials",
            f"The index or mirror refused access (HTTP {denied[0]}).",
            "index_url",
            "correct the credentials in index_url or extra_index_urls, or the host's netrc.",
            False,
        )
    if re.search(r"HTTP error 4\d\d", output):
        return (
            "http",
            f"A file that the index names is not there (HTTP {min(statuses)}).",
            "index_url",
            "let the mirror complete its synchronisation, or name another index.",
            False,
        )
    if re.search(_NETWORK, evidence):
        return (
            "network",
            "The index or mirror cannot be reached, or broke off.",
            "index_url",
            "check the address, the proxy and the name resolution on this host, or name another "
            "index (index_url, extra_index_urls, find_links).",
            True,
        )
    if re.search(r"Wheel '[^']*' located at [^\n]* is invalid|BadZipFile|not a zip file", output):
        return (
            "download",
            "A downloaded file is incomplete or damaged.",
            "index_url",
            "have the mirror fetch the file again, and clear pip's cache on this host.",
            True,
        )
    return None


def _resolution(output: str, both: str) -> Verdict | None:
    if "ResolutionImpossible" in output:
        conflict = _CONFLICT.search(output)
        what = conflict["text"].replace("ERROR: ", "") if conflict else "The lines contradict."
        return (
            "conflict",
            f"No set of versions fulfils all lines: {what}",
            "requirements",
            "loosen one of the requirements or constraints that contradict each other.",
            False,
        )
    python = _OTHER_PYTHON.search(output)
    if python:
        return (
            "python",
            f"{python[0].rstrip('.')}.",
            "requirements",
            "use an older version of it, or an environment with another Python.",
            False,
        )
    missing = _NO_MATCH.search(output)
    if missing:
        seen = _SEEN.search(output)
        versions = seen["seen"].strip() if seen else ""
        tail = f"; versions seen: {versions}" if versions and versions != "none" else ""
        return (
            "no_match",
            f"No distribution was found for {missing['what'].strip()}{tail}.",
            "requirements",
            "correct the name, the version or a constraint on it, or name an index or a wheelhouse "
            "that has it for this Python and platform (index_url, extra_index_urls, find_links).",
            False,
        )
    if re.search(r"Invalid requirement|InvalidRequirement", output):
        return (
            "requirement",
            "pip does not understand one of the lines.",
            "requirements",
            "correct the line that pip names.",
            False,
        )
    return None


def _installation(output: str, both: str) -> Verdict | None:
    if re.search(r"uninstall-no-record-file|uninstall-distutils|Cannot uninstall", output):
        return (
            "uninstall",
            "pip cannot remove a distribution that it did not install.",
            "requirements",
            "remove it with the tool that put it there, or leave it out of requirements.",
            False,
        )
    if re.search(
        r"metadata-generation-failed|subprocess-exited-with-error|Failed building wheel"
        r"|Failed to build|failed-wheel-build|build-backend",
        output,
    ):
        return (
            "build",
            "A distribution had to be built from source, and the build failed.",
            "requirements",
            "name an index or wheelhouse that has a wheel for this Python and platform, or install "
            "the compiler and headers that the build asks for.",
            False,
        )
    return None


def _said(output: str, both: str) -> str:
    """The lines that matter, the cause last."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    # Progress and pip's notices about itself are of no help.
    lines = [line for line in lines if not line.startswith(("[notice]", "WARNING: Running pip as"))]
    kept = lines[-_SAID_LINES:]
    causes = _CAUSES.search(both)
    if causes and causes["lines"].strip() not in output:
        kept += ["The conflict is caused by:", *causes["lines"].rstrip().splitlines()]
    for found in dict.fromkeys(_FETCH.findall(both)):
        if found not in kept:
            kept.append(found)
    return "\n".join(kept[-_SAID_LINES - 4 :])
