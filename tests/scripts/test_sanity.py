"""How `make sanity` reads what ansible-test says."""

from __future__ import annotations

import pytest

from scripts.testing import sanity

PASSED = """\
Running sanity test "compile" on Python 3.8
No tests applicable.
Running sanity test "compile" on Python 3.9
Run command: python3.9 compile.py
Running sanity test "no-assert"
"""


def test_counts_a_test_on_a_python_as_one_and_leaves_out_what_tested_nothing() -> None:
    tally = sanity.read_results(PASSED, 0)
    assert (tally.passed, tally.failed, tally.skipped) == (2, 0, 0)


def test_findings_fail_the_test_that_was_running() -> None:
    text = PASSED + (
        "ERROR: Found 1 no-assert issue(s) which need to be resolved:\n"
        "ERROR: plugins/modules/x.py:1:1: raise AssertionError instead of: assert\n"
        'Running sanity test "pep8"\n'
        "FATAL: The 1 sanity test(s) listed below (out of 3) failed.\nno-assert\n"
    )
    tally = sanity.read_results(text, 1)
    assert (tally.passed, tally.failed, tally.skipped) == (2, 1, 0)
    assert "no-assert" in tally.notes[0]


def test_missing_python_is_a_skip_with_its_reason() -> None:
    reason = 'Skipping sanity test "import" on Python 3.10 because it could not be found.'
    warning = f"WARNING: {reason}\n"
    review = "WARNING: Reviewing previous 1 warning(s):\n"
    tally = sanity.read_results(PASSED + warning + review + warning, 0)
    assert (tally.passed, tally.failed, tally.skipped) == (2, 0, 1)
    assert tally.reasons == {reason: 1}


@pytest.mark.parametrize(("text", "code"), [(PASSED, 1), ("", 0), ("FATAL: no pip\n", 1)])
def test_run_that_ends_badly_or_tests_nothing_fails(text: str, code: int) -> None:
    assert sanity.read_results(text, code).failed == 1
