# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recognises the kind of a conda failure by its exception names and its words.

Pure tables and functions over text. The exception names are those of conda 24.7.1 and 26.7.1 (all classes of
``conda.exceptions`` and ``conda.common.configuration``) and of conda's plugins; the sentences are those of
libmamba, which prints no names (recorded runs of micromamba 2.8.1), and of rattler (py-rattler 0.26.0).
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable

from ansible_collections.llmfleet.conda.plugins.module_utils._conda.kinds import KINDS
from ansible_collections.llmfleet.conda.plugins.module_utils._core.compiled import CUT_SHORT
from ansible_collections.llmfleet.conda.plugins.module_utils._core.os_errors import kind_in_text
from ansible_collections.llmfleet.conda.plugins.module_utils._core.process import CRASH_SIGNALS

# Among several errors, the kind that comes first in KINDS decides.
_NAMES = {
    "disk_full": "NoSpaceLeftError",
    "terms": "CondaToSNonInteractiveError CondaToSRejectedError",
    "forbidden": "ChannelDenied ChannelNotAllowed",
    "offline": "OfflineError",
    "frozen": "EnvironmentIsFrozenError EnvironmentIsReadOnlyError",
    "corrupt": "ChecksumMismatchError CondaVerificationError SafetyError InvalidArchiveError",
    "environment_damaged": "CorruptedEnvironmentError CondaHistoryError",
    "not_found": "PackagesNotFoundError PackagesNotFoundInChannelsError ResolvePackageNotFound"
    " NoPackagesFound NoPackagesFoundError",
    "not_installed": "PackagesNotFoundInPrefixError PackageNotInstalledError",
    "unsatisfiable": "UnsatisfiableError LibMambaUnsatisfiableError RattlerUnsatisfiableError"
    " SpecsConfigurationConflictError CyclicalDependencyError",
    "spec": "InvalidSpec InvalidMatchSpec InvalidVersionSpec CouldntParseError ParseError",
    "platform": "PlatformMismatchError",
    "file_format": "EnvironmentFileInvalid EnvironmentFileTypeMismatchError EnvironmentFileEmpty"
    " EnvironmentFileExtensionNotValid EnvironmentFileNotFound EnvironmentFileNotDownloaded SpecNotFound"
    " AmbiguousEnvironmentSpecPlugin EnvironmentSpecPluginSelectionError EnvironmentSpecPluginNotDetected"
    " EnvironmentExporterNotDetected InvalidInstaller CondaEnvException",
    "plugin": "PluginError CondaImportError CondaDependencyError CommandNotFoundError ModuleNotFoundError",
    "outdated": "CondaUpgradeError",
    "not_cached": "SpecNotFoundInPackageCache",
    "tls": "CondaSSLError",
    "denied": "AuthenticationError",
    "proxy": "ProxyError",
    "channel": "UnavailableInvalidChannel RepodataIsEmpty ChannelError",
    "no_channels": "NoChannelsConfiguredError",
    "network": "CondaHTTPError",
    "permission": "NotWritableError EnvironmentNotWritableError NoWritableEnvsDirError NoWritablePkgsDirError"
    " PermissionError CondaToSPermissionError",
    "no_base": "NoBaseEnvironmentError",
    "not_environment": "EnvironmentLocationNotFound EnvironmentNameNotFound"
    " DirectoryNotACondaEnvironmentError",
    "protected": "RemoveError CondaEnvironmentError",
    "not_allowed": "DisallowedPackageError OperationNotAllowed",
    "clobber": "ClobberError BasicClobberError KnownPackageClobberError UnknownPackageClobberError"
    " SharedLinkPathClobberError",
    "prefix_length": "PaddingError BinaryPrefixReplacementError",
    "script": "LinkError",
    "config": "ConfigurationError ConfigurationLoadError ValidationError MultipleKeysError InvalidTypeError"
    " CustomValidationError MultiValidationError",
    "encoding": "EncodingError UnicodeDecodeError",
    "value": "CondaValueError CondaKeyError CondaIndexError",
    "file": "CondaOSError CondaIOError CondaFileIOError PathNotFoundError DirectoryNotFoundError",
    "locked": "LockError",
    "memory": "CondaMemoryError MemoryError",
    "interrupted": "CondaSignalInterrupt KeyboardInterrupt",
    "usage": "ArgumentError TooManyArgumentsError CondaUpdatePackageError Help ActivateHelp DeactivateHelp"
    " GenericHelp",
}
BY_NAME: dict[str, str] = {name: kind for kind, names in _NAMES.items() for name in names.split()}

