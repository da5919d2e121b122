"""Hypothesis strategies for versions and specs: plausible ones, odd ones and wrong ones."""

from __future__ import annotations

from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ansible_collections.llmfleet.conda.tests.unit.plugins import property_profile

# Of the made-up cases, as many as of the examples of other property-based tests; the tables are asked whole.
SHARE = property_profile.examples() / property_profile.FULL

T = TypeVar("T")


def examples(strategy: st.SearchStrategy[T], count: int) -> list[T]:
    """About ``count`` different examples in ``make test-full``, fewer elsewhere, the same on every run.

    They are gathered first and asked about together, because an oracle answers thousands of questions in the
    time of a few round trips. A difference can so be repeated, and a green run means the same everywhere.
    But an edit of ``gather``, even of its decorators, or of a strategy, and another release of Hypothesis
    draw other examples: a test that needs a certain case has it in a table.
    """
    found: list[T] = []

    @settings(
        max_examples=max(20, round(count * SHARE)),
        phases=[Phase.generate],
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def gather(value: T) -> None:
        found.append(value)

    gather()
    return list({repr(value): value for value in found}.values())


_WORDS = [
    "0",
    "1",
    "2",
    "3",
    "9",
    "10",
    "00",
    "01",
    "0a",
    "1a",
    "1b",
    "0a1",
    "0rc1",
    "rc1",
    "2rc1",
    "dev",
    "1dev",
    "dev1",
    "post",
    "1post",
    "post1",
    "4post2",
    "alpha",
    "g",
    "x86",
    "1_",
    "a_",
    "a10b",
    "1a2b3",
    "*",
    "1.0",
    "2024",
]
_SEPARATORS = (".", ".", ".", ".", "_", "-", "+", "!", "")


@st.composite
def any_versions(draw: st.DrawFn) -> str:
    """Versions as conda orders them, and some that it refuses."""
    text = draw(st.sampled_from(("", "", "", "1!", "2!"))) + draw(st.sampled_from(_WORDS))
    for _ in range(draw(st.integers(0, 4))):
        text += draw(st.sampled_from(_SEPARATORS)) + draw(st.sampled_from(_WORDS))
    text += draw(st.sampled_from(("", "", "", "_", "+cuda", "+1.2", "+", " ")))
    return text.upper() if draw(st.integers(0, 9)) == 0 else text


@st.composite
def version_pairs(draw: st.DrawFn) -> tuple[str, str]:
    """Two versions, often near each other."""
    left = draw(any_versions())
    near = left + draw(st.sampled_from((".0", "a", ".dev", "_", "-", ".post1", "0")))
    return left, draw(st.one_of(any_versions(), st.just(near)))


@st.composite
def good_versions(draw: st.DrawFn) -> str:
    """Versions that conda takes, mostly small so that comparisons are close."""
    parts = ("0", "1", "2", "7", "8", "8", "10", "0a1", "0rc1", "dev", "post1", "1_", "1a", "2b")
    text = draw(st.sampled_from(("", "", "", "", "1!")))
    text += draw(st.sampled_from(("0", "1", "1", "1", "2", "10", "1a", "2rc1")))
    for _ in range(draw(st.integers(0, 3))):
        text += draw(st.sampled_from("...._")) + draw(st.sampled_from(parts))
    # An underscore ends a component only at the very end.
    text = text.replace("_.", ".").replace("__", "_")
    return text + draw(st.sampled_from(("",) * 6 + ("+cuda", "+1", "+cu118.2")))


@st.composite
def conditions(draw: st.DrawFn) -> str:
    """One operator and version, with or without stars."""
    version = draw(good_versions())
    kind = draw(st.integers(0, 19))
    if kind == 0:
        return "*"
    if kind == 1:
        return version.replace(".", ".*.", 1)
    operator = draw(
        st.sampled_from(("==", "!=", "<=", ">=", ">=", "<", "<", ">", "~=", "=", "", ""))
    )
    return operator + version + draw(st.sampled_from(("",) * 5 + (".*", ".*", "*")))


@st.composite
def version_specs(draw: st.DrawFn, depth: int = 0) -> str:
    """Conditions joined by commas and bars, with parentheses and blanks."""
    parts = []
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 2, 3)))):
        grouped = depth < 2 and draw(st.integers(0, 9)) == 0
        parts.append(f"({draw(version_specs(depth + 1))})" if grouped else draw(conditions()))
    text = parts[0]
    for part in parts[1:]:
        text += draw(st.sampled_from((",", "|", ",", " , ", " | ", ", ", ",  "))) + part
    return text


