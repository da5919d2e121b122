"""What a model needs in its cache, on an injected volume."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core import room as core_room
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.process import Completed
from ansible_collections.llmfleet.conda.plugins.module_utils._core.room import Volume
from ansible_collections.llmfleet.conda.plugins.module_utils._hub import download as hub_download
from ansible_collections.llmfleet.conda.plugins.module_utils._hub.cache import CachedModel, Observed
from ansible_collections.llmfleet.conda.plugins.module_utils._hub.room import (
    refuse_import_without_room,
    refuse_known_download_without_room,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._hub.store import Source
from ansible_collections.llmfleet.conda.plugins.module_utils._hub.subject import Look, Plan

ONE = "1" * 40


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets what the volume has free."""

    def set_to(size: int, inodes: int | None = None) -> None:
        monkeypatch.setattr(core_room, "volume_of", lambda _path: Volume(1, "/srv", size, inodes))

    return set_to


@pytest.fixture
def cached(tmp_path: Path) -> CachedModel:
    return CachedModel(str(tmp_path / "models"), "org/name")


def blob(cached: CachedModel, name: str, size: int) -> None:
    path = Path(cached.blob(name))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)


def test_an_import_needs_all_new_files_and_a_copy_of_the_largest(
    free: Any, cached: CachedModel
) -> None:
    source = Source("/srv/model", {"a": (3000, 1), "b": (2000, 1)})
    free(5000, 4)
    refuse_import_without_room(cached, source)
    free(4999)
    with pytest.raises(CondaModuleError, match="for 2 files of the model org/name"):
        refuse_import_without_room(cached, source)
    free(5000, 3)
    with pytest.raises(CondaModuleError, match="inodes"):
        refuse_import_without_room(cached, source)
    blob(cached, "a" * 40, 3000)
    free(3000, 2)
    refuse_import_without_room(cached, source)
    free(2999)
    with pytest.raises(CondaModuleError, match="for 1 file of the model"):
        refuse_import_without_room(cached, source)


def test_a_known_download_needs_what_is_missing(free: Any, cached: CachedModel) -> None:
    blob(cached, "c.incomplete", 1000)
    seen = Observed(True, ONE, {"a": 5000, "b": 1000}, ("a",))
    look, plan = Look(seen, seen), Plan("fetch", "missing", ONE, ("a",))
    free(4000)
    refuse_known_download_without_room(cached, plan, look)
    free(3999)
    with pytest.raises(CondaModuleError, match="for 1 file of the model"):
        refuse_known_download_without_room(cached, plan, look)
    # Only the hub knows the files of another commit.
    refuse_known_download_without_room(cached, Plan("fetch", "no model"), look)
    refuse_known_download_without_room(cached, Plan("fetch", "other", "2" * 40), look)


def test_a_download_refuses_what_the_child_finds_too_large(
    free: Any, cached: CachedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch(mode=0o755)
    said = hub_download._MARK + json.dumps({"size": 1 << 30, "count": 7})
    told: list[dict[str, Any]] = []

    def run(_argv: Any, *, stdin: bytes, **_how: Any) -> Completed:
        told.append(json.loads(stdin))
        return Completed(0, said, "")

    monkeypatch.setattr(hub_download, "run", run)
    monkeypatch.setattr(hub_download, "volume_of", lambda _path: Volume(1, "/srv", 4096, 9))
    wanted = hub_download.Download(str(tmp_path / "env"), "org/name", "main", cached.cache)
    free(4096, 9)
    with pytest.raises(CondaModuleError, match=r"at least 1024 MB \(1024 MB for 7 files"):
        hub_download.download(wanted)
    assert (told[0]["free"], told[0]["free_inodes"]) == (4096, 9)
    free(1 << 40)
    with pytest.raises(CondaModuleError, match="a moment ago"):
        hub_download.download(wanted)
