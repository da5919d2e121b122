"""The action of llm_check: the files of the declared environments are read on the controller."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.plugins.action.normal import ActionModule as NormalAction

from ansible_collections.llmfleet.conda.plugins.action.llm_check import ActionModule


class Loader:
    """Reads files as they are."""

    def get_text_file_contents(self, path: str) -> str:
        return Path(path).read_text()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the action on the files of a directory; returns the module's options and the result."""
    seen: list[dict[str, Any]] = []

    def find(_self: Any, _kind: str, name: str) -> str:
        if not (tmp_path / name).exists():
            raise AnsibleError(f"Could not find {name}")
        return str(tmp_path / name)

    def execute(action: Any, *_words: Any) -> dict[str, Any]:
        seen.append(action._task.args)
        return {"changed": False}

    monkeypatch.setattr(NormalAction, "run", execute)
    monkeypatch.setattr(NormalAction, "_find_needle", find)
    (tmp_path / "environment.yml").write_text("dependencies: []\n")
    (tmp_path / "lock").write_text("@EXPLICIT\n")

    def run(**arguments: Any) -> tuple[dict[str, Any] | None, dict[str, Any]]:
        seen.clear()
        action = ActionModule.__new__(ActionModule)
        action._task = SimpleNamespace(args=dict(arguments), async_val=0)
        action._loader = Loader()
        result = action.run(None, {})
        return (seen[0] if seen else None), result

    return run


def test_the_texts_take_the_place_of_the_names(run: Any) -> None:
    given, _result = run(
        name="llm",
        declared={"environment_file": "environment.yml", "pinned": ["a=1"]},
        environments=[{"name": "tools", "lock_file": "lock"}, {"name": "other"}],
    )
    assert given == {
        "name": "llm",
        "declared": {"environment": "dependencies: []\n", "pinned": ["a=1"]},
        "environments": [{"name": "tools", "lock": "@EXPLICIT\n"}, {"name": "other"}],
    }


@pytest.mark.parametrize("more", [{"remote_src": True}, {"remote_src": "yes"}, {"state": "absent"}])
def test_files_on_the_host_or_of_no_use_are_left_alone(run: Any, more: dict[str, Any]) -> None:
    entry = {"name": "tools", "lock_file": "not-here", **more}
    given, _result = run(environments=[entry])
    assert given == {"environments": [entry]}


def test_a_task_without_declarations_is_not_touched(run: Any) -> None:
    given, _result = run(name="llm")
    assert given == {"name": "llm"}


def test_a_missing_file_fails_the_task(run: Any) -> None:
    given, result = run(environments=[{"name": "tools", "lock_file": "not-here"}])
    assert given is None
    assert result["failed"] is True
    assert "The option environments: lock_file names not-here" in result["msg"]


def test_values_of_other_types_are_left_to_the_module(run: Any) -> None:
    arguments = {"declared": "x", "environments": ["y", 1]}
    assert run(**arguments)[0] == arguments
