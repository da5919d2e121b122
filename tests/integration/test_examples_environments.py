"""The examples of the modules for installations and environments run, in four steps each."""

from __future__ import annotations

from collections.abc import Callable

import pytest

# Only in make test-full: the contract of check mode has the same calls, without Ansible around them.
pytestmark = pytest.mark.full


@pytest.mark.parametrize(
    "module", ["conda_env", "conda_package", "conda_config", "conda_installation"]
)
def test_examples_run(module: str, examples_of: Callable[[str], None]) -> None:
    examples_of(module)
