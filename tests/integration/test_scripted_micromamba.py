"""The real modules over what micromamba 2.8.1 said in recorded runs.

There is no micromamba to install from the places that the tests may use, so a scripted one answers with the
recordings (``tests/data/recorded-output.jsonl``) and writes the records that the real one would write.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.scripted_conda import ScriptedConda

RECORDED = Path(__file__).parents[1] / "unit" / "data" / "recorded-output.jsonl"
RUNS: dict[str, dict[str, Any]] = {
    run["name"]: run for run in map(json.loads, RECORDED.read_text(encoding="utf-8").splitlines())
}
COMMON = ["--yes", "--quiet", "--json"]
CHANNELS = ["--override-channels", "--channel", "lab"]


def recorded(name: str, **more: Any) -> dict[str, Any]:
    """The reply of a recorded run; keywords add what it did on the disk."""
    run = RUNS[name]
    assert run["program"] == "micromamba 2.8.1"
    return {"rc": run["rc"], "stdout": run["stdout"], "stderr": run["stderr"], **more}


@pytest.fixture
def micromamba(tmp_path: Path) -> ScriptedConda:
    """The scripted micromamba of the test."""
    return ScriptedConda(tmp_path / "program", "micromamba")


@pytest.fixture
def options(tmp_path: Path, micromamba: ScriptedConda) -> dict[str, Any]:
    """Options of conda_env and conda_package that start it."""
    return {
        "installation": str(tmp_path / "root"),
        "executable": str(micromamba.executable),
        "prefix": str(tmp_path / "env"),
        "channels": ["lab"],
    }


@pytest.fixture
def environment(micromamba: ScriptedConda, options: dict[str, Any], run_module: Any) -> Path:
    """An environment with toy-a 1.0 and toy-b 1.1."""
    micromamba.reply(recorded("mm-install", link=["toy-a=1.0", "toy-b=1.1"]))
    assert run_module("conda_env", {**options, "packages": ["toy-a=1.0"]})["changed"]
    (micromamba.directory / "calls").unlink()
    return Path(options["prefix"])


def argv(micromamba: ScriptedConda) -> list[list[str]]:
    """The command lines so far."""
    return [call["argv"] for call in micromamba.calls()]


def test_create(micromamba: ScriptedConda, options: Any, run_module: Any) -> None:
    wanted = {**options, "packages": ["toy-a=1.0"]}
    micromamba.reply(
        recorded("mm-install-dry"), recorded("mm-install", link=["toy-a=1.0", "toy-b=1.1"])
    )
    foreseen = run_module("conda_env", wanted, check=True)
    assert foreseen["diff"]["after"].splitlines() == [
        "environment present",
        "toy-a 1.0 1 channel",
        "toy-b 1.1 0 channel",
    ]
    assert not Path(options["prefix"]).exists()
    assert run_module("conda_env", wanted)["changed"]
    assert not run_module("conda_env", wanted)["changed"]
    dry, real = argv(micromamba)
    assert dry[-2:] == ["--dry-run", "toy-a=1.0"]
    assert real == ["create", "--prefix", options["prefix"], *COMMON, *CHANNELS, "toy-a=1.0"]
    for call in micromamba.calls():
        assert call["env"]["MAMBA_ROOT_PREFIX"] == options["installation"]


def test_latest_installs_what_is_new_and_updates_the_rest(
    environment: Path, micromamba: ScriptedConda, options: Any, run_module: Any
) -> None:
    wanted = {**options, "packages": ["toy-a", "toy-c"], "state": "latest"}
    micromamba.reply(
        recorded("mm-install", link=["toy-c=1.0"]),
        recorded("mm-install-upgrade", link=["toy-a=2.0", "toy-b=2.0"]),
    )
    assert run_module("conda_package", wanted)["changed"]
    micromamba.reply(recorded("mm-update"))
    again = run_module("conda_package", wanted)
    assert not again["changed"]
    assert argv(micromamba) == [
        ["install", "--prefix", str(environment), *COMMON, *CHANNELS, "toy-c"],
        ["update", "--prefix", str(environment), *COMMON, *CHANNELS, "toy-a"],
        ["update", "--prefix", str(environment), *COMMON, *CHANNELS, "toy-a", "toy-c"],
    ]


def test_remove(
    environment: Path, micromamba: ScriptedConda, options: Any, run_module: Any
) -> None:
    gone = {**options, "packages": ["toy-a"], "state": "absent"}
    micromamba.reply(recorded("mm-remove", unlink=["toy-a", "toy-b"]))
    assert run_module("conda_package", gone)["changed"]
    assert not run_module("conda_package", gone)["changed"]
    assert argv(micromamba) == [["remove", "--prefix", str(environment), *COMMON, "toy-a"]]


def test_it_says_success_when_there_was_nothing_to_remove(
    environment: Path, micromamba: ScriptedConda, options: Any, run_module: Any
) -> None:
    micromamba.reply(recorded("mm-remove-notinst"))
    result = run_module("conda_package", {**options, "packages": ["toy-a"], "state": "absent"})
    assert result["rc"] == 1
    assert "conda reported success, but toy-a is still installed" in result["msg"]


def test_remove_the_environment(
    environment: Path, micromamba: ScriptedConda, options: Any, run_module: Any
) -> None:
    assert run_module("conda_env", {**options, "state": "absent"})["changed"]
    assert not environment.exists()
    assert argv(micromamba) == []


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("mm-install-notfound", "not_found", "unsupported request"),
        ("mm-install-unsat", "unsatisfiable", "package toy-a-2.0-0 requires toy-b >=2"),
        ("mm-install-cuda", "host_lacks", "nothing provides __cuda >=12"),
        ("mm-install-noenv", "not_environment", "No prefix found at"),
        ("mm-create-bad-yaml", "unknown", "error at line 4"),
    ],
)
def test_failures(
    name: str,
    kind: str,
    said: str,
    environment: Path,
    micromamba: ScriptedConda,
    options: Any,
    run_module: Any,
) -> None:
    micromamba.reply(recorded(name))
    for check in (True, False):
        result = run_module("conda_package", {**options, "packages": ["toy-c"]}, check=check)
        assert result["rc"] == 1
        assert result["error_kind"] == kind
        assert f"micromamba install failed for {environment}" in result["msg"]
        assert said in result["msg"]
        assert "libmamba Compute configurable" not in result["msg"]
        assert "What to do: " in result["msg"]
    assert len(micromamba.calls()) == 2