OF_SERVERS = frozenset({"corrupt", "index", "tls", "denied", "channel", "network"})
"""The kinds for which it matters which server failed."""

_TLS = re.compile(
    r"CERTIFICATE_VERIFY_FAILED|SSLError|certificate verify failed|SSL peer certificate",
    re.IGNORECASE,
)

# For output without exception names: crashes, plain text, and libmamba. The first matching row decides.
_BY_TEXT: tuple[tuple[str, re.Pattern[str]], ...] = (
    # conda 24.7 raises a RuntimeError where 26.7 has OfflineError; rattler misses the file of the index.
    ("offline", re.compile(r"EnforceUnusedAdapter|failed to open file `[^`]*/cache/\w+\.json`")),
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

# "Help" is a word of many messages.
_NAME_IN_TEXT = re.compile(
    rf"(?<![\w.])({'|'.join(sorted({*BY_NAME} - {'Help'}, key=len, reverse=True))})\b"
)

UNSOLVABLE = frozenset({"unsatisfiable", "not_found", "dependency", "host_lacks"})
"""The kinds of a request without a solution."""

# libmamba: "nothing provides X needed by Y"; rattler: "X, for which no candidates were found" below "would
# require"; conda's classic solver lists X like a requested package.
_HOST_LACKS = re.compile(
    r"nothing provides (?:requested )?__\w|\b__\w+[^\n]*no candidates were found|^ *- __\w",
    re.MULTILINE,
)
_DEPENDENCY = re.compile(
    r"nothing provides (?!requested)\S[^\n]* needed by|would require\n[^\n]*no candidates were found"
)

_DENIED = re.compile(r"HTTP (?:401|403|407)")
_ABSENT = re.compile(r"HTTP (?:404|410)")
_PASSES = re.compile(
    r"HTTP (?:000|408|425|429|5\d\d)|connection|timed out|timeout|reset|truncated|IncompleteRead"
    r"|Could not resolve|name resolution",
    re.IGNORECASE,
)


def kind_of(names: Iterable[str], text: str, not_asked: bool = False) -> str:
    """The kind of a failure, one of the keys of :data:`KINDS`.

    Args:
        names: exception names in conda's document, including those in its list ``errors``.
        text: the rest of conda's output.
        not_asked: conda lists missing packages, and the task requested none of them.
    """
    # These are the cause of the error that conda names.
    if kind := kind_in_text(text):
        return kind
    if CUT_SHORT.search(text):
        return "compiled"
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
    return _refined(kind, text, not_asked)


def _refined(kind: str, text: str, not_asked: bool) -> str:
    """The text is more specific than the name of the exception for HTTP, TLS and missing packages."""
    if kind in {"network", "channel"}:
        if _DENIED.search(text):
            return "denied"
        if _TLS.search(text):
            return "tls"
        if _ABSENT.search(text):
            return "channel"
    if kind in {"unsatisfiable", "not_found"}:
        if _HOST_LACKS.search(text):
            return "host_lacks"
        if not_asked or _DEPENDENCY.search(text):
            return "dependency"
        if "nothing provides" in text:
            return "not_found"
    if kind == "value" and "solver backend" in text:
        return "plugin"
    return kind


def ended_by_signal(rc: int) -> int:
    """The signal that ended a program, by its exit status; 0 if none did.

    A shell script that starts conda reports 128 and the number.
    """
    if rc < 0:
        return -rc
    return rc - 128 if rc - 128 in CRASH_SIGNALS | {signal.SIGKILL} else 0


def may_pass(kind: str, text: str) -> bool:
    """Whether the same command may succeed a moment later: only network failures can."""
    return kind == "network" and bool(_PASSES.search(text))
