"""How the figures of observing are made of their samples."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import LabError
from proof.bench.observing import SIZES, Samples, compare, figures, growth


def samples(*seconds_per_record: float) -> dict[str, Samples]:
    """Samples of each size, ours costing so much a record, conda half a second."""
    return {
        f"{size}": Samples([size * each] * 3, [0.5] * 3, [0.2] * 3)
        for size, each in zip(SIZES, seconds_per_record, strict=True)
    }


def test_a_record_that_costs_the_same_is_linear_growth() -> None:
    assert growth(samples(1e-5, 1e-5, 1e-5)).met is True


def test_what_is_looked_for_in_a_growing_list_misses_the_target() -> None:
    assert growth(samples(5e-6, 25e-6, 100e-6)).met is False


@pytest.mark.parametrize(("each", "kept"), [(1e-5, True), (1e-4, False)])
def test_fifty_times_is_asked_at_250_records_only(each: float, kept: bool) -> None:
    held = {one.name: one.met for one in figures(samples(each, each, each)) if one.target}
    assert held == {"observing.250.times_faster": kept, "observing.growth": True}


def test_without_the_other_sizes_there_is_no_growth() -> None:
    quick = {"250": samples(1e-5, 1e-5, 1e-5)["250"]}
    assert "observing.growth" not in {one.name for one in figures(quick)}


LISTED = [
    {"name": "a", "version": "1", "channel": "lab"},
    {"name": "pip-has-this", "version": "3", "channel": "pypi"},
]


def test_the_same_packages_pass() -> None:
    compare(Path("p"), LISTED, {"a": "1"}, {"packages": [{"name": "a", "version": "1"}]})


@pytest.mark.parametrize("observed", [{}, {"a": "2"}, {"a": "1", "b": "1"}])
def test_other_packages_are_refused(observed: dict[str, str]) -> None:
    told = {"packages": [{"name": name, "version": value} for name, value in observed.items()]}
    with pytest.raises(LabError, match="observe_prefix and conda list differ"):
        compare(Path("p"), LISTED, observed, {"packages": [{"name": "a", "version": "1"}]})
    with pytest.raises(LabError, match="conda_info and conda list differ"):
        compare(Path("p"), LISTED, {"a": "1"}, told)
