"""A fault that did not happen does not count as survived."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from proof.faults.cases import Case, NotInjected, NotSurvived, play, play_all, survived


def _raises(error: Exception) -> Callable[[str], str]:
    def run(_worker: str) -> str:
        raise error

    return run


def test_what_ends_as_asked_is_survived() -> None:
    ending = play(Case("kill", lambda worker: f"as asked on {worker}"), "host")
    assert ending.injected
    assert ending.survived
    assert ending.ended == "as asked on host"


def test_a_fault_that_did_not_happen_is_not_survived() -> None:
    ending = play(Case("kill", _raises(NotInjected("it had ended before"))), "host")
    assert not ending.injected
    assert not ending.survived
    assert ending.ended == "it had ended before"


def test_a_fault_that_misses_its_moment_is_tried_again() -> None:
    moments = iter([NotInjected("too late"), NotInjected("too late"), None])

    def run(_worker: str) -> str:
        error = next(moments)
        if error:
            raise error
        return "as asked"

    assert play(Case("kill", run), "host", again=2).survived


def test_a_wrong_host_and_a_crash_of_the_case_are_not_survived() -> None:
    for error in (NotSurvived("numpy is gone"), KeyError("list")):
        ending = play(Case("kill", _raises(error)), "host")
        assert ending.injected
        assert not ending.survived


def test_one_case_lost_misses_the_target_and_the_log_says_why(tmp_path: Path) -> None:
    good: Case[str] = Case("good", lambda _worker: "as before")
    bad: Case[str] = Case("bad", _raises(NotSurvived("numpy is gone")))
    endings = play_all([good, bad, good], ["one", "two"])
    result = survived("killed.create", endings, tmp_path / "log.jsonl")
    assert (result.value, str(result.target), result.met) == (2, "exactly 3", False)
    assert result.samples == [1.0, 0.0, 1.0]
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["ended"] for line in lines] == ["as before", "numpy is gone", "as before"]


def test_a_worker_does_one_case_at_a_time() -> None:
    busy: list[str] = []

    def run(worker: str) -> str:
        assert worker not in busy
        busy.append(worker)
        busy.remove(worker)
        return "as asked"

    endings = play_all([Case(str(n), run) for n in range(50)], ["one", "two"])
    assert [ending.case for ending in endings] == [str(n) for n in range(50)]
    assert all(ending.survived for ending in endings)
