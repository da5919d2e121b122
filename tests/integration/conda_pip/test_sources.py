"""Where distributions come from: indexes that fail, credentials, and the host's own configuration."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.mirror import Mirror
from tests.integration.conda_pip.environment import from_index, installed, site_packages, still
from tests.integration.four_steps import Steps
from tests.integration.snapshot import changes, snapshot

# Only in make test-full: indexes that fail, slowly. The contract of check mode has an index that works.
pytestmark = pytest.mark.full

RunModule = Callable[..., dict[str, Any]]


def test_from_an_index(prefix: Path, four_steps: Steps, options: Any, index: str) -> None:
    four_steps("conda_pip", {**options(), **from_index(index, "t-app==1.0")})
    assert installed(prefix)["t-app"] == "1.0"


def test_from_an_extra_index(
    prefix: Path, run_module: RunModule, options: Any, index: str, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with Mirror(empty) as nothing:
        more = from_index(nothing.url, "t-app==1.0", extra_index_urls=[f"{index}/simple"])
        result = run_module("conda_pip", {**options(), **more})
    assert (result["rc"], result["changed"]) == (0, True), result


def test_credentials_do_not_show(
    prefix: Path, run_module: RunModule, options: Any, index: str
) -> None:
    secret = index.replace("://", "://robot:open-sesame@")
    for lines in (
        ["t-nothing"],
        ["t-app"],
        [f"t-lib @ {secret}/simple/t-lib/t_lib-2.0-py3-none-any.whl"],
    ):
        result = run_module("conda_pip", {**options(), **from_index(secret, *lines)})
        assert "open-sesame" not in json.dumps(result)
        assert result["rc"] == (1 if lines == ["t-nothing"] else 0), result
    assert "t-lib" in installed(prefix)
    again = run_module("conda_pip", {**options(), **from_index(secret, *lines)})
    assert (again["rc"], again["changed"]) == (0, False), again


FAULTS = {
    "500": ("status", {"code": 500}, "http", "HTTP 500", True),
    "403": ("status", {"code": 403}, "credentials", "HTTP 403", False),
    "404": ("status", {"code": 404}, "no_match", "No distribution was found", False),
    "cut off": ("reset", {}, "network", "cannot be reached, or closed the connection", True),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_an_index(
    fault: str, prefix: Path, run_module: RunModule, options: Any, wheels: Path, index: str
) -> None:
    kind, how, expected, text, retried = FAULTS[fault]
    before = still(snapshot(prefix))
    with Mirror(wheels.parent / "index") as running:
        running.fault("/simple/*", kind, **how)
        result = run_module("conda_pip", {**options(), **from_index(running.url, "t-app==1.0")})
    assert (result["rc"], result["kind"]) == (1, expected), result
    assert text in result["msg"]
    assert ("was run 3 times" in result["msg"]) == retried
    assert changes(before, still(snapshot(prefix))) == []


def test_a_fault_that_passes_is_overcome(
    prefix: Path, run_module: RunModule, options: Any, wheels: Path, index: str
) -> None:
    with Mirror(wheels.parent / "index") as running:
        running.fault("/simple/t-app/*", "status", code=503, times=4)
        result = run_module("conda_pip", {**options(), **from_index(running.url, "t-app==1.0")})
    assert (result["rc"], result["changed"]) == (0, True), result


def test_half_a_file_is_not_installed(
    prefix: Path, run_module: RunModule, options: Any, wheels: Path, index: str
) -> None:
    with Mirror(wheels.parent / "index") as running:
        running.fault("*/t_lib-1.0-*.whl", "truncate", fraction=0.5)
        result = run_module("conda_pip", {**options(), **from_index(running.url, "t-lib==1.0")})
    assert result["rc"] == 1
    assert result["kind"] in ("download", "network"), result
    assert "t-lib" not in installed(prefix)


def test_an_index_that_is_not_there(prefix: Path, run_module: RunModule, options: Any) -> None:
    more = from_index("http://127.0.0.1:9", "t-app")
    result = run_module("conda_pip", {**options(), **more})
    assert (result["rc"], result["kind"], result["option"]) == (1, "network", "index_url"), result


def test_the_host_s_pip_configuration_does_not_mix_in(
    prefix: Path, run_module: RunModule, options: Any, wheels: Path, tmp_path: Path
) -> None:
    house = tmp_path / "empty house"
    house.mkdir()
    configuration = tmp_path / "pip.conf"
    configuration.write_text(f"[global]\nfind-links = {wheels}\nuser = true\n")
    home = tmp_path / "home"
    (home / ".config" / "pip").mkdir(parents=True)
    shutil.copy(configuration, home / ".config" / "pip" / "pip.conf")
    environment = {"HOME": str(home)}
    alone = options("t-app", find_links=[str(house)])
    result = run_module("conda_pip", alone, environment=environment)
    assert result.get("kind") == "no_match", result
    with_configuration = options("t-app==1.0", no_index=None, find_links=[])
    result = run_module("conda_pip", with_configuration, environment=environment)
    assert (result["rc"], result["changed"]) == (0, True), result
    assert (site_packages(prefix) / "t_app").is_dir()


def test_the_environment_of_the_caller_does_not_mix_in(
    prefix: Path, run_module: RunModule, options: Any, tmp_path: Path
) -> None:
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "__init__.py").write_text("raise SystemExit('the wrong pip')\n")
    environment = {
        "PIP_TARGET": str(tmp_path / "elsewhere"),
        "PIP_REQUIRE_HASHES": "1",
        "VIRTUAL_ENV": str(tmp_path),
        "PYTHONHOME": str(tmp_path),
        "CONDA_PREFIX": str(tmp_path),
    }
    # PYTHONHOME would stop the module's own interpreter too, so that one is left out there.
    environment.pop("PYTHONHOME")
    result = run_module("conda_pip", options("t-app==1.0"), environment=environment)
    assert (result["rc"], result["changed"]) == (0, True), result
    assert (site_packages(prefix) / "t_app").is_dir()
    assert not (tmp_path / "elsewhere").exists()
