"""How scripts/testing/galaxy_importer.py reads the log and the result of galaxy-importer 0.4.44."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.testing import galaxy_importer

PASSED = """\
$ python -m galaxy_importer.main llmfleet-conda-0.1.0.tar.gz
Importing with galaxy-importer 0.4.44
Getting doc strings via ansible-doc
Finding content inside collection
Loading module conda_env
Loading module_utils _plan
Loading playbook site.yml
Loading role verify
Linting collection via ansible-lint 26.10.1...
...ansible-lint run complete
Collection loading complete
Importer processing completed successfully
"""


def with_line(line: str, after: str) -> str:
    assert f"{after}\n" in PASSED
    return PASSED.replace(f"{after}\n", f"{after}\n{line}\n")


def test_contents_metadata_and_ansible_lint_count_one_each() -> None:
    tally = galaxy_importer.read_log(PASSED, 0)
    assert (tally.passed, tally.failed) == (6, 0)


@pytest.mark.parametrize(
    ("line", "after", "about"),
    [
        (
            "WARNING: Could not parse the documentation of this module",
            "Loading module conda_env",
            "module conda_env",
        ),
        (
            "WARNING: No role description found in role metadata",
            "Loading role verify",
            "role verify",
        ),
        (
            "WARNING: roles/verify/tasks/main.yml:9: name[missing]: All tasks should be named.",
            "Linting collection via ansible-lint 26.10.1...",
            "ansible-lint",
        ),
        (
            "ERROR: Timeout on call to ansible-lint",
            "Linting collection via ansible-lint 26.10.1...",
            "ansible-lint",
        ),
        (
            'ERROR: Error running ansible-doc: cmd="ansible-doc" returncode="1"',
            "Getting doc strings via ansible-doc",
            "the collection's metadata",
        ),
    ],
)
def test_warning_or_error_fails_what_it_is_about(line: str, after: str, about: str) -> None:
    tally = galaxy_importer.read_log(with_line(line, after), 0)
    assert (tally.passed, tally.failed) == (5, 1)
    assert tally.notes == [f"{line.partition(': ')[2]} (at {about})"]


def test_each_line_is_a_failure_of_its_own() -> None:
    line = "WARNING: Could not parse the documentation of this module"
    after = "Loading module conda_env"
    tally = galaxy_importer.read_log(with_line(f"{line}\n{line}", after), 0)
    assert (tally.passed, tally.failed) == (5, 2)


@pytest.mark.parametrize(
    ("removed", "named"),
    [
        ("Getting doc strings via ansible-doc\n", "ansible-doc"),
        ("...ansible-lint run complete\n", "ansible-lint"),
        ("Importer processing completed successfully\n", "the import"),
    ],
)
def test_part_that_did_not_run_fails(removed: str, named: str) -> None:
    assert removed in PASSED
    tally = galaxy_importer.read_log(PASSED.replace(removed, ""), 0)
    assert (tally.passed, tally.failed) == (0, 1)
    assert f"to the end: {named};" in tally.notes[0]


@pytest.mark.parametrize(("text", "code"), [(PASSED, 1), (PASSED, 124), ("", 0), ("", 1)])
def test_import_that_ends_badly_or_says_nothing_fails(text: str, code: int) -> None:
    assert galaxy_importer.read_log(text, code).failed == 1


def test_refused_import_fails_with_the_reason() -> None:
    text = (
        "Importing with galaxy-importer 0.4.44\n"
        "ERROR: The import failed for the following reason: At least one tag required\n"
    )
    tally = galaxy_importer.read_log(text, 1)
    assert tally.passed == 0
    assert "At least one tag required" in tally.notes[0]


def result(**documentation: Any) -> dict[str, Any]:
    kinds = {"conda_env": "module", "urls": "filter", "verify": "role", "site.yml": "playbook"}
    docs = {"conda_env": {"doc": {"description": ["x"]}}, "urls": {"doc": {"description": ["x"]}}}
    docs |= documentation
    return {
        "contents": [{"name": name, "content_type": kind} for name, kind in kinds.items()],
        "docs_blob": {
            "contents": [
                {"content_name": name, "content_type": kind, "doc_strings": docs.get(name)}
                for name, kind in kinds.items()
            ]
        },
    }


def test_result_with_all_documentation_passes() -> None:
    tally = galaxy_importer.read_result(result())
    assert (tally.passed, tally.failed) == (1, 0)


@pytest.mark.parametrize("found", [None, {}, {"doc": None}, {"doc": {"description": []}}])
def test_module_without_documentation_fails(found: Any) -> None:
    tally = galaxy_importer.read_result(result(conda_env=found))
    assert (tally.passed, tally.failed) == (0, 1)
    assert "module conda_env" in tally.notes[0]


def test_result_without_roles_fails() -> None:
    found = result()
    found["contents"] = [one for one in found["contents"] if one["content_type"] != "role"]
    assert galaxy_importer.read_result(found).notes == ["Galaxy would list no role"]
