"""Lines of removed environments in users' lists, judged by the files."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.registry import (
    forget_environments,
    list_again,
    listed_environments,
)
from ansible_collections.llmfleet.conda.tests.unit.plugins.fake_prefix import FakePrefix


@pytest.fixture
def homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two users' homes; the first is the one of the user who runs this."""
    found = tmp_path / "me", tmp_path / "other"
    for home in found:
        (home / ".conda").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(found[0]))
    monkeypatch.setattr(pwd, "getpwall", lambda: [SimpleNamespace(pw_dir=str(found[1]))])
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return found


def listing(home: Path) -> Path:
    return home / ".conda" / "environments.txt"


def test_removes_only_lines_of_missing_prefixes(homes: tuple[Path, Path], tmp_path: Path) -> None:
    prefix, beside = tmp_path / "base", tmp_path / "base2"
    (prefix / "envs" / "left").mkdir(parents=True)
    text = f"/srv/other\n{prefix}/envs/gone\n{prefix}/envs/left\r\n{beside}\n\n{prefix}/envs/x"
    listing(homes[0]).write_bytes(text.encode())
    listing(homes[0]).chmod(0o640)
    inode = listing(homes[0]).stat().st_ino
    listing(homes[1]).write_text(f"{prefix}/envs/theirs\n/kept\n")
    assert sorted(forget_environments(str(prefix))) == sorted(str(listing(home)) for home in homes)
    expected = f"/srv/other\n{prefix}/envs/left\r\n{beside}\n\n"
    assert listing(homes[0]).read_bytes() == expected.encode()
    assert listing(homes[0]).stat().st_ino == inode
    assert listing(homes[0]).stat().st_mode & 0o777 == 0o640
    assert listing(homes[1]).read_text() == "/kept\n"
    assert forget_environments(str(prefix)) == []


def test_list_that_becomes_empty_is_removed(homes: tuple[Path, Path], tmp_path: Path) -> None:
    listing(homes[0]).write_text(f"{tmp_path}/base\n{tmp_path}/base/envs/a\n")
    forget_environments(f"{tmp_path}/base/")
    assert not listing(homes[0]).exists()
    assert (homes[0] / ".conda").is_dir()


def test_no_link_is_followed(homes: tuple[Path, Path], tmp_path: Path) -> None:
    line = f"{tmp_path}/base\n/etc/x\n"
    for name in ("file", "hard", "directory"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "environments.txt").write_text(line)
    listing(homes[0]).symlink_to(tmp_path / "file" / "environments.txt")
    (homes[1] / ".conda").rmdir()
    (homes[1] / ".conda").symlink_to(tmp_path / "directory")
    assert forget_environments(f"{tmp_path}/base") == []
    listing(homes[0]).unlink()
    os.link(tmp_path / "hard" / "environments.txt", listing(homes[0]))
    assert forget_environments(f"{tmp_path}/base") == []
    for name in ("file", "hard", "directory"):
        assert (tmp_path / name / "environments.txt").read_text() == line


def test_no_list_and_no_file(homes: tuple[Path, Path], tmp_path: Path) -> None:
    listing(homes[0]).mkdir()
    assert forget_environments(f"{tmp_path}/base") == []


def test_user_changes_only_the_own_list(
    homes: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1234)
    for home in homes:
        listing(home).write_text(f"{tmp_path}/base\n/kept\n")
    assert forget_environments(f"{tmp_path}/base") == [str(listing(homes[0]))]
    assert listing(homes[1]).read_text() == f"{tmp_path}/base\n/kept\n"


def test_lost_lines_are_put_back(homes: tuple[Path, Path], tmp_path: Path) -> None:
    """conda empties the list before it writes it anew, and may be killed between the two."""
    there = [FakePrefix(tmp_path / name).path for name in ("base", "app")]
    before = [str(there[0]), f"{tmp_path}/gone", str(there[1])]
    listing(homes[0]).write_text("".join(f"{line}\n" for line in before))
    assert listed_environments() == before
    listing(homes[0]).write_text("/new")
    list_again(before)
    assert listing(homes[0]).read_text() == f"/new\n{there[0]}\n{there[1]}\n"
    list_again(before)
    assert listing(homes[0]).read_text() == f"/new\n{there[0]}\n{there[1]}\n"
    assert not listing(homes[1]).exists()


@pytest.mark.parametrize("lines", [None, "text", [7, None], []])
def test_invalid_journal_lines_are_ignored(homes: tuple[Path, Path], lines: object) -> None:
    list_again(lines)
    assert not listing(homes[0]).exists()
    assert listed_environments() == []
