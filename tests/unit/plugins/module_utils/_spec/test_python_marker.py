"""Environment markers, with the `packaging` library as the oracle."""

from __future__ import annotations

import os
import platform

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging import markers as oracle
from packaging.utils import canonicalize_name

from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_marker import (
    InvalidMarker,
    Marker,
    environment_of,
    normalize_name,
    parse_marker,
)

LINUX = environment_of("3.11.7", "linux-64")
MAC = environment_of("3.8.18", "osx-arm64")

MARKERS = [
    'python_version >= "3.8"',
    'python_version>"3.8"and os_name=="posix"',
    'python_version < "3.10" or sys_platform == "linux"',
    '(python_version > "3" and (os_name == "posix")) or os_name == "nt"',
    'python_version > "3" and os_name == "nt" or sys_platform == "darwin"',
    'python_version == "3.11.*"',
    'python_version ~= "3.8"',
    'python_version in "3.11 3.12"',
    'python_version not  in "3.8, 3.9"',
    'python_full_version < "3.11.8"',
    'python_full_version == "3.8.18"',
    '"3.9" <= python_version',
    '"linux" in sys_platform',
    'sys_platform == "win32"',
    'sys_platform != "win32"',
    'sys_platform > "a"',
    'sys_platform <= "linux"',
    'platform_machine == "x86_64" and platform_system == "Linux"',
    'platform_machine=="aarch64" or platform_machine=="arm64"',
    "platform_python_implementation == 'CPython'",
    "python_implementation == 'PyPy'",
    "platform.python_implementation != 'PyPy'",
    "implementation_name == 'cpython'",
    "implementation_version >= '3.9'",
    "os.name == 'posix' and sys.platform == 'linux'",
    "extra == 'Dev_Tools'",
    "'dev-tools' == extra",
    "extra == 'cli' and python_version > '3.9'",
    "extra != 'cli'",
    "platform_version >= '5'",
    "python_version == '3.1a*'",
]

NO_MARKERS = [
    "",
    "python_version",
    'python_version >= "3"and',
    "python_version > '3\"",
    'python_version > "3" os_name == "posix"',
    '(python_version > "3"',
    'python_version > "3")',
    'foo == "x"',
    'python_version = "3"',
    'python_version not "3"',
    'or python_version > "3"',
    "python_version > 3",
    "python_version == \"3\" & os_name == 'nt'",
]


@pytest.mark.parametrize("environment", [LINUX, MAC], ids=["linux", "mac"])
@pytest.mark.parametrize("extra", ["", "cli", "dev.tools"])
@pytest.mark.parametrize("text", MARKERS)
def test_evaluates_as_packaging_does(text: str, extra: str, environment: dict[str, str]) -> None:
    expected = oracle.Marker(text).evaluate({**environment, "extra": extra})
    assert Marker(text).evaluate(environment, extra) == expected


@pytest.mark.parametrize("text", NO_MARKERS)
def test_refuses_invalid_markers(text: str) -> None:
    with pytest.raises(oracle.InvalidMarker):
        oracle.Marker(text)
    with pytest.raises(InvalidMarker, match="is not an environment marker"):
        Marker(text)


def test_refuses_comparison_of_two_strings() -> None:
    with pytest.raises(InvalidMarker, match="one operand must be a variable"):
        Marker('"a" == "b"')


def test_version_operators_refuse_string_variables() -> None:
    marker = Marker('sys_platform ~= "linux"')
    with pytest.raises(InvalidMarker, match="compares versions"):
        marker.evaluate(LINUX)
    with pytest.raises(oracle.UndefinedComparison):
        oracle.Marker(str(marker)).evaluate(LINUX)


quoted = st.sampled_from(
    ["3.8", "3.11", "3.11.7", "3.*", "linux", "posix", "CPython", "x", "3.9 3.11"]
)
variables = st.sampled_from(sorted({*LINUX, "extra", "os.name", "python_implementation"}))
operators = st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "~=", "===", "in", "not in"])


@st.composite
def marker_texts(draw: st.DrawFn, depth: int = 2) -> str:
    """Trees of comparisons, with and without parentheses."""
    if depth == 0 or draw(st.booleans()):
        quote = draw(st.sampled_from("'\""))
        sides = [draw(variables), quote + draw(quoted) + quote]
        if draw(st.booleans()):
            sides.reverse()
        return f"{sides[0]} {draw(operators)} {sides[1]}"
    left, right = draw(marker_texts(depth - 1)), draw(marker_texts(depth - 1))
    joined = f"{left} {draw(st.sampled_from(['and', 'or']))} {right}"
    return f"({joined})" if draw(st.booleans()) else joined


@given(marker_texts(), st.sampled_from(["", "x", "linux"]))
def test_generated_markers(text: str, extra: str) -> None:
    ours = Marker(text)
    try:
        expected = oracle.Marker(text).evaluate({**LINUX, "extra": extra})
    except oracle.UndefinedComparison:
        # packaging evaluates both sides of `and` and `or`, we stop where the answer is known.
        return
    assert ours.evaluate(LINUX, extra) == expected


@given(st.text(alphabet="aB1-_.", min_size=1, max_size=10))
def test_normal_names(name: str) -> None:
    assert normalize_name(name) == canonicalize_name(name)


def test_markers_are_parsed_once_and_compared_by_meaning() -> None:
    assert parse_marker('extra == "a"') is parse_marker('extra == "a"')
    assert Marker('extra=="A"') == Marker("extra == 'a'") != Marker("extra == 'b'")
    assert len({Marker('extra=="A"'), Marker("extra == 'a'")}) == 1
    assert (str(Marker(" extra=='a' ")), repr(Marker("extra=='a'"))) == (
        "extra=='a'",
        "Marker(\"extra=='a'\")",
    )


def test_environment_equals_packagings() -> None:
    machine = os.uname().machine
    subdir = {"x86_64": "linux-64"}.get(machine, f"linux-{machine}")
    if platform.system() == "Darwin":
        subdir = {"x86_64": "osx-64"}.get(machine, f"osx-{machine}")
    ours = environment_of(platform.python_version(), subdir, platform.python_implementation())
    assert ours == dict(oracle.default_environment())


@pytest.mark.parametrize(
    ("subdir", "expected"),
    [
        ("linux-64", ("linux", "Linux", "x86_64")),
        ("linux-32", ("linux", "Linux", "i686")),
        ("linux-aarch64", ("linux", "Linux", "aarch64")),
        ("osx-64", ("darwin", "Darwin", "x86_64")),
        ("osx-arm64", ("darwin", "Darwin", "arm64")),
    ],
)
def test_platforms(subdir: str, expected: tuple[str, str, str]) -> None:
    found = environment_of("3.12.1", subdir)
    assert (
        found["sys_platform"],
        found["platform_system"],
        found["platform_machine"],
    ) == expected
    assert (found["python_version"], found["implementation_name"]) == ("3.12", "cpython")


@pytest.mark.parametrize("subdir", ["", "noarch"])
def test_unknown_platform_uses_this_host(subdir: str) -> None:
    assert environment_of("3.12.1", subdir)["platform_machine"] == os.uname().machine
