"""What the measurement of a run that finds nothing to do is made of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.errors import LabError
from proof.bench import by_hand
from proof.bench.converged import unchanged
from proof.bench.cost import Run
from proof.bench.noop import in_turn, module_runs, ours_and_pings


def ended(seconds: float = 1.0, changed: int = 0, failures: int = 0, modules: int = 6) -> Run:
    recap = {"host": {"ok": 3, "changed": changed, "failures": failures}}
    return Run(seconds, 0.0, 0.0, "", {"host": modules}, recap)


def test_a_run_that_changes_something_is_no_sample() -> None:
    with pytest.raises(LabError, match="change nothing"):
        in_turn({"ours": lambda: ended(changed=1)}, 1)


def test_a_run_that_fails_is_no_sample() -> None:
    with pytest.raises(LabError, match="change nothing"):
        unchanged(ended(failures=1))


def test_a_run_without_a_recap_is_no_sample() -> None:
    with pytest.raises(LabError, match="change nothing"):
        unchanged(Run(1.0, 0.0, 0.0, "", {"host": 1}, {}))


def test_contenders_take_turns_and_the_first_round_does_not_count() -> None:
    order: list[str] = []

    def contender(name: str) -> Run:
        order.append(name)
        return ended(float(len(order)))

    runs = in_turn({"a": lambda: contender("a"), "b": lambda: contender("b")}, 2)
    assert "".join(order) == "ababab"
    assert [one.seconds for one in runs["a"]] == [3.0, 5.0]
    assert [one.seconds for one in runs["b"]] == [4.0, 6.0]


def test_module_runs_are_those_of_the_host_that_had_most() -> None:
    assert module_runs(Run(1.0, 0.0, 0.0, "", {"a": 2, "b": 7}, {})) == 7


@pytest.mark.parametrize(("modules", "seconds", "kept"), [(6, 1.2, True), (7, 1.3, False)])
def test_one_module_run_more_or_a_slower_run_misses_its_target(
    modules: int, seconds: float, kept: bool
) -> None:
    runs = {
        "ours": [ended(seconds, modules=modules)] * 2,
        "pings": [ended(1.0, modules=modules)] * 2,
    }
    held = {one.name: one.met for one in ours_and_pings("x", runs) if one.target}
    assert held == {"x.module_runs": kept, "x.of_pings": kept}


def test_a_play_of_pings_has_a_task_for_each(tmp_path: Path) -> None:
    (play,) = json.loads(by_hand.pings(tmp_path, 4).read_text())
    assert [list(task)[1] for task in play["tasks"]] == ["ansible.builtin.ping"] * 4
    assert play["gather_facts"] is False
