"""When the installer travels: decided by what the module foretells, with a host that only takes notes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.action.conda_installation import ActionModule
from ansible_collections.llmfleet.conda.tests.unit.plugins.note_taking_host import (
    NoteTaking,
    foretold,
)

FILE = "Miniconda3-x-Linux-x86_64.sh"


class Action(NoteTaking, ActionModule):
    """The action on a host that only takes notes."""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The controller's files."""
    (tmp_path / FILE).write_text("")
    return tmp_path


def asked(action: Action) -> list[tuple[bool, dict[str, Any]]]:
    """The runs of the module, without the rows of the catalogue."""
    runs = []
    for check, arguments in action.runs:
        given = {name: value for name, value in arguments.items() if name != "catalogue"}
        runs.append((check, given))
    return runs


def run(files: Path, *answers: dict[str, Any], **task: Any) -> tuple[Action, dict[str, Any]]:
    action = Action(files, list(answers), **task)
    return action, action.played()


ARGUMENTS = {"prefix": "/opt/mc", "installer_path": FILE}


@pytest.mark.parametrize("needed", ["install", "reinstall", "repair"])
def test_a_host_that_needs_the_file_gets_it(files: Path, needed: str) -> None:
    done = {"changed": True, "prefix": "/opt/mc"}
    action, result = run(files, foretold(needed), done, args=ARGUMENTS)
    assert result == done
    there = f"/tmp/there/{FILE}"
    assert action.sent == [(str(files / FILE), there)]
    assert action.opened == [(("/tmp/there", there), False)]
    assert asked(action) == [
        (True, ARGUMENTS),
        (False, {**ARGUMENTS, "installer_path": there, "remote_src": True}),
    ]


@pytest.mark.parametrize("other", ["upgrade", "downgrade", "access"])
def test_a_change_without_an_installer_takes_no_file(files: Path, other: str) -> None:
    action, result = run(files, foretold(other), {"changed": True}, args=ARGUMENTS)
    assert result == {"changed": True}
    assert [check for check, _arguments in action.runs] == [True, False]
    assert action.sent == []


@pytest.mark.parametrize("answer", [foretold(""), {"failed": True, "msg": "no"}])
def test_nothing_to_do_and_a_failure_are_one_run(files: Path, answer: dict[str, Any]) -> None:
    action, result = run(files, answer, args=ARGUMENTS)
    assert result == answer
    assert len(action.runs) == 1
    assert action.sent == []


def test_check_mode_sends_nothing(files: Path) -> None:
    action, result = run(files, foretold("install"), args=ARGUMENTS, check_mode=True)
    assert result == foretold("install")
    assert [check for check, _arguments in action.runs] == [True]
    assert action.sent == []


@pytest.mark.parametrize(
    "arguments",
    [
        {"prefix": "/opt/mc", "version": "1"},
        {**ARGUMENTS, "remote_src": "yes"},
        {**ARGUMENTS, "state": "absent", "installer_path": "nowhere.sh"},
        {"prefix": "/opt/mc", "installer_path": ""},
    ],
)
def test_without_a_file_of_the_controller_the_module_runs_as_it_is(
    files: Path, arguments: dict[str, Any]
) -> None:
    action, _result = run(files, {"changed": True}, args=arguments)
    assert asked(action) == [(False, arguments)]


def test_a_host_is_sent_the_rows_of_its_version_and_no_others(files: Path) -> None:
    arguments = {"prefix": "/opt/mc", "version": "py312_24.7.1-0"}
    action, _result = run(files, {"changed": True}, args=arguments)
    rows = [row.split(" ") for row in action.runs[0][1]["catalogue"]]
    assert {(row[0], row[1]) for row in rows} == {
        ("py312_24.7.1-0", "Linux"),
        ("py312_24.7.1-0", "MacOSX"),
    }
    own = {"prefix": "/opt/mc", "installer_url": "https://host.example/Own.sh"}
    action, _result = run(files, {"changed": True}, args=own)
    assert action.runs == [(False, own)]


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (
            {"args": {**ARGUMENTS, "installer_path": "no.sh"}},
            "but the controller cannot read it",
        ),
        ({"args": {**ARGUMENTS, "remote_src": "perhaps"}}, "The option remote_src"),
        ({"args": ARGUMENTS, "async_val": 60}, "With async, the option installer_path cannot"),
    ],
)
def test_mistakes_are_found_before_any_module_runs(
    files: Path, task: dict[str, Any], words: str
) -> None:
    action, result = run(files, **task)
    assert result["failed"]
    assert words in result["msg"]
    assert action.runs == []
