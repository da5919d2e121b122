"""When a model's files travel: decided by what the module foretells, with a host that only takes notes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.action.hub_model import ActionModule
from ansible_collections.llmfleet.conda.plugins.module_utils._hub.cache import Choice
from ansible_collections.llmfleet.conda.plugins.module_utils._hub.store import read_source
from ansible_collections.llmfleet.conda.tests.unit.plugins.note_taking_host import (
    NoteTaking,
    foretold,
)

ARGUMENTS = {"model": "example/ours", "path": "ours"}


class Action(NoteTaking, ActionModule):
    """The action on a host that only takes notes."""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The controller's files."""
    (tmp_path / "ours" / "a b").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    (tmp_path / "ours" / "config.json").write_text("{}")
    (tmp_path / "ours" / "a b" / "x.bin").write_text("x")
    return tmp_path


def run(files: Path, *answers: dict[str, Any], **task: Any) -> tuple[Action, dict[str, Any]]:
    action = Action(files, list(answers), **task)
    return action, action.played()


def commit(files: Path, *exclude: str) -> str:
    return read_source(str(files / "ours"), Choice(exclude=exclude)).commit


def test_a_host_that_needs_the_files_gets_them(files: Path) -> None:
    action, result = run(files, foretold("import"), {"changed": True}, args=ARGUMENTS)
    assert result == {"changed": True}
    named = {**ARGUMENTS, "commit": commit(files)}
    there = "/tmp/there/model"
    assert action.runs == [(True, named), (False, {**named, "path": there, "remote_src": True})]
    assert action.commands == [f"mkdir -p {there} '{there}/a b'"]
    assert action.sent == [
        (str(files / "ours/a b/x.bin"), f"{there}/a b/x.bin"),
        (str(files / "ours/config.json"), f"{there}/config.json"),
    ]
    ((opened, execute),) = action.opened
    assert {"/tmp/there", there, f"{there}/a b", f"{there}/config.json"} <= set(opened)
    assert not execute


@pytest.mark.parametrize("exclude", [["*.bin"], "*.bin"])
def test_what_is_left_out_does_not_travel(files: Path, exclude: Any) -> None:
    arguments = {**ARGUMENTS, "exclude": exclude, "commit": "1" * 40}
    action, _result = run(files, foretold("import"), {"changed": True}, args=arguments)
    assert [local for local, _there in action.sent] == [str(files / "ours/config.json")]
    assert action.runs[0][1]["commit"] == "1" * 40


def test_a_change_that_needs_no_file_takes_none(files: Path) -> None:
    action, result = run(files, foretold("point"), {"changed": True}, args=ARGUMENTS)
    assert result == {"changed": True}
    assert [check for check, _arguments in action.runs] == [True, False]
    assert action.sent == []


@pytest.mark.parametrize("answer", [foretold(""), {"failed": True, "msg": "no"}])
def test_nothing_to_do_and_a_failure_are_one_run(files: Path, answer: dict[str, Any]) -> None:
    action, result = run(files, answer, args=ARGUMENTS)
    assert result == answer
    assert (len(action.runs), action.sent) == (1, [])


def test_check_mode_sends_nothing(files: Path) -> None:
    action, result = run(files, foretold("import"), args=ARGUMENTS, check_mode=True)
    assert result == foretold("import")
    assert (len(action.runs), action.sent) == (1, [])


@pytest.mark.parametrize(
    "arguments",
    [
        {"model": "example/ours", "prefix": "/opt/env"},
        {**ARGUMENTS, "path": "/srv/ours", "remote_src": "yes"},
        {**ARGUMENTS, "state": "absent", "path": "nowhere"},
    ],
)
def test_without_a_directory_of_the_controller_the_module_runs_as_it_is(
    files: Path, arguments: dict[str, Any]
) -> None:
    action, _result = run(files, {"changed": True}, args=arguments)
    assert action.runs == [(False, arguments)]


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ({"args": {**ARGUMENTS, "path": "no"}}, "but the controller cannot read it"),
        ({"args": {**ARGUMENTS, "path": "empty"}}, "it contains no wanted file"),
        ({"args": {**ARGUMENTS, "remote_src": "perhaps"}}, "The option remote_src"),
        ({"args": ARGUMENTS, "async_val": 60}, "With async, the option path cannot name"),
    ],
)
def test_mistakes_are_found_before_any_module_runs(
    files: Path, task: dict[str, Any], words: str
) -> None:
    action, result = run(files, **task)
    assert result["failed"]
    assert words in result["msg"]
    assert action.runs == []
