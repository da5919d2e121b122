"""What a change needs against what injected volumes have free."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core import room
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.room import (
    Need,
    are_ample,
    refuse_without_room,
    volume_of,
)

MIB = 1 << 20


@pytest.fixture
def volume(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets what every volume has free."""

    def set_to(free: int, inodes: int | None = None) -> None:
        found = SimpleNamespace(
            f_bavail=free // 4096,
            f_frsize=4096,
            f_files=0 if inodes is None else 1 << 20,
            f_favail=inodes or 0,
        )
        monkeypatch.setattr(os, "statvfs", lambda _path: found)

    return set_to


def test_what_fits_is_not_refused(volume: Any, tmp_path: Path) -> None:
    volume(10 * MIB, inodes=5)
    refuse_without_room([Need(str(tmp_path), 10 * MIB, "to link", 5)])
    refuse_without_room([])


def test_needs_on_one_volume_count_together(volume: Any, tmp_path: Path) -> None:
    volume(100 * MIB)
    needs = [
        Need(str(tmp_path / "pkgs"), 60 * MIB, "to download 2 packages"),
        Need(str(tmp_path / "envs" / "env"), 50 * MIB, "to link 2 packages"),
    ]
    for need in needs:
        refuse_without_room([need])
    with pytest.raises(CondaModuleError) as caught:
        refuse_without_room(needs, prefix="/srv/env", instead="use another volume")
    error = caught.value
    mount = str(tmp_path)
    while not os.path.ismount(mount):
        mount = os.path.dirname(mount)
    assert f"on the volume {mount} at least 110 MB (60 MB to download" in error.message
    assert "has 100 MB free" in error.message
    assert "Nothing was changed" in error.message
    assert "make room" in str(error)
    assert "llmfleet.conda.clean" in str(error)
    assert error.facts["error_kind"] == "disk_full"


def test_inodes_are_refused_where_they_are_counted(volume: Any, tmp_path: Path) -> None:
    need = [Need(str(tmp_path), 1, "to link", 12)]
    volume(100 * MIB, inodes=11)
    with pytest.raises(CondaModuleError, match=r"at least 12 inodes \(files\) and has 11 free"):
        refuse_without_room(need)
    volume(100 * MIB, inodes=None)
    refuse_without_room(need)


def test_ample(volume: Any, tmp_path: Path) -> None:
    missing = str(tmp_path / "a" / "b")
    volume(room.AMPLE, inodes=room.AMPLE_INODES)
    assert are_ample([missing])
    volume(room.AMPLE, inodes=room.AMPLE_INODES - 1)
    assert not are_ample([missing])
    volume(room.AMPLE - 4096)
    assert not are_ample([missing])


def test_a_volume_that_cannot_be_inspected_is_not_judged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(_path: str) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "statvfs", fail)
    assert volume_of(str(tmp_path)) is None
    refuse_without_room([Need(str(tmp_path), 1 << 60, "to link", 1)])
