"""Molecule's own lines (26.10) become one line per action."""

from __future__ import annotations

import pytest

from scripts.console import Ticker
from scripts.testing.molecule_progress import MoleculeProgress

OUTPUT = """\
INFO     default ➜ discovery: scenario test matrix: prepare, converge, verify
INFO     default ➜ prepare: Executing
WARNING  default ➜ prepare: Executed: Missing playbook (Remove from test_sequence to suppress)
INFO     default ➜ converge: Executing
  │ TASK [llmfleet.conda.verify : Check the host]
INFO     default ➜ converge: Executed: Successful
INFO     default ➜ verify: Executing
INFO     default ➜ verify: Executing Testinfra tests found in molecule/default/tests/...
  │ ============ 3 passed in 1.11s ============
INFO     default ➜ verify: Executed: Successful
default ➜ prepare: Executed: Missing playbook (Remove from test_sequence to suppress)
"""


def feed(text: str) -> MoleculeProgress:
    progress = MoleculeProgress("default")
    ticker = Ticker()
    for line in text.splitlines():
        progress.see(line, ticker)
    progress.close(ticker)
    return progress


def test_actions_and_counts_are_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    feed(OUTPUT)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["prepare", "converge", "verify"]
    assert "MISSING" in lines[0]
    assert "successful" in lines[1]
    assert "(3 passed)" in lines[2]


def test_warnings_are_collected() -> None:
    text = OUTPUT + "  │ [WARNING]: Platform linux on host x is using the discovered Python\n"
    assert feed(OUTPUT).warnings == []
    assert feed(text).warnings == ["Platform linux on host x is using the discovered Python"]


def test_the_end_of_each_action_is_told() -> None:
    ended: list[str] = []
    progress = MoleculeProgress("default", ended.append)
    for line in OUTPUT.splitlines():
        progress.see(line, Ticker())
    assert ended == ["prepare", "converge", "verify"]


def test_missing_playbooks_are_collected() -> None:
    assert feed(OUTPUT).missing == ["prepare"]


def test_colours_do_not_hide_an_action() -> None:
    coloured = (
        "\x1b[36mINFO    \x1b[0m \x1b[32mdefault\x1b[0m ➜ \x1b[33mcheck\x1b[0m: \x1b[36mExecuting\x1b[0m\n"
        "\x1b[35mWARNING \x1b[0m \x1b[32mdefault\x1b[0m ➜ \x1b[33mcheck\x1b[0m: "
        "\x1b[35mExecuted: Missing playbook\x1b[0m \x1b[2m(Remove from test_sequence to suppress)\x1b[0m"
    )
    assert feed(coloured).missing == ["check"]


def test_action_cut_short_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    feed("INFO     default ➜ create: Executing")
    assert "create" in capsys.readouterr().out
