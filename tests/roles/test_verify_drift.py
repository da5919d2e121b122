"""Drift by the verify playbook: declared by the other roles or outright, in report, table and exit code."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.roles.conftest import Played

# What the stack declares, without pip and without the shipped profiles.
STACK = {
    "install_llm_stack_profiles": ["own"],
    "install_llm_stack_profile_overrides": {"own": {"conda": ["numpy>=2"]}},
    "install_llm_stack_python": "3.12",
}
OLDER = {"install_llm_stack_profile_overrides": {"own": {"conda": ["numpy<2"]}}}
MISSING = {"install_llm_stack_requirements": ["requests>=2"]}
HOSTS: dict[str, dict[str, Any]] = {
    "same": {},
    "stack": OLDER,
    "pip": MISSING,
    "tolerant": {**OLDER, "verify_drift_fails": False},
    "listed": {"create_conda_env_environments": [{"name": "llm", "packages": ["pandas"]}]},
    "unlisted": {
        "create_conda_env_environments": [
            {"name": "llm", "packages": ["pandas"], "state": "absent"},
            {"name": "other", "packages": ["numpy"]},
        ]
    },
    "second": {"create_conda_env_environments": [{"name": "other", "packages": ["pandas"]}]},
    "gone": {"create_conda_env_environments": [{"name": "moved-away", "packages": ["numpy"]}]},
    "pinned": {
        "create_conda_env_environments": [
            {"name": "llm", "packages": ["numpy"], "pinned": ["numpy<3"]},
            {"name": "other", "variables": {"HF_TOKEN": "hf_hunter2222"}},
        ]
    },
    "removed": {
        "create_conda_env_environments": [{"name": "other"}],
        "create_conda_env_state": "absent",
    },
    "models": {
        "install_llm_stack_model_cache": "/nowhere/models",
        "install_llm_stack_models": [{"name": "example/tiny"}],
    },
    "outright": {"verify_packages": ["numpy=1"], "verify_requirements": []},
    "pruned": {"verify_packages": ["python"], "verify_prune": True},
    "exact": {
        "create_conda_env_environments": [{"name": "other", "packages": ["numpy"], "exact": True}]
    },
    # Nobody has requested these packages of conda.
    "exact_stack": {"install_llm_stack_exact": True},
    "exact_entry": {
        "install_llm_stack_environment": "llm",
        "verify_environment": "other",
        "create_conda_env_environments": [{"name": "other", "packages": ["numpy"], "exact": True}],
    },
    "files": {},
    # What the stack declares says nothing about another environment.
    "elsewhere": {**OLDER, "verify_environment": "other", "verify_packages": ["numpy"]},
}
DRIFTED = {
    "stack": "numpy<2 is declared, but numpy 2.1.0 0 lab is installed",
    "pip": "requests is not installed",
    "tolerant": "numpy<2 is declared",
    "listed": "pandas is declared, but not installed",
    "outright": "numpy=1 is declared",
    "pruned": "numpy 2.1.0 0 lab is installed, but nothing declared needs it",
    "exact": "python 3.12.4 0 lab is installed, but nothing declared needs it",
    "exact_stack": "the history differs: not requested: numpy>=2",
    "exact_entry": "python 3.12.4 0 lab is installed, but nothing declared needs it",
    "files": "absent-one is not installed",
    "second": "pandas is declared, but not installed",
    "pinned": "the requested pins are not set: numpy<3",
    "removed": "must be absent, but it is an environment",
    "models": "example/tiny in /nowhere/models: the model is not in the cache",
}
FAILED = {"gone": "moved-away: environment.exists: There is no environment"}


def make_environment(prefix: Path) -> None:
    """What conda leaves of an environment with Python and numpy, as far as drift looks at it."""
    meta = prefix / "conda-meta"
    meta.mkdir(parents=True)
    (meta / "history").touch()
    for name, version in (("python", "3.12.4"), ("numpy", "2.1.0")):
        record = {
            "name": name,
            "version": version,
            "build": "0",
            "build_number": 0,
            "channel": "https://mirror.example/conda/lab/linux-64",
            "subdir": "linux-64",
            "depends": [],
            "files": [],
        }
        (meta / f"{name}-{version}-0.json").write_text(json.dumps(record))


def snapshot(root: Path) -> dict[str, tuple[int, int, int]]:
    return {
        str(path): (path.lstat().st_ino, path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in root.rglob("*")
    }


@pytest.fixture(scope="module")
def conda(tmp_path_factory: pytest.TempPathFactory) -> Path:
    prefix = tmp_path_factory.mktemp("host") / "conda"
    for name in ("llm", "other"):
        make_environment(prefix / "envs" / name)
    return prefix


def fleet(conda: Path, report: Path) -> Mapping[str, Mapping[str, Any]]:
    common = {"install_miniconda_prefix": str(conda), "verify_report": str(report), **STACK}
    hosts = {name: {**common, **variables} for name, variables in HOSTS.items()}
    # The host decides about markers.
    lines = ["absent-one; sys_platform != 'none'", "absent-two; sys_platform == 'none'"]
    file = report.parent / "stack.txt"
    file.write_text("\n".join(lines))
    hosts["files"]["install_llm_stack_requirements_files"] = [str(file)]
    return hosts


@pytest.fixture(scope="module")
def looked(
    play: Callable[..., Played], conda: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Played, dict[str, Any]]:
    """One run over hosts that differ in what is declared; only the layer drift is looked at."""
    report = tmp_path_factory.mktemp("reports") / "report.json"
    before = snapshot(conda)
    played = play("llmfleet.conda.verify", fleet(conda, report), "--tags", "verify-drift")
    assert snapshot(conda) == before
    return played, json.loads(report.read_text())["hosts"]


@pytest.mark.parametrize("host", HOSTS)
def test_the_status_of_each_host(host: str, looked: tuple[Played, dict[str, Any]]) -> None:
    _, report = looked
    entry = report[host]
    expected = "fail" if host in FAILED else "drift" if host in DRIFTED else "pass"
    assert entry["status"] == expected, entry
    details = " ".join(check["detail"] for check in entry["checks"] if check["status"] == "drift")
    assert DRIFTED.get(host, "") in details


@pytest.mark.parametrize("host", HOSTS)
def test_drift_fails_the_host_unless_it_may_not(
    host: str, looked: tuple[Played, dict[str, Any]]
) -> None:
    played, _ = looked
    failed = host in FAILED or (host in DRIFTED and host != "tolerant")
    assert played.summary["hosts"][host]["failed"] == failed
    reasons = [one["message"] for one in played.summary["failures"] if one["host"] == host]
    assert len(reasons) == failed
    # The summary's message is cut to a line, and paths are long.
    said = FAILED.get(host) or DRIFTED.get(host, "")
    assert not failed or said[:20] in played.failure(host)
    assert "hunter" not in played.text


def test_the_table_tells_drift_and_counts_it(looked: tuple[Played, dict[str, Any]]) -> None:
    played, _ = looked
    assert played.code == 2
    assert {name: found["status"] for name, found in played.summary["checks"].items()} == {
        name: "fail" if name in FAILED else "drift" if name in DRIFTED else "pass" for name in HOSTS
    }
    assert "drift: drift.packages: 1 difference from the declaration: numpy<2" in played.flat
    assert (
        f"{len(HOSTS)} hosts: {len(HOSTS) - len(DRIFTED) - 1} pass, {len(DRIFTED)} drift, 1 fail"
        in played.flat
    )


def test_an_environment_is_named_where_there_are_several(
    looked: tuple[Played, dict[str, Any]],
) -> None:
    played, report = looked
    assert "drift: other: drift.packages: 1 difference from the declaration: pandas" in played.flat
    assert "failed: moved-away: environment.exists:" in played.flat
    assert "drift: llm: drift.settings: 2 differences" not in played.flat
    settings = [
        (check["environment"], check["detail"])
        for check in report["pinned"]["checks"]
        if check["name"] == "drift.settings"
    ]
    assert settings == [
        ("llm", "1 difference from the declaration: the requested pins are not set: numpy<3."),
        (
            "other",
            "1 difference from the declaration: the variable HF_TOKEN does not have the requested value.",
        ),
    ]


def test_the_tag_runs_its_layer_and_what_it_rests_on(looked: tuple[Played, dict[str, Any]]) -> None:
    _, report = looked
    names = {check["name"] for entry in report.values() for check in entry["checks"]}
    assert names == {
        "environment.exists",
        "drift.packages",
        "drift.requirements",
        "drift.unneeded",
        "drift.settings",
        "drift.models",
        "drift.absent",
    }


@pytest.mark.full
def test_check_mode_looks_alike_writes_nothing_and_says_so(
    play: Callable[..., Played], conda: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    hosts = {name: fleet(conda, report)[name] for name in ("same", "stack")}
    before = snapshot(conda)
    played = play("llmfleet.conda.verify", hosts, "--tags", "verify-drift", "--check")
    assert played.code == 2
    assert "2 hosts: 1 pass, 1 drift" in played.flat
    assert "not written in check mode; the checks ran: they change nothing" in played.flat
    assert not report.exists()
    assert snapshot(conda) == before


def test_leaving_a_layer_out_by_tags_is_refused(
    play: Callable[..., Played], conda: Path, tmp_path: Path
) -> None:
    hosts = {"same": fleet(conda, tmp_path / "report.json")["same"]}
    played = play("llmfleet.conda.verify", hosts, "--skip-tags", "verify-workload")
    assert played.code == 2
    assert "Set verify_skip_checks" in played.failure("same")


@pytest.mark.full
def test_layers_are_left_out_by_name(
    play: Callable[..., Played], conda: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    hosts = {"same": fleet(conda, report)["same"]}
    words = {"verify_checks": ["host", "drift"], "verify_skip_checks": ["host"]}
    played = play("llmfleet.conda.verify", hosts, verify_check_timeout=7, **words)
    assert played.code == 0
    checks = json.loads(report.read_text())["hosts"]["same"]["checks"]
    assert [check["name"] for check in checks] == ["environment.exists", "drift.packages"]


@pytest.mark.full
def test_a_bare_host_is_not_there_yet_in_check_mode(
    play: Callable[..., Played], tmp_path: Path
) -> None:
    nowhere = tmp_path / "conda"
    easy = {"min_glibc": "2.0", "min_free_disk_mb": 0, "min_free_inodes": 0, "min_memory_mb": 1}
    hosts = {"bare": {**fleet(nowhere, tmp_path / "r.json")["same"], "verify_thresholds": easy}}
    played = play("llmfleet.conda.site", hosts, "--check", "--tags", "verify")
    assert played.code == 0
    assert "1 host: 1 not there yet" in played.flat
    assert (
        "not there yet: installation.exists: The conda installation is not there yet" in played.flat
    )
    # Without check mode, what is not there has failed.
    assert "1 host: 1 fail" in play("llmfleet.conda.verify", hosts).flat


@pytest.mark.full
def test_the_quick_checks_by_variable(
    play: Callable[..., Played], conda: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    hosts = {"same": fleet(conda, report)["same"]}
    play("llmfleet.conda.verify", hosts, verify_quick=True, verify_enforce=False)
    checks = json.loads(report.read_text())["hosts"]["same"]["checks"]
    names = {check["name"] for check in checks}
    assert {"host.memory", "environment.owners", "drift.packages", "imports.interpreter"} <= names
    assert not names & {"environment.files", "imports.torch", "kernel.numpy"}
