"""The step of `make test` that runs the quick cases of `make bench` and `make faults`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from proof.figures import Result, at_most, write
from proof.runner import CANNOT_RUN
from scripts.testing import proof_step, run_tests, steps
from scripts.testing.step import Options

GOOD = [Result("x.kept", 1, "s", at_most(2)), Result("x.told", 1, "s")]
BAD = [Result("x.lost", 3, "s", at_most(2))]


class _Drivers:
    """Stands in for the two programs: their exit codes, files and last lines."""

    def __init__(self, build: Path, said: Mapping[str, tuple[int, list[Result], str]]) -> None:
        self.build = build
        self.said = said
        self.started: list[list[str]] = []

    def run(self, argv: list[Any], *, log: Path, **_options: Any) -> int:
        """As ``scripts.processes.run``."""
        self.started.append([str(word) for word in argv[1:]])
        package = str(argv[2]).removeprefix("proof.")
        code, results, line = self.said[package]
        log.parent.mkdir(exist_ok=True)
        log.write_text(line + "\n")
        if results:
            write(self.build / f"{package}-quick.json", results)
        return code


def _play(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **said: tuple[int, list[Result], str]
) -> _Drivers:
    drivers = _Drivers(tmp_path, said)
    monkeypatch.setattr(proof_step, "BUILD", tmp_path)
    monkeypatch.setattr(proof_step, "LOGS", tmp_path / "logs")
    monkeypatch.setattr(proof_step, "run", drivers.run)
    return drivers


def test_targets_of_both_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drivers = _play(tmp_path, monkeypatch, bench=(0, GOOD, ""), faults=(1, BAD, ""))
    tally = proof_step.proof(Options())
    assert (tally.passed, tally.failed) == (1, 1)
    assert tally.notes[0].startswith("x.lost: 3 s, target: at most 2")
    assert drivers.started == [["-m", "proof.bench", "--quick"], ["-m", "proof.faults", "--quick"]]


def test_a_run_that_wrote_nothing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _play(tmp_path, monkeypatch, bench=(1, [], ""), faults=(0, GOOD, ""))
    assert proof_step.proof(Options()).failed == 1


def test_without_an_engine_the_step_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = "bench: cannot run: no Docker engine"
    _play(tmp_path, monkeypatch, bench=(CANNOT_RUN, [], f"first\n{reason}"))
    done = run_tests.run_step("proof", proof_step.proof, Options())
    assert done.blocked == [reason]


def test_it_has_a_line_in_the_help() -> None:
    assert steps.PARTS["proof"] == (("proof",),)
    assert "faults" in steps.describe("proof")
