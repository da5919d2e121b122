"""The contract of check mode over the first half of the table: environments, and all that only reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integration.contract import Contract, parameters
from tests.integration.contract_table import CONDA_ENV, READING, Row
from tests.integration.snapshot import changes, snapshot


@pytest.mark.parametrize("row", parameters([*CONDA_ENV, *READING]))
def test_check_mode_says_what_the_run_does(row: Row, contract: Contract) -> None:
    contract.show(row)


def test_check_mode_of_a_bare_host_follows_the_play(
    run_module: Any, installer_options: Any, tmp_path: Path, home: Path
) -> None:
    """Later tasks of a play in check mode meet a host where the earlier ones have not happened."""
    base = tmp_path / "base"
    before = snapshot(tmp_path, home)
    environment = {"installation": str(base), "name": "llm"}
    calls: list[tuple[str, dict[str, Any]]] = [
        ("conda_installation", installer_options(base)),
        ("conda_env", {**environment, "packages": ["python=3.11"]}),
        ("conda_package", {**environment, "packages": ["six"]}),
        ("conda_pip", {**environment, "requirements": ["networkx"]}),
    ]
    for name, options in calls:
        result = run_module(name, options, check=True)
        assert result["changed"], result
        assert result["diff"]["before"] == ""
    assert changes(before, snapshot(tmp_path, home)) == []
