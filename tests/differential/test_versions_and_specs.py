"""Our reading of versions and specs against conda's own, on tables and on thousands of made-up texts.

Where we say ``UnsupportedSpecError`` the decision is left to conda, so there is nothing to compare. Where
conda takes a text that we refuse, the text has to be one of the kinds in ``REFUSED_ON_PURPOSE``.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ansible_collections.llmfleet.conda.plugins.module_utils._match_spec import parse_match_spec
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix import PackageRecord
from ansible_collections.llmfleet.conda.plugins.module_utils._version import (
    CondaVersion,
    InvalidSpecError,
    UnsupportedSpecError,
    VersionSpec,
)
from tests.differential import strategies
from tests.differential.conftest import Oracle

# The same examples on every run: a failure can be repeated, and a green run means the same everywhere.
thorough = settings(
    max_examples=2000,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)

VERSIONS = [
    "0",
    "0.9",
    "1",
    "1.0",
    "1.2.0",
    "1.7",
    "1.7.9",
    "1.8",
    "1.8.0",
    "1.8.1",
    "1.8.10",
    "1.80",
    "1.9",
    "1.10",
    "2",
    "2.0",
    "2.0.1",
    "3.0",
    "10",
    "1.8a",
    "1.8rc1",
    "1.8.dev",
    "1.8.post1",
    "1.8_",
    "1.0.1_",
    "1.0.1a",
    "1!1.8",
    "1!0",
    "2.0+cuda",
    "2.0+cu118.2",
    "1_2",
    "1a",
    "2rc1.0",
    "2024.1",
    "0.4.1.rc",
    "0.5b3",
    "0.960923",
    "1996.07.12",
    "3.1.1.6",
    "1!3.1.1.6",
    "8.02",
    "5.5.kw",
]

# From conda-facts and conda's documentation; every form a person may find in an example.
VERSION_SPECS = [
    "1.8",
    "=1.8",
    "==1.8",
    "1.8*",
    "1.8.*",
    "=1.8.*",
    "=1.8*",
    "==1.8.*",
    "==1.8*",
    ">=1.8.*",
    "<=1.8.*",
    "<1.8.*",
    ">1.8.*",
    "!=1.8",
    "!=1.8.*",
    "!=1.8*",
    ">=1.8",
    ">=1.8,<2",
    ">=1.8 , <2",
    "1.7|1.8",
    "1.7 | 1.8",
    "1.7.*|1.8.*",
    ">=1.8,<2|>3.0",
    "(>=1,<1.8)|2.0",
    "(1.7|1.8),!=1.8.1",
    "((1.7))",
    "~=1.8",
    "~=1.8.0",
    "~=1.8.1",
    "*",
    "1.*.0",
    "*.0",
    "1.*",
    "=1",
    "==1.0.0.0",
    ">1!0",
    "1!1.8",
    ">=2.0+cuda",
    "==2.0+cu118.2",
    "2.0+cu*",
    ">1.8.dev",
    "<1.8.post1",
    "<1.0.1a",
    "=1.8rc1",
    ">=1_2",
    ">=1.8,<1.9.0a0",
    "1.8|1.9|1.10",
    "!=1.7,!=1.8,<2",
]
BAD_VERSION_SPECS = [
    "",
    "=",
    "==",
    ">=",
    ">=1.8,",
    "|1.8",
    "1.8|",
    ",<2",
    ">=1.8,<",
    "(1.8",
    "1.8)",
    "<>1.8",
    "~1.8",
    "!1.8",
    "1..8",
    "1.8+",
    "1!2!3",
    "é1",
    "1.8 $",
    "^1.8",
    "~=1.8.*",
    "===1.8",
    "+1",
    "a!1",
]

RECORDS: list[dict[str, Any]] = [
    {
        "name": name,
        "version": version,
        "build": build,
        "build_number": number,
        "channel": channel,
        "subdir": subdir,
        "fn": f"{name}-{version}-{build}.conda",
        "md5": "0" * 32,
        "url": f"{channel}/{subdir}/{name}-{version}-{build}.conda",
    }
    for name in ("numpy", "other-pkg")
    for version, build, number, channel, subdir in (
        ("1.8", "py39_0", 0, "https://conda.anaconda.org/conda-forge", "linux-64"),
        ("1.8", "py310_1", 1, "https://repo.anaconda.com/pkgs/main", "linux-64"),
        ("1.8.1", "0", 0, "https://conda.anaconda.org/conda-forge", "noarch"),
        ("1.80", "h1_0", 0, "https://conda.anaconda.org/lab", "noarch"),
        ("2.0", "py39_0", 0, "https://repo.anaconda.com/pkgs/r", "noarch"),
        ("1.8.0", "py39_0", 0, "https://conda.anaconda.org/lab", "linux-64"),
        ("1.7", "py39_0", 5, "https://conda.anaconda.org/bioconda", "linux-64"),
        ("1.8rc1", "py39_0", 0, "https://conda.anaconda.org/lab", "linux-64"),
        ("1.9", "0", 0, "https://conda.anaconda.org/lab", "linux-64"),
        ("1!1.8", "py39_0", 0, "https://conda.anaconda.org/lab", "linux-64"),
        ("1.10.2", "py39h6a678d5_0", 0, "https://conda.anaconda.org/lab", "linux-64"),
    )
]
OUR_RECORDS = [PackageRecord(**record) for record in RECORDS]

SPECS = [
    "numpy",
    "Numpy",
    "NUMPY=1.8",
    "other-pkg",
    "numpy=",
    "numpy=1.8",
    "numpy=1.8*",
    "numpy=1.8.*",
    "numpy==1.8",
    "numpy==1.8.*",
    "numpy==1.8*",
    "numpy==1.*,<2",
    "numpy== 1.8",
    "numpy 1.8",
    "numpy 1.8.*",
    "numpy =1.8",
    "numpy = 1.8",
    "numpy ==1.8",
    "numpy == 1.8",
    "numpy>=1.8",
    "numpy >=1.8",
    "numpy >= 1.8",
    "numpy>=1.8,<2",
    "numpy >=1.8, <2",
    "numpy >=1.8 , <2",
    "numpy>=1.8,<1.9|>=2",
    "numpy 1.7|1.8",
    "numpy=1.7|1.8",
    "numpy=1.7|=1.8",
    "numpy=1.8,<2",
    "numpy 1.8 py39_0",
    "numpy 1.8 py39*",
    "numpy=1.8=py39_0",
    "numpy==1.8=py39_0",
    "numpy=1.8.*=py39_0",
    "numpy 1.8.* *_0",
    "numpy * *_0",
    "numpy=*=py39_0",
    "numpy >=1.8 py39*",
    "numpy >=1.8,<2 =py39_0",
    "numpy>=1.8=py39_0",
    "numpy=1.8=*",
    "numpy!=1.8",
    "numpy !=1.8.*",
    "numpy~=1.8",
    "numpy ~=1.8.0",
    "numpy *",
    "numpy[version=1.8]",
    "numpy[version='1.8']",
    'numpy[version="1.8.*"]',
    "numpy[version='>=1.8,<2']",
    "numpy[version='>=1.8,<2', build='py39_0']",
    "numpy[version='==1.8.*']",
    "numpy[version='(1.7|1.8),!=1.8.1']",
    "numpy[build=py39_0]",
    "numpy[build='*_0']",
    "numpy[build_number=1]",
    "numpy[subdir=noarch]",
    "numpy[channel=conda-forge]",
    "numpy[channel=lab,version='>=1.8']",
    "numpy[channel='conda-forge/noarch']",
    "numpy[md5=" + "0" * 32 + "]",
    "numpy[md5=" + "1" * 32 + "]",
    "numpy 1.8[build=py310_1]",
    "numpy=1.7[version='1.9']",
    "numpy>=1.8[build='py3*_0',subdir=linux-64]",
    "conda-forge::numpy",
    "conda-forge::numpy=1.8",
    "conda-forge::numpy>=1.8[build='0']",
    "conda-forge/noarch::numpy",
    "conda-forge/linux-64::numpy[channel=lab]",
    "lab/linux-64::numpy[channel='lab/noarch']",
    "lab::numpy 1.8.* py39_0",
    "defaults::numpy",
    "pkgs/main::numpy",
    "pkgs/r::numpy=2",
    "nosuch::numpy",
    "numpy=1.8 # why",
    "numpy 1!1.8",
    "numpy >1!0",
    "numpy 1.10.2 py39h6a678d5_0",
    "numpy 1.10.2 py39h*_0",
]
BAD_SPECS = [
    "=1.8",
    ">=1.8",
    "numpy==",
    "numpy>=",
    "numpy >=1.8,",
    "numpy |1.8",
    "numpy>=1.8,<",
    "numpy = = 1.8",
    "numpy >=1.8, =1.9",
    "numpy =  1.8",
    "numpy=1.8=py-39",
    "numpy~1.8",
    "numpy~=1.8.*",
    "numpy<>1.8",
    "numpy!1.8",
    "numpy[version='>=']",
    "numpy[version='>= 1.8']",
    "numpy[version='']",
    "numpy[build=]",
    "numpy[version='1.8'][build=0]",
]

# conda takes these for something that nobody means; a user is better served by an error.
REFUSED_ON_PURPOSE = {
    "an operator the wrong way round": r"=\s*[<>]",
    "a run of equals signs": r"={3}|=\s+==",
    "an operator where the build stands": r"[\d*][^,|\s]*\s+(?:[<>!~]|==)",
    "several words after the name": r"^\S+\s+[^\s=<>!~,|]\S*\s+\S+\s+\S",
    "a compatible release without a series": r"~=\s*(?:\d+!)?[^.,|()]+(?:[,|()*\s=\]'\"]|$)",
    "brackets that are not closed or opened": r"\[[^\]]*$|^[^\[]*\]",
    "a name with characters that no name has": r"^(?:\S+::)?\w[\w.-]*[^\w.=<>!~\[\s:/-]",
    "a condition in brackets without quotes": r"=[<>=!~][^'\",]*,[<>=!~][^'\"]*\]",
}


def test_no_good_spec_is_among_the_refused() -> None:
    assert [spec for spec in SPECS if deliberate(spec)] == []


def deliberate(spec: str) -> str | None:
    """The first kind of deliberate refusal that the spec belongs to."""
    return next((kind for kind, mark in REFUSED_ON_PURPOSE.items() if re.search(mark, spec)), None)


def our_order(left: str, right: str) -> int | None:
    try:
        first, second = CondaVersion(left), CondaVersion(right)
    except InvalidSpecError:
        return None
    return -1 if first < second else int(first > second)


def our_versions(spec: str, versions: list[str]) -> list[bool] | None:
    """None when we refuse the spec; UnsupportedSpecError passes."""
    try:
        parsed = VersionSpec(spec)
    except InvalidSpecError:
        return None
    return [parsed.matches(version) for version in versions]


def our_records(spec: str) -> list[bool] | None:
    try:
        parsed = parse_match_spec(spec)
    except InvalidSpecError:
        return None
    return [parsed.matches(record) for record in OUR_RECORDS]


def test_order_of_all_pairs_in_the_table(oracle: Oracle) -> None:
    for left in VERSIONS:
        for right in VERSIONS:
            assert our_order(left, right) == oracle.ask("compare", left, right), (left, right)
    assert len(VERSIONS) ** 2 > 1000


def test_order_of_made_up_versions(oracle: Oracle) -> None:
    decided = []

    @thorough
    @given(strategies.version_pairs())
    def compare(pair: tuple[str, str]) -> None:
        ours = our_order(*pair)
        assert ours == oracle.ask("compare", *pair)
        decided.append(ours is not None)

    compare()
    assert len(decided) >= 1500
    assert sum(decided) > len(decided) / 3


@pytest.mark.parametrize("spec", VERSION_SPECS)
def test_version_spec_of_the_table(oracle: Oracle, spec: str) -> None:
    ours = our_versions(spec, VERSIONS)
    assert ours is not None
    assert dict(zip(VERSIONS, ours, strict=True)) == dict(
        zip(VERSIONS, oracle.ask("version", spec, VERSIONS), strict=True)
    )


@pytest.mark.parametrize("spec", BAD_VERSION_SPECS)
def test_bad_version_spec_of_the_table(oracle: Oracle, spec: str) -> None:
    assert oracle.ask("version", spec, VERSIONS) is None
    try:
        assert our_versions(spec, VERSIONS) is None
    except UnsupportedSpecError:
        assert set(spec) & set("^$")


def test_made_up_version_specs(oracle: Oracle) -> None:
    decided = []

    @thorough
    @given(strategies.version_specs(), st.lists(strategies.good_versions(), max_size=5))
    def compare(spec: str, more: list[str]) -> None:
        versions = [*VERSIONS, *more]
        ours = our_versions(spec, versions)
        theirs = oracle.ask("version", spec, versions)
        if ours is None and theirs is not None:
            assert deliberate(spec) == "a compatible release without a series", spec
        else:
            assert ours == theirs, spec
            decided.append(ours is not None)

    compare()
    assert sum(decided) > 1000


@pytest.mark.parametrize("spec", SPECS)
def test_match_spec_of_the_table(oracle: Oracle, spec: str) -> None:
    ours = our_records(spec)
    assert ours is not None
    assert ours == oracle.ask("record", spec, RECORDS)


@pytest.mark.parametrize("spec", BAD_SPECS)
def test_bad_match_spec_of_the_table(oracle: Oracle, spec: str) -> None:
    assert oracle.ask("record", spec, RECORDS) is None
    assert our_records(spec) is None


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "numpy[",
        "numpy]",
        "numpy@1.8",
        "numpy===1.8",
        "numpy=>1.8",
        "numpy=<1.8",
        "numpy==>=1.8",
        "numpy 1.8.* >0",
        "numpy 1.8.* ==py39_0",
        "numpy1.7|1.8",
        "numpy~=2",
        "numpy 1.8 py39_0 more",
        "numpy[version=>=1.8,<2]",
    ],
)
def test_garbage_that_only_conda_takes(oracle: Oracle, spec: str) -> None:
    """Deliberate: ``numpy@1.8`` would be looked for under that very name, and never be found."""
    newest = [dict(RECORDS[0], version="0.1", build="0")]
    assert oracle.ask("record", spec, newest) is not None
    assert our_records(spec) is None
    assert deliberate(spec) or spec == ""


@pytest.mark.parametrize(
    "spec",
    [
        "https://conda.anaconda.org/lab/noarch/numpy-1.8-0.conda",
        "numpy-1.8-0.tar.bz2",
        "feature@",
        "num*",
        "*",
        "numpy[build='^py.*$']",
        "numpy[version='^1.*$']",
        "numpy[build_number='>=1']",
        "numpy[features=mkl]",
        "ns:numpy",
        "numpy (1.8)",
        "numpy[license=BSD]",
    ],
)
def test_forms_that_are_left_to_conda(oracle: Oracle, spec: str) -> None:
    with pytest.raises(UnsupportedSpecError):
        parse_match_spec(spec)


def test_made_up_match_specs(oracle: Oracle) -> None:
    decided = []

    @thorough
    @given(strategies.match_specs())
    def compare(spec: str) -> None:
        try:
            ours = our_records(spec)
        except UnsupportedSpecError:
            assume(False)
        theirs = oracle.ask("record", spec, RECORDS)
        if ours is None and theirs is not None:
            assert deliberate(spec), spec
        else:
            assert ours == theirs, spec
            decided.append(ours is not None)

    compare()
    assert sum(decided) > 1000
