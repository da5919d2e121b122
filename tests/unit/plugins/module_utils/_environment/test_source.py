"""Reading declarations: files on the host, variables from two sources, locks with pins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.environment_file import (
    EnvironmentFile,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.explicit_lock import (
    parse_lock,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.metadata import Notes
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.source import (
    check_lock_against_pins,
    read_environment,
    read_lock,
    read_notes,
)

PRESENT: dict[str, Any] = {"state": "present", "packages": [], "remote_src": False}


@pytest.mark.parametrize(
    ("option", "read"), [("environment_file", read_environment), ("lock_file", read_lock)]
)
def test_a_file_of_the_controller_is_not_read_here(option: str, read: Any, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("dependencies: [six]\n")
    with pytest.raises(CondaModuleError, match=f"The option {option} names a file on the contr"):
        read({**PRESENT, option: str(path)})
    nothing = ((None, ()), EnvironmentFile())
    assert read({**PRESENT, option: str(path), "state": "absent"}) in nothing


@pytest.mark.parametrize(
    ("content", "said"), [(None, "No such file"), (b"\xff", "it is not UTF-8 text")]
)
def test_a_file_of_the_host_that_cannot_be_read(
    content: bytes | None, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    params = {**PRESENT, "remote_src": True, "environment_file": str(path)}
    with pytest.raises(CondaModuleError, match=said) as caught:
        read_environment(params)
    assert str(path) in caught.value.message


def test_a_file_of_the_host(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("dependencies: [six]\nvariables:\n  A: 1\n")
    params = {**PRESENT, "remote_src": True, "environment_file": str(path)}
    declared = read_environment(params)
    assert declared == EnvironmentFile(packages=("six",), variables={"A": 1})
    assert read_notes(params, declared) == Notes(variables={"A": "1"})


@pytest.mark.parametrize(
    ("options", "declared", "notes"),
    [
        ({}, None, Notes()),
        ({"frozen": False}, None, Notes(frozen=False)),
        ({"pinned": []}, None, Notes(pinned=())),
        ({"pinned": ["six<2"]}, None, Notes(pinned=("six<2",))),
        ({"variables": {}}, None, Notes(variables={})),
        ({"variables": {"A": "2"}}, {"A": "1", "B": 3}, Notes(variables={"A": "2", "B": "3"})),
        ({}, {"B": None}, Notes(variables={"B": None})),
        ({"state": "absent", "pinned": ["("], "frozen": True}, None, Notes(frozen=True)),
    ],
)
def test_notes(options: dict[str, Any], declared: Any, notes: Notes) -> None:
    assert read_notes({**PRESENT, **options}, EnvironmentFile(variables=declared)) == notes


def test_an_invalid_variable_is_reported_with_its_option() -> None:
    for option, params in (
        ("environment", {"environment": {}}),
        ("environment_file", {"environment_file": "x"}),
    ):
        with pytest.raises(CondaModuleError, match=f"of the option {option} cannot"):
            read_notes({**PRESENT, **params}, EnvironmentFile(variables={"A": True}))
    with pytest.raises(CondaModuleError, match="of the option variables cannot"):
        read_notes({**PRESENT, "variables": {"A": True}}, EnvironmentFile(variables={"A": "1"}))


def test_a_lock_and_pins() -> None:
    lock = parse_lock("https://host/lab/noarch/six-1.16.0-py_0.conda")
    check_lock_against_pins(lock, ["six<2", "tqdm=1", "lab::six=1.16"])
    with pytest.raises(CondaModuleError, match=r"six>=2 forbids six 1.16.0 py_0 lab"):
        check_lock_against_pins(lock, ["six>=2"])
