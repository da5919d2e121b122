"""A packed package holds what conda needs: index, paths with placeholders, link instructions."""

from __future__ import annotations

import json
import subprocess
import sys
import time
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


def _module_package(folder: Path, version: str) -> Path:
    """Pack a version of a module that is as long as any other version of it."""
    stage = folder / version
    (stage / "lib").mkdir(parents=True)
    (stage / "lib" / "thing.py").write_text(f"VERSION = {version!r}\n")
    description = packages.Description(name="thing", version=version, build="lab_0")
    return packages.pack(stage, description, folder)


def _imported(prefix: Path) -> str:
    """What a new Python imports from the prefix; it leaves its bytecode there."""
    code = f"import sys; sys.path.insert(0, {str(prefix / 'lib')!r}); import thing; print(thing.VERSION)"
    said = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    return said.stdout.strip()


def test_bytecode_of_another_version_of_the_same_size_is_not_run(tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    sizes = set()
    for version in ("1.0", "2.0", "1.0"):
        package = tmp_path / f"thing-{version}-lab_0.conda"
        if not package.exists():
            _module_package(tmp_path, version)
        extract(package, prefix)
        sizes.add((prefix / "lib" / "thing.py").stat().st_size)
        assert _imported(prefix) == version
        assert list(prefix.glob("lib/__pycache__/thing.*.pyc"))
    assert len(sizes) == 1


def test_files_of_a_package_share_one_time_in_the_past(tmp_path: Path) -> None:
    _, unpacked = _pack(tmp_path)
    files = [path for path in unpacked.rglob("*") if path.is_file() and not path.is_symlink()]
    (packed,) = {path.stat().st_mtime for path in files}
    assert packed == int(packed)
    assert packed < packages.NEWEST_TIME < time.time()
