"""Settings about channels that conda would refuse to start with."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.settings import (
    CondarcFile,
    combined,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.shapes import misshapen


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("channels", "lab"),
        ("channels", 5),
        ("channels", [["lab"]]),
        ("default_channels", {"a": "b"}),
        ("custom_channels", -(2**63)),
        ("custom_channels", ["a"]),
        ("custom_channels", {"a": ["b"]}),
        ("custom_multichannels", 5),
        ("custom_multichannels", {"a": 5}),
        ("custom_multichannels", {"a": "b"}),
        ("proxy_servers", "http://proxy:3128"),
        ("proxy_servers", {"https": 3128}),
    ],
)
def test_reports_types_that_conda_refuses(key: str, value: Any) -> None:
    assert list(misshapen({key: value, "other": 5})) == [key]
    # Nobody who reads the settings has to expect it.
    assert combined([CondarcFile("/a", {key: value, "other": 5})]) == {"other": 5}


@pytest.mark.parametrize(
    "settings",
    [
        {"channels": ["lab", "https://host/lab"], "default_channels": []},
        {"custom_channels": {"lab": "https://host"}, "custom_multichannels": {"all": ["lab"]}},
        {"proxy_servers": {"https": "http://proxy:3128", "http": None}},
        {"channels": None, "custom_channels": None, "proxy_servers": {}},
        {"ssl_verify": 5, "anything": ["else"]},
    ],
)
def test_accepts_types_that_conda_accepts(settings: dict[str, Any]) -> None:
    assert misshapen(settings) == {}
