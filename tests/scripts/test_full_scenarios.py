"""Which Molecule scenarios a run has: `make test` leaves the longest ones out and says so."""

from __future__ import annotations

import pytest

from lab import build
from scripts import run_tests, steps


def options(*arguments: str) -> steps.Options:
    return run_tests.parse(["molecule", *arguments])[1]


def test_the_scenarios_left_out_exist_and_need_known_parts_of_the_lab() -> None:
    assert set(steps.FULL_SCENARIOS) <= set(steps.scenarios())
    for parts in steps.FULL_SCENARIOS.values():
        assert set(parts) <= set(build.PARTS)


def test_a_usual_run_leaves_them_out_and_says_how_to_run_them() -> None:
    usual = options()
    assert set(steps.chosen_scenarios(usual)) == set(steps.scenarios()) - set(steps.FULL_SCENARIOS)
    (line,) = steps.left_out(usual)
    assert "full" in line
    assert "make test-full" in line


@pytest.mark.parametrize("arguments", [["--full"], ["--scenario", "full"]])
def test_a_full_run_and_who_names_one_has_it(arguments: list[str]) -> None:
    chosen = options(*arguments)
    assert "full" in steps.chosen_scenarios(chosen)
    assert steps.left_out(chosen) == []


def test_a_full_run_has_everything() -> None:
    assert steps.chosen_scenarios(options("--full")) == steps.scenarios()
