"""Hypothesis strategies for versions and specs: plausible ones, odd ones and wrong ones."""

from __future__ import annotations

from hypothesis import strategies as st

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
    "conda-forge/noarch",
    "lab/linux-64",
)
_SIMPLE = ("1.8", "1.8.0", "2.0", "1.8*", "1.8.*", "1.7|1.8", ">=1.8,<2", "1.10", "~=1.8", "!=1.8")


@st.composite
def _brackets(draw: st.DrawFn, version: str, build: str) -> str:
    quote = draw(st.sampled_from(("'", '"')))
    items = []
    if version:
        bare = not set(version) & set(",| ") and draw(st.booleans())
        items.append(f"version={version}" if bare else f"version={quote}{version}{quote}")
    if build:
        items.append(draw(st.sampled_from((f"build={build}", f"build={quote}{build}{quote}"))))
    more = (
        *(f"build_number={number}" for number in ("0", "1", ">=1")),
        *(f"channel={quote}{channel}{quote}" for channel in _CHANNELS),
        "channel=lab",
        "subdir=noarch",
        "subdir=linux-64",
        "md5=" + "0" * 32,
        "md5=" + "1" * 32,
    )
    chosen = draw(st.lists(st.sampled_from(more), max_size=2, unique_by=lambda i: i.split("=")[0]))
    mixed = draw(st.permutations([*items, *chosen]))
    return f"[{draw(st.sampled_from((',', ', '))).join(mixed)}]" if mixed else ""


@st.composite
def match_specs(draw: st.DrawFn) -> str:
    """Specs in all the ways that people write them."""
    name = draw(st.sampled_from(("numpy", "numpy", "numpy", "Numpy", "other-pkg", "absent")))
    channel = draw(st.sampled_from(("",) * 6 + tuple(f"{name}::" for name in _CHANNELS)))
    version = draw(st.one_of(st.just(""), st.sampled_from(_SIMPLE), conditions(), version_specs()))
    build = draw(st.sampled_from(("", "", "", *_BUILDS)))
    form = draw(st.integers(0, 5))
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
    else:
        operator = draw(st.sampled_from((" ", "=", "==", " = ", "= ", " == ", " =", ">= ", " < ")))
        joint = draw(st.sampled_from((" ", "=", " =", "= ")))
        text = name + operator + version + (joint + build if build else "")
    return channel + text.strip()
