# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of failure that conda has, what each means for a person, and how each is recognised.

Pure tables and functions over text. The names are those of ``conda.exceptions`` (24.7 to 26.7) and of its
plugins; the sentences are those of libmamba where it gives no names (recorded runs of micromamba 2.8.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.llmfleet.conda.plugins.module_utils._core.compiled import CUT_SHORT


@dataclass(frozen=True)
class Kind:
    """What a failure of one kind is (a clause) and what a person can do about it (an imperative)."""

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
        " remount,rw); after a disk error the system itself makes a volume read-only, and its log says so.",
    ),
    "compiled": Kind(
        "a compiled file (.pyc) of its Python is cut short",
        "run the task again, not in check mode: it removes such files.",
    ),
    "terms": Kind(
        "the terms of service of a channel have not been accepted",
        "use conda-forge (the default of this collection), or accept the terms of that channel explicitly"
        " (conda tos accept, or the role's variable install_miniconda_tos).",
    ),
    "frozen": Kind(
        "the environment is frozen",
        "the environment is frozen (conda-meta/frozen): change another one, or thaw it on purpose.",
    ),
    "corrupt": Kind(
        "a package is damaged, in the package cache or as the channel gives it",
        "compare the named file with the channel's original: a proxy or a mirror may alter it.",
    ),
    "index": Kind(
        "the index of a channel (repodata) is damaged",
        "compare the channel's repodata.json with the original: a proxy or a mirror may alter it.",
    ),
    "environment_damaged": Kind(
        "the records of the environment are damaged",
        "let the option repair mend it, or make the environment anew (conda_env with the option recreate).",
    ),
    "not_found": Kind(
        "the channels do not have what the option packages asks for",
        "correct the name or version in the option packages, or add a channel that has it.",
    ),
    "not_installed": Kind(
        "the environment does not have a package that is to be updated or removed",
        "correct the name in the option packages; conda list shows what is there.",
    ),
    "unsatisfiable": Kind(
        "the specs in the option packages exclude each other, or what is installed",
        "loosen one of the conflicting specs in the option packages, or split the environment.",
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
        "a channel, or the proxy before it, refuses this host",
        "check the credentials in the channel's address (user and password, or /t/TOKEN/) and the proxy's.",
    ),
    "proxy": Kind(
        "the proxy settings cannot be used",
        "correct proxy_servers in the condarc (conda_config), or the variables http_proxy and https_proxy.",
    ),
    "channel": Kind(
        "a channel is not where the task looks for it, or lacks a file that its index names",
        "correct the address in the option channels (or channel_alias in the condarc); a mirror may be half"
        " synchronised.",
    ),
    "no_channels": Kind(
        "no channel is configured", "name the channels in the option channels, or in the condarc."
    ),
    "network": Kind(
        "a channel could not be reached",
        "check that the channel's address answers from this host, and its proxy and CA settings.",
    ),
    "permission": Kind(
        "this user may not write there",
        "run the task as the user who owns the prefix and the package cache (become_user).",
    ),
    "not_environment": Kind(
        "there is no environment", "create the environment first with llmfleet.conda.conda_env."
    ),
    "protected": Kind(
        "conda does not let the change be made, because it would harm conda itself or a setting forbids it",
        "leave base to conda_installation and work in another environment; see what conda said.",
    ),
    "clobber": Kind(
        "two packages claim the same file",
        "leave out one of the two packages, or set path_conflict in the condarc (conda_config).",
    ),
    "script": Kind(
        "a package cannot be linked, or its own script failed",
        "run the named script by hand; nothing is wrong with the specs.",
    ),
    "config": Kind(
        "a condarc has a mistake",
        "correct the named file, or let llmfleet.conda.conda_config keep it.",
    ),
    "locked": Kind(
        "another process holds conda's own lock",
        "let the other conda finish, then run the task again.",
    ),
    "memory": Kind(
        "there was not enough memory",
        "give the host more memory, or use the solver libmamba (conda_config).",
    ),
    "killed": Kind(
        "something killed it",
        "look into the kernel's log: when memory runs out, the largest process is killed.",
    ),
    "interrupted": Kind("it was interrupted", "run the task again."),
    "usage": Kind(
        "it did not understand its command line",
        "this conda does not know the command; report it together with its version.",
    ),
    "crash": Kind(
        "it crashed",
        "run the command by hand on the host to see more; updating conda may help (conda_installation).",
    ),
    "timeout": Kind(
        "it took longer than the option timeout allows",
        "raise the option timeout, or look at what keeps conda busy (network, disk).",
    ),
    "unknown": Kind(
        "it gave no reason that is known here",
        "read what conda said, and run the command by hand on the host to see more.",
    ),
}

# conda's exception names; in a list of several errors the kind that stands first in KINDS decides.
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

# What decides before any name, because it lies deeper than the error that it causes.
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

# For what has no name: crashes, plain text, and libmamba. The first matching row decides.
_BY_TEXT: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("terms", re.compile(r"terms of service", re.IGNORECASE)),
    # conda crashes over an index that is no JSON, and over files of its own cache that are none.
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
            # What libmamba says of an archive.
            r"|incorrect (?:checksum|size)|extraction (?:failed|error)",
            re.IGNORECASE,
        ),
    ),
    (
        "not_found",
        # What libmamba says of a package that no channel has.
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
        names: exception names that conda's document gives, those of its list ``errors`` included.
        text: everything else that it said.
    """
    for kind, pattern in _DEEPEST.items():
        if pattern.search(text):
            return kind
    named = {BY_NAME[name] for name in names if name in BY_NAME}
    named |= {"unsatisfiable" for name in names if "Unsatisfiable" in name}
    if not named:
        # A log names what is the matter last.
        mentioned = _NAME_IN_TEXT.findall(text)
        named = {BY_NAME[mentioned[-1]]} if mentioned else set()
    if named:
        kind = next(kind for kind in KINDS if kind in named)
    else:
        kind = next((kind for kind, pattern in _BY_TEXT if pattern.search(text)), "unknown")
    return _refined(kind, text)


def _refined(kind: str, text: str) -> str:
    """An answer of HTTP or TLS says more than the name of the exception."""
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
    """Whether the same command may succeed a moment later: only what the network did can."""
    return kind == "network" and bool(_PASSES.search(text))
