"""The cache's promises: keys of content, folders that appear whole or not at all, one builder."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab import cache, paths


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LLMFLEET_LAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"LLMFLEET_LAB_CACHE": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/a"),
        ({"XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/b/llmfleet-lab"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/c"}, "/c/.cache/llmfleet-lab"),
        ({"HOME": "/c"}, "/c/.cache/llmfleet-lab"),
    ],
)
def test_cache_root_follows_the_variables(
    variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LLMFLEET_LAB_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert paths.cache_dir() == Path(expected)


def test_a_key_is_of_the_content_and_not_of_the_place(tmp_path: Path) -> None:
    for name, text in (("a", "same"), ("b", "same"), ("c", "other")):
        (tmp_path / name).write_text(text)
    assert cache.content_key(tmp_path / "a") == cache.content_key(tmp_path / "b")
    assert cache.content_key(tmp_path / "a") != cache.content_key(tmp_path / "c")
    # Two things are not their concatenation.
    assert cache.content_key("ab", "c") != cache.content_key("a", "bc")


def test_a_folder_is_published_with_its_key(own_cache: Path) -> None:
    folder = own_cache / "site" / "part"
    with cache.publishing(folder, "k1") as work:
        (work / "file").write_text("one")
        assert not folder.exists()
    assert (folder / "file").read_text() == "one"
    assert cache.published_key(folder) == "k1"
    with cache.publishing(folder, "k2") as work:
        (work / "other").write_text("two")
    assert sorted(p.name for p in folder.iterdir()) == [cache.KEY_FILE, "other"]


def test_a_failed_build_leaves_what_was_there(own_cache: Path) -> None:
    folder = own_cache / "part"
    with cache.publishing(folder, "k1") as work:
        (work / "file").write_text("one")
    with pytest.raises(ValueError, match="broken"):
        _fail_while_publishing(folder)
    assert (folder / "file").read_text() == "one"
    assert cache.published_key(folder) == "k1"
    assert list((own_cache / "tmp").iterdir()) == []


def _fail_while_publishing(folder: Path) -> None:
    with cache.publishing(folder, "k2") as work:
        (work / "file").write_text("half")
        raise ValueError("broken")


_HOLDER = """
import sys, time
from lab import cache
from pathlib import Path
with cache.lock("build"), cache.publishing(Path(sys.argv[1]), "k") as work:
    (work / "file").write_text("half")
    print("holding", flush=True)
    time.sleep(60)
"""


def test_a_killed_build_frees_the_lock_and_leaves_no_half_part(own_cache: Path) -> None:
    folder = own_cache / "part"
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(folder)],
        env={**os.environ, "PYTHONPATH": str(Path(cache.__file__).parent.parent)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "holding\n"
    holder.kill()
    holder.wait()
    holder.stdout.close()
    waited: list[str] = []
    with cache.lock("build", on_wait=lambda: waited.append("waited")):
        assert waited == []
        assert not folder.exists()
        assert len(list((own_cache / "tmp").iterdir())) == 1
        cache.clear_temporaries()
        assert not (own_cache / "tmp").exists()


def test_a_second_builder_waits_and_says_so(own_cache: Path) -> None:
    script = (
        "from lab import cache\nwith cache.lock('build', lambda: print('waits', flush=True)): pass"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(cache.__file__).parent.parent)}
    with cache.lock("build"):
        second = subprocess.Popen(
            [sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, text=True
        )
        assert second.stdout is not None
        assert second.stdout.readline() == "waits\n"
        assert second.poll() is None
    assert second.wait(timeout=30) == 0
    second.stdout.close()


def test_only_packages_that_nobody_used_for_long_are_forgotten(own_cache: Path) -> None:
    ages = {"used": 90, "recent": 1, "old": 90}
    for name, days in ages.items():
        folder = own_cache / "packages" / name
        folder.mkdir(parents=True)
        then = time.time() - days * 24 * 3600
        os.utime(folder, (then, then))
    root = own_cache / "packages"
    cache.forget_unused(root, used=[root / "used"])
    assert sorted(p.name for p in root.iterdir()) == ["recent", "used"]
