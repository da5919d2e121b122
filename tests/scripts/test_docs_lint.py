"""How scripts/testing/docs_lint.py reads the pages and the messages of antsibull-docs 2.28.0."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.testing import docs_lint

GOOD_PAGE = """\
llmfleet.conda.verify role
++++++++++++++++++++++++++

.. contents::

.. Parsing errors
"""

ERROR_PAGE = """\
llmfleet.conda.verify role
++++++++++++++++++++++++++


The documentation for the role plugin, llmfleet.conda.verify,  was malformed.

The errors were:

* .. code-block:: text

        1 validation error for RoleSchema
        entry_points -> preflight -> description
          Field required (type=missing)


File a bug with the `llmfleet.conda collection <https://example.org/>`_ in order to have it corrected.
"""

# A page that has all its parts but the return values, which could not be read.
PARTLY_BROKEN_PAGE = GOOD_PAGE + ERROR_PAGE[ERROR_PAGE.index("The errors were:") :]

CANARY = "roles/lint_canary/meta/argument_specs.yml"


def message(path: str, text: str, row: int | None = None) -> dict[str, Any]:
    return {"path": path, "row": row, "column": None, "end_column": None, "message": text}


ABOUT_CANARY = message(CANARY, "1 validation error for RoleSchema\n  Field required")


def printed(*messages: dict[str, Any]) -> str:
    document = json.dumps({"messages": messages, "success": not messages}, indent=2)
    return f"$ antsibull-docs lint-collection-docs .\n{document}\n"


def make(collection: Path, *names: str) -> None:
    for name in names:
        (collection / name).parent.mkdir(parents=True, exist_ok=True)
        (collection / name).touch()


def test_every_module_plugin_and_role_has_a_page(tmp_path: Path) -> None:
    make(
        tmp_path,
        *("roles/verify/meta/main.yml", "plugins/modules/conda_env.py", "plugins/filter/urls.yml"),
        *("plugins/modules/__init__.py", "plugins/filter/_private.py", "plugins/filter/README.md"),
        *("plugins/action/conda_env.py", "plugins/module_utils/plan.py"),
    )
    expected = {"verify_role.rst", "conda_env_module.rst", "urls_filter.rst"}
    assert docs_lint.expected_pages(tmp_path) == expected


def test_good_pages_pass() -> None:
    tally = docs_lint.read_pages(
        {"verify_role.rst"}, {"verify_role.rst": GOOD_PAGE, "index.rst": ""}
    )
    assert (tally.passed, tally.failed) == (1, 0)


@pytest.mark.parametrize("page", [ERROR_PAGE, PARTLY_BROKEN_PAGE])
def test_page_with_errors_fails_and_its_errors_are_told(page: str) -> None:
    tally = docs_lint.read_pages(
        {"verify_role.rst", "x_module.rst"}, {"verify_role.rst": page, "x_module.rst": ""}
    )
    assert (tally.passed, tally.failed) == (1, 1)
    assert "verify_role.rst: 1 validation error for RoleSchema" in tally.notes[0]
    assert "preflight -> description Field required" in tally.notes[0]


def test_missing_page_fails() -> None:
    tally = docs_lint.read_pages({"verify_role.rst"}, {"index.rst": GOOD_PAGE})
    assert (tally.passed, tally.failed) == (0, 1)


def test_collection_without_anything_to_document_fails() -> None:
    assert docs_lint.read_pages(set(), {"index.rst": GOOD_PAGE}).failed == 1


def test_linter_that_reports_the_planted_mistake_alone_passes() -> None:
    tally = docs_lint.read_messages("[WARNING]: a plugin\n" + printed(ABOUT_CANARY), 3)
    assert (tally.passed, tally.failed) == (1, 0)


def test_each_other_message_is_a_failure() -> None:
    first = message("plugins/modules/x.py", "O(y): option name\n  does not reference", 12)
    tally = docs_lint.read_messages(printed(first, ABOUT_CANARY, message("docs/x.rst", "no")), 3)
    assert (tally.passed, tally.failed) == (0, 2)
    assert tally.notes[0] == "plugins/modules/x.py:12:0: O(y): option name does not reference"


def test_linter_that_overlooks_the_planted_mistake_fails() -> None:
    tally = docs_lint.read_messages(printed(), 0)
    assert (tally.passed, tally.failed) == (0, 1)
    assert "overlooked" in tally.notes[0]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", 0),
        ("Traceback (most recent call last):\n", 1),
        ("{\n  cut\n}\n", 3),
        ("{\n}\n", 3),
        (printed(ABOUT_CANARY), 124),
    ],
)
def test_linter_without_a_result_fails(text: str, code: int) -> None:
    tally = docs_lint.read_messages(text, code)
    assert (tally.passed, tally.failed) == (0, 1)
