"""A prefix gives its place to another one, and comes back where that fails."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix import aside as set_aside
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.aside import (
    Aside,
    refuse_without_room_for_both,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.claim import claim
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import LEFT, MADE
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import (
    add_to_journal,
    forget_journal,
    journalled,
)
from ansible_collections.llmfleet.conda.tests.unit.plugins.fake_prefix import FakePrefix, snapshot
from ansible_collections.llmfleet.conda.tests.unit.plugins.killed import each_kill


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
        add_to_journal(str(env.path), directory=claim(str(env.path)))
        new = FakePrefix(env.path)
        new.link("six", "2.0", files={"lib/six.py": b"two", "share/kernel.json": b"new"})
        if error:
            raise error
    return aside.warnings


def beside(env: FakePrefix) -> list[str]:
    return sorted(path.name for path in env.path.parent.iterdir())


def test_users_files_are_moved_back(env: FakePrefix) -> None:
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


def test_a_file_that_the_new_one_brings_with_the_same_content_is_not_kept_twice(
    env: FakePrefix,
) -> None:
    """For instance the output of a package's script, which no record lists."""
    (env.path / "share/kernel.json").write_text("new")
    assert replace(env) == []
    assert (env.path / "share/kernel.json").read_text() == "new"
    assert beside(env) == ["env"]


def test_a_file_elsewhere_is_not_at_its_path_though_a_link_leads_there(env: FakePrefix) -> None:
    elsewhere = env.path.parent / "elsewhere"
    elsewhere.mkdir()
    for directory in (elsewhere, env.path / "work"):
        (directory / "mine.py").write_text("work")
    with journalled(str(env.path), operation="create"), Aside(str(env.path)).moved():
        (FakePrefix(env.path).path / "work").symlink_to(elsewhere)
    kept = env.path.parent / ".env.llmfleet-aside"
    assert (kept / "work" / "mine.py").read_text() == "work"


def test_failure_restores_the_old_prefix(env: FakePrefix) -> None:
    before = snapshot(env.path)
    with pytest.raises(CondaModuleError, match="no room"):
        replace(env, CondaModuleError("no room"))
    assert snapshot(env.path) == before
    assert beside(env) == ["env"]


def test_next_run_undoes_a_killed_replacement(env: FakePrefix) -> None:
    before = snapshot(env.path)
    with pytest.raises(KeyboardInterrupt):
        replace(env, KeyboardInterrupt())
    assert ".env.llmfleet-aside" in beside(env)
    assert Aside(str(env.path)).recover()
    assert snapshot(env.path) == before


