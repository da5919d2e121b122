"""The filter that turns names of channels into addresses."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.llmfleet.conda.plugins.filter.channel_urls import (
    FilterModule,
    channel_urls,
)


def test_names_become_addresses_each_once() -> None:
    settings = {"custom_channels": {"conda-forge": "https://mirror.example.org/cloud"}}
    channels = ["conda-forge", "https://mirror.example.org/cloud/conda-forge/", "bioconda"]
    assert channel_urls(channels, settings) == [
        "https://mirror.example.org/cloud/conda-forge",
        "https://conda.anaconda.org/bioconda",
    ]


def test_without_settings_they_are_conda_s_own() -> None:
    assert channel_urls(["lab"]) == ["https://conda.anaconda.org/lab"]
    assert channel_urls([], None) == []


@pytest.mark.parametrize(
    ("channels", "settings"), [("lab", {}), (3, {}), ([1], {}), (["lab"], ["channel_alias"])]
)
def test_what_is_no_list_of_channels_is_refused(channels: Any, settings: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="channel_urls requires"):
        channel_urls(channels, settings)


def test_its_name() -> None:
    assert FilterModule().filters() == {"channel_urls": channel_urls}
