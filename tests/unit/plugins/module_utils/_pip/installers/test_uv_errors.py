"""Classifying failures of uv: recorded output of uv 0.13.9."""

from __future__ import annotations

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.uv_errors import (
    explain,
)

USING = "Using Python 3.11.7 environment at: /opt/conda/envs/llm\n"
NO_SOLUTION = f"{USING}error: No solution found when resolving dependencies\n  cause: "
FETCH = "  cause: Failed to fetch: http://h/simple/app/\n"
SENDING = "  cause: error sending request for url (http://h/simple/app/)\n"

CASES = {
    "no such name": (
        1,
        f"{NO_SOLUTION}Because app was not found in the provided package locations and you require app, "
        "we can conclude that your requirements are unsatisfiable.\n",
        ("no_match", "requirements", False),
        "Because app was not found",
    ),
    "no such version": (
        1,
        f"{NO_SOLUTION}Because only app<=2.0 is available and you require app>=3, we can conclude "
        "that your "
        "requirements are unsatisfiable.\n",
        ("no_match", "requirements", False),
        "only app<=2.0 is available",
    ),
    "no such dependency": (
        1,
        f"{NO_SOLUTION}Because lib was not found in the package registry and app==1.0 depends on "
        "lib, we can "
        "conclude that app==1.0 cannot be used.\n         And because you require app, we can "
        "conclude that "
        "your requirements are unsatisfiable.\n",
        ("no_match", "requirements", False),
        "lib was not found",
    ),
    "no such version of a dependency": (
        1,
        f"{NO_SOLUTION}Because only lib<=2.0 is available and app==1.0 depends on lib>=9, we can "
        "conclude that "
        "app==1.0 cannot be used.\n         And because you require app, we can conclude that your "
        "requirements are unsatisfiable.\n",
        ("no_match", "requirements", False),
        "only lib<=2.0",
    ),
    "conflict": (
        1,
        f"{NO_SOLUTION}Because all versions of old depend on lib<2 and app>=2.0 depends on lib>=2, we can "
        "conclude that app>=2.0 and all versions of old are incompatible.\n         And because you "
        "require "
        "app==2.0 and old, we can conclude that your requirements are unsatisfiable.\n",
        ("conflict", "requirements", False),
        "all versions of old depend on lib<2",
    ),
    "against a constraint": (
        1,
        f"{NO_SOLUTION}Because app>=2.0 depends on lib>=2 and lib<2, we can conclude that app>=2.0 "
        "cannot be "
        "used.\n         And because you require app>=2, we can conclude that your requirements are "
        "unsatisfiable.\n",
        ("conflict", "requirements", False),
        "depends on lib>=2 and lib<2",
    ),
    "two wishes": (
        1,
        f"{NO_SOLUTION}Because you require lib==1.0 and lib>=2, we can conclude that your requirements are "
        "unsatisfiable.\n",
        ("conflict", "requirements", False),
        "you require lib==1.0 and lib>=2",
    ),
    "another Python": (
        1,
        f"{NO_SOLUTION}Because new==1.0 requires Python >=3.99 and only new==1.0 is available, we "
        "can conclude "
        "that all versions of new cannot be used.\n         And because you require new, we can "
        "conclude that "
        "your requirements are unsatisfiable.\n",
        ("python", "requirements", False),
        "requires Python >=3.99",
    ),
    "wrong hash": (
        1,
        f"{USING}Resolved 1 package in 1ms\nerror: Failed to download `lib==1.0`\n  cause: Hash "
        "mismatch for "
        "`lib==1.0`\n\n         Expected:\n           sha256:00\n\n         Computed:\n           "
        "sha256:9d\n",
        ("hash", "requirements", False),
        "does not have the requested hash",
    ),
    "no hash": (
        1,
        f"{USING}error: Hash-checking is required, but no trusted hash was provided for: `lib`\n",
        ("hash", "requirements", False),
        "requires one for every distribution",
    ),
    "not pinned": (
        1,
        f"{USING}error: In `--require-hashes` mode, all requirements must have their versions pinned with "
        "`==`, but found: app>=1\n",
        ("hash", "requirements", False),
        "exact version",
    ),
    "HTTP 500": (
        2,
        f"{USING}error: Request failed after 1 retry in 1.9s\n{FETCH}  cause: HTTP status server error "
        "(500 Internal Server Error) for url (http://h/simple/app/)\n",
        ("http", "index_url", True),
        "HTTP 500",
    ),
    "HTTP 429": (
        2,
        f"{USING}error: Request failed after 1 retry in 2.0s\n{FETCH}  cause: HTTP status client error "
        "(429 Too Many Requests) for url (http://h/simple/app/)\n",
        ("http", "index_url", True),
        "HTTP 429",
    ),
    "HTTP 404 of a file": (
        1,
        f"{USING}error: Failed to fetch: http://h/simple/lib/lib-1.0-py3-none-any.whl\n  cause: "
        "HTTP status "
        "client error (404 Not Found) for url (http://h/simple/lib/lib-1.0-py3-none-any.whl)\n",
        ("http", "index_url", False),
        "does not exist (HTTP 404)",
    ),
    "HTTP 403": (
        1,
        f"{NO_SOLUTION}Because app was not found in the package registry and you require app==1.0, we can "
        "conclude that your requirements are unsatisfiable.\n\nhint: An index (http://h/simple) returned a "
        "403 Forbidden error. Check that the index URL is correct and the credentials are valid.\n",
        ("credentials", "index_url", False),
        "HTTP 403",
    ),
    "HTTP 401": (
        1,
        f"{NO_SOLUTION}Because app was not found in the package registry and you require app==1.0, we can "
        "conclude that your requirements are unsatisfiable.\n\nhint: An index URL (http://h/simple) "
        "could not "
        "be queried due to a lack of valid authentication credentials (401 Unauthorized)\n",
        ("credentials", "index_url", False),
        "HTTP 401",
    ),
    "refused": (
        2,
        f"{USING}error: Request failed after 3 retries in 10.2s\n{FETCH}{SENDING}  cause: client error "
        "(Connect)\n  cause: tcp connect error\n  cause: Connection refused (os error 111)\n",
        ("network", "index_url", True),
        "cannot be reached",
    ),
    "no such host": (
        2,
        f"{USING}error: Request failed after 3 retries in 9.9s\n{FETCH}{SENDING}  cause: client error "
        "(Connect)\n  cause: dns error\n  cause: error resolving DNS\n  cause: failed to lookup address "
        "information: Name or service not known\n",
        ("network", "index_url", True),
        "cannot be reached",
    ),
    "cut off": (
        2,
        f"{USING}error: Request failed after 1 retry in 1.4s\n{FETCH}{SENDING}  cause: client error "
        "(SendRequest)\n  cause: connection error\n  cause: Connection reset by peer (os error 104)\n",
        ("network", "index_url", True),
        "closed the connection",
    ),
    "half a file": (
        1,
        f"{USING}error: Request failed after 1 retry in 0.0s\n  cause: Failed to unzip wheel: "
        "lib-1.0-py3-none-any.whl\n  cause: an upstream reader returned an error: an error occurred during "
        "transport: error decoding response body\n  cause: end of file before message length reached\n",
        ("network", "index_url", True),
        "closed the connection",
    ),
    "a changed file": (
        1,
        f"{USING}Resolved 1 package in 4ms\nerror: Failed to download `lib==1.0`\n  cause: Failed "
        "to extract "
        "archive: lib-1.0-py3-none-any.whl\n  cause: Bad CRC (got 86448ff7, expected a5701be3) for "
        "file: x\n",
        ("download", "index_url", True),
        "damaged",
    ),
    "no wheel": (
        1,
        f"{NO_SOLUTION}Because lib==2.0 has an invalid package format and you require lib==2.0, we can "
        "conclude that your requirements are unsatisfiable.\n\nhint: The structure of `lib` (v2.0) was "
        "invalid:\n  Failed to read from zip file\n",
        ("download", "index_url", True),
        "damaged",
    ),
    "managed": (
        2,
        f"{USING}error: The interpreter at `/opt/conda/envs/llm` is externally managed and cannot be "
        "modified.\n\nhint: Consider creating a virtual environment, e.g., with `uv venv`\n",
        ("managed", "prefix", False),
        "managed by another tool",
    ),
    "no permission": (
        2,
        f"{USING}Resolved 1 package in 6ms\nPrepared 1 package in 2ms\nerror: failed to remove file "
        "`/opt/conda/envs/llm/lib/x/INSTALLER`: Permission denied (os error 13)\n",
        ("permission", "prefix", False),
        "may not write /opt/conda/envs/llm/lib/x/INSTALLER",
    ),
    "full disk": (
        2,
        f"{USING}error: failed to copy file from /a to /b: No space left on device (os error 28)\n",
        ("disk_full", "prefix", False),
        "The volume is full",
    ),
    "no interpreter": (
        2,
        "error: No virtual environment or system Python installation found for path `/no/bin/python`; run "
        "`uv venv` to create an environment\n",
        ("interpreter", "prefix", False),
        "cannot use the environment's Python",
    ),
    "bad line": (
        2,
        "error: Couldn't parse requirement in `/s/requirements.txt` at position 0\n  cause: "
        "Unexpected end of "
        "version specifier, expected version\n         lib===\n              ^^^\n",
        ("requirement", "requirements", False),
        "cannot parse one of the requirement lines",
    ),
    "no build": (
        1,
        f"{USING}error: Failed to build `src==1.0`\n  cause: The build backend returned an error\n  "
        "cause: Call "
        "to `nope.get_requires_for_build_wheel` failed (exit status: 1)\n",
        ("build", "requirements", False),
        "the build failed",
    ),
    "nothing to build with": (
        1,
        f"{USING}error: Failed to download and build `src==1.0`\n  cause: Failed to resolve "
        "requirements from "
        "`setup.py` build\n  cause: No solution found when resolving: `setuptools>=40.8.0`\n  "
        "cause: Because "
        "setuptools was not found in the package registry and you require setuptools>=40.8.0, we can "
        "conclude that your requirements are unsatisfiable.\n",
        ("build", "requirements", False),
        "the build failed",
    ),
    "a certificate": (
        2,
        f"{USING}error: Request failed after 3 retries\n{FETCH}{SENDING}  cause: client error (Connect)\n"
        "  cause: invalid peer certificate: UnknownIssuer\n",
        ("tls", "index_url", False),
        "not trusted",
    ),
    "something else": (2, "error: the sky fell\n", ("other", "", False), "exit code 2"),
}


