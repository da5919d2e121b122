"""All that the oracles are asked: the tables, and what Hypothesis makes up."""

from __future__ import annotations

from functools import cache
from itertools import product

from tests.differential import strategies, tables
from tests.differential.comparison import Cases


def _once(texts: list[str]) -> list[str]:
    return list(dict.fromkeys(texts))


@cache
def for_conda() -> Cases:
    """Everything, up to the scraps that only conda's own code gives a meaning to."""
    cases = for_rattler()
    scraps = strategies.examples(strategies.scraps(), 2000)
    return Cases(
        pairs=cases.pairs,
        version_specs=cases.version_specs,
        versions=cases.versions,
        specs=_once([*cases.specs, *tables.LEFT_TO_CONDA, *tables.IMPOSSIBLE_NAMES, *scraps]),
        records=cases.records,
        always=cases.always,
    )


@cache
def for_rattler() -> Cases:
    """The tables, and thousands made up."""
    cases = of_the_tables()
    return Cases(
        pairs=[*cases.pairs, *strategies.examples(strategies.version_pairs(), 2500)],
        version_specs=_once(
            [*cases.version_specs, *strategies.examples(strategies.version_specs(), 1500)]
        ),
        versions=cases.versions,
        specs=_once([*cases.specs, *strategies.examples(strategies.match_specs(), 4000)]),
        records=[*cases.records, *strategies.examples(strategies.records(), 300)],
        always=cases.always,
    )


def of_the_tables() -> Cases:
    """All pairs of the table's versions and the other pairs, and all tables of specs; nothing made up."""
    return Cases(
        pairs=[*product(tables.VERSIONS, repeat=2), *tables.PAIRS],
        version_specs=[*tables.VERSION_SPECS, *tables.BAD_VERSION_SPECS],
        versions=tables.VERSIONS,
        specs=[*tables.SPECS, *tables.BAD_SPECS],
        records=tables.RECORDS,
        always=len(tables.RECORDS),
    )
