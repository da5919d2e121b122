"""conda itself brought to a pinned version, up and down; the conda in the prefix is the judge."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab import installer as lab_installer
from lab.mirror import Mirror
from tests.integration.four_steps import Steps
from tests.integration.lab_conda import run_conda
from tests.integration.other_condas import BROKEN, NEWER, OLDER, make_channel

# Only in make test-full: each test makes an installation of its own.
pytestmark = pytest.mark.full

Options = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def channels(mirror: Mirror, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The lab's channel and one with an older and a newer conda."""
    folder = tmp_path_factory.mktemp("other") / "condas"
    url = make_channel(folder, lab_installer.current()["python"])
    return [f"{mirror.url}/conda/lab", url]


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """Where nothing is yet."""
    return tmp_path / "base"


@pytest.fixture
def steps(run_module: Any, tmp_path: Path, home: Path, prefix: Path) -> Steps:
    """The four steps with the prefix, what is beside it, and the home directory under watch."""
    return Steps(run_module, (tmp_path, home), prefix)


def stated(prefix: Path, home: Path) -> str:
    """The version that the conda in the prefix states."""
    return run_conda(prefix, home, "--version").strip()


def test_up_down_and_within_a_range(
    prefix: Path,
    steps: Steps,
    installer_options: Options,
    run_module: Any,
    home: Path,
    channels: list[str],
) -> None:
    options = installer_options(prefix, channels=channels)
    assert run_module("conda_installation", options)["changed"]
    environment = {"installation": str(prefix), "name": "kept", "packages": ["six"]}
    assert run_module("conda_env", {**environment, "channels": channels})["changed"]
    record = next((prefix / "envs" / "kept" / "conda-meta").glob("six-*.json"))
    kept = record.stat()

    up = steps("conda_installation", {**options, "conda_version": f">24.7.1,<={NEWER}"})
    assert up["plan"]["action"] == "upgrade"
    assert up["conda_version"] == NEWER
    assert stated(prefix, home) == f"conda {NEWER}"

    # A newer conda than the installer's is nobody's mistake: only a pin takes it back.
    assert not run_module("conda_installation", options)["changed"]
    down = steps("conda_installation", {**options, "conda_version": OLDER})
    assert down["plan"]["action"] == "downgrade"
    assert stated(prefix, home) == f"conda {OLDER}"

    # Without the pin, the installer's version is a floor again.
    floor = steps("conda_installation", options)
    assert floor["plan"]["action"] == "upgrade"
    assert stated(prefix, home) == "conda 24.7.1"
    assert (record.stat().st_ino, record.stat().st_mtime_ns) == (kept.st_ino, kept.st_mtime_ns)


def test_a_new_installation_gets_the_pinned_conda_at_once(
    prefix: Path, steps: Steps, installer_options: Options, home: Path, channels: list[str]
) -> None:
    options = installer_options(prefix, channels=channels, conda_version=NEWER)
    result = steps("conda_installation", options)
    assert result["plan"]["action"] == "install"
    assert result["conda_version"] == NEWER
    assert stated(prefix, home) == f"conda {NEWER}"


def test_a_conda_that_does_not_start_is_no_success(
    prefix: Path, run_module: Any, installer_options: Options, channels: list[str]
) -> None:
    options = installer_options(prefix, channels=channels)
    assert run_module("conda_installation", options)["changed"]
    result = run_module("conda_installation", {**options, "conda_version": BROKEN})
    assert result["rc"] == 1
    assert "conda does not start" in result["msg"]


def test_a_version_that_no_channel_has(
    conda_installation: Path, run_module: Any, installer_options: Options
) -> None:
    options = installer_options(conda_installation, conda_version="99.1")
    for check in (True, False):
        result = run_module("conda_installation", options, check=check)
        assert result["rc"] == 1
        assert "conda[version='99.1']" in result["msg"]


@pytest.mark.parametrize("version", ["latest!", ">=24,,", "^24.*$"])
def test_what_is_no_version_is_refused(
    version: str, tmp_path: Path, run_module: Any, installer_options: Options
) -> None:
    options = installer_options(tmp_path / "base", conda_version=version)
    for check in (True, False):
        result = run_module("conda_installation", options, check=check)
        assert result["rc"] == 1
        assert "The option conda_version" in result["msg"]
        assert "Nothing was changed" in result["msg"]
    assert list(tmp_path.iterdir()) == []
