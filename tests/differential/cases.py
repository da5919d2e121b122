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
    """All pairs of the table's versions, all tables of specs, and thousands made up."""
    return Cases(
        pairs=[
            *product(tables.VERSIONS, repeat=2),
            *strategies.examples(strategies.version_pairs(), 2500),
        ],
        version_specs=_once(
            [
                *tables.VERSION_SPECS,
                *tables.BAD_VERSION_SPECS,
                *strategies.examples(strategies.version_specs(), 1500),
            ]
        ),
        versions=tables.VERSIONS,
        specs=_once(
            [
                *tables.SPECS,
                *tables.BAD_SPECS,
                *strategies.examples(strategies.match_specs(), 4000),
            ]
        ),
        records=[*tables.RECORDS, *strategies.examples(strategies.records(), 300)],
        always=len(tables.RECORDS),
    )
