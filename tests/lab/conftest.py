"""Fixtures over the lab's channel and an installed base; what is not built yet is built once."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab import installer, paths
from lab.build import build
from tests.lab.installed_base import Base, install


@pytest.fixture(scope="session")
def lab_channel() -> Path:
    """The channel, current."""
    build(["channel"], print)
    return paths.channel_dir()


@pytest.fixture(scope="session")
def lab_installer() -> dict[str, Any]:
    """The installer's facts (``lab.installer.current``), current."""
    build(["installer"], print)
    return installer.current()


@pytest.fixture(scope="session")
def base(
    lab_installer: dict[str, Any], lab_channel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Base:
    """A base prefix for the whole session; tests make environments in it, and spare the base."""
    home = tmp_path_factory.mktemp("home")
    prefix = tmp_path_factory.mktemp("conda") / "base"
    install(lab_installer["path"], prefix, home)
    return Base(prefix, lab_channel, home)


@pytest.fixture(scope="session")
def in_shell(base: Base) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run lines in a shell that a user might have, after the lines that make conda known."""

    def run(lines: str, shell: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        script = f". {base.prefix}/etc/profile.d/conda.sh\n{lines}"
        environment = {"HOME": str(base.home), "PATH": "/usr/local/bin:/usr/bin:/bin"}
        return subprocess.run(
            [*shell, "-c", script],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run
