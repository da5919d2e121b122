"""The examples in the documentation of all other modules run, in four steps each."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.repository.documentation import modules

# Only in make test-full: the contract of check mode has the same calls, without Ansible around them.
pytestmark = pytest.mark.full

ELSEWHERE = {"conda_env", "conda_package", "conda_config", "conda_installation"}


@pytest.mark.parametrize("module", sorted(set(modules()) - ELSEWHERE))
def test_examples_run(module: str, examples_of: Callable[[str], None]) -> None:
    examples_of(module)
