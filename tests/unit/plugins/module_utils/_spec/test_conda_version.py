"""Conda's version ordering and version specs; tests/differential asks conda itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.llmfleet.conda.plugins.module_utils._spec.conda_version import (
    CondaVersion,
    InvalidSpecError,
    UnsupportedSpecError,
    VersionSpec,
    parse_version,
)

# From the documentation of conda.models.version.VersionOrder, each older than the next.
OLDER_FIRST = [
    ["0.4", "0.4.1.rc", "0.4.1", "0.5a1", "0.5b3", "0.5C1", "0.5", "0.9.6", "0.960923", "1.0"],
    [
        "1.1dev1",
        "1.1_",
        "1.1a1",
        "1.1.0",
        "1.1.post1",
        "1996.07.12",
        "1!0.4.1",
        "1!3.1.1.6",
        "2!0.4.1",
    ],
    [
        "1.0.1dev",
        "1.0.1_",
        "1.0.1a",
        "1.0.1b",
        "1.0.1",
        "1.0.1post.a",
        "1.0.1post.z",
        "1.0.1post.zA",
    ],
    ["2.0", "2.0+1", "2.0+2", "2.0.1"],
]


@pytest.mark.parametrize("versions", OLDER_FIRST)
def test_the_order_of_condas_documentation(versions: list[str]) -> None:
    for index, left in enumerate(versions):
        for right in versions[index + 1 :]:
            older, newer = CondaVersion(left), CondaVersion(right)
            assert older < newer, (left, right)
            assert newer > older
            assert older != newer


@pytest.mark.parametrize(
    "equal",
    [
        ("0.4", "0.4.0", "0.4.0.0", "0!0.4"),
        ("0.4.1.rc", "0.4.1.RC", "0.4.1.Rc"),
        ("1.2-3", "1.2_3", "1.2.3"),
        ("1.0", " 1.0 "),
        ("01.02", "1.2"),
        ("1.0+a", "1+a.0"),
        ("1a", "1A", "1a0"),
    ],
)
def test_equal_versions_have_equal_hashes(equal: tuple[str, ...]) -> None:
    versions = [CondaVersion(text) for text in equal]
    for version in versions[1:]:
        assert version == versions[0]
        assert hash(version) == hash(versions[0])
        assert not version < versions[0]
        assert version <= versions[0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1..2",
        "1.",
        ".1",
        "1!",
        "!1",
        "a!1",
        "1!2!3",
        "1+",
        "+1",
        "1+2+3",
        "1 2",
        "é",
        "1/2",
        "1-2_3-",
    ],
)
def test_refuses_invalid_versions(text: str) -> None:
    with pytest.raises(InvalidSpecError):
        CondaVersion(text)


@pytest.mark.parametrize(
    ("version", "series", "result"),
    [
        ("1.2.3", "1.2", True),
        ("1.2.3", "1.2.3", True),
        ("1.2.3", "1.2.3.0", True),
        ("1.2", "1.2.0", True),
        ("1.20", "1.2", False),
        ("1.2.3", "1.3", False),
        ("1.0alpha", "1.0a", True),
        ("1.0a2", "1.0a", True),
        ("1.0", "1.0a", False),
        ("1!1.2", "1.2", False),
        ("2.0+cuda118", "2.0+cuda", True),
        ("2.0", "2.0+cuda", False),
    ],
)
def test_series(version: str, series: str, result: bool) -> None:
    assert CondaVersion(version).startswith(CondaVersion(series)) is result


@pytest.mark.parametrize(
    ("spec", "good", "bad"),
    [
        ("1.8", "1.8 1.8.0 1.8.0.0", "1.8.1 1.80 1.8rc1"),
        ("=1.8", "1.8 1.8.1 1.8.0rc1", "1.80 1.9 1!1.8"),
        ("==1.8", "1.8 1.8.0", "1.8.1"),
        ("1.8.*", "1.8 1.8.1", "1.80 1.7"),
        (">=1.8,<2", "1.8 1.9.9 2.0rc1", "1.7 2 2.0 1.8rc1"),
        ("1.7|1.8", "1.7 1.8.0", "1.7.1"),
        ("~=1.8", "1.8 1.9 1.8.5", "2.0 1.7 1.8rc1"),
        ("~=1.8.1", "1.8.1 1.8.9", "1.9 1.8.0"),
        ("!=1.8", "1.8.1 1.7", "1.8 1.8.0"),
        ("!=1.8.*", "1.7 1.80", "1.8.1 1.8"),
        ("*", "0 1!1 2rc1", ""),
        (">=1,<2|>3", "1 1.5 3.1", "2 3"),
        ("(>=1|0.5),<2", "0.5 1", "0.6 2"),
        ("1.*.0", "1.2.0 1.2.3.0", "1.2.1"),
        ("1.8**", "", "1.8 1.8.1"),
        ("1@2", "1@2", "1.2 12"),
        ("( >=1 , <1.5 ) | 2.0", "1 1.4 2", "1.5 3"),
        ("(1.7|(1.8|1.9)),!=1.8", "1.7 1.9", "1.8 2"),
        ("~=1.8.0rc1", "1.8.0rc1 1.8.5", "1.7 1.9"),
        ("~=1!1.8", "1!1.8 1!1.9", "1.8 2!1"),
    ],
)
def test_specs(spec: str, good: str, bad: str) -> None:
    parsed = VersionSpec(spec)
    assert [version for version in good.split() if not parsed.matches(version)] == []
    assert [version for version in bad.split() if parsed.matches(version)] == []


@pytest.mark.parametrize(
    "spec",
    [
        *("", " ", ">", ">=1,", "|1", "(1", "1)", "(1,)", "==", "~=1", "~=1.8.*", "<>1", "1..2"),
        *(">= 1", "1.8 1", "1,,2", "1,|2", "1, ", "@1*", "1)("),
    ],
)
def test_refuses_invalid_specs(spec: str) -> None:
    with pytest.raises(InvalidSpecError):
        VersionSpec(spec)


@pytest.mark.parametrize(
    "spec", ["^1.*$", "1(2)", "(1)2", "(1)(2)", "1()", "(1 (2))", "1.*.[0]", "1.*|2.*.?"]
)
def test_specs_left_to_conda(spec: str) -> None:
    with pytest.raises(UnsupportedSpecError):
        VersionSpec(spec)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("1.8", "1.8"),
        ("==1.8", "==1.8"),
        ("1.8*", "1.8.*"),
        ("1.8.*", "1.8.*"),
        ("=1.8*", "=1.8*"),
        (" >=1.8 , <2 ", ">=1.8,<2"),
        ("(1.7|1.8)|1.9", "1.7|1.8|1.9"),
        ("(1.7,1.8)|1.9", "1.7,1.8|1.9"),
        ("((1.8))", "1.8"),
        # conda's own text loses these parentheses.
        ("(1.7|1.8),<2", "1.7|1.8,<2"),
    ],
)
def test_a_spec_is_written_as_conda_writes_it(spec: str, text: str) -> None:
    parsed = VersionSpec(spec)
    assert parsed.text == str(parsed) == text
    assert repr(parsed) == f"VersionSpec({text!r})"


def test_text_conditions_accept_invalid_versions() -> None:
    assert VersionSpec("*").matches("not a version!")
    assert VersionSpec("1.8|*").matches("1.8")
    assert VersionSpec("*a*sion!").matches("not a version!")
    assert not VersionSpec("*b*sion!").matches("not a version!")


def test_invalid_version_raises_instead_of_not_matching() -> None:
    with pytest.raises(InvalidSpecError):
        VersionSpec(">=1").matches("not a version!")


def test_parsed_versions_are_cached() -> None:
    assert parse_version("1.2.3") is parse_version("1.2.3")
    assert repr(parse_version("1.2")) == "CondaVersion('1.2')"
    assert parse_version("1.2") != "1.2"


numbers = st.lists(st.integers(0, 40), min_size=1, max_size=5)


@given(numbers, numbers)
def test_plain_numbers_are_compared_like_numbers(left: list[int], right: list[int]) -> None:
    size = max(len(left), len(right))
    padded = [item + [0] * (size - len(item)) for item in (left, right)]
    ours = [CondaVersion(".".join(map(str, item))) for item in (left, right)]
    assert (ours[0] < ours[1]) is (padded[0] < padded[1])
    assert (ours[0] == ours[1]) is (padded[0] == padded[1])
