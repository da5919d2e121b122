"""Match specs without conda; tests/differential asks conda itself about many more."""

from __future__ import annotations

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._spec.conda_version import (
    InvalidSpecError,
    UnsupportedSpecError,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.match_spec import (
    parse_match_spec,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import PackageRecord

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
        "numpy>",
        "numpy[]",
        "numpy [build=py312h1_3]",
        "numpy[version=1.26.4 build=py312h1_3]",
        "numpy[version='1.26.4' build=\"py312*\"]",
        "numpy[,version=1.26.4, ]",
        "numpy[version=1,version=1.26.4]",
        "numpy[version='=1.26']",
        "numpy[version==1.26]",
        "numpy[version=>=1.26]",
        "numpy[build=py312h1_3]>=1.26",
        "numpy[version=1.26.4]==9",
        "numpy[version=1.26.4] >=",
        "numpy[build_number='>=3']",
        "numpy[build_number='<4']",
        "numpy[build_number='!=4']",
        "numpy[build_number='=3']",
        "numpy[build_number=03]",
        "numpy[build_number=*]",
        "numpy=1.26.4=*_3",
        "numpy =1.26.4 py312h1_3",
        "numpy >=1.26 , <2 py312h1_3",
        "numpy=>1.26",
        "numpy=<1.27",
        "::numpy",
        "*::numpy",
        "*/linux-64::numpy",
        "conda-forge/::numpy",
    ],
)
def test_matching_specs(text: str) -> None:
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
        "numpy[version='1.26.4',version=1]",
        "numpy[build_number='>3']",
        "numpy 1.26.4 py312h1_3 more",
        "numpy 1.26.* >0",
        "*/noarch::numpy",
        "forge::numpy",
        "team/conda-forge::numpy",
        "conda-forge/label/dev::numpy",
        "numpy[build=PY312H1_3]",
    ],
)
def test_specs_that_do_not_match(text: str) -> None:
    assert not parse_match_spec(text).matches(RECORD)


@pytest.mark.parametrize(
    ("channel", "part"), [("pkgs/main", True), ("pkgs/r", True), ("pkgs/msys2", False)]
)
def test_the_channels_of_defaults(channel: str, part: bool) -> None:
    """As conda has it on Linux and macOS; ``pkgs/msys2`` belongs to Windows."""
    record = PackageRecord("numpy", "1", "0", channel=f"https://repo.anaconda.com/{channel}/noarch")
    assert parse_match_spec("defaults::numpy").matches(record) is part
    assert parse_match_spec(f"{channel}::numpy").matches(record)
    assert not parse_match_spec("main::numpy").matches(record)


def test_a_mirror_does_not_change_the_channel() -> None:
    record = PackageRecord("numpy", "1", "0", channel="http://mirror:8000/conda/lab/linux-64")
    assert parse_match_spec("lab::numpy").matches(record)


@pytest.mark.parametrize(
    ("url", "good", "bad"),
    [
        ("https://conda.anaconda.org/team/lab", "team/lab", "lab"),
        ("https://conda.anaconda.org/t/a-token/lab/linux-64", "lab", "a-token/lab"),
        ("https://conda.anaconda.org/lab/label/dev", "lab/label/dev", "dev"),
        ("http://mirror/label/lab/label/dev/noarch", "lab/label/dev", "label/dev"),
        ("http://mirror/conda/team/lab/linux-64", "team/lab", "other/lab"),
        ("http://mirror/a/pkgs/main/linux-64", "pkgs/main", "main"),
        ("file:///lab/noarch", "lab", "noarch"),
        ("lab", "lab", "a/lab"),
        ("team/lab", "team/lab", "lab"),
        ("", "*", "lab"),
    ],
)
def test_channel_from_a_url(url: str, good: str, bad: str) -> None:
    record = PackageRecord("numpy", "1", "0", channel=url)
    assert parse_match_spec(f"{good}::numpy").matches(record)
    assert not parse_match_spec(f"{bad}::numpy").matches(record)


