"""Our reading of versions and specs beside that of the real conda and of rattler.

Compared are the order of versions, and of every spec what it is parsed into, how it is written canonically,
and which versions or packages it matches. A spec that we leave to conda (``UnsupportedSpecError``) has
nothing to compare; the table ``LEFT_TO_CONDA`` and the generated ones say which they are.
"""

from __future__ import annotations

from collections import Counter

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._spec.match_spec import (
    parse_match_spec,
)
from tests.differential import cases, comparison, conda_rules, rattler_rules, tables
from tests.differential.comparison import Cases, Tally
from tests.differential.oracle import Oracle

KINDS = ("order", "parsing", "canonical text", "matching")


@pytest.fixture(scope="module")
def with_conda(conda: Oracle) -> Tally:
    """All comparisons with conda."""
    tally, asked = Tally(), cases.for_conda()
    comparison.orders(conda, asked, tally)
    comparison.version_specs_with_conda(conda, asked, tally)
    comparison.specs_with_conda(conda, asked, tally)
    return tally


@pytest.fixture(scope="module")
def with_rattler(rattler: Oracle) -> Tally:
    """All comparisons with rattler."""
    return compared_with_rattler(rattler, cases.for_rattler())


@pytest.fixture(scope="module")
def tables_with_rattler(rattler: Oracle) -> Tally:
    """The comparisons with rattler that are the same whatever is made up."""
    return compared_with_rattler(rattler, cases.of_the_tables())


def compared_with_rattler(rattler: Oracle, asked: Cases) -> Tally:
    """All comparisons of these cases with rattler."""
    tally = Tally()
    comparison.orders(rattler, asked, tally)
    comparison.version_specs_with_rattler(rattler, asked, tally)
    comparison.specs_with_rattler(rattler, asked, tally)
    return tally


def test_nothing_differs_from_conda(with_conda: Tally, conda: Oracle) -> None:
    """Some kinds of text are refused at once that conda refuses, or finds nothing for, a little later."""
    reasons = [conda_rules.reason(item, conda) for item in with_conda.different]
    unexplained = [
        item for item, reason in zip(with_conda.different, reasons, strict=True) if not reason
    ]
    assert unexplained == []
    known = {conda_rules.IMPOSSIBLE_NAME, conda_rules.NO_SERIES}
    assert known <= set(reasons) <= known | {conda_rules.IGNORED}


def test_nothing_differs_from_rattler_but_where_conda_does(with_rattler: Tally) -> None:
    """conda is the judge: the same questions are put to conda, and there our answer is conda's."""
    same, asked = cases.for_conda(), cases.for_rattler()
    assert (same.pairs, same.version_specs) == (asked.pairs, asked.version_specs)
    assert (same.specs[: len(asked.specs)], same.records) == (asked.specs, asked.records)
    unexplained = [item for item in with_rattler.different if not rattler_rules.reasons(item)]
    assert unexplained == []
    print(f"{len(with_rattler.different)} differences between rattler and conda")


@pytest.mark.parametrize("rule", rattler_rules.RULES, ids=lambda rule: rule.name)
def test_every_rule_about_rattler_is_needed(
    rule: rattler_rules.Rule, tables_with_rattler: Tally
) -> None:
    """For each of its kinds the tables have a difference that only this rule explains."""
    its_own = {
        item.kind
        for item in tables_with_rattler.different
        if rattler_rules.reasons(item) == [rule.name]
    }
    assert its_own == set(rule.kinds)


@pytest.mark.full
def test_the_rules_about_rattler_excuse_little(with_rattler: Tally) -> None:
    """For one excused comparison there are many alike."""
    assert len(with_rattler.different) * 50 < with_rattler.same.total()


@pytest.mark.full
@pytest.mark.parametrize(
    ("oracle", "least"),
    [
        ("conda", {"order": 10000, "parsing": 3000, "canonical text": 2500, "matching": 100000}),
        ("rattler", {"order": 10000, "parsing": 2500, "canonical text": 2000, "matching": 100000}),
    ],
)
def test_enough_is_compared(
    oracle: str, least: dict[str, int], with_conda: Tally, with_rattler: Tally
) -> None:
    """At least 20,000 comparisons with each, even if the matching counts for nothing."""
    tally = {"conda": with_conda, "rattler": with_rattler}[oracle]
    print(f"{oracle}: {tally}; {len(tally.left)} specs left to conda")
    assert tally.same.total() - tally.same["matching"] >= 20000
    assert {kind: tally.same[kind] for kind in KINDS if tally.same[kind] < least[kind]} == {}


@pytest.mark.full
def test_both_outcomes_are_common(with_conda: Tally) -> None:
    """A comparison is worth something only where specs match some packages and miss others."""
    asked = cases.for_conda()
    records = comparison.our_records(asked)
    found: Counter[bool] = Counter()
    refused = 0
    for place, text in enumerate(asked.specs):
        reading = comparison.read(parse_match_spec, text)
        if reading.parsed:
            found.update(reading.parsed.matches(records[index]) for index in asked.tried_on(place))
        else:
            refused += not reading.left
    assert min(found[True], found[False]) * 20 > found.total()
    assert refused > 300


@pytest.mark.parametrize("spec", [*tables.SPECS, *tables.VERSION_SPECS])
def test_good_specs_are_decided_by_us(spec: str) -> None:
    parser = comparison.VersionSpec if spec in tables.VERSION_SPECS else parse_match_spec
    assert comparison.read(parser, spec).parsed is not None


@pytest.mark.parametrize("spec", [*tables.BAD_SPECS, *tables.BAD_VERSION_SPECS])
def test_bad_specs_are_refused_with_a_message(spec: str) -> None:
    parser = parse_match_spec if spec in tables.BAD_SPECS else comparison.VersionSpec
    reading = comparison.read(parser, spec)
    assert reading.message
    assert not reading.left


@pytest.mark.parametrize("spec", tables.IMPOSSIBLE_NAMES)
def test_impossible_names_are_refused_with_a_message(spec: str) -> None:
    reading = comparison.read(parse_match_spec, spec)
    assert "not a package name" in reading.message or "brackets" in reading.message
    assert not reading.left


@pytest.mark.parametrize("spec", tables.BROKEN_BRACKETS)
def test_brackets_that_conda_would_drop_are_refused(spec: str) -> None:
    reading = comparison.read(parse_match_spec, spec)
    assert "brackets must contain key=value pairs" in reading.message
    assert not reading.left


@pytest.mark.parametrize("spec", tables.LEFT_TO_CONDA)
def test_forms_that_are_left_to_conda(spec: str) -> None:
    reading = comparison.read(parse_match_spec, spec)
    assert reading.left
    assert reading.message


def test_little_is_left_to_conda(with_conda: Tally) -> None:
    assert len(with_conda.left) * 4 < len(cases.for_conda().specs)
