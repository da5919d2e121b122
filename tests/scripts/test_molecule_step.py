"""Which Molecule scenarios a run has: `make test` takes five of them and says which it leaves out."""

from __future__ import annotations

import pytest

from lab import build
from scripts.testing import molecule_step, run_tests
from scripts.testing.step import Options


def options(*arguments: str) -> Options:
    return run_tests.parse(["molecule", *arguments])[1]


def test_the_scenarios_that_are_named_exist() -> None:
    assert set(molecule_step.TEST_SCENARIOS) <= set(molecule_step.scenarios())
    assert set(molecule_step.MORE_PARTS) <= set(molecule_step.scenarios())
    for parts in molecule_step.MORE_PARTS.values():
        assert set(parts) <= set(build.PARTS)


def test_a_usual_run_says_what_it_leaves_out_and_how_to_run_it() -> None:
    usual = options()
    assert molecule_step.chosen_scenarios(usual) == list(molecule_step.TEST_SCENARIOS)
    (line,) = molecule_step.left_out(usual)
    absent = set(molecule_step.scenarios()) - set(molecule_step.TEST_SCENARIOS)
    assert absent
    assert all(name in line for name in absent)
    assert "make test-full PART=hosts" in line


@pytest.mark.parametrize("arguments", [["--full"], ["--scenario", "full"]])
def test_a_full_run_and_who_names_one_has_it(arguments: list[str]) -> None:
    chosen = options(*arguments)
    assert "full" in molecule_step.chosen_scenarios(chosen)
    assert molecule_step.left_out(chosen) == []


def test_a_full_run_has_everything() -> None:
    assert sorted(molecule_step.chosen_scenarios(options("--full"))) == molecule_step.scenarios()
