"""PEP 440 versions and specifiers, with the `packaging` library as the oracle."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging import specifiers as oracle_specifiers
from packaging import version as oracle_versions

from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_version import (
    InvalidSpecifier,
    InvalidVersion,
    Specifier,
    SpecifierSet,
    Version,
)

# In the order of PEP 440; each differs from its neighbours.
ASCENDING = [
    "0.9",
    "1.dev0",
    "1.0a1.dev1",
    "1.0a1",
    "1.0a1.post1.dev2",
    "1.0a1.post1",
    "1.0a2",
    "1.0b1",
    "1.0rc1.dev3",
    "1.0rc1",
    "1.0",
    "1.0+abc",
    "1.0+abc.5",
    "1.0+abc.7",
    "1.0+5",
    "1.0.post1.dev4",
    "1.0.post1",
    "1.0.post1+local",
    "1.0.1",
    "1.1.dev1",
    "1.1",
    "2!0.1",
]

SPELLINGS = {
    "1.0": ["1.0", "v1.0", "V1.0", " 1.0\n", "0!1.0", "01.0"],
    "1.0a1": ["1.0alpha1", "1.0.a.1", "1.0-A1", "1.0_alpha_1", "1.0a01"],
    "1.0b0": ["1.0b", "1.0beta", "1.0.beta."],
    "1.0rc2": ["1.0c2", "1.0pre2", "1.0-preview_2", "1.0RC2"],
    "1.0.post3": ["1.0-3", "1.0post3", "1.0.rev3", "1.0-r3", "1.0_post-3"],
    "1.0.dev5": ["1.0dev5", "1.0-dev5", "1.0.DEV.5"],
    "1.0+ubuntu.1": ["1.0+Ubuntu-1", "1.0+ubuntu_01"],
}

NO_VERSIONS = [
    "",
    "x",
    "1.0.",
    "1..0",
    "1.0+",
    "1.0-",
    "1.0+a+b",
    "1.0 1",
    "1!",
    "!1",
    "1.0foo",
    "1.*",
]

OPERATORS = ["~=", "==", "!=", "<=", ">=", "<", ">", "==="]

NO_SPECIFIERS = [
    "",
    "1.0",
    "=1.0",
    "=>1.0",
    "~=1",
    "~=1.0+x",
    "~=1.0.*",
    ">=1.0.*",
    "<1.0+x",
    ">1.0+x",
    "<=1.0+x",
    "==1.0.*.1",
    "==1.0a1.*",
    "==1.0+x.*",
    "==*",
    "==",
    "=== a b",
    "!=x",
]

numbers = st.integers(min_value=0, max_value=12).map(str)
separators = st.sampled_from(["", ".", "-", "_"])


@st.composite
def version_texts(draw: st.DrawFn) -> str:
    """Versions in every spelling that PEP 440 allows."""
    text = draw(st.sampled_from(["", "", "", "v", "0!", "1!"]))
    text += ".".join(draw(st.lists(numbers, min_size=1, max_size=4)))
    if draw(st.booleans()):
        names = ["a", "b", "c", "rc", "alpha", "beta", "pre", "preview", "RC"]
        text += draw(separators) + draw(st.sampled_from(names)) + draw(separators)
        text = text.rstrip(".-_") + draw(st.sampled_from(["", "0", "1", "02"]))
    if draw(st.booleans()):
        text += draw(st.sampled_from(["-1", "-0", ".post1", "post", "_rev2", "r3", "-post.4"]))
    if draw(st.booleans()):
        text += draw(st.sampled_from([".dev1", "dev", "-dev0", "_dev.2"]))
    if draw(st.integers(0, 3)) == 0:
        text += "+" + draw(
            st.sampled_from(["1", "abc", "abc.1", "1.2", "ubuntu-1", "cu128", "1_a"])
        )
    return text


@st.composite
def specifier_texts(draw: st.DrawFn) -> str:
    """Clauses, most of them valid."""
    text = draw(st.sampled_from(OPERATORS)) + draw(st.sampled_from(["", " "]))
    return text + draw(version_texts()) + draw(st.sampled_from(["", "", "", ".*"]))


def _is_version(text: str) -> bool:
    try:
        oracle_versions.Version(text)
    except oracle_versions.InvalidVersion:
        return False
    return True


def test_order_of_pep_440() -> None:
    for (i, low), (j, high) in itertools.product(enumerate(ASCENDING), repeat=2):
        assert (Version(low) < Version(high)) == (i < j), (low, high)
        assert (Version(low) == Version(high)) == (i == j), (low, high)
        assert (Version(low) >= Version(high)) == (i >= j), (low, high)


@pytest.mark.parametrize(("normal", "text"), [(n, t) for n, ts in SPELLINGS.items() for t in ts])
def test_spellings_of_one_version(normal: str, text: str) -> None:
    assert str(Version(text)) == normal == str(oracle_versions.Version(text))
    assert Version(text) == Version(normal)
    assert hash(Version(text)) == hash(Version(normal))


def test_trailing_zeros_do_not_count() -> None:
    assert Version("1.0.0") == Version("1") != Version("1.0.1")
    assert len({Version("1.0.0"), Version("1"), Version("1.0")}) == 1


@pytest.mark.parametrize("text", NO_VERSIONS)
def test_refuses_invalid_versions(text: str) -> None:
    assert not _is_version(text)
    with pytest.raises(InvalidVersion, match="PEP 440"):
        Version(text)


def test_parts_of_a_version() -> None:
    version = Version("2!1.4.0rc2.post3.dev4+cu128.1")
    assert (version.epoch, version.release, version.pre) == (2, (1, 4, 0), ("rc", 2))
    assert (version.post, version.dev, version.local) == (3, 4, ("cu128", 1))
    assert (version.base, version.public) == ("2!1.4.0", "2!1.4.0rc2.post3.dev4")
    assert version.is_prerelease
    assert version.is_postrelease
    assert repr(version) == "Version('2!1.4.0rc2.post3.dev4+cu128.1')"


@given(version_texts(), version_texts())
def test_versions_are_ordered_as_packaging_orders_them(left: str, right: str) -> None:
    ours, theirs = (
        (Version(left), Version(right)),
        (
            oracle_versions.Version(left),
            oracle_versions.Version(right),
        ),
    )
    assert tuple(map(str, ours)) == tuple(map(str, theirs))
    assert (ours[0] < ours[1]) == (theirs[0] < theirs[1])
    assert (ours[0] == ours[1]) == (theirs[0] == theirs[1])
    assert ours[0].is_prerelease == theirs[0].is_prerelease
    assert ours[0].public == theirs[0].public
    assert ours[0].base == theirs[0].base_version


@given(st.text(alphabet="0123456789.!+-_abcdeprvost *", max_size=12))
def test_accepts_the_same_versions_as_packaging(text: str) -> None:
    try:
        ours = str(Version(text))
    except InvalidVersion:
        ours = None
    assert ours == (str(oracle_versions.Version(text)) if _is_version(text) else None)


@pytest.mark.parametrize("text", NO_SPECIFIERS)
def test_refuses_invalid_specifiers(text: str) -> None:
    with pytest.raises(oracle_specifiers.InvalidSpecifier):
        oracle_specifiers.Specifier(text)
    with pytest.raises(InvalidSpecifier):
        Specifier(text)


@pytest.mark.parametrize("text", ["===", "=== ", "===\t"])
def test_bare_arbitrary_equality_is_refused(text: str) -> None:
    with pytest.raises(InvalidSpecifier, match="one word must follow ==="):
        Specifier(text)
    with pytest.raises(InvalidSpecifier, match="one word must follow ==="):
        SpecifierSet(f"{text},>=1.0")
    # packaging 26.4 refuses it too. Up to 26.3 it is a clause that no version matches.
    try:
        theirs = oracle_specifiers.Specifier(text)
    except oracle_specifiers.InvalidSpecifier:
        return
    assert not any(theirs.contains(version, prereleases=True) for version in ASCENDING)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("===1.0", "1.0"),
        ("=== 1.0", "1.0"),
        ("===\t1.0", "1.0"),
        ("===1.0-foo", "1.0-foo"),
        ("===1.0+ABC", "1.0+ABC"),
        ("===V1.0", "V1.0"),
        ("===1.*", "1.*"),
        ("====1.0", "=1.0"),
        ("===>=1", ">=1"),
        ("===(1.0", "(1.0"),
        ("===\xe9", "\xe9"),
    ],
)
def test_arbitrary_equality_takes_any_word(text: str, version: str) -> None:
    assert Specifier(text).version == version == oracle_specifiers.Specifier(text).version
    assert [clause.version for clause in SpecifierSet(text).clauses] == [version]


@pytest.mark.parametrize(
    "text", ["=== a b", "===1.0 foo", "===1.0\tfoo", "===1.0\xa0x", "===1.0;x", "===1.0)"]
)
def test_arbitrary_equality_takes_one_word_only(text: str) -> None:
    with pytest.raises(oracle_specifiers.InvalidSpecifier):
        oracle_specifiers.Specifier(text)
    with pytest.raises(InvalidSpecifier, match="one word must follow ==="):
        Specifier(text)


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("===1.0,", ["===1.0"]),
        ("===1.0,>=0", ["===1.0", ">=0"]),
        ("===,", None),
        ("===,1.0", None),
        ("===a,b", None),
    ],
)
def test_a_comma_ends_arbitrary_equality(text: str, clauses: list[str] | None) -> None:
    if clauses is None:
        with pytest.raises(InvalidSpecifier):
            SpecifierSet(text)
        return
    assert [str(clause) for clause in SpecifierSet(text).clauses] == clauses
    assert sorted(map(str, oracle_specifiers.SpecifierSet(text))) == clauses


@pytest.mark.parametrize(
    ("text", "version", "expected"),
    [
        ("===1.0", "1.0", True),
        ("===1.0", "1.0.0", False),
        ("===1", "1.0", False),
        ("===01.0", "1.0", False),
        ("===1.0", "1.0+local", False),
        ("===1.0+ABC", "1.0+abc", True),
        ("===1.0RC1", "1.0rc1", True),
        ("===1.0-1", "1.0.post1", False),
        ("===V1.0", "1.0", False),
        ("===1.*", "1.0", False),
    ],
)
def test_arbitrary_equality_compares_texts(text: str, version: str, expected: bool) -> None:
    assert Specifier(text).contains(version) is expected
    assert SpecifierSet(text).contains(Version(version)) is expected
    theirs = oracle_specifiers.SpecifierSet(text)
    assert theirs.contains(oracle_versions.Version(version), prereleases=True) is expected


@given(st.text(alphabet="019.!+-_*=<>~()[];,'\"@aV \t\xa0\x1c\xe9", max_size=8))
def test_accepts_the_same_arbitrary_equality_as_packaging(text: str) -> None:
    try:
        theirs = oracle_specifiers.Specifier(f"==={text}")
    except oracle_specifiers.InvalidSpecifier:
        expected = None
    else:
        # Empty: see test_bare_arbitrary_equality_is_refused.
        expected = theirs.version or None
    try:
        ours = Specifier(f"==={text}").version
    except InvalidSpecifier:
        ours = None
    assert ours == expected


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_operator_on_every_pair(operator: str) -> None:
    for clause, version in itertools.product(ASCENDING, repeat=2):
        try:
            theirs = oracle_specifiers.Specifier(operator + clause)
        except oracle_specifiers.InvalidSpecifier:
            with pytest.raises(InvalidSpecifier):
                Specifier(operator + clause)
            continue
        expected = theirs.contains(version, prereleases=True)
        assert Specifier(operator + clause).contains(version) == expected, (
            operator,
            clause,
            version,
        )


@pytest.mark.parametrize(
    "prefix", ["==1.*", "==1.0.*", "==1.0.0.*", "!=1.*", "==2!0.*", "== v1.1.*"]
)
def test_wildcards(prefix: str) -> None:
    theirs = oracle_specifiers.Specifier(prefix)
    for version in ASCENDING:
        expected = theirs.contains(version, prereleases=True)
        assert Specifier(prefix).contains(version) == expected, (prefix, version)


@given(specifier_texts(), version_texts())
def test_clauses_match_as_in_packaging(clause: str, version: str) -> None:
    try:
        theirs = oracle_specifiers.Specifier(clause)
    except oracle_specifiers.InvalidSpecifier:
        with pytest.raises(InvalidSpecifier):
            Specifier(clause)
        return
    assert Specifier(clause).contains(version) == theirs.contains(version, prereleases=True)


@given(st.lists(specifier_texts(), max_size=4).map(",".join), version_texts())
def test_sets_of_clauses(clauses: str, version: str) -> None:
    try:
        theirs = oracle_specifiers.SpecifierSet(clauses)
    except oracle_specifiers.InvalidSpecifier:
        with pytest.raises(InvalidSpecifier):
            SpecifierSet(clauses)
        return
    ours = SpecifierSet(clauses)
    assert ours.contains(Version(version)) == theirs.contains(
        oracle_versions.Version(version), prereleases=True
    )
    assert bool(ours) == bool(len(theirs))


def test_empty_set_matches_every_version() -> None:
    assert not SpecifierSet("")
    assert SpecifierSet(" ").contains("0.1.dev0")
    assert SpecifierSet("").contains("what ever")


def test_invalid_version_matches_only_arbitrary_equality() -> None:
    assert Specifier("===weird-1").contains("WEIRD-1")
    assert not Specifier(">=0").contains("weird-1")
    assert not SpecifierSet("!=2").contains("weird-1")


def test_text_of_a_set_does_not_depend_on_the_order() -> None:
    assert str(SpecifierSet("<3, >=2")) == str(SpecifierSet(">=2,<3")) == "<3,>=2"
    assert repr(SpecifierSet("<3")) == "SpecifierSet('<3')"
    assert repr(Specifier("< 3")) == "Specifier('<3')"
