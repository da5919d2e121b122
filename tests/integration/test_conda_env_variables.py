"""Variables of an environment, with `conda env config vars` and `conda run` as the oracles."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.four_steps import Steps
from tests.integration.lab_conda import run_conda

MakeEnv = Callable[..., Path]


@pytest.fixture
def options(conda_installation: Path) -> Callable[..., dict[str, Any]]:
    def make(prefix: Path, *packages: str, **more: Any) -> dict[str, Any]:
        base = {"installation": str(conda_installation), "prefix": str(prefix)}
        return {**base, "packages": list(packages), **more}

    return make


@pytest.fixture
def listed(conda: Any) -> Callable[[Path], dict[str, str]]:
    def read(prefix: Path) -> dict[str, str]:
        return conda("env", "config", "vars", "list", "--prefix", str(prefix))

    return read


def state(prefix: Path) -> Path:
    return prefix / "conda-meta" / "state"


@pytest.mark.full
def test_created_with_variables_of_a_file_and_of_the_option(
    tmp_path: Path,
    four_steps: Steps,
    options: Any,
    listed: Any,
    conda_installation: Path,
    home: Path,
) -> None:
    prefix = tmp_path / "env"
    text = "dependencies: [lab-upgrade]\nvariables:\n  LAB_A: from the file\n  LAB_B: 'its \"b\"; #1'\n"
    wanted = options(prefix, environment=text, variables={"LAB_A": "$HOME é", "LAB_N": 8})
    result = four_steps("conda_env", wanted)
    assert listed(prefix) == {"LAB_A": "$HOME é", "LAB_B": 'its "b"; #1', "LAB_N": "8"}
    for name in listed(prefix):
        assert f"(variable: {name}=********)" in result["diff"]["after"]
    assert "from the file" not in json.dumps(result["diff"])
    shown = run_conda(
        conda_installation, home, "run", "--prefix", str(prefix), "printenv", "LAB_A", "LAB_B"
    )
    assert shown.splitlines()[:2] == ["$HOME é", 'its "b"; #1']


@pytest.mark.full
def test_the_same_as_conda_writes(
    make_env: MakeEnv,
    four_steps: Steps,
    run_module: Any,
    options: Any,
    listed: Any,
    conda_installation: Path,
    home: Path,
) -> None:
    ours, theirs = make_env("lab-upgrade=1.0"), make_env("lab-upgrade=1.0")

    def vars_(command: str, *words: str) -> None:
        where = ["--prefix", str(theirs)]
        run_conda(conda_installation, home, "env", "config", "vars", command, *where, *words)

    vars_("set", "A=1", "B=x y")
    four_steps("conda_env", options(ours, variables={"A": "1", "B": "x y"}))
    assert state(ours).read_text() == state(theirs).read_text()
    assert not run_module("conda_env", options(theirs, variables={"A": "1", "B": "x y"}))["changed"]
    vars_("set", "B=other", "C=new")
    result = four_steps("conda_env", options(ours, variables={"B": "other", "C": "new"}))
    assert state(ours).read_text() == state(theirs).read_text()
    assert "(variable: B=********, another value)" in result["diff"]["before"]
    assert "A=" not in result["diff"]["before"]
    vars_("unset", "B", "D")
    four_steps("conda_env", options(ours, variables={"B": None, "D": None}))
    assert listed(ours) == listed(theirs) == {"A": "1", "C": "new"}
    assert state(ours).read_text() == state(theirs).read_text()


def test_what_else_is_in_the_file_stays(
    make_env: MakeEnv, run_module: Any, options: Any, listed: Any
) -> None:
    prefix = make_env("lab-upgrade=1.0")
    state(prefix).write_text('{"version": 1, "more": [1], "env_vars": {"MINE": "1"}}')
    state(prefix).chmod(0o600)
    assert run_module("conda_env", options(prefix, variables={"A": "1"}))["changed"]
    assert json.loads(state(prefix).read_text()) == {
        "version": 1,
        "more": [1],
        "env_vars": {"MINE": "1", "A": "1"},
    }
    assert state(prefix).stat().st_mode & 0o777 == 0o600
    # Without the option nobody looks at the file.
    state(prefix).write_text("{")
    assert not run_module("conda_env", options(prefix, "lab-upgrade"))["changed"]
    result = run_module("conda_env", options(prefix, variables={"A": "1"}))
    assert result["rc"] == 1
    assert f"{state(prefix)} cannot be read: it is not JSON" in result["msg"]
    assert state(prefix).read_text() == "{"


@pytest.mark.parametrize("inline", [True, False])
def test_a_secret_is_shown_nowhere(
    inline: bool, make_env: MakeEnv, run_module: Any, options: Any, listed: Any
) -> None:
    prefix = make_env("lab-upgrade=1.0")
    secret = "hf_verysecret1"
    text = f"dependencies: [lab-upgrade]\nvariables:\n  HF_TOKEN: {secret}\n"
    wanted = {"variables": {"HF_TOKEN": secret}} if inline else {"environment": text}
    for check in (True, False):
        result = run_module("conda_env", options(prefix, **wanted), check=check)
        assert result["changed"]
        assert secret not in json.dumps(result)
        assert "invocation" in result
    assert listed(prefix) == {"HF_TOKEN": secret}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"A B": "1"}, "'A B' is not a valid variable name"),
        ({"A": True}, "the value of A is neither a string nor an integer; quote it"),
        ({"A": 1.10}, "quote it"),
        ({"A": "***unset***"}, "conda's marker"),
        ({"A": "it's"}, "conda activate would fail on it"),
    ],
)
def test_refused(
    given: dict[str, Any], said: str, tmp_path: Path, run_module: Any, options: Any
) -> None:
    result = run_module("conda_env", options(tmp_path / "env", variables=given))
    assert result["rc"] == 1
    assert "The variables of the option variables cannot be used" in result["msg"]
    assert said in result["msg"]
    assert list(tmp_path.iterdir()) == []
