"""Compiled files that a full disk cut short: found by the interpreter that they belong to, and removed."""

from __future__ import annotations

import os
import py_compile
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core import compiled as compiled_files
from ansible_collections.llmfleet.conda.plugins.module_utils._core.compiled import (
    CUT_SHORT,
    is_short_of_room,
    remove_cut_short,
)
from ansible_collections.llmfleet.conda.tests.unit.plugins.cut_short import compiled, give_python


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    give_python(tmp_path)
    return tmp_path


def test_removes_only_truncated_compiled_files(prefix: Path) -> None:
    whole, cut, other = (compiled(prefix, name) for name in ("whole", "cut", "other"))
    os.truncate(cut, cut.stat().st_size // 2)
    other.write_bytes(b"\0\0\0\0" + other.read_bytes()[4:40])  # another Python's
    source = prefix / "lib" / "cut.py"
    assert remove_cut_short(str(prefix)) == [str(cut)]
    assert (whole.exists(), cut.exists(), other.exists(), source.exists()) == (
        True,
        False,
        True,
        True,
    )


def test_removal_writes_no_compiled_files(prefix: Path) -> None:
    compiled(prefix, "whole")
    before = sorted(prefix.rglob("*"))
    assert remove_cut_short(str(prefix)) == []
    assert sorted(prefix.rglob("*")) == before


def test_a_prefix_without_python(tmp_path: Path) -> None:
    assert remove_cut_short(str(tmp_path)) == []


def test_matches_pythons_errors_about_truncated_files(prefix: Path) -> None:
    path = compiled(prefix, "cut")
    os.truncate(path, path.stat().st_size // 2)
    done = compiled_files.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path[:] = ['{prefix}/lib']; import cut"]
    )
    assert done.rc
    assert CUT_SHORT.search(done.stderr)
    py_compile.compile(str(prefix / "lib" / "cut.py"), doraise=True)
    assert remove_cut_short(str(prefix)) == []


def test_is_short_of_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = namedtuple("volume", "f_bavail f_frsize f_files f_favail")
    monkeypatch.setattr(os, "statvfs", lambda _path: volume(100, 4096, 0, 0))
    assert is_short_of_room(str(tmp_path))
    monkeypatch.setattr(os, "statvfs", lambda _path: volume(100_000, 4096, 0, 0))
    assert not is_short_of_room(str(tmp_path))


def test_missing_directory_is_not_short_of_room(tmp_path: Path) -> None:
    assert not is_short_of_room(str(tmp_path / "none"))
