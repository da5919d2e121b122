"""Reading conda's output, on recorded runs of conda 26.7.1 and micromamba 2.8.1 and on odd shapes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._conda.command import (
    failure_of,
    solution_of,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._conda.output import (
    Failure,
    classify,
    find_document,
    trim,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.process import Completed

RECORDED = Path(__file__).parents[3] / "data" / "recorded-output.jsonl"
RUNS: dict[str, dict[str, Any]] = {
    run["name"]: run for run in map(json.loads, RECORDED.read_text(encoding="utf-8").splitlines())
}

# Every recorded run that failed. Those marked unknown are commands that the collection never issues, or
# failures about which there is nothing general to say beyond conda's own words.
FAILED = {
    "bogus-flag": "usage",
    "bogus-subcommand": "usage",
    "classic-notfound": "not_found",
    "classic-unsat": "unsatisfiable",
    "env-create-badpip": "file_format",
    "env-create-invalid": "usage",
    "env-create-missingfile": "file_format",
    "env-create-nodefaults": "network",
    "env-create-noname": "usage",
    "env-create-notfound": "not_found",
    "env-create-syntax": "usage",
    "env-create-unsat": "unsatisfiable",
    "env-remove-again": "not_environment",
    "env-remove-base": "protected",
    "install-badchannel": "channel",
    "install-constrains": "unsatisfiable",
    "install-cuda": "host_lacks",
    "install-glibc9": "host_lacks",
    "install-missingdep": "dependency",
    "install-noenv": "not_environment",
    "install-notfound": "not_found",
    "install-notfound-text": "not_found",
    "install-offline": "not_found",
    "install-postfail": "script",
    "install-unsat": "unsatisfiable",
    "install-unsat-text": "unsatisfiable",
    "list-missing-env": "not_environment",
    "list-missing-pkg": "value",
    "list-notenv-dir": "not_environment",
    "mm-create-bad-yaml": "unknown",
    "mm-env-remove-noenv": "not_environment",
    "mm-install-cuda": "host_lacks",
    "mm-install-noenv": "not_environment",
    "mm-install-notfound": "not_found",
    "mm-install-unsat": "unsatisfiable",
    "mm-list-noenv": "not_environment",
    "mm-run-noenv": "not_environment",
    "mm-run-rc": "unknown",
    "remove-all-again": "not_environment",
    "remove-conda-base": "protected",
    "remove-noenv": "not_environment",
    "remove-notinst": "not_installed",
    "run-nocmd": "unknown",
    "run-noenv": "not_environment",
    "run-rc": "unknown",
    "search-notfound": "not_found",
    "update-notinst": "not_installed",
    "x-compare": "unknown",
    "x-config-badkey": "value",
    "x-config-remove-miss": "value",
    "x-corrupt-history": "not_environment",
    "x-corrupt-record": "not_environment",
    "x-envremove-trailing": "unknown",
    "x-frozen": "frozen",
    "x-nonwritable": "permission",
    "x-pinned": "unsatisfiable",
    "x-sigint-timeout": "interrupted",
    "x-vars-set": "usage",
    "x-vars-unset": "usage",
}


def judged(run: dict[str, Any]) -> Failure | None:
    """What the one caller of conda makes of a run."""
    completed = Completed(run["rc"], run["stdout"], run["stderr"])
    document = find_document(completed.stdout) or find_document(completed.stderr)
    return failure_of(completed, document)


def test_every_recorded_failure_has_a_kind() -> None:
    assert {name for name, run in RUNS.items() if run["rc"] != 0} == set(FAILED)
    assert len(RUNS) > 120


@pytest.mark.parametrize("name", FAILED)
def test_kind_of_recorded_failures(name: str) -> None:
    failure = judged(RUNS[name])
    assert failure is not None
    assert failure.kind == FAILED[name]
    assert failure.said
    assert failure.hint
    assert "Traceback" not in failure.said
    assert "libmamba Configuration not found" not in failure.said
    # Only what the network did may go away by itself.
    assert not failure.retry or failure.kind == "network"


@pytest.mark.parametrize("name", sorted(set(RUNS) - set(FAILED)))
def test_recorded_success_is_not_a_failure(name: str) -> None:
    assert judged(RUNS[name]) is None


def test_said_names_the_cause() -> None:
    expected = {
        "install-notfound": "nosuchpkg=1",
        "install-unsat": "toy-a-2.0-0 requires toy-b >=2",
        "remove-notinst": "toy-a",
        "x-frozen": "frozen by admin",
        "mm-install-noenv": "No prefix found at",
        "mm-create-bad-yaml": "error at line 4",
        "remove-conda-base": "will remove conda without replacing it",
    }
    for name, words in expected.items():
        failure = judged(RUNS[name])
        assert failure is not None
        assert words in failure.said, name


def test_solutions_of_recorded_runs() -> None:
    made = solution_of(find_document(RUNS["create-dryrun"]["stdout"]))
    assert any(line.startswith("toy-a ") and line.endswith(" channel") for line in made.link)
    assert made.unlink == ()
    removed = solution_of(find_document(RUNS["remove"]["stdout"]))
    assert [line.split()[0] for line in removed.unlink] == ["toy-a", "toy-b"]
    nothing = solution_of(find_document(RUNS["env-update-noop"]["stdout"]))
    assert (nothing.link, nothing.unlink) == ((), ())


def test_a_solution_is_applied_to_package_lines() -> None:
    updated = solution_of(find_document(RUNS["update-toy"]["stdout"]))
    before = [*updated.unlink, "other 1 0 lab"]
    assert updated.apply_to(before) == sorted([*updated.link, "other 1 0 lab"])


GOOD = '{"success": true, "actions": {"FETCH": [], "PREFIX": "/p"}}'
BAD = '{"error": "X: boom", "exception_name": "PackagesNotFoundInChannelsError", "message": "boom"}'


@pytest.mark.parametrize(
    ("stdout", "stderr", "rc", "good"),
    [
        (GOOD, "", 0, True),
        (f"Warning: pip is missing\n{GOOD}", "", 0, True),
        (f"{GOOD}\nhello from a post-link script\n", "", 0, True),
        (f"{{not json}} {GOOD} }}", "", 0, True),
        (f'{{"fetch": "x", "progress": 0.5}}\n{GOOD}', "", 0, True),
        (f'{{"maxval": 1.0, "finished": true}}\x00{GOOD}\x00', "", 0, True),
        # The rattler plugin and broken plugins crash after the work was done.
        (GOOD, "Segmentation fault", 139, True),
        (GOOD, "", 134, True),
        (BAD, "", 134, False),
        (f"{GOOD}\n{BAD}", "", 1, False),
        (f"{BAD}\n{GOOD}", "", 0, True),
        ("", "", 0, True),
        ("Done.\n", "", 0, True),
        ("", "", 1, False),
        ("", "critical libmamba Aborting.", 1, False),
        ("", BAD, 1, False),
        ("[1, 2]", "", 1, False),
        ('{"success": false, "solver_problems": ["nothing provides x"]}', "", 1, False),
        ('{"success": true, "exception_name": "CondaError", "error": "x"}', "", 1, False),
        ('{"success": "true"}', "", 1, False),
        (GOOD[:-3], "", 1, False),
        ("{" * 3000, "", 1, False),
    ],
)
def test_unexpected_documents(stdout: str, stderr: str, rc: int, good: bool) -> None:
    failure = judged({"rc": rc, "stdout": stdout, "stderr": stderr})
    assert (failure is None) is good
    if failure:
        assert failure.said


def test_names_exit_status_without_output() -> None:
    failure = judged({"rc": 134, "stdout": "", "stderr": "\n\n"})
    assert failure is not None
    assert failure.said == "no output (signal 6)"


@pytest.mark.parametrize(
    ("text", "kind", "retry"),
    [
        ("OSError: [Errno 24] Too many open files: '/opt/c/x'", "open_files", False),
        ("OSError: [Errno 23] Too many open files in system", "open_files", False),
        ("OSError: [Errno 5] Input/output error: '/opt/c/x'", "io", False),
        ("OSError: [Errno 116] Stale file handle", "io", False),
        ("OSError: [Errno 37] No locks available", "no_locks", False),
        ("OSError: [Errno 36] File name too long: '/home/ada/x'", "long_path", False),
        ("OSError: [Errno 40] Too many levels of symbolic links", "links", False),
        ("OSError: [Errno 26] Text file busy: '/opt/env/bin/x'", "busy", False),
        ("OSError: [Errno 12] Cannot allocate memory", "memory", False),
        ("[Errno 28] No space left on device", "disk_full", False),
        ("NoSpaceLeftError: No space left on devices.", "disk_full", False),
        ("Failed to write to /opt/c/pkgs/x.conda.partial\n  errno: 28", "disk_full", False),
        ("OSError: [Errno 30] Read-only file system: '/opt/c/x'", "read_only", False),
        ("Failed to write to /opt/c/pkgs/x.conda.partial\n  errno: 30", "read_only", False),
        ("EOFError('marshal data too short')", "compiled", False),
        ("OSError: [Errno 122] Disk quota exceeded", "disk_full", False),
        ("CondaToSNonInteractiveError: Terms of Service have not been accepted", "terms", False),
        ("EnvironmentIsFrozenError: x", "frozen", False),
        ("ChecksumMismatchError: Conda detected a mismatch", "corrupt", False),
        ("InvalidArchiveError('Error with archive /p/x.conda')", "corrupt", False),
        ("zipfile.BadZipFile: File is not a zip file", "corrupt", False),
        ("CondaHTTPError: HTTP 000 CONNECTION FAILED for url <http://x>", "network", True),
        ("CondaHTTPError: HTTP 404 NOT FOUND for url <http://x>", "channel", False),
        ("CondaHTTPError: HTTP 403 FORBIDDEN for url <http://x>", "denied", False),
        ("CondaHTTPError: HTTP 503 SERVICE UNAVAILABLE for url <http://x>", "network", True),
        ("CondaHTTPError: HTTP 500 INTERNAL SERVER ERROR for url <http://x>", "network", True),
        ("CondaHTTPError: HTTP 429 TOO MANY REQUESTS for url <http://x>", "network", True),
        ("ConnectionResetError: Connection reset by peer", "network", True),
        ("HTTPSConnectionPool: Read timed out.", "network", True),
        ("CondaSSLError: OpenSSL appears to be unavailable", "tls", False),
        ("PermissionError: [Errno 13] Permission denied: '/opt/x'", "permission", False),
        ("NotWritableError: The current user does not have write permissions", "permission", False),
        ("NoWritablePkgsDirError: No writeable pkgs directories configured.", "permission", False),
        ("NoChannelsConfiguredError: No channels have been configured", "no_channels", False),
        ("conda: error: unrecognized arguments: --x", "usage", False),
        ("something entirely new", "unknown", False),
    ],
)
def test_kinds_without_a_recording(text: str, kind: str, retry: bool) -> None:
    from_text = classify(1, "", text, None)
    assert (from_text.kind, from_text.retry) == (kind, retry)
    document = {"error": text, "exception_name": text.partition(":")[0], "message": text}
    from_json = classify(1, json.dumps(document), "", document)
    assert (from_json.kind, from_json.retry) == (kind, retry)


def test_full_disk_takes_precedence_over_its_consequences() -> None:
    text = (
        "CondaHTTPError: Connection broken; caused by OSError: [Errno 28] No space left on device"
    )
    assert classify(1, "", text, None).kind == "disk_full"


def test_timeout_kind() -> None:
    failure = classify(-9, "", "Solving environment", None, timed_out=True)
    assert failure.kind == "timeout"
    assert "timeout" in failure.hint


def test_all_errors_are_reported() -> None:
    document = {
        "error": "Multiple Errors Encountered.",
        "errors": [{"message": "first"}, {"error": "second"}, "third"],
    }
    assert classify(1, "", "", document).said == "first\nsecond\nthird"


def test_long_texts_are_shortened_in_the_middle() -> None:
    text = "\n\n".join(f"line {number}" for number in range(1000))
    cut = trim(text, 200)
    assert cut.startswith("line 0\nline 1\n")
    assert cut.endswith("line 999")
    assert "[...]" in cut
    assert len(cut) < 230
    assert trim("short\n\n \n") == "short"
