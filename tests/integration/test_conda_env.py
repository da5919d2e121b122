"""The life of an environment, judged by the real conda."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.four_steps import Steps

Versions = Callable[[Path], dict[str, str]]
MakeEnv = Callable[..., Path]


@pytest.fixture
def options(conda_installation: Path) -> Callable[..., dict[str, Any]]:
    """Options of conda_env for one prefix of the shared installation."""

    def make(prefix: Path, *packages: str, **more: Any) -> dict[str, Any]:
        base = {"installation": str(conda_installation), "prefix": str(prefix)}
        return {**base, "packages": list(packages), **more}

    return make


def test_create_by_name(
    conda_installation: Path, four_steps: Steps, versions: Versions, run_module: Any
) -> None:
    options = {"installation": str(conda_installation), "name": "created"}
    result = four_steps("conda_env", {**options, "packages": ["lab-upgrade=1.1", "lab-post-link"]})
    prefix = conda_installation / "envs" / "created"
    assert result["prefix"] == str(prefix)
    assert versions(prefix) == {"lab-upgrade": "1.1", "lab-post-link": "1.0"}
    assert {item["name"]: item["version"] for item in result["packages"]} == versions(prefix)
    assert str(prefix) in (prefix / "lab-post-link.txt").read_text()
    assert run_module("conda_env", {**options, "state": "absent"})["changed"]


@pytest.mark.full
def test_create_by_prefix_without_packages(
    tmp_path: Path, four_steps: Steps, options: Any, versions: Versions
) -> None:
    prefix = tmp_path / "below" / "env"
    four_steps("conda_env", options(prefix))
    assert versions(prefix) == {}
    assert sorted(path.name for path in prefix.parent.iterdir()) == ["env"]


@pytest.mark.full
def test_add_a_package(
    make_env: MakeEnv, four_steps: Steps, options: Any, versions: Versions
) -> None:
    prefix = make_env("lab-upgrade=1.0")
    four_steps("conda_env", options(prefix, "lab-upgrade", "lab-needs-glibc"))
    assert versions(prefix) == {"lab-upgrade": "1.0", "lab-needs-glibc": "1.0"}


@pytest.mark.full
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_change_a_version(
    version: str, make_env: MakeEnv, four_steps: Steps, options: Any, versions: Versions
) -> None:
    prefix = make_env("lab-upgrade=1.1")
    four_steps("conda_env", options(prefix, f"lab-upgrade=={version}"))
    assert versions(prefix) == {"lab-upgrade": version}


@pytest.mark.full
def test_upgrade_python(
    make_env: MakeEnv, four_steps: Steps, options: Any, versions: Versions
) -> None:
    prefix = make_env("python=3.11", "lab-entrypoint", "six=1.16")
    result = four_steps("conda_env", options(prefix, "python=3.12", "lab-entrypoint", "six=1.16"))
    assert result["python_version"] == "3.12"
    assert versions(prefix)["python"].startswith("3.12.")
    assert versions(prefix)["six"].startswith("1.16.")
    script = "import sys, six; print(sys.version_info[:2], six.__file__)"
    shown = _output(prefix / "bin" / "python", "-I", "-c", script)
    assert shown.startswith("(3, 12) ")
    assert f"{prefix}/lib/python3.12/site-packages" in shown
    assert _output(prefix / "bin" / "lab-hello") == "hello from lab-entrypoint\n"


def _output(*argv: str | Path) -> str:
    done = subprocess.run(
        [str(word) for word in argv], env={}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_prune(make_env: MakeEnv, four_steps: Steps, options: Any, versions: Versions) -> None:
    prefix = make_env("lab-conflict-a", "lab-needs-glibc", "lab-post-link")
    four_steps("conda_env", options(prefix, "lab-conflict-a", prune=True))
    # lab-upgrade stays: lab-conflict-a needs it.
    assert versions(prefix) == {"lab-conflict-a": "1.0", "lab-upgrade": "2.0"}
    assert not (prefix / "lab-post-link.txt").exists()


@pytest.mark.full
def test_prune_and_install_in_one_run(
    make_env: MakeEnv, four_steps: Steps, options: Any, versions: Versions
) -> None:
    prefix = make_env("lab-upgrade=1.0", "lab-needs-glibc")
    four_steps("conda_env", options(prefix, "lab-upgrade=2.0", "lab-rebuilt", prune=True))
    assert versions(prefix) == {"lab-upgrade": "2.0", "lab-rebuilt": "1.0"}


def test_nothing_is_pruned_unless_asked(
    make_env: MakeEnv, run_module: Any, options: Any, versions: Versions
) -> None:
    prefix = make_env("lab-upgrade=1.0", "lab-needs-glibc")
    assert not run_module("conda_env", options(prefix, "lab-upgrade"))["changed"]
    assert set(versions(prefix)) == {"lab-upgrade", "lab-needs-glibc"}


@pytest.mark.full
def test_latest(make_env: MakeEnv, four_steps: Steps, options: Any, versions: Versions) -> None:
    prefix = make_env("lab-upgrade=1.0", "lab-needs-glibc")
    wanted = options(prefix, "lab-upgrade", "lab-needs-glibc", state="latest")
    four_steps("conda_env", wanted, asks_conda=True)
    assert versions(prefix)["lab-upgrade"] == "2.0"


@pytest.mark.full
def test_latest_stays_within_the_specs(
    make_env: MakeEnv, four_steps: Steps, options: Any, versions: Versions
) -> None:
    prefix = make_env("lab-upgrade=1.0")
    four_steps("conda_env", options(prefix, "lab-upgrade<2", state="latest"), asks_conda=True)
    assert versions(prefix) == {"lab-upgrade": "1.1"}


@pytest.mark.full
def test_latest_takes_a_newer_build(
    make_env: MakeEnv, four_steps: Steps, options: Any, conda: Any
) -> None:
    prefix = make_env("lab-rebuilt=1.0=lab_0")
    four_steps("conda_env", options(prefix, "lab-rebuilt", state="latest"), asks_conda=True)
    assert [item["build_number"] for item in conda("list", "--prefix", str(prefix))] == [1]


def test_absent(
    tmp_path: Path, run_module: Any, four_steps: Steps, options: Any, conda: Any
) -> None:
    prefix = tmp_path / "env"
    assert run_module("conda_env", options(prefix, "lab-upgrade"))["changed"]
    four_steps("conda_env", options(prefix, state="absent"))
    assert not prefix.exists()
    assert str(prefix) not in conda("env", "list")["envs"]
    assert list(tmp_path.iterdir()) == []


def test_files_of_the_user_go_with_the_environment_and_nothing_else(
    tmp_path: Path, run_module: Any, options: Any
) -> None:
    prefix = tmp_path / "env"
    beside = tmp_path / "beside.txt"
    beside.write_text("mine\n")
    assert run_module("conda_env", options(prefix, "lab-upgrade"))["changed"]
    (prefix / "linked").symlink_to(beside)
    (prefix / "directory").symlink_to(tmp_path)
    absent = options(prefix, state="absent", remove_foreign=True)
    assert run_module("conda_env", absent)["changed"]
    assert list(tmp_path.iterdir()) == [beside]
    assert beside.read_text() == "mine\n"


def test_another_channel_option_reaches_conda(
    tmp_path: Path, run_module: Any, options: Any, mirror: Any, versions: Versions
) -> None:
    prefix = tmp_path / "env"
    channel = f"{mirror.url}/conda/lab"
    wanted = options(prefix, "lab-upgrade=1.1", channels=[channel])
    assert run_module("conda_env", wanted)["changed"]
    # The same channel under its short name is the same channel: nothing is reinstalled.
    assert not run_module("conda_env", {**wanted, "channels": ["lab"]})["changed"]
    assert versions(prefix) == {"lab-upgrade": "1.1"}


def test_nothing_to_do_needs_neither_conda_nor_a_path(
    conda_installation: Path, make_env: MakeEnv, run_module: Any, options: Any
) -> None:
    prefix = make_env("lab-upgrade=1.0")
    python = conda_installation / "bin" / "python"
    aside = python.with_name("python.aside")
    python.rename(aside)
    try:
        for name in ("conda_env", "conda_package"):
            result = run_module(name, options(prefix, "lab-upgrade"), environment={"PATH": ""})
            assert (result["rc"], result["changed"]) == (0, False), result
    finally:
        aside.rename(python)
