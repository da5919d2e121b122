"""The channel of conda-forge's size, made small."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import zstandard

from lab import cache
from proof.bench import large_channel


@pytest.fixture
def lab_channel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lab's cache with a channel of one package, of which only the name counts here."""
    monkeypatch.setenv("LLMFLEET_LAB_CACHE", str(tmp_path / "cache"))
    channel = tmp_path / "cache" / "site" / "conda" / "lab"
    for subdir in ("linux-64", "noarch"):
        (channel / subdir).mkdir(parents=True)
        name = f"real-1.0-{subdir[:1]}_0.conda"
        (channel / subdir / name).write_bytes(b"a package")
        record = {"name": "real", "version": "1.0", "build": f"{subdir[:1]}_0", "depends": []}
        index = {"packages.conda": {name: record}}
        (channel / subdir / "repodata.json").write_text(json.dumps(index))
    (channel / cache.KEY_FILE).write_text("lab-key\n")
    return channel


def index(channel: Path, subdir: str, name: str = "repodata.json") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((channel / subdir / name).read_text())
    return found


def test_real_and_additional_records_are_in_one_index(lab_channel: Path, tmp_path: Path) -> None:
    channel = large_channel.make(tmp_path / "large", 500)
    for subdir, count in (("linux-64", 300), ("noarch", 200)):
        found = index(channel, subdir)
        assert found["info"] == {"subdir": subdir}
        names = [record["name"] for record in found["packages.conda"].values()]
        assert len(names) == count + 1
        assert names.count("real") == 1
        (package,) = (channel / subdir).glob("*.conda")
        assert package.read_bytes() == b"a package"


def test_the_compressed_index_is_the_same(lab_channel: Path, tmp_path: Path) -> None:
    channel = large_channel.make(tmp_path / "large", 100)
    for name in ("repodata.json", "current_repodata.json"):
        plain = (channel / "noarch" / name).read_bytes()
        packed = (channel / "noarch" / f"{name}.zst").read_bytes()
        assert zstandard.ZstdDecompressor().decompress(packed) == plain


def test_current_packages_are_the_newest_version_of_each(lab_channel: Path, tmp_path: Path) -> None:
    channel = large_channel.make(tmp_path / "large", 4000)
    everything = index(channel, "linux-64")["packages.conda"]
    current = index(channel, "linux-64", "current_repodata.json")["packages.conda"]
    newest: dict[str, list[int]] = {}
    for record in everything.values():
        version = [int(part) for part in record["version"].split(".")]
        newest[record["name"]] = max(newest.get(record["name"], []), version)
    assert set(current) < set(everything)
    for record in current.values():
        version = [int(part) for part in record["version"].split(".")]
        assert version == newest[record["name"]]
    assert len(current) == pytest.approx(len(everything) / 8, rel=0.1)


def test_records_look_like_a_channel_s(lab_channel: Path, tmp_path: Path) -> None:
    records = index(large_channel.make(tmp_path / "large", 2000), "linux-64")["packages.conda"]
    for filename, record in records.items():
        if record["name"] == "real":
            continue
        assert filename == f"{record['name']}-{record['version']}-{record['build']}.conda"
        assert re.fullmatch("[0-9a-f]{64}", record["sha256"])
        assert re.fullmatch("[0-9a-f]{32}", record["md5"])
        assert record["subdir"] == "linux-64"
        assert record["name"] not in {spec.split()[0] for spec in record["depends"]}
        assert "real" not in {spec.split()[0] for spec in record["depends"]}
    assert {record.get("noarch") for record in records.values()} == {None}


def test_the_same_lab_gives_the_same_bytes_once(lab_channel: Path, tmp_path: Path) -> None:
    first = large_channel.make(tmp_path / "a", 100)
    second = large_channel.make(tmp_path / "b", 100)
    text = (first / "noarch" / "repodata.json").read_bytes()
    assert text == (second / "noarch" / "repodata.json").read_bytes()
    before = (first / "noarch" / "repodata.json").stat().st_mtime_ns
    large_channel.make(tmp_path / "a", 100)
    assert (first / "noarch" / "repodata.json").stat().st_mtime_ns == before


def test_another_lab_makes_it_again(lab_channel: Path, tmp_path: Path) -> None:
    large_channel.make(tmp_path / "large", 100)
    (lab_channel / cache.KEY_FILE).write_text("another\n")
    fresh = lab_channel / "noarch" / "more-1.0-n_0.conda"
    fresh.write_bytes(b"more")
    channel = large_channel.make(tmp_path / "large", 100)
    assert (channel / "noarch" / fresh.name).exists()
