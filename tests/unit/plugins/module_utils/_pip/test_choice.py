"""The choice of the installer, and of the uv program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._pip.choice import Choice, choose
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.request import Desired, Request
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.sources import Sources


def _program(path: Path, mode: int = 0o755) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return str(path)


def _choose(root: Path, installer: str, **more: Any) -> Choice:
    more.setdefault("installation", str(root / "base"))
    request = Request(str(root / "env"), Desired(()), Sources(), installer=installer, **more)
    return choose(request, {"PATH": f"{root}/one:{root}/two"})


def test_pip_is_pip(tmp_path: Path) -> None:
    _program(tmp_path / "env" / "bin" / "uv")
    assert _choose(tmp_path, "pip") == Choice("pip")


@pytest.mark.parametrize("installer", ["uv", "auto"])
def test_the_environment_comes_first_then_the_installation_then_path(
    installer: str, tmp_path: Path
) -> None:
    for place in ("two", "one", "base/bin", "env/bin"):
        path = _program(tmp_path / place / "uv")
        assert _choose(tmp_path, installer) == Choice("uv", path)
    assert _choose(tmp_path, installer, uv_executable=f"{tmp_path}/two/uv") == Choice(
        "uv", f"{tmp_path}/two/uv"
    )


def test_a_uv_that_is_not_executable_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "env" / "bin" / "uv").mkdir(parents=True)
    _program(tmp_path / "base" / "bin" / "uv", 0o644)
    path = _program(tmp_path / "one" / "uv")
    assert _choose(tmp_path, "uv").executable == path
    assert _choose(tmp_path, "uv", installation=None).executable == path


def test_without_uv(tmp_path: Path) -> None:
    assert _choose(tmp_path, "auto") == Choice("pip")
    choice = _choose(tmp_path, "uv")
    assert (choice.name, choice.executable) == ("uv", "")
    assert choice.not_found.startswith("there is no uv in the environment")
    # A path that was named is meant, even with auto.
    choice = _choose(tmp_path, "auto", uv_executable="/no/such/uv")
    assert (
        choice.not_found
        == "the option uv_executable names /no/such/uv, which is not an executable file"
    )
