"""Environments that are made anew or frozen, with the real conda."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.four_steps import Steps
from tests.integration.snapshot import changes, snapshot

Versions = Callable[[Path], dict[str, str]]
MakeEnv = Callable[..., Path]


@pytest.fixture
def options(conda_installation: Path) -> Callable[..., dict[str, Any]]:
    def make(prefix: Path, *packages: str, **more: Any) -> dict[str, Any]:
        base = {"installation": str(conda_installation), "prefix": str(prefix)}
        return {**base, "packages": list(packages), **more}

    return make


def test_recreate(
    make_env: MakeEnv, four_steps: Steps, run_module: Any, options: Any, versions: Versions
) -> None:
    prefix = make_env("lab-upgrade=1.0", "lab-post-link")
    mine = prefix / "mine.txt"
    mine.write_text("")
    same = options(prefix, "lab-upgrade=1.0", recreate=True)
    assert not run_module("conda_env", same)["changed"]
    assert mine.exists()
    result = four_steps("conda_env", options(prefix, "lab-upgrade=2.0", recreate=True))
    assert versions(prefix) == {"lab-upgrade": "2.0"}
    assert mine.exists()
    assert result["plan"]["create"]


def test_what_cannot_be_solved_does_not_cost_the_environment(
    make_env: MakeEnv, run_module: Any, options: Any, versions: Versions
) -> None:
    prefix = make_env("lab-upgrade=1.0")
    result = run_module("conda_env", options(prefix, "lab-upgrade=7", recreate=True))
    assert result["rc"] == 1
    assert versions(prefix) == {"lab-upgrade": "1.0"}


def test_recreate_is_refused_with_latest(tmp_path: Path, run_module: Any, options: Any) -> None:
    wanted = options(tmp_path / "env", "lab-upgrade", recreate=True, state="latest")
    result = run_module("conda_env", wanted)
    assert result["rc"] == 1
    assert "cannot be used with state: latest" in result["msg"]


@pytest.mark.full
def test_life_of_a_frozen_environment(
    tmp_path: Path, four_steps: Steps, run_module: Any, options: Any, versions: Versions
) -> None:
    prefix = tmp_path / "env"
    marker = prefix / "conda-meta" / "frozen"
    four_steps("conda_env", options(prefix, "lab-upgrade=1.0", frozen=True))
    assert marker.exists()
    refused = run_module("conda_env", options(prefix, "lab-upgrade=1.1"))
    assert refused["rc"] == 1
    assert "is frozen" in refused["msg"]
    four_steps("conda_env", options(prefix, "lab-upgrade=1.1", frozen=True))
    assert marker.exists()
    four_steps("conda_env", options(prefix, "lab-upgrade=2.0", recreate=True, frozen=True))
    assert marker.exists()
    assert versions(prefix) == {"lab-upgrade": "2.0"}
    assert run_module("conda_env", options(prefix, state="absent"))["rc"] == 1
    result = four_steps("conda_env", options(prefix, "lab-upgrade", frozen=False))
    assert "(frozen)" in result["diff"]["before"]
    assert not marker.exists()


@pytest.mark.full
def test_a_frozen_environment_is_removed_on_purpose(
    tmp_path: Path, four_steps: Steps, run_module: Any, options: Any
) -> None:
    prefix = tmp_path / "env"
    assert run_module("conda_env", options(prefix, "lab-upgrade", frozen=True))["changed"]
    four_steps("conda_env", options(prefix, state="absent", frozen=False))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("locked", [True, False])
@pytest.mark.full
def test_a_mirror_that_is_down_does_not_cost_the_environment(
    locked: bool,
    make_env: MakeEnv,
    four_steps: Steps,
    run_module: Any,
    options: Any,
    versions: Versions,
    mirror: Any,
    conda_installation: Path,
) -> None:
    prefix = make_env("lab-upgrade=1.0")
    for cached in (conda_installation / "pkgs").glob("lab-needs-glibc-1.0-*"):
        shutil.rmtree(cached) if cached.is_dir() else cached.unlink()
    url = f"{mirror.url}/conda/lab/noarch/lab-needs-glibc-1.0-lab_0.conda"
    packages = [] if locked else ["lab-needs-glibc"]
    wanted = options(prefix, *packages, recreate=True, lock=[url] if locked else None)
    before = snapshot(prefix)
    mirror.fault("/conda/lab/noarch/*.conda", "status", code=503)
    result = run_module("conda_env", wanted)
    assert (result["rc"], result["error_kind"]) == (1, "network"), result
    # The journal came and went.
    assert changes(before, snapshot(prefix)) in ([], [str(prefix / "conda-meta")])
    mirror.clear_faults()
    four_steps("conda_env", wanted)
    assert versions(prefix) == {"lab-needs-glibc": "1.0"}


@pytest.mark.full
def test_another_file_than_the_locked_one_does_not_cost_the_environment(
    make_env: MakeEnv, run_module: Any, options: Any, versions: Versions, mirror: Any
) -> None:
    prefix = make_env("lab-upgrade=1.0")
    url = f"{mirror.url}/conda/lab/noarch/lab-needs-glibc-1.0-lab_0.conda"
    for digest in ("0" * 64, "0" * 32):
        wanted = options(prefix, recreate=True, lock=[f"{url}#{digest}"])
        result = run_module("conda_env", wanted)
        assert result["rc"] == 1
        assert versions(prefix) == {"lab-upgrade": "1.0"}


def test_notes_alone_are_no_reason_to_make_it_anew(
    tmp_path: Path, run_module: Any, four_steps: Steps, options: Any
) -> None:
    prefix = tmp_path / "env"
    assert run_module("conda_env", options(prefix, "lab-upgrade=1.0"))["changed"]
    (prefix / "mine.txt").write_text("")
    wanted = options(prefix, "lab-upgrade", recreate=True, pinned=["lab-upgrade<2"])
    four_steps("conda_env", {**wanted, "variables": {"A": "1"}, "frozen": True})
    assert (prefix / "mine.txt").exists()
