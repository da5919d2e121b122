"""A prefix is removed to its end by whoever may do so, also after a run that was killed."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core import tree as _tree
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.tree import survey
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.claim import claim
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import (
    LEFT,
    MADE,
    observe_prefix,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.removal import (
    examine,
    remove_prefix,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import (
    add_to_journal,
    journalled,
    pending_journal,
)
from ansible_collections.llmfleet.conda.tests.unit.plugins.fake_prefix import FakePrefix, snapshot
from ansible_collections.llmfleet.conda.tests.unit.plugins.killed import each_kill


def make(path: Path, *mine: str) -> Path:
    env = FakePrefix(path)
    env.link("six", "1.0", files={"lib/six.py": b"one"})
    for name in mine:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text("work")
    return path


def remove(prefix: Path) -> tuple[str, ...]:
    with journalled(str(prefix), operation="remove"):
        add_to_journal(str(prefix), directory=claim(str(prefix)))
        return remove_prefix(examine(str(prefix)))


def only_within(prefix: Path, patch: pytest.MonkeyPatch) -> None:
    """This user may write the prefix and not the directory it is in."""
    access, rmdir, opened = os.access, os.rmdir, os.open

    def may(path: Any, mode: int, **more: Any) -> bool:
        return str(path) != str(prefix.parent) and access(path, mode, **more)

    def removed(path: Any, **more: Any) -> None:
        if str(path) in (str(prefix), prefix.name):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        rmdir(path, **more)

    def open_within(path: Any, flags: int, *words: Any, **more: Any) -> int:
        if flags & os.O_CREAT and os.path.dirname(path) == str(prefix.parent):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return opened(path, flags, *words, **more)

    patch.setattr(os, "access", may)
    patch.setattr(os, "rmdir", removed)
    patch.setattr(os, "open", open_within)


def test_prefix_is_emptied_without_write_permission_on_its_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = make(tmp_path / "env")
    only_within(prefix, monkeypatch)
    assert remove(prefix) == ()
    assert list(prefix.iterdir()) == []


@pytest.mark.parametrize("mine", [(), ("work/notes.txt", "conda-meta/backup/six.json")])
@pytest.mark.parametrize("within", [False, True])
def test_kill_at_any_point_leaves_a_recognised_removal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, within: bool, mine: tuple[str, ...]
) -> None:
    places: list[Path] = []

    def start(number: int) -> Any:
        places.append(make(tmp_path / str(number) / "env", *mine))

        def work() -> None:
            if within:
                only_within(places[-1], monkeypatch)
            remove(places[-1])

        return work

    for _number in each_kill(start):
        prefix = places[-1]
        state, journal = observe_prefix(str(prefix)), pending_journal(str(prefix))
        proved = bool(journal and "unproved" not in journal)
        # The three ways on which the next run goes on, whatever it is to do.
        assert state.is_environment or proved or state.empty or state.cleared
        for name in mine:
            assert (prefix / name).read_text() == "work"


def test_files_added_during_the_removal_stay_and_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = make(tmp_path / "env")
    contents = examine(str(prefix))
    (prefix / "work").mkdir()
    (prefix / "work" / "log.txt").write_text("work")
    assert remove_prefix(contents) == ("work/log.txt",)
    assert (prefix / "work" / "log.txt").read_text() == "work"
    assert observe_prefix(str(prefix)).cleared


def test_files_in_a_directory_below_conda_meta_do_not_keep_the_environment(tmp_path: Path) -> None:
    prefix = make(tmp_path / "env", "conda-meta/backup/six.json")
    assert remove(prefix) == ("conda-meta/backup/six.json",)
    state = observe_prefix(str(prefix))
    assert state.cleared
    assert state.entries == (LEFT, "conda-meta")


def nest(prefix: Path, depth: int) -> None:
    back = os.open(".", os.O_RDONLY)
    try:
        os.chdir(prefix)
        for _level in range(depth):
            os.mkdir("d")
            os.chdir("d")
        Path("deepest.txt").write_text("work")
    finally:
        os.fchdir(back)
        os.close(back)


def test_refuses_too_deeply_nested_directories(tmp_path: Path) -> None:
    prefix = make(tmp_path / "env")
    nest(prefix, 700)
    before = sorted(os.listdir(prefix / "conda-meta"))
    with pytest.raises(
        CondaModuleError, match=r"it is nested too deeply\. Nothing was changed"
    ) as found:
        examine(str(prefix))
    assert "by hand" in (found.value.hint or "")
    assert sorted(os.listdir(prefix / "conda-meta")) == before


def test_every_listed_depth_can_be_removed(tmp_path: Path) -> None:
    prefix = make(tmp_path / "env")
    nest(prefix, 390)
    assert remove_prefix(examine(str(prefix)), remove_foreign=True) == ()
    assert not prefix.exists()


def test_overlay_files_are_not_mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its directories have one device, the files of each lower layer another (overlayfs.rst)."""
    prefix = make(tmp_path / "env")
    monkeypatch.setattr(_tree, "mounts_below", lambda _root: [])
    before = snapshot(prefix)
    device = prefix.stat().st_dev
    real = os.stat

    def of_a_lower_layer(path: Any, *words: Any, **more: Any) -> os.stat_result:
        status = real(path, *words, **more)
        if os.path.basename(str(path)) != "six.py":
            return status
        return os.stat_result((*status[:2], device + 1, *status[3:]))

    assert survey(str(prefix)).mounts == []
    assert snapshot(prefix) == before
    monkeypatch.setattr(os, "stat", of_a_lower_layer)
    assert remove_prefix(examine(str(prefix))) == ()
    assert not (tmp_path / "env").exists()
    assert MADE not in os.listdir(tmp_path)