@pytest.mark.parametrize("name", CASES)
def test_kinds(name: str) -> None:
    rc, output, expected, text = CASES[name]
    failure = explain(rc, output)
    assert (failure.kind, failure.option, failure.retryable) == expected
    assert text in failure.message
    assert failure.hint
    assert failure.said
    assert "Using Python" not in failure.said
    assert "Resolved" not in failure.said


def test_signals_and_time() -> None:
    assert explain(-9, "").kind == "killed"
    assert "signal 9" in explain(-9, "").message
    timeout = explain(-9, "", timed_out=True)
    assert (timeout.kind, timeout.option) == ("timeout", "timeout")


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (
            "error: Failed to download and build `x @ git+file:///srv/x`\n  cause: Git operation failed\n"
            "  cause: failed to fetch branch or tag `main`\n  cause: process didn't exit successfully:"
            " `/usr/bin/git fetch` (exit status: 128)\n         --- stderr\n"
            "         fatal: couldn't find remote ref refs/tags/main\n",
            "git could not fetch a requirement: couldn't find remote ref refs/tags/main.",
        ),
        (
            "error: Failed to download and build `x @ git+file:///srv/x`\n  cause: Git operation failed\n"
            "  cause: Git executable not found. Ensure that Git is installed and available.\n",
            "git could not fetch a requirement.",
        ),
    ],
)
def test_a_git_that_fails_is_no_missing_compiler(output: str, message: str) -> None:
    failure = explain(1, output)
    assert (failure.kind, failure.message) == ("git", message)
    assert "compiler" not in failure.hint


def test_too_many_open_files_do_not_blame_the_environment() -> None:
    failure = explain(
        2,
        "error: Failed to inspect Python interpreter from provided path at `/opt/env/bin/python`\n"
        "  cause: Failed to query Python interpreter at `/opt/env/bin/python`\n"
        "  cause: Too many open files (os error 24)\n",
    )
    assert failure.kind == "open_files"
    assert "repair the environment" not in failure.hint


def test_a_build_that_the_index_lacks_is_told_of_its_own_index() -> None:
    failure = explain(
        1,
        f"{NO_SOLUTION}Because there is no version of torch==2.7.1+cu126 and you require"
        " torch==2.7.1+cu126, we can conclude that your requirements are unsatisfiable.\n",
    )
    assert failure.kind == "no_match"
    assert "PyTorch's index" in failure.hint
