"""The explicit list of the next generation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._environment.explicit_lock import (
    LockedPackage,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.prediction import (
    as_cached,
)

SIX = LockedPackage(
    "six", "1.16.0", "0", "https://a.example/conda-forge/noarch/six-1.16.0-0.conda", "noarch", "ab"
)


def cached(directory: Path, url: str, md5: str) -> None:
    """An unpacked package in a package cache."""
    info = directory / "six-1.16.0-0" / "info"
    info.mkdir(parents=True)
    (info / "repodata_record.json").write_text(json.dumps({"url": url, "md5": md5}))


@pytest.mark.parametrize(
    ("url", "md5", "taken"),
    [
        # Another mirror of the same channel: conda would download the file again, or fail offline.
        ("https://b.example/conda-forge/noarch/six-1.16.0-0.conda", "AB", True),
        # Another file, and another channel.
        ("https://b.example/conda-forge/noarch/six-1.16.0-0.conda", "cd", False),
        ("https://b.example/mine/noarch/six-1.16.0-0.conda", "ab", False),
        ("", "ab", False),
    ],
)
def test_the_url_of_the_cache_counts(tmp_path: Path, url: str, md5: str, taken: bool) -> None:
    cached(tmp_path, url, md5)
    (found,) = as_cached([SIX], [str(tmp_path / "none"), str(tmp_path)])
    assert found.url == (url if taken else SIX.url)


def test_without_a_cache_nothing_changes(tmp_path: Path) -> None:
    assert as_cached([SIX], [str(tmp_path)]) == (SIX,)
