"""Lists and mappings changed in place: PyYAML reads what was meant, and comments stay."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.document import Condarc

LIST = """\
# top
channels:   # in this order
  # ours
  - lab
  # theirs
  - conda-forge  # big

other: 1
"""
MAPPING = """\
proxy_servers:
    # inside
    http: http://proxy:1   # old

    # outside
    'https': http://proxy:2
more:
    a:
    - 1   # one
    - 2
    b: {c: d}
"""


def changed(text: str, key: str, value: Any) -> str:
    """The text with another value of a key, read by PyYAML to mean that and no other change."""
    condarc = Condarc(text)
    condarc.set(key, value)
    before, after = yaml.safe_load(text), yaml.safe_load(condarc.text)
    assert after == {**before, key: value}
    return condarc.text


@pytest.mark.parametrize(
    ("value", "lost"),
    [
        (["lab", "conda-forge", "bioconda"], set()),
        (["lab", "bioconda"], {"big"}),
        (["conda-forge"], set()),
        (["conda-forge", "r", "s"], set()),
        (["conda-forge", "lab"], {"in this order", "ours", "theirs", "big"}),
        ([], {"in this order", "ours", "theirs", "big"}),
        ("lab", {"in this order", "ours", "theirs", "big"}),
    ],
)
def test_comments_in_a_list_are_kept(value: Any, lost: set[str]) -> None:
    text = changed(LIST, "channels", value)
    assert {
        word
        for word in ("top", "in this order", "ours", "theirs", "big")
        if f"# {word}" not in text
    } == lost
    assert text.endswith("\nother: 1\n")


def test_new_item_has_the_style_of_the_others() -> None:
    text = "channels:\n- a  # first\nx: 1\n"
    assert changed(text, "channels", ["a", "b"]) == "channels:\n- a  # first\n- b\nx: 1\n"
    text = "channels:\n      - a\n      - b\n"
    assert changed(text, "channels", ["b", "c"]) == "channels:\n      - b\n      - c\n"


def test_changes_adds_and_removes_single_pairs() -> None:
    text = changed(MAPPING, "proxy_servers", {"http": "http://proxy:1", "ftp": "http://proxy:3"})
    assert "    http: http://proxy:1   # old\n" in text
    assert "    ftp: http://proxy:3\n" in text
    assert "https" not in text
    assert "# inside" in text
    assert "# outside" in text
    text = changed(MAPPING, "proxy_servers", {"http": "http://new:1", "https": "http://proxy:2"})
    assert "    'https': http://proxy:2\n" in text
    assert "# inside" in text
    text = changed(MAPPING, "more", {"a": [1, 2], "b": {"c": "e"}})
    assert "    - 1   # one\n" in text


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
def test_line_ends_are_those_of_the_file(end: str, last: bool) -> None:
    text = end.join(["channels:", "  - a # x", "  - b"]) + (end if last else "")
    condarc = Condarc(text)
    condarc.set("channels", ["a", "b", "c"])
    assert condarc.text == end.join(["channels:", "  - a # x", "  - b", "  - c", ""])


_WORD = st.text("abc", min_size=1, max_size=3)
_SCALARS = st.one_of(_WORD, st.integers(0, 9), st.booleans())
_MAPPINGS = st.dictionaries(_WORD, st.one_of(_SCALARS, st.lists(_WORD, max_size=3)), max_size=4)
_LISTS = st.lists(_SCALARS, max_size=5)


@given(before=st.one_of(_LISTS, _MAPPINGS), after=st.one_of(_LISTS, _MAPPINGS), dump=st.booleans())
def test_any_value_set_is_read_back(before: Any, after: Any, dump: bool) -> None:
    text = yaml.safe_dump({"key": before}, default_flow_style=False, indent=4 if dump else 2)
    changed(f"# top\n{text}z: 1\n", "key", after)
