"""Classifying failures of pip: recorded output of pip 23.0, 23.2, 24.2 and 26.3."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.pip_errors import (
    explain,
)

NO_MATCH = (
    "ERROR: Could not find a version that satisfies the requirement app (from versions: {versions})\n"
    "ERROR: No matching distribution found for app\n"
)
STAMP = "2026-11-22T14:28:57,261 "
HASHES = """\
ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated the \
package versions, please update the hashes. Otherwise, examine the package contents carefully; \
someone may have tampered with them.
    app==1.0 from file:///tmp/wh/app-1.0-py3-none-any.whl (from -r req1.txt (line 1)):
        Expected sha256 0000000000000000000000000000000000000000000000000000000000000000
             Got        9fa0df1ad86706efceedd139fb970de74fccbcfba7b17e2da7b6c37467bf451e
"""
CONFLICT = """\
ERROR: Cannot install clash==1.0 and needs-two==1.0 because these package versions have \
conflicting dependencies.
ERROR: ResolutionImpossible: for help visit \
https://pip.pypa.io/en/latest/topics/dependency-resolution/#dealing-with-dependency-conflicts
"""
CONFLICT_LOG = f"""\
{STAMP}INFO: pip is looking at multiple versions of clash to determine which version is compatible
{STAMP}
{STAMP}The conflict is caused by:
{STAMP}    clash 1.0 depends on lib-a<2
{STAMP}    needs-two 1.0 depends on lib-a>=2
{STAMP}
{STAMP}To fix this you could try to:
{STAMP}1. loosen the range of package versions you've specified
"""
RETRYING = (
    "WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after "
    "connection broken by 'NewConnectionError(\"HTTPConnection(host='127.0.0.1', port=1): Failed to "
    "establish a new connection: [Errno 111] Connection refused\")': /simple/app/\n"
)
INCOMPLETE = """\
  WARNING: Connection interrupted while downloading.
  WARNING: Attempting to resume incomplete download (100 bytes/948 bytes, attempt 5)
error: incomplete-download

\u00d7 Download failed after 6 attempts because not enough bytes were received (100 bytes/948 bytes)
\u2570\u2500> URL: http://127.0.0.1:18999/truncf/app-1.0-py3-none-any.whl

note: This is an issue with network connectivity, not pip.
hint: Use --resume-retries to configure resume attempt limit.
"""
MANAGED = """\
error: externally-managed-environment

\u00d7 This environment is externally managed
\u2570\u2500> To install Python packages system-wide, try apt install
"""
BUILD = """\
  error: subprocess-exited-with-error

  \u00d7 Preparing metadata (pyproject.toml) did not run successfully.
  \u2502 exit code: 1
error: metadata-generation-failed
"""
UNINSTALL = """\
error: uninstall-no-record-file

