"""What `make sanity` copies, how it sets up pip, and how it reads ansible-test's output."""

from __future__ import annotations

import configparser
import subprocess
from pathlib import Path

import pytest

from scripts import sanity

ROOT = Path(__file__).resolve().parents[3]

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


def test_pip_configuration_is_what_pip_listed() -> None:
    listed = (
        ":env:.timeout='60'\n"
        "global.timeout='15'\n"
        "global.find-links='/a\\n/b'\n"
        "install.no-binary='one'\n"
    )
    text = sanity.pip_configuration(listed)
    parsed = configparser.RawConfigParser()
    parsed.read_string(text)
    assert parsed["global"]["timeout"] == "60"
    assert parsed["global"]["find-links"].split() == ["/a", "/b"]
    assert parsed["install"]["no-binary"] == "one"


def test_copy_holds_the_artifact_and_forgets_files_that_are_gone(tmp_path: Path) -> None:
    root, target = tmp_path / "root", tmp_path / "copy"
    for name in ("plugins/a.py", "tests/config.yml", "tests/unit/b.py", "lab/c.py", "new.md"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x\n")
    (root / "galaxy.yml").write_text("build_ignore: [lab, tests]\n")
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    kept = {"galaxy.yml", "new.md", "plugins/a.py", "tests/config.yml"}
    assert set(sanity.copy_collection(root, target)) == kept
    (root / "new.md").unlink()
    sanity.copy_collection(root, target)
    listed = subprocess.run(
        ["git", "ls-files"], cwd=target, check=True, capture_output=True, text=True
    ).stdout
    assert set(listed.split()) == kept - {"new.md"}


def test_ansible_test_says_which_pip_it_wants() -> None:
    assert sanity._pip_versions()
