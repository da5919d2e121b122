"""The action of conda_env: which files it reads on the controller, and what the module gets."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.llmfleet.conda.plugins.action.conda_env import ActionModule


class Loader:
    """Reads files as they are; one called ``locked`` cannot be decrypted."""

    def get_text_file_contents(self, path: str) -> str:
        if path.endswith("locked"):
            raise AnsibleError("no vault secrets found")
        return Path(path).read_text()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the action on the files of a directory; returns the module's options and the result."""
    seen: list[dict[str, Any]] = []

    def find(_self: Any, _kind: str, name: str) -> str:
        if not (tmp_path / name).exists():
            raise AnsibleError(f"Could not find {name}")
        return str(tmp_path / name)

    def execute(_self: Any, module_args: dict[str, Any], **_more: Any) -> dict[str, Any]:
        seen.append(module_args)
        said = "The option environment cannot be used: line 1. The option lock is another."
        return {"failed": True, "msg": said} if "fail" in module_args else {"changed": True}

    monkeypatch.setattr(ActionBase, "run", lambda *_words: {})
    monkeypatch.setattr(ActionBase, "_find_needle", find)
    monkeypatch.setattr(ActionBase, "_execute_module", execute)

    def run(**arguments: Any) -> tuple[dict[str, Any] | None, dict[str, Any]]:
        seen.clear()
        action = ActionModule.__new__(ActionModule)
        action._task = SimpleNamespace(args=dict(arguments), async_val=0)
        action._loader = Loader()
        result = action.run(None, {})
        assert action._task.args == arguments
        return (seen[0] if seen else None), result

    return run


def test_the_text_takes_the_place_of_the_name(run: Any, tmp_path: Path) -> None:
    (tmp_path / "environment.yml").write_text("dependencies: []\n")
    (tmp_path / "lock").write_text("@EXPLICIT\n")
    given, result = run(name="llm", environment_file="environment.yml")
    assert given == {"name": "llm", "environment": "dependencies: []\n"}
    assert result == {"changed": True}
    given, _result = run(lock_file="lock", remote_src="no")
    assert given == {"lock": "@EXPLICIT\n", "remote_src": "no"}


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": "llm"},
        {"environment_file": "nowhere", "remote_src": "yes"},
        {"lock_file": "nowhere", "state": "absent"},
        {"environment_file": "nowhere", "environment": {}},
        {"environment_file": ""},
    ],
)
def test_left_to_the_module(arguments: dict[str, Any], run: Any) -> None:
    given, result = run(**arguments)
    assert given == arguments
    assert result == {"changed": True}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            {"environment_file": "nowhere"},
            "The option environment_file names nowhere, but the cont",
        ),
        ({"lock_file": "locked"}, "no vault secrets found"),
        ({"lock_file": "nowhere", "remote_src": "perhaps"}, "The option remote_src: "),
    ],
)
def test_what_cannot_be_read_fails_without_the_module(
    arguments: dict[str, Any], said: str, run: Any, tmp_path: Path
) -> None:
    (tmp_path / "locked").write_text("")
    given, result = run(**arguments)
    assert given is None
    assert result["failed"]
    assert said in result["msg"]


def test_the_module_s_complaint_names_the_file(run: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.yml").write_text("x")
    _given, result = run(environment_file="bad.yml", fail=True)
    assert result["msg"] == (
        "The option environment_file (bad.yml) cannot be used: line 1. The option lock is another."
    )
