# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of installer failures, with their messages and hints.

pip and uv share this table; `pip_errors` and `uv_errors` recognize the failures in their output.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ansible_collections.llmfleet.conda.plugins.module_utils._core.hosts import hosts_in
from ansible_collections.llmfleet.conda.plugins.module_utils._core.os_errors import (
    HOST_TROUBLE,
    kind_in_text,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.process import CRASH_SIGNALS


@dataclass(frozen=True)
class PipFailure:
    """Why an installer failed.

    Attributes:
        kind: one word of the taxonomy (`no_match`, `conflict`, `hash`, `network`, `http`,
            `credentials`, `tls`, `download`, `disk_full`, `read_only`, `compiled`, `permission`,
            `untrusted`, `managed`, `no_pip`, `interpreter`, `python`, `build`, `uninstall`,
            `requirement`, `git`, `timeout`, `killed`, `crash`, `other`), or a key of `HOST_TROUBLE`.
        message: one sentence.
        option: the module's option that is wrong or decisive, empty if none is.
        hint: what to do next, an imperative sentence.
        said: the relevant lines of the installer's output.
        retryable: whether the same command may succeed if it is run again.
    """

    kind: str
    message: str
    option: str = ""
    hint: str = ""
    said: str = ""
    retryable: bool = False


@dataclass(frozen=True)
class Verdict:
    """A row of the table, and the text for its placeholder {what}."""

    row: str
    what: str = ""


@dataclass(frozen=True)
class _Row:
    kind: str
    message: str
    option: str
    hint: str
    retryable: bool = False


_OTHER_PLACE = "use another index (index_url, extra_index_urls, find_links)."

# {program} is pip or uv; {what} is a detail from the output of the run.
_ROWS = {
    **{
        kind: _Row(kind, f"{{program}} failed: {headline}.", "", hint)
        for kind, (headline, hint, _names) in HOST_TROUBLE.items()
    },
    "timeout": _Row(
        "timeout",
        "{program} was stopped because it took longer than the timeout.",
        "timeout",
        "raise timeout, or use a closer index or wheelhouse; the next run continues the work.",
    ),
    "killed": _Row(
        "killed",
        "{program} was killed by signal {what}.",
        "",
        "check the host's kernel log for an out-of-memory kill; the next run repairs what was interrupted.",
    ),
    "crash": _Row(
        "crash",
        "{program} crashed (signal {what}).",
        "",
        "run the task again, which repairs what was interrupted; if it crashes again, use another version of"
        " {program} or another installer.",
    ),
    "git": _Row(
        "git",
        "git could not fetch a requirement{what}",
        "requirements",
        "check the URL, the branch or tag and the credentials of the requirement, that this host reaches the"
        " git server, and that git is installed.",
    ),
    "other": _Row(
        "other", "{program} failed with exit code {what}.", "", "read the output of {program}."
    ),
    "disk_full": _Row(
        "disk_full",
        "The volume is full: {program} could not write.",
        "prefix",
        "free space on the volume of the prefix (temporary files are stored beside it), or set cache_dir to"
        " another volume; the next run repairs what was interrupted.",
    ),
    "read_only": _Row(
        "read_only",
        "A volume is read-only: {program} could not write.",
        "prefix",
        "make the volume of the prefix writable again (mount -o remount,rw); the kernel makes a volume"
        " read-only after a disk error, and logs it.",
    ),
    "compiled": _Row(
        "compiled",
        "A compiled file (.pyc) of the environment's Python is truncated.",
        "prefix",
        "run the task again without check mode: it removes such files.",
    ),
    "managed": _Row(
        "managed",
        "This environment is marked as managed by another tool (EXTERNALLY-MANAGED).",
        "prefix",
        "use a separate environment instead of a base environment.",
    ),
    "no_pip": _Row(
        "no_pip",
        "There is no pip in the environment.",
        "prefix",
        "add pip to the packages of the environment (llmfleet.conda.conda_env).",
    ),
    "interpreter": _Row(
        "interpreter",
        "{program} cannot use the environment's Python.",
        "prefix",
        "repair the environment with llmfleet.conda.conda_env.",
    ),
    "permission": _Row(
        "permission",
        "This user may not write {what}.",
        "prefix",
        "run the task as the owner of the environment (become, become_user).",
    ),
    "hash_differs": _Row(
        "hash",
        "A downloaded file does not have the requested hash.",
        "requirements",
        "find out why before you install it: compare the hash with its publisher's, then correct --hash in"
        " requirements, or the index.",
    ),
    "hash_missing": _Row(
        "hash",
        "One line has a --hash, so {program} requires one for every distribution.",
        "requirements",
        "add the lines that {program} names, with exact versions (==) and hashes.",
    ),
    "hash_unpinned": _Row(
        "hash",
        "One line has a --hash, so {program} requires an exact version (==) for every distribution.",
        "requirements",
        "pin the lines that {program} names with ==.",
    ),
    "tls": _Row(
        "tls",
        "The index's certificate is not trusted on this host.",
        "index_url",
        "install the CA on the host (with uv, also set UV_SYSTEM_CERTS to true), or set it in the task's"
        " environment (SSL_CERT_FILE) or in the host's pip configuration (cert).",
    ),
    "untrusted": _Row(
        "untrusted",
        "{program} does not use an index over plain HTTP unless its host is trusted.",
        "trusted_hosts",
        "use HTTPS, or add the host to trusted_hosts.",
    ),
    "server_error": _Row(
        "http",
        "The index or mirror answered with HTTP {what}.",
        "index_url",
        f"try again later, or {_OTHER_PLACE}",
        retryable=True,
    ),
    "credentials": _Row(
        "credentials",
        "The index or mirror refused access (HTTP {what}).",
        "index_url",
        "correct the credentials in index_url or extra_index_urls, or the host's netrc.",
    ),
    "file_gone": _Row(
        "http",
        "A file listed in the index does not exist (HTTP {what}).",
        "index_url",
        "let the mirror complete its synchronisation, or use another index.",
    ),
    "network": _Row(
        "network",
        "The index or mirror cannot be reached, or closed the connection.",
        "index_url",
        f"check the URL, the proxy and name resolution on this host, or {_OTHER_PLACE}",
        retryable=True,
    ),
    "download": _Row(
        "download",
        "A downloaded file is incomplete or damaged.",
        "index_url",
        "let the mirror fetch the file again, and clear the cache of {program} on this host.",
        retryable=True,
    ),
    "conflict": _Row(
        "conflict",
        "No set of versions satisfies all requirements: {what}",
        "requirements",
        "loosen one of the conflicting requirements or constraints.",
    ),
    "python": _Row(
        "python",
        "{what}",
        "requirements",
        "use an older version of the distribution, or an environment with another Python.",
    ),
    "no_match": _Row(
        "no_match",
        "No distribution was found {what}",
        "requirements",
        "correct the name, the version or a constraint, or use an index or a wheelhouse that has it for this"
        " Python and platform (index_url, extra_index_urls, find_links).",
    ),
    "no_build": _Row(
        "no_match",
        "No distribution was found {what}",
        "requirements",
        "the part after the + names a build that only its own index has: set index_url or extra_index_urls to"
        " that index (for torch, PyTorch's index of that CUDA; install_llm_stack_backend sets it), or leave"
        " the part out.",
    ),
    "requirement": _Row(
        "requirement",
        "{program} cannot parse one of the requirement lines.",
        "requirements",
        "correct the line that {program} names.",
    ),
    "uninstall": _Row(
        "uninstall",
        "{program} cannot remove a distribution that it did not install.",
        "requirements",
        "remove it with the tool that installed it, or remove it from requirements.",
    ),
    "build": _Row(
        "build",
        "A distribution had to be built from source, and the build failed.",
        "requirements",
        "use an index or wheelhouse that has a wheel for this Python and platform, or install the compiler"
        " and headers that the build requires.",
    ),
}


_LOCAL_VERSION = re.compile(r"==\s*[\w.!]+\+[\w.]")
_FATAL = re.compile(r"\bfatal: (?P<words>[^\n]+)")


def host_trouble(output: str) -> Verdict | None:
    """A full disk, too many open files and the like, by the numbers and words in the output."""
    kind = kind_in_text(output)
    return Verdict(kind) if kind else None


def no_match(what: str) -> Verdict:
    """The verdict for a missing distribution; `what` begins with a preposition and ends with a full stop."""
    return Verdict("no_build" if _LOCAL_VERSION.search(what) else "no_match", what)


def git_failed(output: str) -> Verdict:
    """The verdict for a git that failed, with its own last words."""
    said = _FATAL.findall(output)
    return Verdict("git", f": {said[-1].strip().rstrip('.')}." if said else ".")


# The rows for which it matters which server failed.
_OF_SERVERS = frozenset(
    {"tls", "untrusted", "server_error", "credentials", "file_gone", "network", "download"}
)


def classify(
    program: str,
    rc: int,
    timed_out: bool,
    checks: Sequence[Callable[[], Verdict | None]],
    said: str,
    blamed: str = "",
) -> PipFailure:
    """Classify the failure of a run.

    Args:
        program: ``pip`` or ``uv``.
        rc: exit status, negative for a signal.
        timed_out: the run exceeded its timeout and was stopped.
        checks: each looks for one cause; the first verdict counts.
        said: the relevant lines of the output.
        blamed: the lines that name the server that failed.
    """
    if timed_out:
        verdict: Verdict | None = Verdict("timeout")
    elif rc < 0:
        verdict = Verdict("crash" if -rc in CRASH_SIGNALS else "killed", str(-rc))
    else:
        verdict = next(filter(None, (check() for check in checks)), None)
    verdict = verdict or Verdict("other", str(rc))
    row = _ROWS[verdict.row]
    words = {"program": program, "what": verdict.what}
    message = row.message.format(**words)
    hosts = hosts_in(blamed) if verdict.row in _OF_SERVERS else ""
    return PipFailure(
        kind=row.kind,
        message=f"{message[:-1]}{hosts}." if hosts else message,
        option=row.option,
        hint=row.hint.format(**words),
        said=said,
        retryable=row.retryable,
    )
