"""The artifact of an earlier release is its commit's, is built once, and needs the history to be built."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest

from lab import build, earlier_release
from lab.errors import LabError


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("LLMFLEET_LAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def git(*words: str | Path) -> str:
    return subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small collection whose release is its first commit of two; the second is not committed whole."""
    root = tmp_path / "collection"
    git("init", "--quiet", root)
    galaxy = ["namespace: llmfleet", "name: conda", "version: 0.1.0", "readme: README.md"]
    galaxy += ["authors: [somebody]", "build_ignore: [lab]"]
    files = {"galaxy.yml": "\n".join(galaxy), "README.md": "first", "lab": "not for users"}
    author = ("-c", "user.name=A", "-c", "user.email=a@example.com")
    for readme in ("first", "second"):
        for name, text in {**files, "README.md": readme}.items():
            (root / name).write_text(f"{text}\n")
        git("-C", root, "add", "--all")
        git("-C", root, *author, "commit", "--quiet", "--message", readme)
    (root / "README.md").write_text("third\n")
    monkeypatch.setattr(earlier_release, "REPOSITORY", root)
    monkeypatch.setattr(earlier_release, "COMMIT", git("-C", root, "rev-parse", "HEAD~").strip())
    return root


def test_it_is_built_only_when_named() -> None:
    assert earlier_release.NAME in build.PARTS
    assert earlier_release.NAME not in build.default_parts()


def test_the_artifact_is_the_commits_and_is_built_once(repository: Path, own_cache: Path) -> None:
    looks = (["status", "--porcelain"], ["worktree", "list"], ["rev-parse", "HEAD"])
    before = [git("-C", repository, *words) for words in looks]
    assert build.build(["earlier-release"], print) == ["earlier-release"]
    assert [git("-C", repository, *words) for words in looks] == before
    assert list((own_cache / "tmp").iterdir()) == []
    assert build.build(["earlier-release"], print) == []
    with tarfile.open(earlier_release.path()) as artifact:
        assert {"MANIFEST.json", "README.md"} <= set(artifact.getnames())
        assert "lab" not in artifact.getnames()
        readme = artifact.extractfile("README.md")
        assert readme is not None
        assert readme.read() == b"first\n"


def test_another_version_is_refused(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(earlier_release, "VERSION", "0.2.0")
    with pytest.raises(LabError, match=r"builds llmfleet-conda-0\.1\.0\.tar\.gz, not .*0\.2\.0"):
        build.build(["earlier-release"], print)
    assert not earlier_release.is_current()


@pytest.fixture
def shallow(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shallow clone of the repository, without the release's commit."""
    clone = tmp_path / "clone"
    git("clone", "--quiet", "--depth", "1", f"file://{repository}", clone)
    monkeypatch.setattr(earlier_release, "REPOSITORY", clone)
    return clone


def test_a_shallow_clone_says_how_to_get_the_commit(shallow: Path, own_cache: Path) -> None:
    with pytest.raises(LabError, match=r"0\.1\.0 .*clone is shallow: run `git fetch --unshallow`"):
        build.build(["earlier-release"], print)
    assert not earlier_release.is_current()
    assert list((own_cache / "tmp").iterdir()) == []
    git("-C", shallow, "fetch", "--quiet", "--unshallow")
    assert build.build(["earlier-release"], print) == ["earlier-release"]


def test_the_cached_artifact_needs_no_history(shallow: Path) -> None:
    earlier_release.folder().mkdir(parents=True)
    (earlier_release.folder() / ".lab-key").write_text(f"{earlier_release.COMMIT}\n")
    assert build.build(["earlier-release"], print) == []


def test_files_without_a_repository_say_that_a_clone_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(earlier_release, "REPOSITORY", tmp_path)
    with pytest.raises(LabError, match="use a clone with the whole history"):
        build.build(["earlier-release"], print)


def test_a_machine_without_git_is_told_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(LabError, match="apt-get install git"):
        build.build(["earlier-release"], print)
