"""A prefix gives its place to another one, and comes back where that fails."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils import _set_aside
from ansible_collections.llmfleet.conda.plugins.module_utils._errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._set_aside import (
    Aside,
    refuse_without_room,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._transaction import journalled
from ansible_collections.llmfleet.conda.tests.unit.plugins.fake_prefix import FakePrefix, snapshot


@pytest.fixture
def env(tmp_path: Path) -> FakePrefix:
    made = FakePrefix(tmp_path / "env")
    made.link("six", "1.0", files={"lib/six.py": b"one"})
    for path in ("lib/mine.py", "work/deep/notes.txt", "share/kernel.json", ".condarc"):
        (made.path / path).parent.mkdir(parents=True, exist_ok=True)
        (made.path / path).write_text("work")
    (made.path / "work").chmod(0o750)
    return made


def replace(env: FakePrefix, error: BaseException | None = None) -> list[str]:
    """Make another environment in the place of the first."""
    aside = Aside(str(env.path))
    with journalled(str(env.path), operation="create"), aside.moved():
        assert not env.path.exists()
        new = FakePrefix(env.path)
        new.link("six", "2.0", files={"lib/six.py": b"two", "share/kernel.json": b"new"})
        if error:
            raise error
    return aside.warnings


def beside(env: FakePrefix) -> list[str]:
    return sorted(path.name for path in env.path.parent.iterdir())


def test_peoples_files_go_back_to_their_places(env: FakePrefix) -> None:
    warnings = replace(env)
    assert (env.path / "lib/six.py").read_text() == "two"
    assert not (env.meta / "six-1.0-0.json").exists()
    for path in ("lib/mine.py", "work/deep/notes.txt", ".condarc"):
        assert (env.path / path).read_text() == "work"
    assert (env.path / "work").stat().st_mode & 0o777 == 0o750
    # A place that is taken: both are kept.
    assert (env.path / "share/kernel.json").read_text() == "new"
    kept = env.path.parent / ".env.llmfleet-aside"
    assert [str(p.relative_to(kept)) for p in kept.rglob("*") if p.is_file()] == [
        "share/kernel.json"
    ]
    assert "share/kernel.json" in warnings[0]
    assert beside(env) == [".env.llmfleet-aside", "env"]


def test_a_failure_brings_the_old_one_back(env: FakePrefix) -> None:
    before = snapshot(env.path)
    with pytest.raises(CondaModuleError, match="no room"):
        replace(env, CondaModuleError("no room"))
    assert snapshot(env.path) == before
    assert beside(env) == ["env"]


def test_a_run_that_is_killed_is_taken_back_by_the_next(env: FakePrefix) -> None:
    before = snapshot(env.path)
    with pytest.raises(KeyboardInterrupt):
        replace(env, KeyboardInterrupt())
    assert ".env.llmfleet-aside" in beside(env)
    assert Aside(str(env.path)).recover()
    assert snapshot(env.path) == before


def test_a_run_that_is_killed_when_all_was_made_is_finished_by_the_next(
    env: FakePrefix, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(self: Aside) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Aside, "_bring_back", killed)
        with pytest.raises(KeyboardInterrupt):
            replace(env)
    assert Aside(str(env.path)).recover()
    assert (env.path / "lib/six.py").read_text() == "two"
    assert (env.path / "work/deep/notes.txt").read_text() == "work"


def test_a_directory_that_is_not_ours_is_not_taken_for_what_was_moved(env: FakePrefix) -> None:
    other = env.path.parent / ".env.llmfleet-aside"
    other.mkdir()
    (other / "thesis.tex").write_text("work")
    before = snapshot(env.path.parent)
    with pytest.raises(CondaModuleError, match="is in the way"):
        Aside(str(env.path)).recover()
    assert snapshot(env.path.parent) == before
    with pytest.raises(CondaModuleError, match="is in the way"):
        replace(env)
    assert (other / "thesis.tex").read_text() == "work"


def test_what_cannot_be_renamed_as_a_whole_is_moved_in_parts(
    env: FakePrefix, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a directory on a lower layer of an overlay file system, or a mount point."""
    rename = os.rename

    def only_files(source: Any, target: Any) -> None:
        if os.path.isdir(source):
            raise OSError(errno.EXDEV, "Invalid cross-device link", source)
        rename(source, target)

    monkeypatch.setattr(_set_aside.os, "rename", only_files)
    before = snapshot(env.path)
    with pytest.raises(CondaModuleError, match="no room"):
        replace(env, CondaModuleError("no room"))
    assert snapshot(env.path) == before
    replace(env)
    assert (env.path / "work/deep/notes.txt").read_text() == "work"
    assert (env.path / "lib/six.py").read_text() == "two"


def test_both_have_to_fit_where_packages_are_copied(env: FakePrefix, tmp_path: Path) -> None:
    cache = tmp_path / "pkgs"
    cache.mkdir()
    # Packages are linked from a cache on the same volume.
    refuse_without_room(str(env.path), 1 << 60, [str(cache)])
    with pytest.raises(CondaModuleError, match=r"do not fit beside each other\. Nothing was"):
        refuse_without_room(str(env.path), 1 << 60, ["/proc"])
    refuse_without_room(str(env.path), 1, ["/proc"])
