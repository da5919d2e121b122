"""Setting aside what is damaged in a package cache, on caches made by hand."""

from __future__ import annotations

import bz2
import errno
import hashlib
import io
import json
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._conda import (
    damaged_cache as cache_quarantine,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._conda.damaged_cache import (
    KEPT,
    QUARANTINE,
    set_aside_indexes,
    set_aside_linked,
    set_aside_packages,
)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else is at these caches."""
    monkeypatch.setattr(cache_quarantine, "_STEADY", 0.0)


class FakeCache:
    """A package cache with packages of one file each."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()

    def add(self, name: str, suffix: str = ".conda") -> Path:
        """An archive and what it unpacks to; returns the latter."""
        content = b"content of " + name.encode()
        archive = self.path / (name + suffix)
        if suffix == ".conda":
            with zipfile.ZipFile(archive, "w") as opened:
                opened.writestr("metadata.json", "{}")
                opened.writestr(f"pkg-{name}.tar.zst", content)
        else:
            buffer = io.BytesIO()
            with tarfile.open(fileobj=buffer, mode="w") as tar:
                info = tarfile.TarInfo("share/file")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            archive.write_bytes(bz2.compress(buffer.getvalue()))
        unpacked = self.path / name
        (unpacked / "info").mkdir(parents=True)
        (unpacked / "share").mkdir()
        (unpacked / "share" / "file").write_bytes(content)
        paths = [
            {
                "_path": "share/file",
                "path_type": "hardlink",
                "sha256": hashlib.sha256(content).hexdigest(),
                "size_in_bytes": len(content),
            }
        ]
        for file_name, data in (
            ("index.json", {"name": name}),
            ("repodata_record.json", {"name": name}),
            ("paths.json", {"paths": paths, "paths_version": 1}),
        ):
            (unpacked / "info" / file_name).write_text(json.dumps(data))
        return unpacked

    def left(self) -> list[str]:
        """What conda still sees."""
        return sorted(path.name for path in self.path.iterdir() if path.name != QUARANTINE)

    def aside(self) -> list[str]:
        """What was set aside."""
        return sorted(path.name for path in self.path.glob(f"{QUARANTINE}/*/*"))


@pytest.fixture
def cache(tmp_path: Path) -> FakeCache:
    made = FakeCache(tmp_path / "pkgs")
    made.add("good-1-0")
    made.add("old-1-0", ".tar.bz2")
    return made


GOOD = ["good-1-0", "good-1-0.conda", "old-1-0", "old-1-0.tar.bz2"]


def test_intact_cache_is_not_changed(cache: FakeCache) -> None:
    assert set_aside_packages([str(cache.path)], "a crash without names") == []
    assert cache.left() == GOOD
    assert not (cache.path / QUARANTINE).exists()


@pytest.mark.parametrize(
    "said",
    [
        "CondaVerificationError: The package for bad located at {}/bad-1-0\nappears to be corrupted.",
        "SafetyError: The package for bad located at {}/bad-1-0\nThe path has an incorrect size.",
        'InvalidArchiveError("Error with archive {}/bad-1-0.  You probably need to delete")',
        "[Errno 2] No such file or directory: '{}/bad-1-0/info/index.json'",
    ],
)
@pytest.mark.parametrize("suffix", [".conda", ".tar.bz2"])
def test_intact_archive_of_a_named_package_stays(said: str, suffix: str, cache: FakeCache) -> None:
    unpacked = cache.add("bad-1-0", suffix)
    if "index.json" in said:
        (unpacked / "info" / "index.json").unlink()
    (told,) = set_aside_packages([str(cache.path)], said.format(cache.path))
    assert cache.left() == sorted([*GOOD, f"bad-1-0{suffix}"])
    assert cache.aside() == ["bad-1-0"]
    assert "The package bad-1-0" in told
    assert str(cache.path / QUARANTINE) in told


@pytest.mark.parametrize(
    "said",
    [
        "located at {}/bad-1-0\nappears to be corrupted. The path 'share/file'\n"
        "specified in the package manifest cannot be found.",
        "located at {}/bad-1-0\nappears to be corrupted. The path 'share/file'\n"
        "has an incorrect size.\n  reported size: 18 bytes\n  actual size: 3 bytes",
        "[Errno 2] No such file or directory: '{}/bad-1-0/info/index.json'",
    ],
)
def test_package_completed_by_another_conda_stays(said: str, cache: FakeCache) -> None:
    cache.add("bad-1-0")
    (told,) = set_aside_packages([str(cache.path)], said.format(cache.path))
    assert "another conda" in told
    assert not (cache.path / QUARANTINE).exists()


@pytest.mark.parametrize("ends_whole", [True, False])
def test_waits_for_another_conda_to_extract_a_package(
    ends_whole: bool, cache: FakeCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = cache.add("bad-1-0") / "share" / "file"
    whole = path.read_bytes()
    path.write_bytes(b"")
    naps: list[float] = []

    def unpack_more(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) < 4:
            path.write_bytes(whole[: len(naps)])
        elif ends_whole and len(naps) == 4:
            path.write_bytes(whole)

    monkeypatch.setattr(cache_quarantine.time, "sleep", unpack_more)
    (told,) = set_aside_linked([str(cache.path)], "bad-1-0")
    assert len(naps) == 4 + ends_whole
    assert ("another conda" in told) == ends_whole
    assert (cache.path / QUARANTINE).exists() != ends_whole


@pytest.mark.parametrize("suffix", [".conda", ".tar.bz2"])
@pytest.mark.parametrize("harm", ["cut off", "emptied", "garbage"])
def test_damaged_archive_is_set_aside_too(harm: str, suffix: str, cache: FakeCache) -> None:
    cache.add("bad-1-0", suffix)
    archive = cache.path / f"bad-1-0{suffix}"
    content = archive.read_bytes()
    archive.write_bytes(
        {"cut off": content[: len(content) // 2], "emptied": b"", "garbage": b"x" * 500}[harm]
    )
    said = f"The package for bad located at {cache.path}/bad-1-0 appears to be corrupted"
    assert set_aside_packages([str(cache.path)], said)
    assert cache.left() == GOOD
    assert cache.aside() == ["bad-1-0", f"bad-1-0{suffix}"]


@pytest.mark.parametrize(
    "said",
    [
        "ChecksumMismatchError\n  download saved to: {}/bad-1-0.conda\n  expected md5: x",
        "Error with archive {}/bad-1-0.conda.  You probably need to delete and re-download it.",
        "conda.CondaMultiError: Error with archive {}/bad-1-0.conda.",
    ],
)
def test_named_archive_is_set_aside_with_its_extracted_package(said: str, cache: FakeCache) -> None:
    cache.add("bad-1-0")
    assert set_aside_packages([str(cache.path)], said.format(cache.path))
    assert cache.left() == GOOD
    assert cache.aside() == ["bad-1-0", "bad-1-0.conda"]


def test_the_cache_may_be_named_by_another_path(cache: FakeCache, tmp_path: Path) -> None:
    cache.add("bad-1-0")
    (tmp_path / "link").symlink_to(cache.path)
    said = f"located at {cache.path}/bad-1-0\nappears to be corrupted"
    assert set_aside_packages([str(tmp_path / "link")], said)
    assert cache.left() == [*["bad-1-0.conda"], *GOOD]


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("info/paths.json", "{"),
        ("info/paths.json", "[]"),
        ("info/paths.json", '{"paths": [{}]}'),
        ("info/index.json", ""),
        ("info/repodata_record.json", "\x00\x00"),
        ("share/file", "short"),
        ("share/file", "longer than it was when it was unpacked"),
        ("share/file", None),
    ],
)
def test_unnamed_damage_is_searched_for(path: str, content: str | None, cache: FakeCache) -> None:
    target = cache.add("bad-1-0") / path
    target.unlink()
    if content is not None:
        target.write_text(content)
    assert set_aside_packages([str(cache.path)], "JSONDecodeError: Expecting value")
    assert cache.left() == [*["bad-1-0.conda"], *GOOD]


def test_invalid_archive_without_extracted_package(cache: FakeCache) -> None:
    (cache.path / "bad-1-0.conda").write_bytes(b"PK\x03\x04 half of it")
    assert set_aside_packages([str(cache.path)], "object has no attribute 'dump_map'")
    assert cache.left() == GOOD


def test_linked_package_is_checked_alone(cache: FakeCache) -> None:
    for name in ("bad-1-0", "worse-1-0"):
        (cache.add(name) / "share" / "file").write_text("")
    assert set_aside_linked([str(cache.path)], "good-1-0") == []
    assert set_aside_linked([str(cache.path)], "absent-1-0") == []
    (told,) = set_aside_linked([str(cache.path)], "bad-1-0")
    assert "bad-1-0" in told
    assert cache.left() == sorted([*GOOD, "bad-1-0.conda", "worse-1-0", "worse-1-0.conda"])


def test_links_and_files_without_a_size_are_not_compared(cache: FakeCache) -> None:
    unpacked = cache.add("bad-1-0")
    (unpacked / "lib").symlink_to("/nonexistent")
    paths = [
        {"_path": "lib", "path_type": "softlink", "size_in_bytes": 5},
        {"_path": "share/file", "path_type": "hardlink"},
    ]
    (unpacked / "info" / "paths.json").write_text(json.dumps({"paths": paths}))
    assert set_aside_packages([str(cache.path)], "nothing named") == []


def test_all_indexes_are_set_aside(cache: FakeCache) -> None:
    (cache.path / "cache").mkdir()
    (cache.path / "cache" / "abc.json").write_text("{")
    (told,) = set_aside_indexes([str(cache.path), str(cache.path / "absent")])
    assert "The index of the channels" in told
    assert cache.left() == GOOD
    assert cache.aside() == ["cache"]
    assert set_aside_indexes([str(cache.path)]) == []


def test_quarantine_keeps_only_the_newest(
    cache: FakeCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(KEPT + 3):
        monkeypatch.setattr(
            cache_quarantine.time, "strftime", lambda _format, n=number: f"2026010{n}T000000"
        )
        (cache.add(f"bad-{number}-0") / "info" / "index.json").write_text("{")
        assert set_aside_packages([str(cache.path)], "")
    names = sorted(path.name for path in (cache.path / QUARANTINE).iterdir())
    assert names == [f"2026010{n}T000000-bad-{n}-0" for n in range(3, KEPT + 3)]


def test_clock_set_back_keeps_the_newest(cache: FakeCache, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(KEPT):
        (cache.path / QUARANTINE / f"2030010{number}T000000-x").mkdir(parents=True)
    monkeypatch.setattr(cache_quarantine.time, "strftime", lambda _format: "20260101T000000")
    (cache.add("bad-1-0") / "info" / "index.json").write_text("{")
    assert set_aside_packages([str(cache.path)], "")
    assert cache.aside() == ["bad-1-0"]


def test_set_aside_twice_in_one_second(cache: FakeCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_quarantine.time, "strftime", lambda _format: "20260101T000000")
    for _ in range(2):
        (cache.add("bad-1-0") / "info" / "index.json").write_text("{")
        (cache.path / "bad-1-0.conda").unlink()
        assert set_aside_packages([str(cache.path)], "")
    assert cache.aside() == ["bad-1-0"]
    assert cache.left() == GOOD


def test_set_aside_on_an_overlay_file_system(
    cache: FakeCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container whose image brought the package cache along (EXDEV, rename(2))."""
    (cache.add("bad-1-0") / "info" / "index.json").write_text("{")

    def no_directories(source: str, _target: str) -> None:
        assert Path(source).is_dir()
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "rename", no_directories)
    (told,) = set_aside_packages([str(cache.path)], "")
    assert "bad-1-0" in told
    assert cache.aside() == ["bad-1-0"]
    assert "bad-1-0" not in cache.left()


def test_full_disk_sets_nothing_aside(cache: FakeCache, monkeypatch: pytest.MonkeyPatch) -> None:
    (cache.add("bad-1-0") / "info" / "index.json").write_text("{")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache_quarantine.os, "makedirs", full)
    assert set_aside_packages([str(cache.path)], "") == []
    assert "bad-1-0" in cache.left()


def test_read_only_cache_is_ignored(cache: FakeCache, monkeypatch: pytest.MonkeyPatch) -> None:
    (cache.add("bad-1-0") / "info" / "index.json").write_text("{")
    monkeypatch.setattr(cache_quarantine.os, "access", lambda *_: False)
    assert set_aside_packages([str(cache.path)], "") == []
    assert os.listdir(cache.path / "bad-1-0")
