"""What a killed conda or repair has set aside in a prefix, and what must stay there."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.history import requests_of
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.leftovers import (
    clear_up,
    guard_records,
    put_back_records,
    remove_copies,
    remove_scripts,
    remove_set_aside,
    write_down_requests,
)

FILES = ["bin/tool", "lib/old/one.py", "lib/old/two.py"]


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """A prefix in which conda was killed while it unlinked a package with these files."""
    place = tmp_path / "env"
    (place / "conda-meta").mkdir(parents=True)
    (place / "conda-meta" / "history").touch()
    for name in FILES:
        path = place / f"{name}.c~"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return place


def record(prefix: Path, name: str, files: list[str]) -> Path:
    path = prefix / "conda-meta" / name
    path.write_text(json.dumps({"name": "tool", "files": files}))
    return path


@pytest.mark.parametrize("name", ["tool-1.0-0.json", "tool-1.0-0.json.c~"])
def test_files_set_aside_by_conda_are_removed(prefix: Path, name: str) -> None:
    path = record(prefix, name, FILES)
    mine = prefix / "src" / "program.c~"
    mine.parent.mkdir()
    mine.write_text("an editor's copy of program.c")
    (prefix / "lib" / "other.py").touch()
    removed = remove_set_aside(str(prefix))
    assert removed[:3] == [f"{name}.c~" for name in FILES]
    assert path.exists() == name.endswith(".json")
    assert mine.exists()
    assert sorted(entry.name for entry in prefix.iterdir()) == ["conda-meta", "lib", "src"]
    assert [entry.name for entry in (prefix / "lib").iterdir()] == ["other.py"]
    assert remove_set_aside(str(prefix)) == []


@pytest.mark.parametrize("text", ["", "[]", "{", '{"files": 7}', '{"files": [7]}'])
def test_unreadable_record_names_no_files(prefix: Path, text: str) -> None:
    (prefix / "conda-meta" / "tool-1.0-0.json").write_text(text)
    assert remove_set_aside(str(prefix)) == []


@pytest.mark.parametrize("path", ["../outside", "{root}/outside", "link/outside"])
def test_files_outside_the_prefix_stay(prefix: Path, path: str) -> None:
    outside = prefix.parent / "outside.c~"
    outside.write_text("not ours")
    (prefix / "link").symlink_to(prefix.parent)
    record(prefix, "tool-1.0-0.json", [path.format(root=prefix.parent)])
    assert remove_set_aside(str(prefix)) == []
    assert outside.read_text() == "not ours"


def test_unreadable_records_get_their_names_back(prefix: Path) -> None:
    meta = prefix / "conda-meta"
    (meta / "six-1.0-0.json.unreadable").write_text("{")
    (meta / "tool-1.0-0.json.unreadable").write_text("{")
    linked = record(prefix, "tool-1.0-0.json", [])
    whole = linked.read_text()
    put_back_records(str(prefix))
    assert (meta / "six-1.0-0.json").read_text() == "{"
    assert linked.read_text() == whole
    assert sorted(path.name for path in meta.iterdir()) == [
        "history",
        "six-1.0-0.json",
        "tool-1.0-0.json",
    ]


def link_six(prefix: Path) -> None:
    content = {"name": "six", "version": "2.0", "build": "0", "files": [], "depends": []}
    (prefix / "conda-meta" / "six-2.0-0.json").write_text(json.dumps(content))


def journal(prefix: Path, seconds: float, **content: object) -> None:
    """A journal that was written so many seconds after the history was."""
    path = prefix / "conda-meta" / ".llmfleet-journal"
    path.write_text(json.dumps({"operation": "change", **content}))
    written = path.stat().st_mtime - seconds
    os.utime(prefix / "conda-meta" / "history", (written, written))


def test_missing_requests_are_added_to_the_history(prefix: Path) -> None:
    """conda was killed while it compiled: all records are there, the history says what was before."""
    history = prefix / "conda-meta" / "history"
    history.write_text("==> 2026-01-02 03:04:05 <==\n# update specs: ['six=1.0', 'tool']\n")
    link_six(prefix)
    journal(prefix, 1, asked=["six=2.0", "tqdm"], remove=["tool"])
    write_down_requests(str(prefix))
    assert set(requests_of(history.read_text())) == {"six"}
    assert "# update specs: ['six=2.0']\n" in history.read_text()
    before = history.read_text()
    write_down_requests(str(prefix))
    assert history.read_text() == before


def test_requests_in_the_history_are_not_repeated(prefix: Path) -> None:
    link_six(prefix)
    before = (prefix / "conda-meta" / "history").read_text()
    journal(prefix, -1, asked=["six=2.0"])
    write_down_requests(str(prefix))
    journal(prefix, 1, operation="create", asked=["six=2.0"])
    write_down_requests(str(prefix))
    assert (prefix / "conda-meta" / "history").read_text() == before


def test_scripts_of_a_killed_conda_are_removed(prefix: Path) -> None:
    before = sorted(prefix.iterdir())
    (prefix / ".tmp7kg07evd").write_text("python -m compileall")
    (prefix / ".tmp.index.json.f51cbb39").write_text("a trial of hard links")
    users = [prefix / ".tmp", prefix / ".tmp.index.json.mine"]
    for path in users:
        path.write_text("a user's")
    remove_scripts(str(prefix))
    assert sorted(prefix.iterdir()) == sorted([*before, *users])


def test_copies_of_a_killed_conda_are_removed(prefix: Path) -> None:
    (prefix / ".condatmp").mkdir()
    (prefix / ".condatmp" / "c086a015").write_text("#!/srv/envs/app/bin/python")
    clear_up(str(prefix))
    assert not (prefix / ".condatmp").exists()


def test_a_link_in_place_of_the_copies_is_not_followed(prefix: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    (prefix / ".condatmp").symlink_to(tmp_path / "mine")
    remove_copies(str(prefix))
    assert (tmp_path / "mine" / "file").exists()


@pytest.mark.parametrize("cut_off", [False, True])
def test_truncated_records_are_removed(cut_off: bool, prefix: Path) -> None:
    """conda takes back the rest, and would stumble over them; a killed one has left a journal instead."""
    meta = prefix / "conda-meta"
    (meta / "old-1.0-0.json").write_text("{")

    def link() -> None:
        with guard_records(str(prefix)):
            (meta / "empty-1.0-0.json").touch()
            (meta / "half-1.0-0.json").write_text('{"name": "half", "fil')
            record(prefix, "tool-1.0-0.json", [])
            raise CondaModuleError("the disk is full", cut_off=cut_off)

    with pytest.raises(CondaModuleError):
        link()
    begun = {"empty-1.0-0.json", "half-1.0-0.json"} if cut_off else set()
    assert {path.name for path in meta.iterdir()} == {
        "history",
        "old-1.0-0.json",
        "tool-1.0-0.json",
        *begun,
    }


def test_condas_copy_of_the_history_is_removed(prefix: Path) -> None:
    """conda writes the wishes last, and removes the copy then: they may be missing though it has written."""
    history = prefix / "conda-meta" / "history"
    history.with_name("history.c~").write_text("")
    history.write_text("==> 2026-01-02 03:04:05 <==\n-lab::six-1.0-0\n")
    link_six(prefix)
    journal(prefix, -1, asked=["six=2.0"])
    clear_up(str(prefix))
    assert set(requests_of(history.read_text())) == {"six"}
    assert sorted(prefix.glob("conda-meta/history*")) == [history]
