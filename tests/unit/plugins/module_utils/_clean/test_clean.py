"""What conda_clean finds unused and removes, on files alone."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._clean.change import CleanChange
from ansible_collections.llmfleet.conda.plugins.module_utils._clean.subject import (
    CleanOutcome,
    CleanSubject,
    request_from,
    result_of,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.cycle import Cycle
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError

KEPT, LEFT = "a" * 40, "b" * 40


class World:
    """An installation with one environment, and the caches of a user."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.base = root / "conda"
        self.packages = self.base / "pkgs"
        for prefix in (self.base, self.base / "envs" / "llm"):
            self.write(prefix / "conda-meta" / "history")

    def write(self, path: Path, text: str = "text\n") -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def package(self, name: str, *used_by: Path, archive: str = "") -> Path:
        """An extracted package, and the records of the environments that have it."""
        path = self.packages / name
        self.write(path / "info" / "index.json", "{}")
        self.write(path / "lib" / "x.py")
        for prefix in used_by:
            self.write(prefix / "conda-meta" / f"{name}.json", "{}")
        if archive:
            self.write(self.packages / f"{name}{archive}")
        return path

    def run(self, *caches: str, check: bool = False, **more: Any) -> CleanOutcome:
        params: Mapping[str, Any] = {
            "installation": str(self.base),
            "caches": list(caches),
            "pip_cache_dir": str(self.root / "pip"),
            "uv_cache_dir": str(self.root / "uv"),
            "hub_cache_dir": str(self.root / "hub"),
            "keep_revisions": [],
            "min_age": 0,
            "timeout": 1,
            **more,
        }
        subject = CleanSubject(request_from(params))
        return Cycle(subject, lambda: CleanChange(subject), check).run()

    def gone(self, *caches: str, **more: Any) -> list[str]:
        """The removed paths below the root; a run in check mode before it says the same."""
        foretold = result_of(self.run(*caches, check=True, **more))
        assert all((self.root / item["path"]).exists() for item in foretold["removed"])
        outcome = self.run(*caches, **more)
        result = result_of(outcome)
        assert result == foretold
        paths = [str(item["path"]) for item in result["removed"]]
        assert not any(os.path.lexists(path) for path in paths)
        assert not self.run(*caches, **more).changed
        return [os.path.relpath(path, self.root) for path in paths]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    # Lists of this machine's users, whom root would ask.
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    return World(tmp_path)


def test_only_packages_that_no_environment_has_go(world: World) -> None:
    kept = [
        world.package("six-1.16.0-0", world.base),
        world.package("numpy-2.0-1", world.base / "envs/llm"),
    ]
    world.package("six-1.15.0-0")
    assert world.gone("packages") == ["conda/pkgs/six-1.15.0-0"]
    assert all((path / "lib/x.py").is_file() for path in kept)


def test_an_environment_elsewhere_counts_if_a_list_names_it(world: World) -> None:
    other = world.root / "other"
    world.write(other / "conda-meta/history")
    world.package("six-1.16.0-0", other)
    world.write(world.root / "home/.conda/environments.txt", f"{other}\n/nowhere\n")
    assert world.gone("packages") == []
    world.write(world.root / "home/.conda/environments.txt", "/nowhere\n")
    assert world.gone("packages") == ["conda/pkgs/six-1.16.0-0"]


def test_a_package_with_a_hard_link_elsewhere_stays(world: World) -> None:
    path = world.package("six-1.16.0-0")
    os.link(path / "lib/x.py", world.root / "unknown.py")
    assert world.gone("packages") == []


def test_what_is_new_stays(world: World) -> None:
    world.package("six-1.16.0-0", archive=".conda")
    assert world.gone("packages", "archives", min_age=3600) == []


def test_the_archive_of_a_used_package_stays_unless_it_is_extracted(world: World) -> None:
    world.package("six-1.16.0-0", world.base, archive=".conda")
    world.package("six-1.15.0-0", archive=".tar.bz2")
    world.write(world.packages / "numpy-2.0-1.conda")
    world.write(world.base / "conda-meta/numpy-2.0-1.json", "{}")
    world.write(world.packages / "urls.txt")
    assert world.gone("archives") == [
        "conda/pkgs/six-1.15.0-0.tar.bz2",
        "conda/pkgs/six-1.16.0-0.conda",
    ]
    assert (world.packages / "numpy-2.0-1.conda").is_file()
    assert (world.packages / "urls.txt").is_file()


def test_files_of_people_in_a_package_cache_stay(world: World) -> None:
    world.write(world.packages / "my notes" / "todo.txt")
    world.write(world.packages / "README-1-0")
    (world.packages / "link-1-0").symlink_to(world.package("six-1.16.0-0", world.base))
    assert world.gone("packages", "archives", "index") == []


def test_indexes_go_and_other_files_beside_them_stay(world: World) -> None:
    for name in ("497deca9.json", "497deca9.info.json", "497deca9.q", "notices.cache", "mine.json"):
        world.write(world.packages / "cache" / name)
    assert [path.rpartition("/")[2] for path in world.gone("index")] == [
        "497deca9.info.json",
        "497deca9.json",
        "497deca9.q",
    ]