\u00d7 Cannot uninstall app 1.0
\u2570\u2500> The package's contents are unknown: no RECORD file was found for app.
"""


@dataclass(frozen=True)
class Case:
    """Output and log of a failed run, and the expected classification."""

    output: str
    kind: str
    option: str
    message: str
    log: str = ""
    said: str = ""
    retryable: bool = False


def _fetch(reason: str) -> str:
    return f"{STAMP}Could not fetch URL http://127.0.0.1:1/simple/app/: {reason} - skipping\n"


CASES = {
    "no such name": Case(
        NO_MATCH.format(versions="none"), "no_match", "requirements", "was found for app."
    ),
    "no such version": Case(
        NO_MATCH.format(versions="1.0, 2.0"), "no_match", "requirements", "versions seen: 1.0, 2.0"
    ),
    "page not found is no fault of the network": Case(
        NO_MATCH.format(versions="none"),
        "no_match",
        "requirements",
        "was found for app",
        log=_fetch("404 Client Error: Not Found for url: http://127.0.0.1:1/simple/app/"),
        said="404 Client Error",
    ),
    "server error": Case(
        NO_MATCH.format(versions="none"),
        "http",
        "index_url",
        "HTTP 500",
        log=_fetch(
            "HTTPConnectionPool(host='127.0.0.1', port=1): Max retries exceeded with url: /500/app/ "
            "(Caused by ResponseError('too many 500 error responses'))"
        ),
        said="too many 500 error responses",
        retryable=True,
    ),
    "bad gateway": Case(
        NO_MATCH.format(versions="none"),
        "http",
        "index_url",
        "HTTP 502",
        log=_fetch("502 Server Error: Bad Gateway for url: http://127.0.0.1:1/simple/app/"),
        retryable=True,
    ),
    "access refused": Case(
        NO_MATCH.format(versions="none"),
        "credentials",
        "index_url",
        "HTTP 401",
        log=_fetch("401 Client Error: Unauthorized for url: http://127.0.0.1:1/simple/app/"),
    ),
    "connection refused": Case(
        RETRYING + NO_MATCH.format(versions="none"),
        "network",
        "index_url",
        "cannot be reached",
        log=_fetch("connection error: [Errno 111] Connection refused"),
        retryable=True,
    ),
    "connection reset": Case(
        NO_MATCH.format(versions="none"),
        "network",
        "index_url",
        "closed the connection",
        log=_fetch("connection error: the connection was closed without a reply from the server."),
        retryable=True,
    ),
    "a retry that went well is not the cause": Case(
        RETRYING + CONFLICT, "conflict", "requirements", "No set of versions", log=CONFLICT_LOG
    ),
    "file gone": Case(
        "  ERROR: HTTP error 404 while getting http://h/app-1.0-py3-none-any.whl\n"
        "ERROR: Could not install requirement app==1.0 from http://h/app-1.0-py3-none-any.whl "
        "because of HTTP error 404 Client Error: Not Found for url: http://h/app-1.0.whl\n",
        "http",
        "index_url",
        "HTTP 404",
    ),
    "half a file, old pip": Case(
        "ERROR: Wheel 'app' located at /tmp/pip-unpack-x/app-1.0-py3-none-any.whl is invalid.\n",
        "download",
        "index_url",
        "incomplete or damaged",
        retryable=True,
    ),
    "half a file, new pip": Case(
        INCOMPLETE,
        "network",
        "index_url",
        "closed the connection",
        said="948 bytes",
        retryable=True,
    ),
    "certificate": Case(
        NO_MATCH.format(versions="none"),
        "tls",
        "index_url",
        "certificate is not trusted",
        log=_fetch(
            "There was a problem confirming the ssl certificate: SSLError(SSLCertVerificationError("
            "1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed'))"
        ),
    ),
    "plain http": Case(
        "WARNING: The repository located at 10.0.0.1 is not a trusted or secure host and is being "
        "ignored. If this repository is available via HTTPS we recommend you use HTTPS instead.\n"
        + NO_MATCH.format(versions="none"),
        "untrusted",
        "trusted_hosts",
        "plain HTTP",
    ),
    "conflict": Case(
        CONFLICT,
        "conflict",
        "requirements",
        "Cannot install clash==1.0 and needs-two==1.0",
        log=CONFLICT_LOG,
        said="    clash 1.0 depends on lib-a<2\n    needs-two 1.0 depends on lib-a>=2",
    ),
    "hash mismatch": Case(
        HASHES, "hash", "requirements", "does not have the requested hash", said="Got"
    ),
    "hash missing": Case(
        "ERROR: Hashes are required in --require-hashes mode, but they are missing from some "
        "requirements. Here is a list of those requirements along with the hashes their downloaded "
        "archives actually had.\n    lib==1.0 --hash=sha256:00\n",
        "hash",
        "requirements",
        "requires one for every distribution",
        said="lib==1.0 --hash=sha256:00",
    ),
    "hash without a pin": Case(
        "ERROR: In --require-hashes mode, all requirements must have their versions pinned with ==. "
        "These do not:\n    lib from file:///x/lib-1.0-py3-none-any.whl (from app==1.0)\n",
        "hash",
        "requirements",
        "exact version",
    ),
    "another Python": Case(
        "ERROR: Package 'future' requires a different Python: 3.8.18 not in '>=4'\n",
        "python",
        "requirements",
        "3.8.18 not in '>=4'",
    ),
    "another Python, told by the index": Case(
        "ERROR: Ignored the following versions that require a different python version: 1.0 "
        "Requires-Python >=4\n" + NO_MATCH.format(versions="none"),
        "python",
        "requirements",
        "1.0 Requires-Python >=4",
    ),
    "disk full": Case(
        "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n",
        "disk_full",
        "prefix",
        "volume is full",
    ),
    "quota": Case(
        "OSError: [Errno 122] Disk quota exceeded: '/home/a/x'\n",
        "disk_full",
        "prefix",
        "volume is full",
    ),
    "permission": Case(
        "ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: "
        "'/opt/c/lib/x.py'\nConsider using the `--user` option or check the permissions.\n",
        "permission",
        "prefix",
        "may not write /opt/c/lib/x.py",
    ),
    "read-only": Case(
        "ERROR: Could not install packages due to an OSError: [Errno 30] Read-only file system: "
        "'/opt/c/lib/x.py'\n",
        "read_only",
        "prefix",
        "volume is read-only",
    ),
    "compiled": Case(
        '  File "<frozen importlib._bootstrap_external>", line 729, in _compile_bytecode\n'
        "EOFError: marshal data too short\n",
        "compiled",
        "prefix",
        "is truncated",
    ),
    "managed": Case(MANAGED, "managed", "prefix", "EXTERNALLY-MANAGED"),
    "no pip": Case("/opt/c/bin/python: No module named pip\n", "no_pip", "prefix", "no pip"),
    "build": Case(BUILD, "build", "requirements", "built from source"),
    "uninstall": Case(UNINSTALL, "uninstall", "requirements", "did not install"),
    "line": Case(
        "ERROR: Invalid requirement: 'a b': Expected semicolon\n",
        "requirement",
        "requirements",
        "cannot parse one of the requirement lines",
    ),
    "something new": Case("ERROR: The moon is in the wrong house\n", "other", "", "exit code 1"),
}


@pytest.mark.parametrize("name", CASES)
def test_kind_option_and_message(name: str) -> None:
    case = CASES[name]
    found = explain(1, case.output, case.log)
    assert (found.kind, found.option, found.retryable) == (case.kind, case.option, case.retryable)
    assert case.message in found.message
    assert found.message.endswith(".")
    assert found.hint
    assert found.hint[0].islower()
    for expected in (case.said, case.output.strip().splitlines()[-1].strip()):
        assert expected in found.said


@pytest.mark.parametrize(
    ("name", "hosts"),
    [
        ("server error", "HTTP 500 (127.0.0.1)."),
        ("bad gateway", "HTTP 502 (127.0.0.1)."),
        ("access refused", "(HTTP 401) (127.0.0.1)."),
        ("connection refused", "closed the connection (127.0.0.1)."),
        ("file gone", "(HTTP 404) (h)."),
        ("certificate", "on this host (127.0.0.1)."),
        ("plain http", "unless its host is trusted (10.0.0.1)."),
    ],
)
def test_the_message_names_the_server(name: str, hosts: str) -> None:
    case = CASES[name]
    assert explain(1, case.output, case.log).message.endswith(hosts)


def test_the_message_names_no_index_that_answered() -> None:
    output = (
        "Looking in indexes: https://good.example.org/simple, https://bad.example.org/simple\n"
        "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError("
        "\"HTTPSConnection(host='bad.example.org', port=443): Failed to establish a new connection: "
        "[Errno 111] Connection refused\")': /simple/app/\n" + NO_MATCH.format(versions="none")
    )
    log = (
        f"{STAMP}Could not fetch URL https://bad.example.org/simple/app/: connection error: [Errno 111]"
        " Connection refused - skipping\n"
    )
    message = explain(1, output, log).message
    assert message == (
        "The index or mirror cannot be reached, or closed the connection (bad.example.org)."
    )


def test_a_failure_of_another_kind_names_no_server() -> None:
    assert "127.0.0.1" not in explain(1, CASES["conflict"].output + RETRYING, CONFLICT_LOG).message


def test_kinds_are_all_documented() -> None:
    documented = explain.__globals__["PipFailure"].__doc__
    kinds = {case.kind for case in CASES.values()} | {"timeout", "killed"}
    assert {kind for kind in kinds if f"`{kind}`" not in documented} == set()


def test_killed_and_timed_out() -> None:
    assert explain(-9, "").kind == "killed"
    assert "signal 9" in explain(-9, "").message
    assert explain(-9, "", timed_out=True).kind == "timeout"
    assert explain(-9, "", timed_out=True).option == "timeout"


def test_the_quoted_output_of_pip_is_short() -> None:
    noise = "".join(f"  line {number}\n" for number in range(200))
    found = explain(1, noise + "[notice] A new release of pip is available\nERROR: the cause\n")
    assert found.said.endswith("ERROR: the cause")
    assert "[notice]" not in found.said
    assert len(found.said.splitlines()) < 20


GIT = """\
error: subprocess-exited-with-error

