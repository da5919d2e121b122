"""Every test that docs/pains.md names is there."""

from __future__ import annotations

import re

import pytest

from scripts.layout import ROOT

PAGE = ROOT / "docs" / "pains.md"
ROWS = [
    line.strip("|").split("|")
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| pain ")
]


def test_the_page_has_rows() -> None:
    assert len(ROWS) > 30


@pytest.mark.parametrize("row", ROWS, ids=[row[0].strip()[:50] for row in ROWS])
def test_the_tests_of_a_row_exist(row: list[str]) -> None:
    pain, answer, shown = (cell.strip() for cell in row)
    assert pain
    assert answer
    names = re.findall(r"`([^`]+)`", shown)
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in names if "/" in name]
    assert texts
    for name in names:
        if "/" not in name:
            assert any(f"def {name}(" in text for text in texts), name
