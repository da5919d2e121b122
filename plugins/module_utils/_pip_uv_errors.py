# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells from what uv wrote why it failed, in the same words as for pip.

uv exits with 1 when it found no solution or a download is bad, and with 2 for the rest; what it says is
on stderr, a cause to a line. Recorded with uv 0.13.9.
"""

from __future__ import annotations

import re

from ansible_collections.llmfleet.conda.plugins.module_utils._pip_errors import (
    PipFailure,
    Verdict,
)

_SAID_LINES = 14
# Progress, and the list of changes of a run that went further.
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
        timed_out: the run was ended because its time was over.
    """
    kind, message, option, hint, retryable = _classify(rc, output, timed_out)
    return PipFailure(kind, message, option, hint, _said(output), retryable)


def _classify(rc: int, output: str, timed_out: bool) -> Verdict:
    if timed_out:
        return (
            "timeout",
            "uv was ended because it took longer than the option timeout allows.",
            "timeout",
            "raise timeout, or name a nearer index or wheelhouse; the next run takes up the work.",
            False,
        )
    if rc < 0:
        return (
            "killed",
            f"uv was ended by signal {-rc}.",
            "",
            "look for an out-of-memory kill in the host's kernel log; the next run repairs what "
            "was cut off.",
            False,
        )
    for check in (_local_trouble, _distrust, _transport, _resolution, _installation):
        verdict = check(output)
        if verdict:
            return verdict
    return ("other", f"uv failed with exit code {rc}.", "", "read what uv said.", False)


def _local_trouble(output: str) -> Verdict | None:
    if re.search(r"No space left on device|quota exceeded|\(os error (?:28|122)\)", output):
        return (
            "disk_full",
            "The volume is full: uv could not write.",
            "prefix",
            "make room on the volume of the prefix (temporary files lie beside it), or set "
            "cache_dir to another volume; the next run repairs what was cut off.",
            False,
        )
    if "externally managed" in output:
        return (
            "managed",
            "This environment is marked as managed by somebody else (EXTERNALLY-MANAGED).",
            "prefix",
            "use an environment of its own instead of a base environment.",
            False,
        )
    if re.search(r"\(os error (?:1|13|30)\)", output):
        path = _PATH.search(output)
        return (
            "permission",
            f"This user may not write {path['path'] if path else 'what uv has to write'}.",
            "prefix",
            "run the task as the environment's owner (become, become_user).",
            False,
        )
    if re.search(r"No virtual environment or system Python|Failed to inspect Python", output):
        return (
            "interpreter",
            "uv cannot use the environment's Python.",
            "prefix",
            "repair the environment with llmfleet.conda.conda_env.",
            False,
        )
    return None


def _distrust(output: str) -> Verdict | None:
    if "Hash mismatch for" in output:
        return (
            "hash",
            "What was downloaded does not have the hash that was asked for.",
            "requirements",
            "do not install it before you know why: compare the hash with its publisher's, then "
            "correct --hash in requirements, or the index.",
            False,
        )
    if "must have their versions pinned" in output:
        return (
            "hash",
            "One line has a --hash, so an exact version (==) is wanted for everything.",
            "requirements",
            "pin the lines that uv names below with ==.",
            False,
        )
    if re.search(r"Hash-checking is required|all requirements must have a hash", output):
        return (
            "hash",
            "One line has a --hash, so one is wanted for everything that is installed.",
            "requirements",
            "add the lines with exact versions (==) and hashes that uv names below.",
            False,
        )
    if re.search(r"invalid peer certificate|UnknownIssuer|CertificateRequired", output):
        return (
            "tls",
            "The index's certificate is not trusted on this host.",
            "index_url",
            "name the CA in the task's environment (SSL_CERT_FILE) or in the host's pip "
            "configuration (cert), or set UV_SYSTEM_CERTS to true to use the system's.",
            False,
        )
    return None


def _transport(output: str) -> Verdict | None:
    denied = _DENIED.search(output)
    if denied:
        return (
            "credentials",
            f"The index or mirror refused access (HTTP {denied['code']}).",
            "index_url",
            "correct the credentials in index_url or extra_index_urls, or the host's netrc.",
            False,
        )
    status = _STATUS.search(output)
    if status and (status["code"] == "429" or status["code"].startswith("5")):
        return (
            "http",
            f"The index or mirror answered with HTTP {status['code']}.",
            "index_url",
            "try again later, or name another index (index_url, extra_index_urls, find_links).",
            True,
        )
    if status:
        return (
            "http",
            f"A file that the index names is not there (HTTP {status['code']}).",
            "index_url",
            "let the mirror complete its synchronisation, or name another index.",
            False,
        )
    if re.search(_NETWORK, output):
        return (
            "network",
            "The index or mirror cannot be reached, or broke off.",
            "index_url",
            "check the address, the proxy and the name resolution on this host, or name another "
            "index (index_url, extra_index_urls, find_links).",
            True,
        )
    if re.search(_BAD_FILE, output):
        return (
            "download",
            "A downloaded file is incomplete or damaged.",
            "index_url",
            "have the mirror fetch the file again, and clear uv's cache on this host.",
            True,
        )
    return None


def _resolution(output: str) -> Verdict | None:
    if re.search(r"Couldn't parse requirement|Failed to parse", output):
        return (
            "requirement",
            "uv does not understand one of the lines.",
            "requirements",
            "correct the line that uv names.",
            False,
        )
    if "No solution found when resolving dependencies" not in output:
        return None
    found = _CAUSE.search(output)
    cause = " ".join(found["cause"].split()) if found else ""
    if _OTHER_PYTHON.search(cause):
        return (
            "python",
            cause,
            "requirements",
            "use an older version of it, or an environment with another Python.",
            False,
        )
    if _is_absence(cause):
        return (
            "no_match",
            f"No distribution was found that would do: {cause}",
            "requirements",
            "correct the name, the version or a constraint on it, or name an index or a wheelhouse "
            "that has it for this Python and platform (index_url, extra_index_urls, find_links).",
            False,
        )
    return (
        "conflict",
        f"No set of versions fulfils all lines: {cause}",
        "requirements",
        "loosen one of the requirements or constraints that contradict each other.",
        False,
    )


def _is_absence(cause: str) -> bool:
    """Whether something is not to be had, rather than two wishes contradicting each other."""
    if _ABSENT.search(cause):
        return True
    only = _ONLY.search(cause)
    if only is None:
        return False
    wants = rf"(?:depends? on|require) {re.escape(only['name'])}(?![\w.-])"
    # "only a<=2 is available and you require a>=3", and no further wish is named.
    return bool(re.search(wants, cause)) and cause.count("depend") <= 1


def _installation(output: str) -> Verdict | None:
    if re.search(r"Unable to uninstall|distutils-installed", output):
        return (
            "uninstall",
            "uv cannot remove a distribution that it did not install.",
            "requirements",
            "remove it with the tool that put it there, or leave it out of requirements.",
            False,
        )
    if re.search(
        r"Failed to (?:download and )?build|[Bb]uild backend|Failed to resolve.*build", output
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


def _said(output: str) -> str:
    """The lines that matter, from the first that is neither progress nor empty."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    lines = [line for line in lines if not _NOISE.match(line)]
    return "\n".join(lines[:_SAID_LINES])
