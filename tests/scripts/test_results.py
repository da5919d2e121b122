"""Counts come from what pytest really writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from scripts.testing.results import Tally, pytest_tally, read_junit

SUITE = """
import pytest

def test_one(): pass

@pytest.mark.parametrize("n", [1, 2])
def test_two(n): assert n == 1

@pytest.mark.skip(reason="no engine here")
def test_three(): pass

@pytest.mark.xfail(reason="known", strict=True)
def test_four(): assert False

@pytest.fixture
def broken():
    yield
    raise RuntimeError("teardown")

def test_five(broken): assert False

def test_six(broken): pass

@pytest.fixture
def unset(): raise RuntimeError("setup")

def test_seven(unset): pass
"""


def run_pytest(where: Path, text: str) -> tuple[Path, int]:
    suite = where / "test_suite.py"
    suite.write_text(text)
    xml = where / "result.xml"
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={xml}"]
    done = subprocess.run([*argv, suite], cwd=where, capture_output=True, text=True)
    return xml, done.returncode


def test_counts_of_a_mixed_suite(tmp_path: Path) -> None:
    xml, code = run_pytest(tmp_path, SUITE)
    assert code == 1
    tally = pytest_tally(xml, code, tmp_path / "log")
    # Passed: one, two[1]. Failed: two[2], five (call and teardown: once), six, seven.
    assert (tally.passed, tally.failed, tally.skipped) == (2, 4, 2)
    assert tally.reasons["no engine here"] == 1
    assert "test_suite::test_five" in tally.notes


def test_all_passed(tmp_path: Path) -> None:
    xml, code = run_pytest(tmp_path, "def test_one(): pass\n")
    tally = pytest_tally(xml, code, tmp_path / "log")
    assert (tally.passed, tally.failed, tally.skipped, tally.notes) == (1, 0, 0, [])


def test_empty_suite_executed_nothing(tmp_path: Path) -> None:
    xml, code = run_pytest(tmp_path, "")
    assert code == 5
    assert pytest_tally(xml, code, tmp_path / "log").executed == 0


def test_suite_that_cannot_be_collected_fails(tmp_path: Path) -> None:
    xml, code = run_pytest(tmp_path, "import nothing_of_that_name\n")
    assert pytest_tally(xml, code, tmp_path / "log").failed >= 1


def test_missing_result_file_is_a_failure(tmp_path: Path) -> None:
    tally = pytest_tally(tmp_path / "none.xml", 0, tmp_path / "log")
    assert tally.failed == 1
    assert "no readable result file" in tally.notes[0]


def test_cut_result_file_is_a_failure(tmp_path: Path) -> None:
    xml, code = run_pytest(tmp_path, "def test_one(): pass\n")
    xml.write_text(xml.read_text()[:80])
    assert pytest_tally(xml, code, tmp_path / "log").failed == 1


def test_crash_after_good_tests_is_a_failure(tmp_path: Path) -> None:
    xml, _ = run_pytest(tmp_path, "def test_one(): pass\n")
    tally = pytest_tally(xml, 134, tmp_path / "log")
    assert (tally.passed, tally.failed) == (1, 1)
    assert "134" in tally.notes[0]


def test_time_limit_is_named(tmp_path: Path) -> None:
    xml, _ = run_pytest(tmp_path, "def test_one(): pass\n")
    assert "time limit" in pytest_tally(xml, 124, tmp_path / "log").notes[0]


def test_tallies_add_up(tmp_path: Path) -> None:
    xml, code = run_pytest(tmp_path, SUITE)
    total = Tally(passed=1)
    total.add(read_junit(xml))
    total.add(pytest_tally(xml, code, tmp_path / "log"))
    assert (total.passed, total.failed, total.skipped) == (5, 8, 4)
    assert total.reasons["no engine here"] == 2
