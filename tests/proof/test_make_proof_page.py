"""docs/proof.md says what the result files say."""

from __future__ import annotations

from pathlib import Path

import pytest

from proof.figures import Result, at_most, document, exactly, write
from scripts.generate import make_proof_page

BENCH = [
    Result("noop.ours", 3.21, "s", at_most(4), note="Of a | host."),
    Result("noop.times", 1.4, "times", at_most(1.2), note="Too many tasks."),
]


def test_figures_targets_and_causes_are_told() -> None:
    content = document(BENCH)
    text = make_proof_page.section("bench", content, {"noop": "A converge that changes nothing"})
    assert f"{content['machine']}; {content['date']}. 1 of 2 targets kept." in text
    assert "### noop\n\nA converge that changes nothing.\n" in text
    assert r"| `ours` | 3.21 s | at most 4 | kept | Of a \| host. |" in text
    assert "| `times` | 1.4 times | at most 1.2 | **missed** |  |" in text
    assert "- `noop.times` is 1.4 times, target at most 1.2. Too many tasks." in text


def test_nothing_missed_has_no_place_for_causes() -> None:
    assert "Missed" not in make_proof_page.section("bench", document(BENCH[:1]), {})


def test_it_is_written_only_from_whole_runs_of_both(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "docs" / "proof.md"
    write(tmp_path / "bench.json", [Result("of_no_part.a", 1, "s", at_most(2))])
    assert make_proof_page.main(tmp_path, page) == 1
    assert "run `make faults` first" in capsys.readouterr().err
    assert not page.exists()
    write(tmp_path / "faults.json", [Result("of_no_part.b", 25, "cases", exactly(25))])
    assert make_proof_page.main(tmp_path, page) == 0
    text = page.read_text()
    assert text.index("`make bench`\n") < text.index("| `a` |") < text.index("| `b` | 25 cases |")