def test_channel_from_a_package_url() -> None:
    record = PackageRecord("numpy", "1", "0", url="http://mirror/lab/noarch/numpy-1-0.conda")
    assert parse_match_spec("lab::numpy").matches(record)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("numpy", {}),
        ("numpy=1.8", {"version": "1.8.*"}),
        ("numpy==1.8", {"version": "1.8"}),
        ("numpy =1.8 py39_0", {"version": "1.8", "build": "py39_0"}),
        ("numpy==1.8=py39_0", {"version": "==1.8", "build": "py39_0"}),
        ("numpy >=1.8 , <2 =py*", {"version": ">=1.8,<2", "build": "py*"}),
        ("lab/noarch::numpy", {"channel": "lab", "subdir": "noarch"}),
        ("lab/noarch::numpy[channel=a/b]", {"channel": "a/b", "subdir": "noarch"}),
        ("lab::numpy[channel=a/linux-64,subdir=noarch]", {"channel": "a", "subdir": "noarch"}),
        ("numpy[build_number='>=1']", {"build_number": ">=1"}),
        ("numpy[build_number=01]", {"build_number": "1"}),
    ],
)
def test_fields(text: str, fields: dict[str, str]) -> None:
    spec = parse_match_spec(text)
    names = ("version", "build", "build_number", "channel", "subdir", "md5", "sha256")
    found = {name: getattr(spec, name) for name in names}
    assert {name: str(value) for name, value in found.items() if value is not None} == fields


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("NumPy", "numpy"),
        ("numpy=1.8", "numpy=1.8"),
        ("numpy 1.8*", "numpy=1.8"),
        ("numpy 1.8", "numpy==1.8"),
        ("numpy >=1.8 , <2", "numpy[version='>=1.8,<2']"),
        ("numpy 1.7|1.8", "numpy[version='1.7|1.8']"),
        ("numpy ~=1.8", "numpy~=1.8"),
        ("numpy!=1.8=0", "numpy[version='!=1.8',build=0]"),
        ("numpy=1.8=py_0", "numpy==1.8=py_0"),
        ("numpy=1.8=py*", "numpy==1.8[build=py*]"),
        ("numpy 1.8.* py_0", "numpy=1.8[build=py_0]"),
        ("conda-forge/linux-64::numpy==1.8=py_0", "conda-forge/linux-64::numpy==1.8=py_0"),
        ("numpy[channel=lab]", "lab::numpy"),
        ("numpy[subdir=noarch]", "numpy[subdir=noarch]"),
        ("*/noarch::numpy>1", "numpy[subdir=noarch,version='>1']"),
        ("numpy[build_number='>=1',md5=0]", "numpy[build_number='>=1',md5=0]"),
        ("numpy[build='a|b']", "numpy[build='a|b']"),
        ("numpy[sha256=0]", "numpy[sha256=0]"),
    ],
)
def test_a_spec_is_written_as_conda_writes_it(text: str, canonical: str) -> None:
    assert parse_match_spec(text).canonical == canonical


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a package spec is empty"),
        ("# only a comment", "a package spec is empty"),
        ("=1.8", "has no package name"),
        ("numpy=!=1.8", "not an operator"),
        ("numpy>=", "not an operator"),
        ("numpy==", "not an operator"),
        ("numpy~ # why", "not an operator"),
        ("numpy =  1.8", "not an operator"),
        ("numpy >=1.8,", "an operator without an operand"),
        ("numpy=1.8=py-39", "characters that a version must not contain"),
        ("numpy[version='']", "has no value"),
        ("numpy[version=]", "has no value"),
        ("numpy[nonsense=1]", "no field nonsense"),
        ("numpy[version='>= 1.8']", "not an operator"),
        ("numpy[build_number='>=']", "an operator followed by a number"),
        ("numpy[][build=0]", "one pair of brackets"),
        ("numpy >=1[build=0][build=1]", "one pair of brackets"),
        ("numpy[", "one pair of brackets"),
        ("numpy]", "one pair of brackets"),
        ("num!py", "not an operator"),
        ("-numpy", "not a package name"),
        ("--force", "not a package name"),
        ("numpy;rm", "not a package name"),
        ("numpy@1.8", "not a package name"),
        ("numpy\t# why", "not a package name"),
        ("numpy~=1", "at least two parts"),
        ("numpy 1..2", "empty component"),
        # conda ignores such text without a word.
        ("six[version<1.17]", r"key=value pairs, such as .*, but contain 'version<1.17'"),
        ("numpy[version]", "but contain 'version'"),
        ("numpy[version = 1.8]", "but contain 'version = 1.8'"),
        ("numpy[version=>=1.8,<2]", "but contain '<2'"),
        ("numpy[version='1.8]", "must contain key=value"),
        # Keys that no conda, or only a later one, knows.
        ("numpy[when='x']", "the key when is not supported"),
        ("numpy[verison=1]", "conda has no field verison"),
        ('"numpy" 1.1', "not a package name"),
    ],
)
def test_refusals_say_why(text: str, words: str) -> None:
    with pytest.raises(InvalidSpecError, match=words):
        parse_match_spec(text)


@pytest.mark.parametrize(
    "text",
    [
        "num*",
        "^numpy$",
        "https://h/lab/noarch/x-1-0.conda",
        "https://h/lab::numpy",
        "x-1-0.tar.bz2",
        "mkl@",
        "a:b",
        "lab:a:b",
        "numpy[features=x]",
        "numpy[extras=[a,b]]",
        "numpy[flags=x]",
        "numpy[license=x]",
        "numpy[name=x]",
        "numpy[build='^a$']",
        "numpy[build_number=one]",
        "numpy (1.8)",
        "numpy if win",
        "numpy if #",
        "numpy\n1.8",
        # What conda's releases read differently.
        "numpy===1.8",
        "numpy==1.8.*=0",
        "numpy[version='==1.8.*']",
        # Channels that only conda can tell.
        "conda-*::numpy",
        "./channel::numpy",
        "local::numpy",
        "lab/linux-64/more::numpy",
    ],
)
def test_forms_left_to_conda(text: str) -> None:
    with pytest.raises(UnsupportedSpecError):
        parse_match_spec(text)
