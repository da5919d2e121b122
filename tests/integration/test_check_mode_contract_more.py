"""The contract of check mode over the rest of the table: packages, pip, condarc, installations, models."""

from __future__ import annotations

import pytest

from tests.integration.contract import Contract, parameters
from tests.integration.contract_table import (
    CONDA_CONFIG,
    CONDA_INSTALLATION,
    CONDA_PACKAGE,
    CONDA_PIP,
    HUB_MODEL,
    Row,
)

ROWS = [*CONDA_PACKAGE, *CONDA_PIP, *CONDA_CONFIG, *CONDA_INSTALLATION, *HUB_MODEL]


@pytest.mark.parametrize("row", parameters(ROWS))
def test_check_mode_says_what_the_run_does(row: Row, contract: Contract) -> None:
    contract.show(row)
