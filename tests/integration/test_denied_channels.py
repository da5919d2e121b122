"""Channels that are denied on a host: the modules refuse them by every name, and start no conda."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

MAIN = "https://repo.anaconda.com/pkgs/main"
OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "channel": (
        "conda_env",
        {"packages": ["numpy"], "channels": ["http://Repo.Anaconda.com/pkgs/main/"]},
    ),
    "spec": ("conda_env", {"packages": ["pkgs/main::numpy"]}),
    "lock": ("conda_env", {"lock": f"@EXPLICIT\n{MAIN}/noarch/numpy-1.0-0.conda\n"}),
    "file": ("conda_env", {"environment": "channels: [defaults]\ndependencies: [numpy]\n"}),
    "package": ("conda_package", {"packages": ["numpy[channel=anaconda]"]}),
}


@pytest.fixture
def refusing(home: Path) -> Iterator[None]:
    """A condarc as the role install_miniconda writes it with ``install_miniconda_tos: refuse``."""
    (home / ".condarc").write_text(f"denylist_channels: ['{MAIN}']\n")
    yield
    (home / ".condarc").unlink()


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("case", OPTIONS)
def test_a_denied_channel_is_refused_before_conda_runs(
    case: str,
    check: bool,
    refusing: None,
    conda_installation: Path,
    run_module: Any,
    tmp_path: Path,
) -> None:
    module, options = OPTIONS[case]
    prefix = tmp_path / "env"
    (prefix / "conda-meta").mkdir(parents=True)
    (prefix / "conda-meta" / "history").touch()
    result = run_module(
        module,
        {"installation": str(conda_installation), "prefix": str(prefix), **options},
        check=check,
    )
    assert (result["rc"], result["error_kind"]) == (1, "forbidden"), result
    assert "Nothing was changed" in result["msg"]
    assert "command" not in result
