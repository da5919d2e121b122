"""conda_pip's files on the controller become lines of its options before the module runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.action import ActionBase

from ansible_collections.llmfleet.conda.plugins.action.conda_pip import ActionModule

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the action with options; returns what the module would get, or the failure."""
    (tmp_path / "files").mkdir()

    def find(_self: Any, directory: str, name: str) -> str:
        path = tmp_path / directory / name
        if not path.is_file():
            raise AnsibleError(f"{name} was not found")
        return str(path)

    monkeypatch.setattr(ActionModule, "_find_needle", find)
    monkeypatch.setattr(ActionBase, "run", lambda *_arguments: {})
    monkeypatch.setattr(
        ActionModule, "_execute_module", lambda _self, module_args, **_more: {"args": module_args}
    )

    def call(**options: Any) -> dict[str, Any]:
        task: Any = SimpleNamespace(args=options, async_val=0)
        nothing: Any = None
        return ActionModule(task, nothing, nothing, DataLoader(), nothing, nothing).run(None, {})

    return call


def test_lines_of_files_are_added(run: Run, tmp_path: Path) -> None:
    files = tmp_path / "files"
    (files / "sub").mkdir()
    (files / "top.txt").write_text("numpy\n-c sub/limits.txt\n-r sub/more.txt\n")
    (files / "sub" / "limits.txt").write_text("numpy<3\n")
    (files / "sub" / "more.txt").write_text("six\n")
    (files / "all.txt").write_text("six<2\n")
    result = run(
        prefix="/env",
        requirements="app",
        requirements_files=["top.txt"],
        constraints_files="all.txt",
    )
    assert result["args"] == {
        "prefix": "/env",
        "requirements": ["app", "numpy", "six"],
        "constraints": ["numpy<3", "six<2"],
    }


def test_without_files_the_options_stay_as_they_are(run: Run) -> None:
    assert run(prefix="/env", requirements=["app"])["args"] == {
        "prefix": "/env",
        "requirements": ["app"],
    }


def test_files_of_the_host_are_the_module_s(run: Run) -> None:
    options = {"prefix": "/env", "requirements_files": ["/srv/r.txt"], "remote_src": True}
    assert run(**options)["args"] == options


def test_failures_name_option_and_file(run: Run, tmp_path: Path) -> None:
    result = run(prefix="/env", requirements_files=["missing.txt"])
    assert result["failed"]
    assert "option requirements_files names missing.txt" in result["msg"]
    assert "remote_src" in result["msg"]
    (tmp_path / "files" / "bad.txt").write_text("six\n--pre\n")
    result = run(prefix="/env", constraints_files=["bad.txt"])
    assert "option constraints_files" in result["msg"]
    assert "bad.txt, line 2" in result["msg"]
    (tmp_path / "files" / "far.txt").write_text("-r nowhere.txt\n")
    result = run(prefix="/env", requirements_files=["far.txt"])
    assert "nowhere.txt, but the controller cannot read it" in result["msg"]
    result = run(prefix="/env", requirements_files={"a": 1})
    assert "option requirements_files is not a list" in result["msg"]
    result = run(prefix="/env", requirements=["app"], remote_src="maybe")
    assert "option remote_src" in result["msg"]
