"""What is in a model cache, told from files alone; the layout is that of huggingface_hub."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._hub.cache import (
    CachedModel,
    Choice,
    commit_of,
    observe,
    tree_text,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._hub.store import (
    drop,
    import_source,
    read_source,
    refuse_others,
    remove,
    write_ref,
)

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ALL = Choice()


@pytest.fixture
def cached(tmp_path: Path) -> CachedModel:
    """A model of two files, as huggingface_hub leaves it."""
    model = CachedModel(str(tmp_path / "cache"), "org/name")
    root = Path(model.directory)
    assert root.name == "models--org--name"
    for folder in ("blobs", "refs/pr", f"snapshots/{COMMIT}/onnx", "trees"):
        (root / folder).mkdir(parents=True)
    for blob, link, content in (("aa", "config.json", "{}"), ("bb", "onnx/m.onnx", "weights")):
        (root / "blobs" / blob).write_text(content)
        path = root / "snapshots" / COMMIT / link
        path.symlink_to(os.path.relpath(root / "blobs" / blob, path.parent))
    for ref in ("main", "pr/1"):
        (root / "refs" / ref).write_text(COMMIT)
    (root / "trees" / f"{COMMIT}.json").write_text(
        tree_text(
            {
                "config.json": {"size": 2, "blob_id": "aa"},
                "onnx/m.onnx": {"size": 7, "blob_id": "bb"},
            }
        )
    )
    return model


@pytest.mark.parametrize("revision", ["main", "pr/1", COMMIT])
def test_observes_a_complete_model(cached: CachedModel, revision: str) -> None:
    seen = observe(cached, revision, ALL)
    assert (seen.whole, seen.commit, seen.size, seen.broken) == (True, COMMIT, 9, ())
    assert list(seen.files or ()) == ["config.json", "onnx/m.onnx"]


def test_observes_a_missing_model(cached: CachedModel, tmp_path: Path) -> None:
    other = observe(cached, "v2", ALL)
    assert (other.exists, other.commit, other.whole) == (True, "", False)
    assert not observe(CachedModel(str(tmp_path), "org/other"), "main", ALL).exists
    # A commit that nobody fetched is known by its name, and has no files that are known.
    unknown = observe(cached, "f" * 40, ALL)
    assert (unknown.files, unknown.whole) == (None, False)


def test_observes_missing_and_truncated_files(cached: CachedModel) -> None:
    Path(cached.blob("bb")).write_text("weigh")
    os.unlink(os.path.join(cached.snapshot(COMMIT), "config.json"))
    seen = observe(cached, "main", ALL)
    assert (seen.whole, seen.broken) == (False, ("config.json", "onnx/m.onnx"))
    # Of what nobody wants nothing is missing.
    assert observe(cached, "main", Choice(include=("*.bin",))).broken == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        json.dumps({"format_version": 2, "files": {}}),
        json.dumps({"format_version": 1, "files": {"a": {}}}),
        json.dumps({"format_version": 1, "files": {"../a": {"size": 1}}}),
        json.dumps({"format_version": 1, "files": {"/etc/passwd": {"size": 1}}}),
    ],
)
def test_unusable_file_list_is_ignored(cached: CachedModel, text: str) -> None:
    Path(cached.tree(COMMIT)).write_text(text)
    assert observe(cached, "main", ALL).files is None


@pytest.mark.parametrize("text", ["", "main", COMMIT.upper(), f"{COMMIT}0"])
def test_invalid_reference_is_ignored(cached: CachedModel, text: str) -> None:
    Path(cached.ref("main")).write_text(text)
    assert commit_of(cached, "main") == ""


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        (Choice(), ["a.json", "a.h5", "onnx/a.json"]),
        (Choice(include=("*.json",)), ["a.json", "onnx/a.json"]),
        (Choice(include=("*.json",), exclude=("onnx/",)), ["a.json"]),
        (Choice(exclude=("*.h5", "onnx/*")), ["a.json"]),
    ],
)
def test_patterns_match_as_in_huggingface_hub(choice: Choice, wanted: list[str]) -> None:
    assert [name for name in ("a.json", "a.h5", "onnx/a.json") if choice.wants(name)] == wanted


def test_source_commit_depends_on_its_files(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / ".git").mkdir()
    for name in ("a", "sub/b", ".git/c", ".hidden"):
        (tmp_path / name).write_text(name)
    first = read_source(str(tmp_path), ALL)
    assert sorted(first.files) == ["a", "sub/b"]
    assert len(first.commit) == 40
    assert read_source(str(tmp_path), ALL).commit == first.commit
    (tmp_path / ".hidden").write_text("other")
    assert read_source(str(tmp_path), ALL).commit == first.commit
    os.utime(tmp_path / "a", ns=(1, 1))
    assert read_source(str(tmp_path), ALL).commit != first.commit
    with pytest.raises(ValueError, match="contains no wanted file"):
        read_source(str(tmp_path), Choice(include=("*.json",)))
    with pytest.raises(OSError, match="none"):
        read_source(str(tmp_path / "none"), ALL)


def test_import_uses_git_digests_and_links(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "config.json").write_text("{}")
    (source / "sub" / "same.json").write_text("{}")
    model = CachedModel(str(tmp_path / "cache"), "name")
    found = read_source(str(source), ALL)
    import_source(model, found, found.commit)
    write_ref(model, "main", found.commit)
    assert observe(model, "main", ALL).whole
    # git's name for a file with these two bytes (`git hash-object`), once for both.
    (blob,) = os.listdir(os.path.join(model.directory, "blobs"))
    assert blob == "9e26dfeeb6e641a33dae4961196235bdb965b21b"
    link = os.path.join(model.snapshot(found.commit), "sub", "same.json")
    assert os.readlink(link) == f"../../../blobs/{blob}"


def test_broken_file_is_removed_with_its_blob(cached: CachedModel, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    link = Path(cached.snapshot(COMMIT)) / "config.json"
    link.unlink()
    link.symlink_to(outside)
    drop(cached, COMMIT, ("config.json", "onnx/m.onnx", "never"))
    assert outside.read_text() == "mine"
    assert not os.path.lexists(link)
    assert os.listdir(os.path.join(cached.directory, "blobs")) == ["aa"]


def test_only_a_directory_of_the_cache_is_removed(cached: CachedModel, tmp_path: Path) -> None:
    remove(cached)
    assert not os.path.exists(cached.directory)
    mine = tmp_path / "mine"
    mine.mkdir()
    os.symlink(mine, cached.directory)
    with pytest.raises(CondaModuleError, match="is not a directory of the model cache"):
        remove(cached)
    assert mine.is_dir()


@pytest.mark.parametrize(
    "name", [f"snapshots/{COMMIT}/adapter/mine.bin", "snapshots/notes.txt", "blobs/todo.md", "x/y"]
)
def test_refuses_to_remove_users_files(cached: CachedModel, name: str) -> None:
    mine = Path(cached.directory, name)
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("of weeks of training")
    for refused in (refuse_others, remove):
        with pytest.raises(
            CondaModuleError, match=f"do not belong to the model cache: {name}"
        ) as found:
            refused(cached)
        assert "Nothing was changed" in str(found.value)
    assert mine.read_text() == "of weeks of training"


def test_cache_without_links_can_be_removed(cached: CachedModel) -> None:
    """Copied with all links followed, or on a volume that has none."""
    for link in list(Path(cached.snapshot(COMMIT)).rglob("*")):
        if link.is_symlink():
            content = link.read_bytes()
            link.unlink()
            link.write_bytes(content)
    for number, blob in enumerate(sorted(Path(cached.directory, "blobs").iterdir())):
        blob.rename(blob.with_name(f"{number}" * 64))
    Path(cached.blob("f" * 64 + ".incomplete")).write_text("half")
    refuse_others(cached)
    shutil.rmtree(os.path.join(cached.directory, "blobs"))
    remove(cached)
    assert not os.path.exists(cached.directory)
