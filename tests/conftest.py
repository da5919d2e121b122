"""What holds for every suite."""

from __future__ import annotations

import os

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips what needs a Docker engine where `make test` found that there can be none, saying why."""
    reason = os.environ.get("LLMFLEET_NO_ENGINE")
    if not reason:
        return
    for item in items:
        names = getattr(item, "fixturenames", ())
        if "images" in names or item.get_closest_marker("docker"):
            item.add_marker(pytest.mark.skip(reason=f"needs Docker: {reason}"))
