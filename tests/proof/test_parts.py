"""Parts that fail, that have nothing to say, and that only have nothing quick to say."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from proof import runner as proof
from proof.figures import Result


class _Mirror:
    """Takes what a run asks of the mirror between parts."""

    url = "mirror"

    def clear_faults(self) -> None:
        """Nothing is set."""

    def reset(self) -> None:
        """Nothing is counted."""


def _lab(quick: bool) -> proof.Lab:
    return proof.Lab("bench", "image", cast(Any, _Mirror()), Path(), quick)


def _speaks(_lab: proof.Lab) -> list[Result]:
    """Gives a figure."""
    return [Result("speaks.a", 1, "s")]


def _silent(_lab: proof.Lab) -> list[Result]:
    """Gives none."""
    return []


def _fails(_lab: proof.Lab) -> list[Result]:
    """Ends early."""
    raise KeyError("list")


def test_one_part_that_fails_lets_the_others_speak() -> None:
    results, failures = proof.run_parts(_lab(quick=False), {"fails": _fails, "speaks": _speaks})
    assert [one.name for one in results] == ["speaks.a"]
    assert failures == ["fails: KeyError('list')"]


def test_a_part_without_figures_has_failed() -> None:
    _, failures = proof.run_parts(_lab(quick=False), {"silent": _silent})
    assert failures == ["silent: gave no figure"]


def test_a_part_without_a_quick_case_has_not() -> None:
    results, failures = proof.run_parts(_lab(quick=True), {"silent": _silent, "speaks": _speaks})
    assert (len(results), failures) == (1, [])


def test_a_part_that_fails_in_the_quick_run_has_failed() -> None:
    assert proof.run_parts(_lab(quick=True), {"fails": _fails})[1] == ["fails: KeyError('list')"]


def test_parts_are_described_by_their_own_first_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "load", lambda _package, names: dict.fromkeys(names, _speaks))
    assert proof.sentences("bench", ["speaks"]) == {"speaks": "Gives a figure"}
