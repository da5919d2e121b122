"""Every name that conda's errors have, alone, among others, and in plain text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._conda.failures import (
    BY_NAME,
    kind_of,
    may_pass,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._conda.kinds import KINDS
from ansible_collections.llmfleet.conda.plugins.module_utils._conda.output import classify

# The names to know, with a message as conda words it, and what a person must be told.
NAMES = [
    (
        "PackagesNotFoundError",
        "The following packages are not available from current channels:\n\n  - nosuch=1\n\n"
        "To search for alternate channels that may provide the conda package you're\nlooking for,"
        " navigate to\n\n    https://anaconda.org\n",
        "not_found",
        "option packages",
    ),
    (
        "PackagesNotFoundInChannelsError",
        "The following packages are not available from current channels:\n\n  - nosuch=1",
        "not_found",
        "add a channel",
    ),
    (
        "PackagesNotFoundInPrefixError",
        "The following packages are missing from the target environment:\n  - nosuch",
        "not_installed",
        "conda list",
    ),
    (
        "PackageNotInstalledError",
        "Package is not installed in prefix.\n  prefix: /opt/env\n  package name: nosuch",
        "not_installed",
        "conda list",
    ),
    (
        "UnsatisfiableError",
        "The following specifications were found to be incompatible with each other",
        "unsatisfiable",
        "loosen",
    ),
    (
        "LibMambaUnsatisfiableError",
        "Encountered problems while solving:\n  - package a-2 requires b >=2",
        "unsatisfiable",
        "loosen",
    ),
    ("RattlerUnsatisfiableError", "Cannot solve the request", "unsatisfiable", "loosen"),
    ("ANewSolverUnsatisfiableError", "no way", "unsatisfiable", "loosen"),
    (
        "EnvironmentLocationNotFound",
        "Not a conda environment: /opt/env",
        "not_environment",
        "conda_env",
    ),
    (
        "DirectoryNotACondaEnvironmentError",
        "The target directory exists, but it is not a conda environment.",
        "not_environment",
        "conda_env",
    ),
    (
        "EnvironmentIsFrozenError",
        "Cannot modify '/opt/env'. The environment is marked as frozen.",
        "frozen",
        "conda-meta/frozen",
    ),
    (
        "CondaHTTPError",
        "HTTP 503 SERVICE UNAVAILABLE for url <http://mirror/lab/noarch/repodata.json>",
        "network",
        "proxy",
    ),
    (
        "CondaToSNonInteractiveError",
        "Terms of Service have not been accepted for the following channels.",
        "terms",
        "accept the terms",
    ),
    ("NoChannelsConfiguredError", "No channels have been configured.", "no_channels", "channels"),
]


def document(name: str, message: str) -> dict[str, Any]:
    return {
        "caused_by": "None",
        "error": f"{name}: {message}",
        "exception_name": name,
        "exception_type": f"<class 'conda.exceptions.{name}'>",
        "message": message,
    }


@pytest.mark.parametrize(("name", "message", "kind", "hint"), NAMES)
@pytest.mark.parametrize("shape", ["alone", "among others", "as text"])
def test_known_exception_names(name: str, message: str, kind: str, hint: str, shape: str) -> None:
    alone = document(name, message)
    several = {
        "error": "Multiple Errors Encountered.",
        "exception_name": "CondaMultiError",
        "errors": [alone, document("CondaError", "something else")],
    }
    if shape == "as text":
        if name not in BY_NAME:
            message = f"{message} (Unsatisfiable)"
        failure = classify(1, "", f"\n{name}: {message}\n", None)
    else:
        told = alone if shape == "alone" else several
        failure = classify(1, json.dumps(told), "", told)
    assert failure.kind == kind
    assert message.split("\n")[0].strip() in failure.said
    assert hint in failure.hint
    assert "anaconda.org" not in failure.said


# The classes that conda 24.7.1 and 26.7.1 define; the file names its source.
CLASSES = json.loads(
    (Path(__file__).parents[3] / "data" / "conda-exceptions.json").read_text(encoding="utf-8")
)
# These contain other errors, or end conda with success; conda never raises the two base classes themselves.
NO_FAILURES = {"CondaError", "CondaMultiError", "CondaExitZero", "CondaSystemExit", "DryRunExit"}


@pytest.mark.parametrize("version", ["24.7.1", "26.7.1"])
def test_every_class_of_conda_has_a_kind_with_a_hint_of_its_own(version: str) -> None:
    names = set(CLASSES[version])
    assert len(names) > 80
    assert sorted(names - NO_FAILURES - set(BY_NAME)) == []
    general = {"unknown", "crash"}
    assert sorted(name for name in names & set(BY_NAME) if BY_NAME[name] in general) == []


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_every_exception_name_has_its_kind(name: str) -> None:
    failure = classify(1, "", "", document(name, "words"))
    assert failure.kind == BY_NAME[name]
    assert failure.headline == KINDS[failure.kind].headline
    assert failure.said == "words"


def test_every_kind_has_a_hint() -> None:
    assert set(BY_NAME.values()) <= set(KINDS)
    assert len({kind.headline for kind in KINDS.values()}) == len(KINDS)
    assert len({kind.hint for kind in KINDS.values()}) == len(KINDS)
    for name, kind in KINDS.items():
        assert kind.headline == kind.headline.strip().rstrip(".")
        assert kind.hint.endswith("."), name
        assert len(kind.hint) > 15


@pytest.mark.parametrize(
    ("text", "kind", "passes"),
    [
        ("HTTP 000 CONNECTION FAILED for url <http://x>", "network", True),
        ("HTTP 429 TOO MANY REQUESTS for url <http://x>", "network", True),
        ("HTTP 502 BAD GATEWAY for url <http://x>", "network", True),
        ("HTTP 401 UNAUTHORIZED for url <http://x>", "denied", False),
        ("HTTP 403 FORBIDDEN for url <http://x>", "denied", False),
        ("HTTP 407 PROXY AUTHENTICATION REQUIRED for url <http://x>", "denied", False),
        ("HTTP 404 NOT FOUND for url <http://x>", "channel", False),
        ("HTTP 410 GONE for url <http://x>", "channel", False),
        (
            "HTTP 000 CONNECTION FAILED ... SSLError(SSLCertVerificationError(1, '[SSL:"
            " CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate'",
            "tls",
            False,
        ),
        ("HTTP 200 OK ... [Errno 28] No space left on device", "disk_full", False),
    ],
)
def test_http_status_decides_the_kind(text: str, kind: str, passes: bool) -> None:
    assert kind_of(["CondaHTTPError"], text) == kind
    assert may_pass(kind, text) is passes


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        # What micromamba says; it has no names.
        (
            "error    libmamba Could not solve for environment specs\nsolver_problems",
            "unsatisfiable",
        ),
        ("critical libmamba Download error (7) Could not connect to server", "network"),
        ("error libmamba Package tarball has incorrect checksum", "corrupt"),
        ("critical libmamba SSL peer certificate or SSH remote key was not OK", "tls"),
        ("The following argument was not expected: --update-specs", "usage"),
        ("std::bad_alloc", "memory"),
        # Crashes of conda: what it was about stands in the traceback.
        (
            'Traceback (most recent call last):\n File "conda/core/subdir_data.py"\n'
            "json.decoder.JSONDecodeError: Expecting ',' delimiter: line 4",
            "index",
        ),
        (
            'Traceback (most recent call last):\n File "conda/gateways/disk/read.py", line 167,'
            " in read_paths_json\njson.decoder.JSONDecodeError: Expecting value",
            "corrupt",
        ),
        (
            "Traceback (most recent call last):\nconda.CondaMultiError: ('Connection broken:"
            " IncompleteRead(503 bytes read, 503 more expected)')\nAttributeError: 'ChunkedEncodingError'"
            " object has no attribute 'dump_map'",
            "network",
        ),
        ("Traceback (most recent call last):\nRuntimeError: dictionary changed size", "crash"),
        ("EOFError", "unknown"),
    ],
)
def test_kind_from_text_without_exception_name(text: str, kind: str) -> None:
    assert kind_of([], text) == kind


def test_last_name_in_a_log_decides() -> None:
    text = "CondaHTTPError was met, using the cache\nPackagesNotFoundError: no numpy\n"
    assert kind_of([], text) == "not_found"


def test_deepest_of_several_errors_decides() -> None:
    names = ["LinkError", "NotWritableError", "ChecksumMismatchError"]
    assert kind_of(names, "") == "corrupt"
    assert kind_of(["CondaHTTPError", "EnvironmentIsFrozenError"], "") == "frozen"


@pytest.mark.parametrize("number", [4, 6, 7, 8, 11])
@pytest.mark.parametrize("shell", [False, True])
def test_signal_of_a_defect_is_a_crash(number: int, shell: bool) -> None:
    failure = classify(128 + number if shell else -number, "", "", None)
    assert failure.kind == "crash"
    assert failure.signal == number
    assert failure.said == f"no output (signal {number})"
    assert "memory" not in failure.hint


def test_a_shell_that_reports_a_killed_conda() -> None:
    assert classify(137, "", "Killed\n", None).kind == "killed"


def test_killed_process_is_reported() -> None:
    failure = classify(-9, "", "", None)
    assert failure.kind == "killed"
    assert failure.said == "no output (signal 9)"
    assert "memory" in failure.hint


def test_traceback_is_reduced_to_its_messages() -> None:
    text = (
        'Traceback (most recent call last):\n  File "/opt/conda/x.py", line 1, in f\n    g()\n'
        "conda.CondaMultiError: Error with archive /opt/pkgs/a-1-0.conda.\n\n"
        "During handling of the above exception, another exception occurred:\n\n"
        'Traceback (most recent call last):\n  File "/opt/conda/y.py", line 2, in h\n    i()\n    ^^^\n'
        "AttributeError: 'InvalidArchiveError' object has no attribute 'dump_map'\n"
    )
    assert classify(1, "", text, None).said == (
        "conda.CondaMultiError: Error with archive /opt/pkgs/a-1-0.conda.\n"
        "AttributeError: 'InvalidArchiveError' object has no attribute 'dump_map'"
    )


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        (
            "CondaHTTPError: HTTP 000 CONNECTION FAILED for url <https://m.example.org/cloud/x>",
            " (m.example.org)",
        ),
        (
            "UnavailableInvalidChannel: HTTP 404 NOT FOUND for channel cloud/conda-forge"
            " <https://m.example.org/cloud/conda-forge>",
            " (m.example.org)",
        ),
        (
            "critical libmamba Download error (28) Timeout was reached"
            " [https://m.example.org/cloud/conda-forge/noarch/repodata.json.zst]",
            " (m.example.org)",
        ),
        # No server is to blame for a name that no channel has.
        (
            "PackagesNotFoundError: not available from current channels: - https://m.example.org/x",
            "",
        ),
    ],
)
def test_failures_of_servers_name_the_host(text: str, hosts: str) -> None:
    assert classify(1, "", text, None).hosts == hosts
