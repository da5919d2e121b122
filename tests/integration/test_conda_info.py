"""The facts of conda_info, compared with what the real conda says of the same installation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.counter import starts

SUBSETS = ["installation", "environments", "packages", "distributions", "config"]


@pytest.fixture
def environment(make_env: Callable[..., Path]) -> Path:
    """An environment with packages that were asked for and others that came with them."""
    return make_env("python=3.11", "lab-entrypoint")


@pytest.fixture
def info(run_module: Any, conda_installation: Path) -> Callable[..., dict[str, Any]]:
    """Run the module, which must start no conda; check mode must return the same."""

    def run(**options: Any) -> dict[str, Any]:
        arguments = {"installation": str(conda_installation), **options}
        before = starts(conda_installation)
        result = run_module("conda_info", arguments)
        assert not result.get("failed"), result
        assert result["changed"] is False
        foretold = run_module("conda_info", arguments, check=True)
        assert starts(conda_installation) == before
        assert foretold == result
        return dict(result)

    return run


def test_the_installation(info: Any, conda: Any, conda_installation: Path) -> None:
    result = info()
    told = conda("info")
    facts = result["facts"]
    assert result["installed"]
    assert facts["prefix"] == told["root_prefix"]
    assert facts["conda_version"] == told["conda_version"]
    assert told["python_version"].startswith(f"{facts['python_version']}.")
    assert facts["platform"] == told["platform"]
    assert facts["writable"] == told["root_writable"]
    assert facts["distribution"] == "miniconda"
    assert facts["distribution_told_by"].startswith("Miniconda3-")


def test_the_settings(info: Any, conda: Any) -> None:
    config = info()["config"]
    told = conda("info")
    shown = conda("config", "--show")
    files = [file["path"] for file in config["files"]]
    assert sorted(files) == sorted(told["config_files"])
    assert [file["problem"] for file in config["files"]] == [""] * len(files)
    effective = config["effective"]
    assert effective["envs_dirs"] == told["envs_dirs"]
    assert effective["pkgs_dirs"] == told["pkgs_dirs"]
    assert effective["channels"] == shown["channels"]
    alias = shown["channel_alias"]
    assert effective["channel_alias"] == f"{alias['scheme']}://{alias['location']}"


@pytest.mark.full
def test_the_environments(
    info: Any, conda: Any, conda_installation: Path, environment: Path
) -> None:
    found = {one["prefix"]: one for one in info()["environments"]}
    assert found[str(conda_installation)]["name"] == "base"
    assert found[str(environment)]["name"] == environment.name
    # Other tests leave environments here as well; plain files say which there are.
    histories = conda_installation.glob("envs/*/conda-meta/history")
    there = {str(conda_installation), *(str(path.parent.parent) for path in histories)}
    assert {path for path in found if Path(path).is_relative_to(conda_installation)} == there
    own = {str(conda_installation), str(environment)}
    assert own <= set(conda("env", "list")["envs"])
    for prefix in own:
        listed = conda("list", "--prefix", prefix, "--no-pip")
        one = found[prefix]
        assert one["package_count"] == len(listed)
        assert (one["problems"], one["damaged"], one["interrupted"]) == ([], [], "")


@pytest.mark.full
def test_the_packages(info: Any, conda: Any, environment: Path) -> None:
    result = info(name=environment.name, gather=SUBSETS)
    assert [one["prefix"] for one in result["environments"]] == [str(environment)]
    listed = conda("list", "--prefix", str(environment))
    of_conda = {
        (one["name"], one["version"], one["build_string"], one["channel"].rpartition("/")[2])
        for one in listed
        if one["channel"] != "pypi"
    }
    assert {
        (one["name"], one["version"], one["build"], one["channel"]) for one in result["packages"]
    } == of_conda
    exported = conda("env", "export", "--from-history", "--prefix", str(environment))
    requested = {one["name"] for one in result["packages"] if one["requested"]}
    assert requested == {"python", "lab-entrypoint"}
    assert len(exported["dependencies"]) == len(requested)
    owners = {one["name"]: one["owner"] for one in result["distributions"]}
    assert owners
    assert set(owners.values()) == {"conda"}


@pytest.mark.full
def test_a_removed_file_shows(info: Any, environment: Path) -> None:
    (environment / "bin" / "lab-hello").unlink()
    (found,) = info(name=environment.name)["environments"]
    assert found["damaged"] == [{"name": "lab-entrypoint", "files": ["bin/lab-hello"]}]


def test_nothing_is_there(run_module: Any, tmp_path: Path) -> None:
    result = run_module("conda_info", {"installation": str(tmp_path / "nothing")})
    assert (result["installed"], result["exists"], result["facts"]) == (False, False, {})
    assert result["rc"] == 0


def test_accelerators_of_this_host(run_module: Any) -> None:
    result = run_module("accelerator_info", {})
    assert result == run_module("accelerator_info", {}, check=True)
    assert result["changed"] is False
    assert result["vendor"] in {"nvidia", "amd", "apple", "none"}
    assert result["supported"] == bool(result["backend"]["name"])
    assert result["backend"]["reason"]
    # A host without any trace of a GPU gets the build for the CPU.
    if not Path("/sys/module/nvidia").exists() and not Path("/sys/class/kfd").exists():
        assert result["vendor"] == "nvidia" or result["backend"]["name"] in {"cpu", "pypi"}
