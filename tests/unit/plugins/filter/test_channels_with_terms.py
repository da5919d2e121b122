"""Which channels need somebody's consent: by name, by address, in a match spec."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.llmfleet.conda.plugins.filter.channels_with_terms import (
    channels_with_terms,
)


@pytest.mark.parametrize(
    "channel",
    [
        "defaults",
        "pkgs/main",
        "https://repo.anaconda.com/pkgs/r",
        "https://repo.anaconda.com/pkgs/main/linux-64",
        "https://mirror.example.com/anaconda/pkgs/main",
        "anaconda",
        "main",
    ],
)
def test_it_is_picked(channel: str) -> None:
    assert channels_with_terms(["conda-forge", channel]) == [channel]


@pytest.mark.parametrize(
    "channel",
    [
        "conda-forge",
        "nvidia",
        "https://conda.anaconda.org/conda-forge",
        "http://mirror.example.com/conda/main",
        "defaults-of-ours",
    ],
)
def test_it_is_left(channel: str) -> None:
    assert channels_with_terms([channel]) == []


def test_specs_with_a_channel_are_judged_by_it() -> None:
    assert channels_with_terms(["conda-forge::numpy", "defaults::numpy >=2"]) == ["defaults"]
    assert channels_with_terms(["numpy[channel=pkgs/main]", "r:x:base"]) == ["pkgs/main", "r"]
    url = "https://repo.anaconda.com/pkgs/main/noarch/x-1-0.conda"
    assert channels_with_terms([url, "x[version='>=1']"]) == [url]


def test_each_is_named_once_in_order() -> None:
    assert channels_with_terms(["pkgs/r", "defaults", "pkgs/r"]) == ["pkgs/r", "defaults"]


@pytest.mark.parametrize("value", ["defaults", None, [1], [["defaults"]]])
def test_anything_but_a_list_of_texts_is_refused(value: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="channels_with_terms"):
        channels_with_terms(value)