def test_an_unreadable_environment_stops_the_task(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = world.package("six-1.16.0-0")
    real = os.listdir

    def listdir(directory: Any) -> list[str]:
        if str(directory).endswith("llm/conda-meta"):
            raise PermissionError(13, "Permission denied", str(directory))
        return real(directory)

    monkeypatch.setattr(os, "listdir", listdir)
    with pytest.raises(CondaModuleError, match=r"It is unknown which packages .*envs/llm uses"):
        world.run("packages")
    assert path.is_dir()


def test_a_cache_in_use_by_another_run_is_waited_for(world: World) -> None:
    path = world.package("six-1.16.0-0")
    with world.write(world.packages / ".llmfleet.lock", "").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(CondaModuleError, match="lock"):
            world.run("packages", timeout=0)
    assert path.is_dir()


def test_the_caches_of_pip_and_uv(world: World) -> None:
    for name in (
        "pip/wheels/ab/x.whl",
        "pip/http-v2/a/b",
        "pip/mine",
        "uv/wheels-v5/x",
        "uv/mine/x",
    ):
        world.write(world.root / name)
    assert world.gone("pip") == ["pip/http-v2", "pip/wheels"]
    assert world.gone("uv") == ["uv/wheels-v5"]
    assert (world.root / "pip/mine").is_file()
    assert (world.root / "uv/mine/x").is_file()


def test_uv_s_cache_stays_if_an_environment_links_into_it(world: World) -> None:
    source = world.write(world.root / "uv/archive-v0/ab/x/__init__.py")
    package = world.base / "envs/llm/lib/python3.12/site-packages/x"
    package.mkdir(parents=True)
    (package / "__init__.py").symlink_to(source)
    outcome = world.run("uv")
    assert not outcome.changed
    assert f"packages of {world.base}/envs/llm are symbolic links into it" in outcome.warnings[0]


def test_uv_s_own_lock_is_respected(world: World) -> None:
    world.write(world.root / "uv/wheels-v5/x")
    with world.write(world.root / "uv/.lock", "").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(CondaModuleError, match="uv uses its cache"):
            world.run("uv", timeout=0)
    assert (world.root / "uv/wheels-v5/x").is_file()


def hub(world: World, *, ref: str = KEPT) -> Path:
    """A model with two revisions that share one blob, and interrupted downloads."""
    model = world.root / "hub/models--org--name"
    for name in ("shared", "old", "new", "half.incomplete", "held.incomplete"):
        world.write(model / "blobs" / name)
    for commit, blobs in ((KEPT, ("shared", "new")), (LEFT, ("shared", "old"))):
        (model / "snapshots" / commit).mkdir(parents=True)
        for blob in blobs:
            (model / "snapshots" / commit / blob).symlink_to(f"../../blobs/{blob}")
        world.write(model / "trees" / f"{commit}.json", "{}")
    if ref:
        world.write(model / "refs/main", ref)
    world.write(world.root / "hub/.locks/models--org--name/held.lock", "")
    return model


def test_revisions_that_no_ref_names_and_interrupted_downloads_go(world: World) -> None:
    model = hub(world)
    with (world.root / "hub/.locks/models--org--name/held.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        gone = world.gone("hub")
    assert gone == [
        f"hub/models--org--name/{name}"
        for name in (
            "blobs/half.incomplete",
            "blobs/old",
            f"snapshots/{LEFT}",
            f"trees/{LEFT}.json",
        )
    ]
    assert (model / "snapshots" / KEPT / "shared").read_text() == "text\n"
    assert (model / "snapshots" / KEPT / "new").read_text() == "text\n"


def test_a_revision_to_keep_stays(world: World) -> None:
    hub(world)
    gone = world.gone("hub", keep_revisions=[LEFT])
    assert [path.rpartition("/")[2] for path in gone] == ["half.incomplete", "held.incomplete"]


def test_all_revisions_of_a_model_without_refs_stay(world: World) -> None:
    hub(world, ref="")
    assert not [path for path in world.gone("hub") if "snapshots" in path]


def test_all_revisions_stay_if_a_ref_cannot_be_read(world: World) -> None:
    model = hub(world)
    (model / "refs/broken").symlink_to("nowhere")
    assert not [path for path in world.gone("hub") if "snapshots" in path]


@pytest.mark.parametrize(
    ("caches", "more", "message"),
    [
        (["packages"], {"installation": None}, "need the option installation"),
        (["packages"], {"installation": "/nowhere"}, "There is no conda installation at /nowhere"),
        (["pip"], {"pip_cache_dir": "cache"}, "pip_cache_dir must be an absolute path"),
        (["pip"], {"min_age": -1}, "min_age must not be negative"),
    ],
)
def test_options_that_cannot_work(
    caches: list[str], more: dict[str, Any], message: str, world: World
) -> None:
    with pytest.raises(CondaModuleError, match=message):
        world.run(*caches, **more)


def test_sizes_are_those_of_the_disk(world: World) -> None:
    path = world.package("six-1.15.0-0")
    files = [file for file in path.rglob("*") if file.is_file()]
    result = result_of(world.run("packages", check=True))
    assert result["size"] == sum(file.stat().st_blocks * 512 for file in files) > 0
    assert result["sizes"] == {"packages": result["size"]}