_BUILDS = ("py39_0", "py39*", "*_0", "*", "0", "py3*_0", "h1_0")
_CHANNELS = (
    "conda-forge",
    "lab",
    "defaults",
    "pkgs/main",
    "pkgs/r",
    "conda-forge/noarch",
    "lab/linux-64",
    "conda-forge/label/dev",
    "team/lab",
    "main",
    "*",
    "*/noarch",
)
_SIMPLE = ("1.8", "1.8.0", "2.0", "1.8*", "1.8.*", "1.7|1.8", ">=1.8,<2", "1.10", "~=1.8", "!=1.8")
_URL = "https://conda.anaconda.org/"


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    """Linked packages, most of them near to what :func:`match_specs` asks for."""
    name = draw(st.sampled_from(("numpy", "numpy", "numpy", "numpy", "other-pkg")))
    close = st.sampled_from(("1.8", "1.8", "1.8.0", "1.8.1", "1.7", "1.7.9", "1.9", "2.0", "1.10"))
    version = draw(st.one_of(close, good_versions()))
    build = draw(
        st.sampled_from(("py39_0", "py39_0", "py39_1", "py310_0", "0", "h1_0", "py39h1_0"))
    )
    channel = draw(
        st.sampled_from(
            (
                *(_URL + name for name in ("conda-forge", "lab", "lab/label/dev", "team/lab")),
                _URL + "conda-forge/label/dev",
                "https://repo.anaconda.com/pkgs/main",
                "https://repo.anaconda.com/pkgs/msys2",
                "https://repo.anaconda.com/pkgs/r",
                "http://mirror:8000/conda/lab",
                "file:///srv/lab",
                "conda-forge",
            )
        )
    )
    subdir = draw(st.sampled_from(("linux-64", "linux-64", "noarch", "osx-arm64")))
    hashes = st.sampled_from(("0", "0", "1"))
    file = f"{name}-{version}-{build}.conda"
    return {
        "name": name,
        "version": version,
        "build": build,
        "build_number": draw(st.integers(0, 2)),
        "channel": channel,
        "subdir": subdir,
        "fn": file,
        "md5": draw(hashes) * 32,
        "sha256": draw(hashes) * 64,
        "url": f"{channel}/{subdir}/{file}",
    }


def _item(key: str, value: str, quote: str, bare: bool) -> str:
    """A pair for the brackets; quoted where it must be."""
    if bare and not set(value) & set(", "):
        return f"{key}={value}"
    return f"{key}={quote}{value}{quote}"


@st.composite
def _brackets(draw: st.DrawFn, version: str, build: str) -> str:
    quote = draw(st.sampled_from(("'", '"')))
    pairs = [("version", version), ("build", build)]
    more = (
        *(("build_number", number) for number in ("0", "1", "2", ">=1", "<2", "!=0", "==1", "*")),
        *(("channel", channel) for channel in _CHANNELS),
        ("subdir", "noarch"),
        ("subdir", "linux-64"),
        *(("md5", digit * 32) for digit in "01"),
        *(("sha256", digit * 64) for digit in "01"),
    )
    pairs += draw(st.lists(st.sampled_from(more), max_size=2, unique_by=lambda pair: pair[0]))
    items = [_item(key, value, quote, draw(st.booleans())) for key, value in pairs if value]
    mixed = draw(st.permutations(items))
    separator = draw(st.sampled_from((",", ",", ", ", " ")))
    return f"[{separator.join(mixed)}]" if mixed else ""


@st.composite
def match_specs(draw: st.DrawFn) -> str:
    """Specs in all the ways that people write them."""
    name = draw(st.sampled_from(("numpy", "numpy", "numpy", "Numpy", "other-pkg", "absent")))
    channel = draw(st.sampled_from(("",) * 10 + tuple(f"{name}::" for name in _CHANNELS)))
    version = draw(st.one_of(st.just(""), st.sampled_from(_SIMPLE), conditions(), version_specs()))
    build = draw(st.sampled_from(("", "", "", *_BUILDS)))
    form = draw(st.integers(0, 6))
    if form == 0:
        text = f"{name}{draw(_brackets(version, build))}"
    elif form == 1:
        text = name + version if version[:1] in "=<>!~" else f"{name}={version}"
    elif form == 2:
        text = f"{name}={version}={build}" if build else f"{name}={version}"
    elif form == 3:
        text = f"{name} {version} {build}"
    elif form == 4:
        text = f"{name} {version}{draw(_brackets('', build))}"
    elif form == 5:
        text = f"{name}{draw(_brackets('', build))}{draw(st.sampled_from(('', ' ', '=')))}{version}"
    else:
        operator = draw(st.sampled_from((" ", "=", "==", " = ", "= ", " == ", " =", ">= ", " < ")))
        joint = draw(st.sampled_from((" ", "=", " =", "= ")))
        text = name + operator + version + (joint + build if build else "")
    return (channel + text).strip()


_PIECES = (
    *("numpy", "1.8", "2", "py39_0", "0", "a", "*", "1.*", "noarch", "lab", "version", "build"),
    *("=", "=", "==", ">=", "<", "!=", "~=", ">", "!", "~", ",", ",", "|", " ", " ", "  "),
    *(
        "[",
        "]",
        "[version=",
        "[build=",
        "'",
        '"',
        "(",
        ")",
        "::",
        ":",
        "/",
        "#",
        "@",
        "-",
        ".",
        "_",
    ),
    *("+", "^", "$", " if ", "=1.8", ">=1.8,<2", "[version='1.8']", "build_number=1", "\t"),
)


@st.composite
def scraps(draw: st.DrawFn) -> str:
    """Texts put together from parts of specs without any plan: most are refused, some mean something."""
    text = draw(st.sampled_from(("numpy", "numpy", "numpy ", "numpy=", "lab::numpy", "")))
    for _ in range(draw(st.integers(1, 6))):
        text += draw(st.sampled_from(_PIECES))
    return text.strip()
