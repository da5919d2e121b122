"""The contract of check mode over the rest of the table: packages, pip, condarc, conda, models, caches."""

from __future__ import annotations

import pytest

from tests.integration.contract import Contract, parameters
from tests.integration.contract_table import (
    CONDA_CLEAN,
    CONDA_CONFIG,
    CONDA_ENV,
    CONDA_GENERATIONS,
    CONDA_INSTALLATION,
    CONDA_PACKAGE,
    CONDA_PIP,
    FULL,
    HUB_MODEL,
    READING,
    SMOKE,
    TABLE,
    Row,
)

ROWS = [
    *CONDA_GENERATIONS,
    *CONDA_PACKAGE,
    *CONDA_PIP,
    *CONDA_CONFIG,
    *CONDA_INSTALLATION,
    *HUB_MODEL,
    *CONDA_CLEAN,
]


def test_both_files_together_have_the_whole_table() -> None:
    ran = [(row.module, row.name) for row in (*CONDA_ENV, *READING, *ROWS)]
    assert sorted(ran) == sorted((row.module, row.name) for row in TABLE)


def test_each_row_runs_in_make_test_once_or_in_make_test_full() -> None:
    names = {(row.module, row.name) for row in TABLE}
    assert names >= SMOKE | FULL
    assert not SMOKE & FULL


@pytest.mark.parametrize("row", parameters(ROWS))
def test_check_mode_says_what_the_run_does(row: Row, contract: Contract) -> None:
    contract.show(row)
