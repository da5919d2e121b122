"""Figures, targets and their file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proof.figures import (
    Result,
    Target,
    at_least,
    at_most,
    exactly,
    median,
    ratio,
    table,
    write,
)
from proof.runner import missed
from scripts.testing.results import measured


@pytest.mark.parametrize(
    ("target", "value", "kept"),
    [
        (at_most(6), 6, True),
        (at_most(6), 6.01, False),
        (at_least(50), 50, True),
        (at_least(50), 49.9, False),
        (exactly(100), 100, True),
        (exactly(100), 99, False),
    ],
)
def test_a_target_may_be_reached_and_not_passed(target: Target, value: float, kept: bool) -> None:
    assert Result("x", value, "s", target).met is kept


def test_without_a_target_nothing_is_kept_or_missed() -> None:
    assert Result("x", 1, "s").met is None


def test_an_unknown_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="about"):
        Target("about", 3)


def test_a_ratio_is_the_median_of_the_rounds_and_not_the_ratio_of_medians() -> None:
    found = ratio("x", [2.0, 30.0, 4.0], [1.0, 10.0, 4.0])
    assert found.value == 2.0
    assert found.samples == [2.0, 3.0, 1.0]


def test_a_ratio_needs_both_sides_of_every_round() -> None:
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        ratio("x", [1.0, 2.0], [1.0])


def test_the_file_says_machine_date_and_every_figure(tmp_path: Path) -> None:
    write(tmp_path / "x" / "bench.json", [median("a.b", [3.0, 1.0, 2.0], "s", at_most(2.5))])
    content = json.loads((tmp_path / "x" / "bench.json").read_text())
    assert set(content) == {"machine", "date", "results"}
    assert "cores" in content["machine"]
    assert content["date"].endswith("+00:00")
    assert content["results"] == [
        {
            "name": "a.b",
            "value": 2.0,
            "unit": "s",
            "target": "at most 2.5",
            "met": True,
            "samples": [3.0, 1.0, 2.0],
            "note": "",
        }
    ]
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["bench.json"]


def test_a_missed_target_is_told_in_the_table_and_in_the_end() -> None:
    results = [Result("a", 3, "s", at_most(2), note="Too slow."), Result("b", 3, "s", at_most(4))]
    lines = table(results)
    assert lines[1].endswith("NO")
    assert lines[2].endswith("yes")
    assert missed(results) == ["a: 3 s, target: at most 2. Too slow."]


def test_make_test_counts_figures_with_a_target(tmp_path: Path) -> None:
    file = tmp_path / "faults-quick.json"
    write(
        file,
        [Result("a", 1, "s", at_most(2)), Result("b", 3, "s"), Result("c", 3, "s", at_most(2))],
    )
    tally = measured(file, 1, tmp_path / "log")
    assert (tally.passed, tally.failed) == (1, 1)
    assert tally.notes[0].startswith("c: 3 s")


@pytest.mark.parametrize("written", [None, "{", "{}"])
def test_make_test_fails_without_a_readable_file(tmp_path: Path, written: str | None) -> None:
    file = tmp_path / "faults-quick.json"
    if written is not None:
        file.write_text(written)
    assert measured(file, 0, tmp_path / "log").failed == 1


def test_make_test_fails_when_a_part_gave_no_figure(tmp_path: Path) -> None:
    file = tmp_path / "bench-quick.json"
    write(file, [Result("a", 1, "s", at_most(2))])
    tally = measured(file, 1, tmp_path / "log")
    assert (tally.passed, tally.failed) == (1, 1)
