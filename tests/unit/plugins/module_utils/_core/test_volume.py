"""The lost+found of a volume is neither the prefix's nor a user's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.tree import (
    remove_some,
    survey,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import observe_prefix


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """A directory with what mke2fs leaves in the root of a volume."""
    root = tmp_path / "volume"
    (root / "lost+found" / "#123").mkdir(parents=True)
    (root / "inner" / "lost+found").mkdir(parents=True)
    return root


def test_at_a_mount_point_it_does_not_count(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not observe_prefix(str(volume)).empty
    assert "lost+found/#123" in survey(str(volume)).directories
    monkeypatch.setattr(os.path, "ismount", lambda path: str(path) == str(volume))
    assert survey(str(volume)).directories == ["inner", "inner/lost+found"]
    remove_some(str(volume), lambda _path: True)
    assert sorted(os.listdir(volume)) == ["lost+found"]
    assert os.listdir(volume / "lost+found") == ["#123"]
    state = observe_prefix(str(volume))
    assert (state.exists, state.empty, state.entries) == (True, True, ())


def test_elsewhere_it_is_a_directory_like_any_other(volume: Path) -> None:
    remove_some(str(volume), lambda _path: True)
    assert not volume.exists()
