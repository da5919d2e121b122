"""What a killed conda or repair has set aside in a prefix, and what must stay there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._conda_leftovers import (
    put_back_records,
    remove_set_aside,
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
def test_what_was_being_unlinked_goes(prefix: Path, name: str) -> None:
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
def test_a_record_that_cannot_be_read_names_nothing(prefix: Path, text: str) -> None:
    (prefix / "conda-meta" / "tool-1.0-0.json").write_text(text)
    assert remove_set_aside(str(prefix)) == []


@pytest.mark.parametrize("path", ["../outside", "{root}/outside", "link/outside"])
def test_nothing_outside_the_prefix_goes(prefix: Path, path: str) -> None:
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