\u00d7 git clone --filter=blob:none --quiet https://127.0.0.1:9/x.git /tmp/x did not run successfully.
\u2502 exit code: 128
\u2570\u2500> [1 lines of output]
    fatal: unable to access 'https://127.0.0.1:9/x.git/': Failed to connect to 127.0.0.1 port 9
    [end of output]

note: This error originates from a subprocess, and is likely not a problem with pip.
"""


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (GIT, "Failed to connect to 127.0.0.1 port 9."),
        (
            "ERROR: Error [Errno 2] No such file or directory: 'git' while executing command git version\n"
            "ERROR: Cannot find command 'git' - do you have 'git' installed and in your PATH?\n",
            "git could not fetch a requirement.",
        ),
    ],
)
def test_a_git_that_fails_is_no_missing_compiler(output: str, message: str) -> None:
    failure = explain(1, output)
    assert failure.kind == "git"
    assert message in failure.message
    assert "branch or tag" in failure.hint
    assert "compiler" not in failure.hint


@pytest.mark.parametrize(
    "output",
    [
        # pip 26.3 and pip 23.2.
        "ERROR: Could not find a version that satisfies the requirement torch==2.7.1+cu126 (from versions:"
        " 2.7.1, 2.7.1+cpu)\nERROR: No matching distribution found for torch==2.7.1+cu126\n",
        "ERROR: Cannot install torch==2.7.1+cu126 because these package versions have conflicting"
        " dependencies.\nERROR: ResolutionImpossible: for help visit the documentation\n",
    ],
)
def test_a_build_that_the_index_lacks_is_told_of_its_own_index(output: str) -> None:
    failure = explain(1, output)
    assert failure.kind == "no_match"
    assert "torch==2.7.1+cu126" in failure.message
    assert "PyTorch's index" in failure.hint


@pytest.mark.parametrize(
    ("output", "kind", "hint"),
    [
        ("OSError: [Errno 24] Too many open files: '/opt/x'", "open_files", "ulimit -n"),
        ("ERROR: Could not install: [Errno 5] Input/output error", "io", "system log"),
        ("ERROR: [Errno 26] Text file busy: '/opt/env/bin/x'", "busy", "program that uses it"),
        ("ERROR: [Errno 36] File name too long: '/home/ada/x'", "long_path", "shorter prefix"),
        ("ERROR: [Errno 12] Cannot allocate memory", "memory", "more memory"),
    ],
)
def test_trouble_of_the_host(output: str, kind: str, hint: str) -> None:
    failure = explain(2, output)
    assert failure.kind == kind
    assert hint in failure.hint


@pytest.mark.parametrize("number", [4, 6, 7, 8, 11])
def test_a_crash_of_pip_is_no_lack_of_memory(number: int) -> None:
    failure = explain(-number, "")
    assert failure.kind == "crash"
    assert "memory" not in failure.hint
