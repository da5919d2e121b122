"""Requirement lines, with the `packaging` library as the oracle for the grammar."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging import requirements as oracle
from packaging.specifiers import SpecifierSet as OracleSet
from packaging.utils import canonicalize_name

from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_marker import (
    environment_of,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_requirement import (
    InvalidRequirement,
    parse_lines,
    parse_metadata_requirement,
    parse_requirement,
)

REQUIREMENTS = [
    "a",
    "1a",
    "a.b_c-D",
    " zope.interface ",
    "a==1.0 ",
    "a(>=1)",
    "a (>=1,<2)",
    "a ()",
    "a[x]",
    "a[]",
    "a [X_y , z]>= 1",
    "a >=1, <2 ; python_version >= '3'",
    'a>=1;os_name=="x"',
    "a>=1,",
    "a===1.0-foo",
    "a==1.*",
    "a @ https://host/y",
    "a@https://host/y",
    'a[x]@ https://host/y ; os_name=="x"',
    'a @ https://host/y;os_name=="x"',
    "a @ git+https://host/y@v1#egg=a",
    "a @ file:///srv/a%20b/x.whl",
]

NO_REQUIREMENTS = [
    "",
    "_a",
    "a-",
    "a b",
    "a==1.0;",
    "a>=1,<",
    "a,",
    "a>=1,,<2",
    "a>=1 <2",
    "a<1+x",
    "a~=1",
    "a>=1.*",
    "a @ ",
    "a[x y]",
    "a[x",
    "a (1.0)",
    "a >=1)",
    "\u00e9",
    'a;os_name=="x" # c',
]


def _facts(text: str) -> tuple[Any, ...]:
    found = parse_requirement(text)
    clauses = sorted(str(clause).replace(" ", "") for clause in found.specifier.clauses)
    return found.name, sorted(found.extras), clauses, found.url, found.marker is None


def _expected(text: str) -> tuple[Any, ...]:
    found = oracle.Requirement(text)
    extras = sorted(canonicalize_name(extra) for extra in found.extras)
    clauses = sorted(str(clause) for clause in found.specifier)
    return canonicalize_name(found.name), extras, clauses, found.url, found.marker is None


@pytest.mark.parametrize("text", REQUIREMENTS)
def test_parses_as_packaging_does(text: str) -> None:
    assert _facts(text) == _expected(text)


@pytest.mark.parametrize("text", NO_REQUIREMENTS)
def test_refuses_invalid_requirements(text: str) -> None:
    with pytest.raises(oracle.InvalidRequirement):
        oracle.Requirement(text)
    with pytest.raises(InvalidRequirement):
        parse_requirement(text)
    assert parse_metadata_requirement(text) is None


def test_refuses_relative_path_as_url() -> None:
    with pytest.raises(InvalidRequirement, match="a URL with a scheme"):
        parse_requirement("a @ ./wheels/a.whl")


names = st.sampled_from(["a", "A.b", "x-Y_z", "1st"])
extras = st.sampled_from(["", "", "[]", "[one]", "[one,Two_three]", "[ one , two ]"])
# Without ===, after which packaging takes a comma for a part of the version.
specifiers = st.lists(
    st.sampled_from([">=1", "<2.0", "!= 1.5", "==1.*", "~=1.4", ">= 1.0rc1"]), max_size=3
).map(",".join)
markers = st.sampled_from(
    ["", "; python_version > '3'", ' ;extra=="x"', "; os_name == 'nt' or sys_platform == 'linux'"]
)


@given(names, extras, specifiers, markers, st.booleans())
def test_generated_requirements(
    name: str, extra: str, specifier: str, marker: str, parentheses: bool
) -> None:
    versions = f" ({specifier})" if parentheses and specifier else specifier
    text = f"{name}{extra}{versions}{marker}"
    try:
        expected = _expected(text)
    except oracle.InvalidRequirement:
        with pytest.raises(InvalidRequirement):
            parse_requirement(text)
        return
    assert _facts(text)[:2] == expected[:2]
    assert OracleSet(",".join(_facts(text)[2])) == OracleSet(specifier)
    assert _facts(text)[3:] == expected[3:]


def test_lines_of_a_file() -> None:
    found = parse_lines(
        [
            "# a comment",
            "",
            "numpy>=2 # why",
            "torch \\",
            "  >=2.6",
            "one\ntwo[x]==1 ; python_version > '3'",
            "app==1.0 \\\n  --hash=sha256:00AA \\\n  --hash sha384:bb",
            "tool @ https://host/tool.whl#sha256=00  # from there",
        ],
        "requirements",
    )
    assert [line.name for line in found] == ["numpy", "torch", "one", "two", "app", "tool"]
    assert next(line.text for line in found) == "numpy>=2"
    assert found[1].specifier.contains("2.6")
    assert not found[1].specifier.contains("2.5")
    assert found[4].hashes == ("sha256:00AA", "sha384:bb")
    assert found[4].text == "app==1.0 --hash=sha256:00AA --hash=sha384:bb"
    assert found[5].url == "https://host/tool.whl#sha256=00"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-r other.txt", r"option -r is not supported here: use the option requirements_files"),
        ("-rother.txt", r"use the option requirements_files"),
        ("--requirement=other.txt", r"option --requirement is not supported here"),
        ("-e .", r"option -e is not supported here: the source of an editable install"),
        ("--editable git+https://h/r#egg=x", r"option --editable"),
        ("-c limits.txt", r"use the option constraints"),
        ("-i https://h/simple", r"use the option index_url"),
        ("--index-url https://h/simple", r"use the option index_url"),
        ("--extra-index-url https://h", r"use the option extra_index_urls"),
        ("-f /wheels", r"use the option find_links"),
        ("--no-index", r"use the option no_index"),
        ("--trusted-host h", r"use the option trusted_hosts"),
        ("--pre", r"name the pre-release in the specifier"),
        ("foo --pre", r"option --pre"),
        ("foo --config-settings=a=b", r"a line may contain no option except --hash"),
        ("foo --hash=md5:00", r"a hash is written as sha256:HEX"),
        ("foo==1 --hash=sha256:xyz", r"a hash is written as sha256:HEX"),
        ("./dist/foo-1.0-py3-none-any.whl", r"write 'foo @ file:///PATH/dist/foo-1.0-py3"),
        ("/srv/foo-1.0-py3-none-any.whl", r"write 'foo @ file:///srv/foo-1.0-py3"),
        ("https://h/my_tool-1.0-py3-none-any.whl", r"write 'my-tool @ https://h/my_tool-1.0"),
        ("foo-1.0.tar.gz", r"write 'NAME @ file:///PATH/foo-1.0.tar.gz'"),
        ("git+https://h/repo@main", r"write 'NAME @ git\+https://h/repo@main'"),
        ("foo bar", r"'foo bar'"),
        ("foo=1.0", r"'foo=1.0'"),
    ],
)
def test_refusal_names_the_replacement(line: str, message: str) -> None:
    with pytest.raises(InvalidRequirement, match=message) as raised:
        parse_lines(["numpy", line], "requirements")
    assert str(raised.value).startswith("requirements: ")


def test_requirement_applies_by_its_marker() -> None:
    environment = environment_of("3.11.7", "linux-64")
    old, new, extra = (
        parse_requirement(text)
        for text in ("a; python_version<'3.9'", "a; python_version>'3.9'", "a; extra=='cli'")
    )
    assert not old.applies(environment)
    assert new.applies(environment)
    assert not extra.applies(environment)
    assert extra.applies(environment, ["doc", "CLI"])
    assert parse_requirement("a").applies(environment, ["x"])
