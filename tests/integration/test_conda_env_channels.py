"""The priority of two channels that differ, judged by the real conda."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import paths
from lab.mirror import Mirror
from tests.integration.four_steps import Steps
from tests.integration.selection import only_full_but

Versions = Callable[[Path], dict[str, str]]


@pytest.fixture
def first_channel(tmp_path: Path) -> Iterator[str]:
    """The URL of a channel that has nothing but an old lab-upgrade."""
    root = tmp_path / "site"
    noarch = root / "conda" / "first" / "noarch"
    noarch.mkdir(parents=True)
    (root / "conda" / "first" / "linux-64").mkdir()
    file_name = "lab-upgrade-1.0-lab_0.conda"
    source = paths.channel_dir() / "noarch"
    shutil.copy(source / file_name, noarch)
    index = json.loads((source / "repodata.json").read_text())
    index["packages.conda"] = {file_name: index["packages.conda"][file_name]}
    (noarch / "repodata.json").write_text(json.dumps({**index, "packages": {}}))
    empty = {"info": {"subdir": "linux-64"}, "packages": {}, "packages.conda": {}}
    (root / "conda" / "first" / "linux-64" / "repodata.json").write_text(json.dumps(empty))
    with Mirror(root) as running:
        yield f"{running.url}/conda/first"


@pytest.fixture
def options(conda_installation: Path, first_channel: str) -> Callable[..., dict[str, Any]]:
    def make(prefix: Path, *packages: str, **more: Any) -> dict[str, Any]:
        base = {"installation": str(conda_installation), "prefix": str(prefix)}
        return {**base, "packages": list(packages), "channels": [first_channel, "lab"], **more}

    return make


@pytest.mark.parametrize(
    ("priority", "version"),
    only_full_but([("strict", "1.0"), ("flexible", "1.0"), ("disabled", "2.0")], ("strict", "1.0")),
)
def test_priority(
    priority: str, version: str, tmp_path: Path, four_steps: Steps, options: Any, versions: Versions
) -> None:
    prefix = tmp_path / "env"
    four_steps("conda_env", options(prefix, "lab-upgrade", channel_priority=priority))
    assert versions(prefix) == {"lab-upgrade": version}


@pytest.mark.full
def test_only_strict_refuses_what_the_first_channel_lacks(
    tmp_path: Path, run_module: Any, four_steps: Steps, options: Any, versions: Versions
) -> None:
    prefix = tmp_path / "env"
    wanted = options(prefix, "lab-upgrade>=2")
    result = run_module("conda_env", {**wanted, "channel_priority": "strict"})
    assert result["rc"] == 1
    assert not prefix.exists()
    four_steps("conda_env", {**wanted, "channel_priority": "flexible"})
    assert versions(prefix) == {"lab-upgrade": "2.0"}


@pytest.mark.full
def test_in_an_environment(
    tmp_path: Path, run_module: Any, four_steps: Steps, options: Any, versions: Versions
) -> None:
    prefix = tmp_path / "env"
    assert run_module("conda_env", options(prefix, "lab-rebuilt"))["changed"]
    four_steps("conda_package", options(prefix, "lab-upgrade", channel_priority="disabled"))
    assert versions(prefix) == {"lab-rebuilt": "1.0", "lab-upgrade": "2.0"}


def test_the_condarc_decides_when_the_option_is_left_out(
    tmp_path: Path, run_module: Any, options: Any, versions: Versions, home: Path
) -> None:
    prefix = tmp_path / "env"
    condarc = home / ".condarc"
    condarc.write_text("channel_priority: disabled\n")
    try:
        assert run_module("conda_env", options(prefix, "lab-upgrade"))["changed"]
    finally:
        condarc.unlink()
    assert versions(prefix) == {"lab-upgrade": "2.0"}
