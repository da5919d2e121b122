"""Which rows of a table run in `make test`; `make test-full` has all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def only_full_but(rows: Iterable[Any], *quick: Any) -> list[Any]:
    """The rows for ``parametrize``: those that are not among ``quick`` are marked ``full``.

    Each row costs a conda start or more; the quick ones stand for the kind.
    """
    return [
        row
        if row in quick
        else pytest.param(*(row if isinstance(row, tuple) else (row,)), marks=pytest.mark.full)
        for row in rows
    ]
