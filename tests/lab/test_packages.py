"""A packed package holds what conda needs: index, paths with placeholders, link instructions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conda_package_streaming.extract import extract

from lab import packages


def _stage(folder: Path) -> Path:
    (folder / "bin").mkdir(parents=True)
    script = folder / "bin" / "run"
    script.write_text(f"#!{packages.PLACEHOLDER}/bin/python\n")
    script.chmod(0o755)
    (folder / "bin" / "link").symlink_to("run")
    (folder / "plain.txt").write_text("plain\n")
    return folder


def _pack(tmp_path: Path, **more: Any) -> tuple[Path, Path]:
    description = packages.Description(
        name="thing", version="1.2", build="lab_0", depends=("python >=3.8",), **more
    )
    target = tmp_path / "out"
    target.mkdir()
    package = packages.pack(_stage(tmp_path / "stage"), description, target)
    extract(package, tmp_path / "unpacked")
    return package, tmp_path / "unpacked"


def test_files_modes_and_links_survive(tmp_path: Path) -> None:
    package, unpacked = _pack(tmp_path)
    assert package.name == "thing-1.2-lab_0.conda"
    assert (unpacked / "bin" / "run").stat().st_mode & 0o777 == 0o755
    assert (unpacked / "plain.txt").stat().st_mode & 0o777 == 0o644
    assert (unpacked / "bin" / "link").readlink() == Path("run")


def test_only_text_with_the_placeholder_is_marked(tmp_path: Path) -> None:
    _, unpacked = _pack(tmp_path)
    listed = json.loads((unpacked / "info" / "paths.json").read_text())["paths"]
    by_path = {entry["_path"]: entry for entry in listed}
    assert by_path["bin/run"]["prefix_placeholder"] == packages.PLACEHOLDER
    assert by_path["bin/run"]["file_mode"] == "text"
    assert "prefix_placeholder" not in by_path["plain.txt"]
    assert by_path["bin/link"]["path_type"] == "softlink"


def test_the_index_names_platform_and_dependencies(tmp_path: Path) -> None:
    _, unpacked = _pack(tmp_path)
    index = json.loads((unpacked / "info" / "index.json").read_text())
    assert index["subdir"] == "linux-64"
    assert index["depends"] == ["python >=3.8"]
    assert not (unpacked / "info" / "link.json").exists()


def test_a_noarch_package_tells_conda_its_entry_points(tmp_path: Path) -> None:
    _, unpacked = _pack(tmp_path, noarch="python", entry_points=("run = thing:main",))
    index = json.loads((unpacked / "info" / "index.json").read_text())
    assert (index["subdir"], index["noarch"]) == ("noarch", "python")
    link = json.loads((unpacked / "info" / "link.json").read_text())
    assert link["noarch"] == {"type": "python", "entry_points": ["run = thing:main"]}


def test_the_same_files_give_the_same_bytes_at_any_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    first, _ = _pack(tmp_path / "one")
    monkeypatch.setattr("time.time", lambda: 1_900_000_000.0)
    second, _ = _pack(tmp_path / "two")
    assert first.read_bytes() == second.read_bytes()
