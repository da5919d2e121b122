"""Addresses of channels; those expected were printed by conda 24.7.1 (``conda.models.channel.Channel``)."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.channels import (
    channel_addresses,
    repodata_url,
)

SITE: dict[str, Any] = {
    "channel_alias": "https://mirror.example.org/conda/",
    "custom_channels": {"bioconda": "https://bio.example.org/cloud", "own": "pool"},
    "custom_multichannels": {"ours": ["conda-forge", "https://x.example.org/a/"]},
    "default_channels": ["https://mirror.example.org/pkgs/main", "pkgs/r"],
}


@pytest.mark.parametrize(
    ("channel", "settings", "addresses"),
    [
        ("conda-forge", {}, ["https://conda.anaconda.org/conda-forge"]),
        ("conda-forge/label/rc", {}, ["https://conda.anaconda.org/conda-forge/label/rc"]),
        ("pkgs/pro", {}, ["https://repo.anaconda.com/pkgs/pro"]),
        (
            "defaults",
            {},
            ["https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r"],
        ),
        ("conda-forge", SITE, ["https://mirror.example.org/conda/conda-forge"]),
        ("bioconda", SITE, ["https://bio.example.org/cloud/bioconda"]),
        ("bioconda/label/old", SITE, ["https://bio.example.org/cloud/bioconda/label/old"]),
        ("bioconda-legacy", SITE, ["https://mirror.example.org/conda/bioconda-legacy"]),
        # A base that is no URL is none.
        ("own", SITE, ["https://mirror.example.org/conda/own"]),
        # Custom channels of one's own take the place of the one that conda begins with.
        ("pkgs/pro", SITE, ["https://mirror.example.org/conda/pkgs/pro"]),
        (
            "defaults",
            SITE,
            ["https://mirror.example.org/pkgs/main", "https://mirror.example.org/conda/pkgs/r"],
        ),
        (
            "ours",
            SITE,
            ["https://mirror.example.org/conda/conda-forge", "https://x.example.org/a"],
        ),
        ("https://a.example.org/lab/", SITE, ["https://a.example.org/lab"]),
        ("https://h.example.org/lab/linux-64", SITE, ["https://h.example.org/lab"]),
        ("https://h.example.org/linux-tools", SITE, ["https://h.example.org/linux-tools"]),
        ("/srv/channel", SITE, ["file:///srv/channel"]),
    ],
)
def test_channel_names_become_urls(
    channel: str, settings: dict[str, Any], addresses: list[str]
) -> None:
    assert channel_addresses(channel, settings) == addresses


def test_environment_variables_are_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHANNEL_TOKEN", "abc")
    (address,) = channel_addresses("https://h.example.org/t/${CHANNEL_TOKEN}/lab", {})
    assert address == "https://h.example.org/t/abc/lab"


def test_repodata_url() -> None:
    assert repodata_url("https://h/lab") == "https://h/lab/noarch/repodata.json"
