# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of conda failures: what each means, what to do about it, and how to recognise it.

Pure tables and functions over text. The exception names are those of ``conda.exceptions`` (24.7 to 26.7) and
of its plugins; the sentences are those of libmamba, which prints no names (recorded runs of micromamba
2.8.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.llmfleet.conda.plugins.module_utils._core.compiled import CUT_SHORT


@dataclass(frozen=True)
class Kind:
    """What a kind of failure is (a clause) and what to do about it (an imperative sentence)."""

    headline: str
    hint: str


KINDS: dict[str, Kind] = {
    "disk_full": Kind(
        "the disk is full",
        "make room on the volumes of the prefix and of the package cache (pkgs_dirs).",
    ),
    "read_only": Kind(
        "a volume is read-only",
        "make the volumes of the prefix and of the package cache (pkgs_dirs) writable again (mount -o"
        " remount,rw); the system makes a volume read-only after a disk error and reports it in its"
        " log.",
    ),
    "compiled": Kind(
        "a compiled file (.pyc) of its Python is truncated",
        "run the task again, not in check mode: it removes such files.",
    ),
    "terms": Kind(
        "the terms of service of a channel have not been accepted",
        "use conda-forge (the default of this collection), or accept the terms of that channel explicitly"
        " (conda tos accept, or the role's variable install_miniconda_tos).",
    ),
    "frozen": Kind(
        "the environment is frozen",
        "change another environment, or remove the file conda-meta/frozen if the change is intended.",
    ),
    "corrupt": Kind(
        "a package is damaged, in the package cache or in the channel",
        "compare the named file with the channel's original; a proxy or mirror may alter it.",
    ),
    "index": Kind(
        "the index of a channel (repodata) is damaged",
        "compare the channel's repodata.json with the original; a proxy or mirror may alter it.",
    ),
    "environment_damaged": Kind(
        "the records of the environment are damaged",
        "set the option repair to true, or recreate the environment (conda_env with the option recreate).",
    ),
    "not_found": Kind(
        "the channels do not have a package that the option packages requests",
        "correct the name or version in the option packages, or add a channel that has it.",
    ),
    "not_installed": Kind(
        "the environment does not have a package that the task updates or removes",
        "correct the name in the option packages; conda list shows the installed packages.",
    ),
    "unsatisfiable": Kind(
        "the specs in the option packages conflict with each other or with installed packages",
        "loosen one of the conflicting specs in the option packages, or use two environments.",
    ),
    "spec": Kind(
        "conda cannot read a spec",
        "write the spec like numpy, numpy=1.26, 'numpy>=1.26,<2' or conda-forge::numpy.",
    ),
    "tls": Kind(
        "a channel's certificate is not trusted",
        "set ssl_verify in the condarc (conda_config) to your site's CA file, or check the host's clock.",
    ),
    "denied": Kind(
        "a channel, or a proxy, refuses access",
        "check the credentials in the channel's URL (user and password, or /t/TOKEN/) and those of the"
        " proxy.",
    ),
    "proxy": Kind(
        "the proxy settings are invalid",
        "correct proxy_servers in the condarc (conda_config), or the variables http_proxy and https_proxy.",
    ),
    "channel": Kind(
        "a channel does not exist at its URL, or lacks a file that its index lists",
        "correct the URL in the option channels (or the mirror in the condarc); a mirror may be incomplete"
        " or closed, or redirect to another host: then choose another"
        " (install_miniconda_mirror_preset).",
    ),
    "no_channels": Kind(
        "no channel is configured", "name the channels in the option channels, or in the condarc."
    ),
    "network": Kind(
        "a channel could not be reached",
        "check that this host can reach the channel's URL, and its proxy and CA settings; if a mirror is"
        " closed, or redirects to a host that does not answer, choose another"
        " (install_miniconda_mirror_preset).",
    ),
    "permission": Kind(
        "this user may not write the prefix or the package cache",
        "run the task as the user who owns the prefix and the package cache (become_user).",
    ),
    "not_environment": Kind(
        "there is no environment", "create the environment first with llmfleet.conda.conda_env."
    ),
    "protected": Kind(
        "conda refuses the change, because it would break conda itself or a setting forbids it",
        "leave base to conda_installation and use another environment; see conda's output.",
    ),
    "clobber": Kind(
        "two packages claim the same file",
        "remove one of the two packages, or set path_conflict in the condarc (conda_config).",
    ),
    "script": Kind(
        "a package cannot be linked, or its post-link script failed",
        "run the named script by hand to see its error; the specs are correct.",
    ),
    "config": Kind(
        "a condarc contains an error",
        "correct the named file, or manage it with llmfleet.conda.conda_config.",
    ),
    "locked": Kind(
        "another process holds conda's own lock",
        "wait until the other conda has finished, then run the task again.",
    ),
    "memory": Kind(
        "the host ran out of memory",
        "give the host more memory, or use the solver libmamba (conda_config).",
    ),
    "killed": Kind(
        "a signal killed it",
        "check the kernel log: when memory runs out, the kernel kills the largest process.",
    ),
    "interrupted": Kind("it was interrupted", "run the task again."),
    "usage": Kind(
        "it did not accept its command line",
        "this version of conda does not support the command; report the command and the version.",
    ),
    "crash": Kind(
        "it crashed",
        "run the command by hand on the host to see the full output; updating conda may help"
        " (conda_installation).",
    ),
    "timeout": Kind(
        "it took longer than the option timeout allows",
        "raise the option timeout, or find out why conda is slow (network, disk).",
    ),
    "unknown": Kind(
        "it reported no known reason",
        "read conda's output, and run the command by hand on the host to see more.",
    ),
}

# conda's exception names; among several errors, the kind that comes first in KINDS decides.
BY_NAME: dict[str, str] = {
    "NoSpaceLeftError": "disk_full",
    "CondaToSNonInteractiveError": "terms",
    "CondaToSRejectedError": "terms",
    "CondaToSPermissionError": "permission",
    "EnvironmentIsFrozenError": "frozen",
    "EnvironmentIsReadOnlyError": "frozen",
    "ChecksumMismatchError": "corrupt",
    "CondaVerificationError": "corrupt",
    "SafetyError": "corrupt",
    "InvalidArchiveError": "corrupt",
    "PaddingError": "script",
    "BinaryPrefixReplacementError": "script",
    "CorruptedEnvironmentError": "environment_damaged",
    "CondaHistoryError": "environment_damaged",
    "PackagesNotFoundError": "not_found",
    "PackagesNotFoundInChannelsError": "not_found",
    "ResolvePackageNotFound": "not_found",
    "NoPackagesFound": "not_found",
    "NoPackagesFoundError": "not_found",
    "SpecNotFound": "not_found",
    "PackagesNotFoundInPrefixError": "not_installed",
    "PackageNotInstalledError": "not_installed",
    "UnsatisfiableError": "unsatisfiable",
    "LibMambaUnsatisfiableError": "unsatisfiable",
    "RattlerUnsatisfiableError": "unsatisfiable",
    "SpecsConfigurationConflictError": "unsatisfiable",
    "CyclicalDependencyError": "unsatisfiable",
    "CondaDependencyError": "unsatisfiable",
    "InvalidSpec": "spec",
    "InvalidMatchSpec": "spec",
    "InvalidVersionSpec": "spec",
    "CouldntParseError": "spec",
    "ParseError": "spec",
    "CondaSSLError": "tls",
    "AuthenticationError": "denied",
    "ProxyError": "proxy",
    "UnavailableInvalidChannel": "channel",
    "ChannelError": "channel",
    "ChannelNotAllowed": "channel",
    "NoChannelsConfiguredError": "no_channels",
    "CondaHTTPError": "network",
    "NotWritableError": "permission",
    "EnvironmentNotWritableError": "permission",
    "NoWritableEnvsDirError": "permission",
    "NoWritablePkgsDirError": "permission",
    "PermissionError": "permission",
    "EnvironmentLocationNotFound": "not_environment",
    "EnvironmentNameNotFound": "not_environment",
    "DirectoryNotACondaEnvironmentError": "not_environment",
    "NoBaseEnvironmentError": "not_environment",
    "RemoveError": "protected",
    "DisallowedPackageError": "protected",
    "OperationNotAllowed": "protected",
    "ClobberError": "clobber",
    "BasicClobberError": "clobber",
    "KnownPackageClobberError": "clobber",
    "UnknownPackageClobberError": "clobber",
    "SharedLinkPathClobberError": "clobber",
    "LinkError": "script",
    "ConfigurationError": "config",
    "ConfigurationLoadError": "config",
    "ValidationError": "config",
    "MultipleKeysError": "config",
    "InvalidTypeError": "config",
    "CustomValidationError": "config",
    "MultiValidationError": "config",
    "PluginError": "config",
    "LockError": "locked",
    "CondaMemoryError": "memory",
    "MemoryError": "memory",
    "CondaSignalInterrupt": "interrupted",
    "KeyboardInterrupt": "interrupted",
    "ArgumentError": "usage",
    "TooManyArgumentsError": "usage",
    "CommandNotFoundError": "usage",
}

OF_SERVERS = frozenset({"corrupt", "index", "tls", "denied", "channel", "network"})
"""The kinds for which it matters which server failed."""

# Checked before any name, because these are the cause of the error that conda names.
_DEEPEST = {
    "disk_full": re.compile(
        r"no space left|errno:? ?(?:28|122)\b|disk quota|ENOSPC|NoSpaceLeft", re.IGNORECASE
    ),
    "read_only": re.compile(r"read-only file system|errno:? ?30\b|EROFS", re.IGNORECASE),
    "compiled": CUT_SHORT,
}

_TLS = re.compile(
    r"CERTIFICATE_VERIFY_FAILED|SSLError|certificate verify failed|SSL peer certificate",
    re.IGNORECASE,
)

# For output without exception names: crashes, plain text, and libmamba. The first matching row decides.
_BY_TEXT: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("terms", re.compile(r"terms of service", re.IGNORECASE)),
    # conda crashes on an index that is not JSON, and on files of its own cache that are not.
    (
        "index",
        re.compile(
            r"(?:gateways.repodata|subdir_data).*JSONDecodeError|JSONDecodeError.*got ..?\{",
            re.DOTALL,
        ),
    ),
    (
        "corrupt",
        re.compile(
            r"BadZipFile|appears to be corrupted|InvalidArchive|read_paths_json|read_index_json"
            # libmamba's messages about an archive.
            r"|incorrect (?:checksum|size)|extraction (?:failed|error)",
            re.IGNORECASE,
        ),
    ),
    (
        "not_found",
        # libmamba's message about a package that no channel has.
        re.compile(r"nothing provides|unsupported request"),
    ),
    ("unsatisfiable", re.compile(r"Unsatisfiable|LibMambaUnsat|solver_problems")),
    ("tls", _TLS),
    (
        "network",
        re.compile(
            r"HTTP (?:000|\d{3})|Connection ?(?:refused|reset|broken|aborted|failed)|ConnectionError"
            r"|ConnectionPool|IncompleteRead|ChunkedEncoding|timed out|Could not resolve|Download error"
            r"|Timeout was reached",
            re.IGNORECASE,
        ),
    ),
    ("permission", re.compile(r"permission denied|errno 13", re.IGNORECASE)),
    ("no_channels", re.compile(r"no channels", re.IGNORECASE)),
    (
        "not_environment",
        re.compile(
            r"No prefix found at|given prefix does not exist|prefix does not exist", re.IGNORECASE
        ),
    ),
    ("usage", re.compile(r"unrecognized arguments|invalid choice|usage:|not expected: ")),
    ("memory", re.compile(r"std::bad_alloc|Cannot allocate memory|MemoryError")),
    ("crash", re.compile(r"Traceback \(most recent call last\)|Segmentation fault|core dumped")),
)

