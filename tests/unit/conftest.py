"""What holds for all unit tests."""

from __future__ import annotations

import pytest

from ansible_collections.llmfleet.conda.tests.unit.plugins import property_profile

property_profile.load()


def pytest_configure(config: pytest.Config) -> None:
    """Runs the tests in one process for each worker under ``ansible-test units``, too.

    Its plugin forks for every test, and then makes the fixtures of a module once more for each of its tests:
    twice the time for thousands of tests that leave nothing behind in the process.
    """
    forks = config.pluginmanager.get_plugin("ansible_forked")
    if forks is not None:
        config.pluginmanager.unregister(forks)