def test_next_run_finishes_a_complete_replacement(
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


def test_foreign_directory_is_not_taken_for_the_old_prefix(env: FakePrefix) -> None:
    other = env.path.parent / ".env.llmfleet-aside"
    other.mkdir()
    (other / "thesis.tex").write_text("work")
    before = snapshot(env.path.parent)
    assert not Aside(str(env.path)).recover()
    assert snapshot(env.path.parent) == before
    with pytest.raises(CondaModuleError, match=r"already exists; .* would be moved there"):
        replace(env)
    assert (other / "thesis.tex").read_text() == "work"


def test_directory_that_cannot_be_renamed_is_moved_in_parts(
    env: FakePrefix, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a directory on a lower layer of an overlay file system, or a mount point."""
    rename = os.rename

    def only_files(source: Any, target: Any) -> None:
        if os.path.isdir(source):
            raise OSError(errno.EXDEV, "Invalid cross-device link", source)
        rename(source, target)

    monkeypatch.setattr(set_aside.os, "rename", only_files)
    before = snapshot(env.path)
    with pytest.raises(CondaModuleError, match="no room"):
        replace(env, CondaModuleError("no room"))
    assert snapshot(env.path) == before
    replace(env)
    assert (env.path / "work/deep/notes.txt").read_text() == "work"
    assert (env.path / "lib/six.py").read_text() == "two"


def test_refuses_without_room_for_both_environments(env: FakePrefix, tmp_path: Path) -> None:
    cache = tmp_path / "pkgs"
    cache.mkdir()
    # Packages are linked from a cache on the same volume.
    refuse_without_room_for_both(str(env.path), 1 << 60, [str(cache)])
    with pytest.raises(
        CondaModuleError,
        match=r"for the new environment beside the old one.*Nothing was",
    ):
        refuse_without_room_for_both(str(env.path), 1 << 60, ["/proc"])
    refuse_without_room_for_both(str(env.path), 1, ["/proc"])


PEOPLES = ("lib/mine.py", "work/deep/notes.txt", "share/kernel.json", ".condarc", "zoo/last.txt")


def make(path: Path) -> FakePrefix:
    made = FakePrefix(path)
    made.link("six", "1.0", files={"lib/six.py": b"one", "lib/old.py": b"old"})
    for name in PEOPLES:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text("work")
    return made


def in_parts(patch: pytest.MonkeyPatch) -> None:
    """No directory can be renamed, as on a lower layer of an overlay file system."""
    rename = os.rename

    def only_files(source: Any, target: Any) -> None:
        if os.path.isdir(source):
            raise OSError(errno.EXDEV, "Invalid cross-device link", source)
        rename(source, target)

    patch.setattr(os, "rename", only_files)


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("parts", [False, True])
def test_kill_at_any_point_leaves_old_or_new_prefix_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: bool, fails: bool
) -> None:
    if parts:
        in_parts(monkeypatch)
    places: list[Path] = []

    def start(number: int) -> Any:
        places.append(tmp_path / str(number) / "env")
        env = make(places[-1])

        def work() -> None:
            with suppress(CondaModuleError):
                replace(env, CondaModuleError("no room") if fails else None)

        return work

    for _number in each_kill(start):
        env = places[-1]
        Aside(str(env)).recover()
        forget_journal(str(env))
        # As often as one likes: there is nothing left to do.
        assert not Aside(str(env)).recover()
        (record,) = (env / "conda-meta").glob("*.json")
        new = record.name == "six-2.0-0.json"
        assert (env / "lib/six.py").read_text() == ("two" if new else "one")
        assert (env / "lib/old.py").exists() != new
        taken = env.parent / ".env.llmfleet-aside/share/kernel.json"
        for name in PEOPLES:
            kept = taken if new and name == "share/kernel.json" else env / name
            assert kept.read_text() == "work"
        rest = {path.relative_to(env.parent).parts[0] for path in env.parent.rglob("*")}
        half = env.parent / ".env.llmfleet-aside"
        # This conda has no package cache, which would tell that a file without a record is a package's.
        ends = {path.suffix for path in half.rglob("*") if path.is_file()}
        assert rest == {"env"} or ends == ({".json"} if new else {".meanwhile"})
        assert not list(env.parent.rglob(MADE))


def killed_with_nothing_made(env: FakePrefix) -> None:
    aside = Aside(str(env.path))
    with (
        suppress(KeyboardInterrupt),
        journalled(str(env.path), operation="create"),
        aside.moved(),
    ):
        raise KeyboardInterrupt


def test_files_of_another_process_are_not_taken_for_the_killed_runs(
    env: FakePrefix,
) -> None:
    killed_with_nothing_made(env)
    other = FakePrefix(env.path)
    other.link("sole", "1.0", files={"lib/sole.py": b"of another user"})
    before = snapshot(env.path.parent)
    with pytest.raises(
        CondaModuleError,
        match=r"no token proves that it created what is at .* it contains conda-meta",
    ):
        Aside(str(env.path)).recover()
    assert snapshot(env.path.parent) == before
    other.path.rename(env.path.parent / "other")
    assert Aside(str(env.path)).recover()
    assert (env.path / "work/deep/notes.txt").read_text() == "work"


def test_nothing_is_put_back_through_a_link(env: FakePrefix, tmp_path: Path) -> None:
    killed_with_nothing_made(env)
    (tmp_path / "elsewhere").mkdir()
    env.path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CondaModuleError, match="no token proves that"):
        Aside(str(env.path)).recover()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_journal_inside_the_prefix_is_not_moved(env: FakePrefix) -> None:
    """Left by a pip or conda that was killed before; the new one's own must stay where the next run looks."""
    (env.meta / ".llmfleet-journal").write_text('{"operation": "pip"}')
    killed_with_nothing_made(env)
    assert Aside(str(env.path)).recover()
    assert (env.path / "work/deep/notes.txt").read_text() == "work"


def test_interrupted_child_that_created_nothing(env: FakePrefix) -> None:
    """The journal has to stay: it alone tells that what waits beside the prefix is the environment."""
    before = snapshot(env.path)
    with (
        pytest.raises(CondaModuleError, match="ran too long"),
        journalled(str(env.path), operation="create"),
        Aside(str(env.path)).moved(),
    ):
        raise CondaModuleError("conda ran too long", cut_off=True)
    assert Aside(str(env.path)).recover()
    forget_journal(str(env.path))
    assert snapshot(env.path) == before


def test_success_without_an_environment_fails(env: FakePrefix) -> None:
    before = snapshot(env.path)
    with (
        pytest.raises(CondaModuleError, match="reported success but created no environment"),
        journalled(str(env.path), operation="create"),
        Aside(str(env.path)).moved(),
    ):
        pass
    assert snapshot(env.path.parent / "env") == before
    assert beside(env) == ["env"]


def test_kept_files_block_no_other_change(env: FakePrefix) -> None:
    replace(env)
    assert not Aside(str(env.path)).recover()
    with pytest.raises(CondaModuleError, match=r"already exists; .* would be moved there"):
        Aside(str(env.path)).refuse()


def test_files_left_by_a_removal_are_users_files(tmp_path: Path) -> None:
    """What conda or an installer would have put there is gone: these came otherwise."""
    prefix = tmp_path / "base"
    names = (
        "LICENSE.txt",
        "install.log",
        "pkgs/cache/mine.json",
        "x/__pycache__/a.pyc",
        ".nonadmin",
    )
    for name in (*names, LEFT):
        (prefix / name).parent.mkdir(parents=True, exist_ok=True)
        (prefix / name).write_text("work")
    with (
        journalled(str(prefix), operation="install"),
        Aside(str(prefix), installation=True).moved(),
    ):
        FakePrefix(prefix)
    for name in names:
        assert (prefix / name).read_text() == "work"
    assert not (prefix / LEFT).exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base"]
