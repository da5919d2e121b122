"""Variables of an environment: their file, and the validation of options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.variables import (
    UNSET,
    given_variables,
    read_state,
    secret_values,
    set_variables,
    state_with,
)


def write(prefix: Path, text: str) -> str:
    (prefix / "conda-meta").mkdir(exist_ok=True)
    (prefix / "conda-meta" / "state").write_text(text)
    return str(prefix)


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("{}", {}),
        ('{"env_vars": null}', {}),
        ('{"version": 1, "env_vars": {"A": "1"}}', {"A": "1"}),
        (json.dumps({"env_vars": {"A": UNSET, "B": 2}}), {"B": 2}),
    ],
)
def test_the_file(text: str, variables: dict[str, Any], tmp_path: Path) -> None:
    assert set_variables(read_state(write(tmp_path, text))) == variables


def test_no_file_sets_nothing(tmp_path: Path) -> None:
    assert read_state(str(tmp_path)) == {}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"env_vars": ["A"]}'])
def test_an_invalid_state_file_is_reported(text: str, tmp_path: Path) -> None:
    with pytest.raises(CondaModuleError) as caught:
        read_state(write(tmp_path, text))
    assert str(tmp_path / "conda-meta" / "state") in caught.value.message


def test_state_with_changed_and_unset_variables() -> None:
    state = {"version": 1, "env_vars": {"A": "1", "B": "2", "C": UNSET}}
    text = state_with(state, {"A": "é", "B": None, "D": None, "C": "3"})
    assert json.loads(text) == {"version": 1, "env_vars": {"A": "é", "B": UNSET, "C": "3"}}
    assert "é" in text
    assert state["env_vars"] == {"A": "1", "B": "2", "C": UNSET}


def test_given_variables() -> None:
    given = {"A": "x y", "_b": 8, "C": None, "D": ""}
    assert given_variables(given, "variables") == {"A": "x y", "_b": "8", "C": None, "D": ""}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["A"], "expected a mapping"),
        ({"A-B": "1"}, "'A-B' is not a valid variable name"),
        ({"1A": "1"}, "is not a valid variable name"),
        ({1: "1"}, "is not a valid variable name"),
        ({"A": False}, "quote it"),
        ({"A": 0.5}, "quote it"),
        ({"A": ["1"]}, "quote it"),
        ({"A": "it's"}, "single quote"),
        ({"A": "1\n2"}, "line break"),
        ({"A": "\0"}, "would fail"),
        ({"A": UNSET}, "conda's marker"),
        ({"A": True, "B": "1"}, "the value of A"),
    ],
)
def test_given_variables_are_refused(given: Any, said: str) -> None:
    with pytest.raises(CondaModuleError, match="of the option environment cannot") as caught:
        given_variables(given, "environment")
    assert said in caught.value.message


@pytest.mark.parametrize(
    "name", ["HF_TOKEN", "token", "API_KEY", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD", "GIT_AUTH_X"]
)
def test_names_of_secrets(name: str) -> None:
    assert secret_values({name: "verysecret"}) == {"verysecret"}


@pytest.mark.parametrize(
    "variables",
    [
        None,
        "text",
        {"TOKENIZERS_PARALLELISM": "disabled"},
        {"KEYBOARD": "qwertyuiop"},
        {"HF_TOKEN": None},
        # Masked everywhere, a short one would tear holes into versions.
        {"MAX_TOKENS": "4096"},
    ],
)
def test_values_that_are_not_secrets(variables: Any) -> None:
    assert secret_values(variables) == set()
