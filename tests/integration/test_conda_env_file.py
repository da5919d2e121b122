"""Environments from environment.yml, judged by the real conda."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.four_steps import Steps

Versions = Callable[[Path], dict[str, str]]
MakeEnv = Callable[..., Path]

TEXT = """\
name: other
channels:
  - {channel}   # the lab's
  - nodefaults
dependencies:
  - lab-upgrade=1.1
  - "lab-needs-glibc"
  - pip:
    - requests>=2
    - six
"""


@pytest.fixture
def options(conda_installation: Path) -> Callable[..., dict[str, Any]]:
    def make(prefix: Path, **more: Any) -> dict[str, Any]:
        return {"installation": str(conda_installation), "prefix": str(prefix), **more}

    return make


def test_from_a_file(
    tmp_path: Path, four_steps: Steps, options: Any, mirror: Any, versions: Versions, conda: Any
) -> None:
    path = tmp_path / "environment.yml"
    path.write_text(TEXT.format(channel=f"{mirror.url}/conda/lab"))
    prefix = tmp_path / "env"
    result = four_steps("conda_env", options(prefix, environment_file=str(path), remote_src=True))
    assert versions(prefix) == {"lab-upgrade": "1.1", "lab-needs-glibc": "1.0"}
    assert result["pip_requirements"] == ["requests>=2", "six"]
    # The real conda reads the same specs out of its own export.
    exported = conda("env", "export", "--from-history", "--prefix", str(prefix))
    assert sorted(exported["dependencies"]) == ["lab-needs-glibc", "lab-upgrade=1.1"]


@pytest.mark.full
def test_from_text_with_pruning_and_a_package_more(
    make_env: MakeEnv, four_steps: Steps, options: Any, versions: Versions
) -> None:
    prefix = make_env("lab-upgrade=1.0", "lab-post-link")
    wanted = options(
        prefix, environment=TEXT.format(channel="lab"), packages=["lab-rebuilt"], prune=True
    )
    four_steps("conda_env", wanted)
    assert versions(prefix) == {
        "lab-upgrade": "1.1",
        "lab-needs-glibc": "1.0",
        "lab-rebuilt": "1.0",
    }


@pytest.mark.full
def test_from_a_mapping_and_then_latest(
    tmp_path: Path, four_steps: Steps, options: Any, versions: Versions
) -> None:
    prefix = tmp_path / "env"
    declared = {"channels": ["lab"], "dependencies": ["lab-upgrade=1.0"]}
    four_steps("conda_env", options(prefix, environment=declared))
    declared = {"dependencies": ["lab-upgrade<2"]}
    four_steps("conda_env", options(prefix, environment=declared, state="latest"), asks_conda=True)
    assert versions(prefix) == {"lab-upgrade": "1.1"}


@pytest.mark.full
def test_the_option_channels_counts_for_more(tmp_path: Path, run_module: Any, options: Any) -> None:
    declared = {"channels": ["nowhere"], "dependencies": ["lab-upgrade=1.0"]}
    wanted = options(tmp_path / "env", environment=declared)
    assert run_module("conda_env", wanted)["rc"] == 1
    assert run_module("conda_env", {**wanted, "channels": ["lab"]})["changed"]


@pytest.mark.full
def test_the_pip_section_goes_to_conda_pip(
    tmp_path: Path, run_module: Any, options: Any, mirror: Any
) -> None:
    declared = {"dependencies": ["python=3.12", "pip", {"pip": ["six"]}]}
    place = options(tmp_path / "env")
    result = run_module("conda_env", {**place, "environment": declared})
    assert result["changed"]
    more = {"requirements": result["pip_requirements"], "index_url": f"{mirror.url}/simple"}
    assert run_module("conda_pip", {**place, **more})["changed"]
    assert not run_module("conda_env", {**place, "environment": declared})["changed"]


def test_absent_needs_no_file(make_env: MakeEnv, four_steps: Steps, options: Any) -> None:
    prefix = make_env("lab-upgrade=1.0")
    four_steps("conda_env", options(prefix, environment_file="/nowhere", state="absent"))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"environment": "dependencies:\n  - a\n  - *b\n"}, "line 3: "),
        (
            {"environment": {"dependencies": ["six>=1,"]}},
            "The option environment contains an invalid match spec",
        ),
        ({"environment": {"dependencies": [], "variables": {"A": True}}}, "quote it"),
        (
            {"environment_file": "/nowhere/env.yml", "remote_src": True},
            "/nowhere/env.yml cannot be read: No such file",
        ),
        ({"environment_file": "env.yml"}, "names a file on the controller (env.yml)"),
        ({"environment": {}, "environment_file": "/x"}, "mutually exclusive"),
        ({"environment": {"dependencies": []}, "lock": ["x"]}, "mutually exclusive"),
    ],
)
def test_refused(
    more: dict[str, Any], said: str, tmp_path: Path, run_module: Any, options: Any
) -> None:
    result = run_module("conda_env", options(tmp_path / "env", **more))
    assert result["rc"] == 1
    assert said in result["msg"]
    assert list(tmp_path.iterdir()) == []
