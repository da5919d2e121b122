"""Match specs without conda; tests/differential asks conda itself about many more."""

from __future__ import annotations

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._match_spec import parse_match_spec
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix import PackageRecord
from ansible_collections.llmfleet.conda.plugins.module_utils._version import (
    InvalidSpecError,
    UnsupportedSpecError,
)

RECORD = PackageRecord(
    name="numpy",
    version="1.26.4",
    build="py312h1_3",
    build_number=3,
    channel="https://conda.anaconda.org/conda-forge/linux-64",
    subdir="linux-64",
    md5="0" * 32,
    sha256="1" * 64,
)


@pytest.mark.parametrize(
    "text",
    [
        "numpy",
        "NumPy",
        "  numpy  ",
        "numpy=",
        "numpy=1.26",
        "numpy==1.26.4",
        "numpy==1.26.*",
        "numpy 1.26.*",
        "numpy >=1.20,<2",
        "numpy >= 1.20 , < 2",
        "numpy=1.26.4=py312h1_3",
        "numpy 1.26.4 py312*",
        "numpy 1.25.*|1.26.*",
        "numpy[version='>=1.20,<2', build='*_3']",
        "numpy[build_number=3,subdir=linux-64]",
        'numpy[md5="' + "0" * 32 + '"]',
        "numpy[sha256=" + "1" * 64 + "]",
        "conda-forge::numpy",
        "conda-forge/linux-64::numpy=1",
        "numpy[channel=conda-forge]",
        "numpy # because",
    ],
)
def test_what_matches(text: str) -> None:
    spec = parse_match_spec(text)
    assert spec.matches(RECORD)
    assert spec.text == text.strip()
    assert spec.name == "numpy"


@pytest.mark.parametrize(
    "text",
    [
        "numpy-base",
        "numpy=1.2",
        "numpy==1.26",
        "numpy 1.26",
        "numpy>2",
        "numpy=1.26.4=py311*",
        "numpy[build_number=0]",
        "numpy[subdir=noarch]",
        "numpy[md5=" + "2" * 32 + "]",
        "numpy[sha256=" + "2" * 64 + "]",
        "defaults::numpy",
        "lab::numpy",
        "conda-forge/noarch::numpy",
        "numpy=1.26[version='<1']",
    ],
)
def test_what_does_not(text: str) -> None:
    assert not parse_match_spec(text).matches(RECORD)


@pytest.mark.parametrize("channel", ["pkgs/main", "pkgs/r", "pkgs/msys2"])
def test_defaults_is_three_channels(channel: str) -> None:
    record = PackageRecord("numpy", "1", "0", channel=f"https://repo.anaconda.com/{channel}/noarch")
    assert parse_match_spec("defaults::numpy").matches(record)
    assert parse_match_spec(f"{channel}::numpy").matches(record)


def test_a_mirror_does_not_change_the_channel() -> None:
    record = PackageRecord("numpy", "1", "0", channel="http://mirror:8000/conda/lab/linux-64")
    assert parse_match_spec("lab::numpy").matches(record)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a package spec is empty"),
        ("# only a comment", "a package spec is empty"),
        ("=1.8", "has no package name"),
        ("numpy=>1.8", "operators are written >= and <="),
        ("numpy>=", "ends with an operator"),
        ("numpy 1 2 3", "more parts"),
        ("numpy[version=]", "key=value"),
        ("numpy[version='']", "has no value"),
        ("numpy[a][b]", "one pair of brackets"),
        ("numpy[", "one pair of brackets"),
        ("num!py", "not an operator"),
        ("-numpy", "not a package name"),
        ("--force", "not a package name"),
        ("numpy;rm", "not a package name"),
        ("numpy@1.8", "not a package name"),
        ("numpy~=1", "at least two parts"),
        ("numpy 1..2", "empty component"),
    ],
)
def test_refusals_say_why(text: str, words: str) -> None:
    with pytest.raises(InvalidSpecError, match=words):
        parse_match_spec(text)


@pytest.mark.parametrize(
    "text",
    [
        "num*",
        "https://h/lab/noarch/x-1-0.conda",
        "x-1-0.tar.bz2",
        "mkl@",
        "a:b",
        "numpy[features=x]",
    ],
)
def test_forms_that_are_left_to_conda(text: str) -> None:
    with pytest.raises(UnsupportedSpecError):
        parse_match_spec(text)
