"""Packages inside an environment, judged by the real conda."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.four_steps import Steps
from tests.integration.selection import only_full_but

Versions = Callable[[Path], dict[str, str]]
MakeEnv = Callable[..., Path]


@pytest.fixture
def options(conda_installation: Path) -> Callable[..., dict[str, Any]]:
    """Options of conda_package for one prefix of the shared installation."""

    def make(prefix: Path, *packages: str, **more: Any) -> dict[str, Any]:
        base = {"installation": str(conda_installation), "prefix": str(prefix)}
        return {**base, "packages": list(packages), **more}

    return make


def test_present(make_env: MakeEnv, four_steps: Steps, options: Any, versions: Versions) -> None:
    prefix = make_env("lab-upgrade=1.0")
    four_steps("conda_package", options(prefix, "lab-needs-glibc", "lab-upgrade"))
    assert versions(prefix) == {"lab-upgrade": "1.0", "lab-needs-glibc": "1.0"}


@pytest.mark.full
def test_present_with_what_it_needs(
    make_env: MakeEnv, four_steps: Steps, options: Any, versions: Versions
) -> None:
    prefix = make_env()
    four_steps("conda_package", options(prefix, "lab-conflict-a"))
    assert versions(prefix) == {"lab-conflict-a": "1.0", "lab-upgrade": "2.0"}


@pytest.mark.full
def test_present_downgrades_where_the_spec_says_so(
    make_env: MakeEnv, four_steps: Steps, options: Any, versions: Versions
) -> None:
    prefix = make_env("lab-upgrade")
    four_steps("conda_package", options(prefix, "lab-upgrade<2"))
    assert versions(prefix) == {"lab-upgrade": "1.1"}


@pytest.mark.full
def test_latest(make_env: MakeEnv, four_steps: Steps, options: Any, versions: Versions) -> None:
    prefix = make_env("lab-upgrade=1.0", "lab-rebuilt=1.0=lab_0")
    wanted = options(prefix, "lab-upgrade", state="latest")
    four_steps("conda_package", wanted, asks_conda=True)
    assert versions(prefix)["lab-upgrade"] == "2.0"


@pytest.mark.full
def test_absent_takes_along_what_depends_on_it(
    make_env: MakeEnv, four_steps: Steps, options: Any, versions: Versions
) -> None:
    prefix = make_env("lab-conflict-a", "lab-needs-glibc")
    four_steps("conda_package", options(prefix, "lab-upgrade", state="absent"))
    assert versions(prefix) == {"lab-needs-glibc": "1.0"}


@pytest.mark.full
def test_what_would_go_is_told_before_it_goes(
    make_env: MakeEnv, run_module: Any, options: Any, versions: Versions
) -> None:
    prefix = make_env("lab-conflict-a", "lab-needs-glibc")
    wanted = options(prefix, "lab-upgrade", state="absent")
    predicted = run_module("conda_package", wanted, check=True)
    assert predicted["removed"] == [
        "lab-conflict-a 1.0 lab_0 lab",
        "lab-upgrade 2.0 lab_0 lab",
    ]
    assert predicted["added"] == []
    assert len(versions(prefix)) == 3
    assert run_module("conda_package", wanted)["removed"] == predicted["removed"]


@pytest.mark.full
def test_force_reinstall_each_time(
    make_env: MakeEnv, run_module: Any, options: Any, versions: Versions, conda: Any
) -> None:
    prefix = make_env("lab-upgrade=1.0", "lab-needs-glibc")
    changed = prefix / "share" / "lab-upgrade.txt"
    other = (prefix / "share" / "lab-needs-glibc.txt").stat()
    listed = conda("list", "--prefix", str(prefix))
    wanted = options(prefix, "lab-upgrade", force_reinstall=True)
    for _time in range(2):
        # As long as before: nothing that observing would call damaged.
        text = changed.read_text()
        changed.unlink()
        changed.write_text(text.upper())
        assert not run_module("conda_package", options(prefix, "lab-upgrade"))["changed"]
        results = [run_module("conda_package", wanted, check=check) for check in (True, False)]
        assert [result["changed"] for result in results] == [True, True]
        assert results[0]["diff"] == results[1]["diff"]
        assert "lab-upgrade 1.0 lab_0 lab (to be reinstalled)" in results[1]["diff"]["before"]
        assert changed.read_text() == text
    assert (prefix / "share" / "lab-needs-glibc.txt").stat() == other
    assert conda("list", "--prefix", str(prefix)) == listed
    exported = conda("env", "export", "--from-history", "--prefix", str(prefix))
    assert sorted(exported["dependencies"]) == ["lab-needs-glibc", "lab-upgrade=1.0"]


@pytest.mark.full
def test_force_reinstall_installs_what_is_not_there(
    make_env: MakeEnv, run_module: Any, options: Any, versions: Versions
) -> None:
    prefix = make_env("lab-upgrade=1.0")
    result = run_module("conda_package", options(prefix, "lab-rebuilt", force_reinstall=True))
    assert result["plan"]["reinstall"] == []
    assert versions(prefix) == {"lab-upgrade": "1.0", "lab-rebuilt": "1.0"}


@pytest.mark.parametrize("state", ["absent", "latest"])
def test_force_reinstall_is_refused_with(
    state: str, tmp_path: Path, run_module: Any, options: Any
) -> None:
    wanted = options(tmp_path / "env", "six", force_reinstall=True, state=state)
    result = run_module("conda_package", wanted)
    assert result["rc"] == 1
    assert f"cannot be used with state: {state}" in result["msg"]


@pytest.mark.full
@pytest.mark.parametrize("content", only_full_but(["", '{"name": "lab-up', None], ""))
def test_a_record_that_is_damaged_or_lost_is_mended(
    content: str | None, make_env: MakeEnv, four_steps: Steps, options: Any, conda: Any
) -> None:
    prefix = make_env("lab-upgrade=1.0", "lab-needs-glibc")
    listed = conda("list", "--prefix", str(prefix))
    (record,) = (prefix / "conda-meta").glob("lab-upgrade-*.json")
    if content is None:
        record.unlink()
    else:
        record.write_text(content)
    four_steps("conda_package", options(prefix, "lab-upgrade=1.0"))
    assert conda("list", "--prefix", str(prefix)) == listed


@pytest.mark.parametrize("name", ["lab-upgrade", "lab-needs-glibc"])
@pytest.mark.full
def test_absent_beside_a_damaged_record(
    name: str, make_env: MakeEnv, four_steps: Steps, options: Any, versions: Versions
) -> None:
    """The package of that record and one beside it; what depends on the former goes too."""
    prefix = make_env("lab-conflict-a", "lab-needs-glibc")
    (record,) = (prefix / "conda-meta").glob("lab-upgrade-*.json")
    record.write_text("{")
    four_steps("conda_package", options(prefix, name, state="absent"))
    left = {"lab-conflict-a": "1.0", "lab-upgrade": "2.0", "lab-needs-glibc": "1.0"}
    gone = {"lab-upgrade", "lab-conflict-a"} if name == "lab-upgrade" else {name}
    assert versions(prefix) == {key: left[key] for key in left if key not in gone}
    assert (prefix / "share" / "lab-upgrade.txt").exists() == (name != "lab-upgrade")


@pytest.mark.full
def test_absent_runs_the_package_s_own_scripts(
    make_env: MakeEnv, four_steps: Steps, options: Any, versions: Versions
) -> None:
    prefix = make_env("lab-post-link", "lab-upgrade")
    assert (prefix / "lab-post-link.txt").exists()
    four_steps("conda_package", options(prefix, "lab-post-link", state="absent"))
    assert not (prefix / "lab-post-link.txt").exists()
    assert set(versions(prefix)) == {"lab-upgrade"}


def test_absent_of_another_version_changes_nothing(
    make_env: MakeEnv, run_module: Any, options: Any, versions: Versions
) -> None:
    prefix = make_env("lab-upgrade=1.1")
    result = run_module("conda_package", options(prefix, "lab-upgrade>=2", state="absent"))
    assert not result["changed"]
    assert versions(prefix) == {"lab-upgrade": "1.1"}


def test_absent_in_an_environment_that_is_not_there(
    tmp_path: Path, run_module: Any, options: Any
) -> None:
    result = run_module("conda_package", options(tmp_path / "none", "six", state="absent"))
    assert result["rc"] == 0
    assert not result["changed"]


@pytest.mark.full
def test_the_base_environment_by_its_name(
    conda_installation: Path, four_steps: Steps, versions: Versions, run_module: Any
) -> None:
    options = {"installation": str(conda_installation), "name": "base"}
    four_steps("conda_package", {**options, "packages": ["lab-rebuilt"]})
    assert versions(conda_installation)["lab-rebuilt"] == "1.0"
    four_steps("conda_package", {**options, "packages": ["lab-rebuilt"], "state": "absent"})
    assert "lab-rebuilt" not in versions(conda_installation)
    assert "conda" in versions(conda_installation)
