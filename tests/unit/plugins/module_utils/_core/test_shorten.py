"""Texts are shortened between words: a message that names a path names all of it."""

from __future__ import annotations

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.shorten import (
    beginning,
    both_ends,
    ending,
)

PATH = "/opt/miniconda3/pkgs/numpy-2.3.5-py312h33ff503_0"


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("short", 10, "short"),
        (f"see {PATH} now", 10, "see ..."),
        (f"see {PATH} now", 4, "see ..."),
        (f"{PATH} now", 10, f"{PATH} ..."),
        (PATH, 10, PATH),
        ("one two", 3, "one ..."),
    ],
)
def test_the_beginning_keeps_whole_words(text: str, limit: int, expected: str) -> None:
    assert beginning(text, limit) == expected


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("short", 10, "short"),
        (f"see {PATH} now", 10, "... now"),
        (f"see {PATH}", 10, f"... {PATH}"),
        (PATH, 10, PATH),
    ],
)
def test_the_end_keeps_whole_words(text: str, limit: int, expected: str) -> None:
    assert ending(text, limit) == expected


def test_the_middle_goes_between_words() -> None:
    text = f"first {PATH} second\nthird {PATH} last"
    assert both_ends(text, 24) == "first\n[...]\nlast"
    assert both_ends(PATH, 20) == PATH
    assert both_ends(f"{PATH} {PATH}", 20) == f"{PATH} {PATH}"