_NAME_IN_TEXT = re.compile(rf"(?<![\w.])({'|'.join(sorted(BY_NAME, key=len, reverse=True))})\b")

_DENIED = re.compile(r"HTTP (?:401|403|407)")
_ABSENT = re.compile(r"HTTP (?:404|410)")
_PASSES = re.compile(
    r"HTTP (?:000|408|425|429|5\d\d)|connection|timed out|timeout|reset|truncated|IncompleteRead"
    r"|Could not resolve|name resolution",
    re.IGNORECASE,
)


def kind_of(names: Iterable[str], text: str) -> str:
    """The kind of a failure, one of the keys of :data:`KINDS`.

    Args:
        names: exception names in conda's document, including those in its list ``errors``.
        text: the rest of conda's output.
    """
    for kind, pattern in _DEEPEST.items():
        if pattern.search(text):
            return kind
    named = {BY_NAME[name] for name in names if name in BY_NAME}
    named |= {"unsatisfiable" for name in names if "Unsatisfiable" in name}
    if not named:
        # In a log, the last exception name is the cause.
        mentioned = _NAME_IN_TEXT.findall(text)
        named = {BY_NAME[mentioned[-1]]} if mentioned else set()
    if named:
        kind = next(kind for kind in KINDS if kind in named)
    else:
        kind = next((kind for kind, pattern in _BY_TEXT if pattern.search(text)), "unknown")
    return _refined(kind, text)


def _refined(kind: str, text: str) -> str:
    """An HTTP or TLS error is more specific than the name of the exception."""
    if kind in {"network", "channel"}:
        if _DENIED.search(text):
            return "denied"
        if _TLS.search(text):
            return "tls"
        if _ABSENT.search(text):
            return "channel"
    if kind == "unsatisfiable" and "nothing provides" in text:
        return "not_found"
    return kind


def may_pass(kind: str, text: str) -> bool:
    """Whether the same command may succeed a moment later: only network failures can."""
    return kind == "network" and bool(_PASSES.search(text))
