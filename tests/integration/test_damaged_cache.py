"""Every damage of a package cache, and faults of the channel, with the real conda and its real cache."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab import counter
from tests.integration.selection import only_full_but
from tests.integration.snapshot import changes, snapshot

NAME = "lab-rebuilt"
# The build too: the cache is shared, and may have another build from another test.
SPEC = f"{NAME}=1.0=lab_1"
DIST = f"{NAME}-1.0-lab_1"
FILE = "share/lab-rebuilt.txt"
PATTERN = f"/conda/lab/noarch/{DIST}*"


@dataclass
class Cache:
    """What the package cache has of one package, and what was set aside of it."""

    path: Path

    @property
    def archive(self) -> Path:
        return self.path / f"{DIST}.conda"

    @property
    def unpacked(self) -> Path:
        return self.path / DIST

    def set_aside(self) -> list[str]:
        """Names of what lies in the quarantine."""
        return sorted(path.name for path in self.path.glob(".llmfleet-quarantine/*/*"))

    def clear(self) -> None:
        """Forget the package, and what was set aside before."""
        self.archive.unlink(missing_ok=True)
        for path in (self.unpacked, self.path / ".llmfleet-quarantine"):
            shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def cache(conda_installation: Path) -> Iterator[Cache]:
    """The package cache of the installation, without the package and whole again afterwards."""
    found = Cache(conda_installation / "pkgs")
    found.clear()
    yield found
    found.clear()
    shutil.rmtree(found.path / "cache", ignore_errors=True)


@pytest.fixture
def filled(cache: Cache, make_env: Callable[..., Path]) -> tuple[Cache, str]:
    """The cache with the package in it, and the right content of its one file."""
    prefix = make_env(SPEC)
    return cache, (prefix / FILE).read_text()


@pytest.fixture
def options(conda_installation: Path, tmp_path: Path) -> dict[str, Any]:
    """Options of conda_env for a prefix of this test's own."""
    prefix = str(tmp_path / "env")
    return {"installation": str(conda_installation), "prefix": prefix, "packages": [SPEC]}


def cut_archive(cache: Cache) -> None:
    cache.archive.write_bytes(cache.archive.read_bytes()[:500])


def flip_archive(cache: Cache) -> None:
    content = bytearray(cache.archive.read_bytes())
    content[len(content) // 2] ^= 0xFF
    cache.archive.write_bytes(bytes(content))


def forget_unpacked(cache: Cache) -> None:
    shutil.rmtree(cache.unpacked)


def lose_file(cache: Cache) -> None:
    (cache.unpacked / FILE).unlink()


def empty_file(cache: Cache) -> None:
    # Unlinked first, because the file is a hard link to that of another environment.
    (cache.unpacked / FILE).unlink()
    (cache.unpacked / FILE).write_text("")


def break_paths(cache: Cache) -> None:
    (cache.unpacked / "info" / "paths.json").write_text("{")


def lose_index(cache: Cache) -> None:
    (cache.unpacked / "info" / "index.json").unlink()


def wrong_checksums(cache: Cache) -> None:
    path = cache.unpacked / "info" / "repodata_record.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "md5": "0" * 32, "sha256": "0" * 64}))


# What conda mends by itself, and what it does not: damage, fetches, and what is set aside then.
BY_CONDA: dict[str, tuple[tuple[Callable[[Cache], None], ...], int]] = {
    "archive cut off": ((cut_archive,), 0),
    "archive cut off, not unpacked": ((cut_archive, forget_unpacked), 1),
    "archive altered, not unpacked": ((flip_archive, forget_unpacked), 1),
    "unpacked without its index": ((lose_index,), 0),
    "wrong checksums in the record": ((wrong_checksums,), 1),
}
BY_US: dict[str, tuple[tuple[Callable[[Cache], None], ...], int, list[str]]] = {
    "a file lost": ((lose_file,), 0, [DIST]),
    "a file lost and the archive cut off": (
        (lose_file, cut_archive),
        1,
        [DIST, f"{DIST}.conda"],
    ),
    "a file emptied": ((empty_file,), 0, [DIST]),
    "a file emptied and the archive altered": (
        (empty_file, flip_archive),
        1,
        [DIST, f"{DIST}.conda"],
    ),
    "paths.json is no JSON": ((break_paths,), 0, [DIST]),
    "archive cut off, unpacked without its index": (
        (cut_archive, lose_index),
        1,
        [f"{DIST}.conda"],
    ),
}


@pytest.mark.full
@pytest.mark.parametrize("damage", only_full_but(BY_CONDA, next(iter(BY_CONDA))))
def test_damage_that_conda_mends(
    damage: str, filled: tuple[Cache, str], options: Any, run_module: Any, mirror: Any
) -> None:
    cache, content = filled
    hurt, fetched = BY_CONDA[damage]
    for each in hurt:
        each(cache)
    mirror.reset()
    assert run_module("conda_env", options)["changed"]
    assert (Path(options["prefix"]) / FILE).read_text() == content
    assert sum(path.endswith(".conda") for path in mirror.counts()) == fetched
    assert cache.set_aside() == []


@pytest.mark.parametrize("damage", only_full_but(BY_US, next(iter(BY_US))))
def test_damage_that_is_set_aside(
    damage: str,
    filled: tuple[Cache, str],
    options: Any,
    run_module: Any,
    mirror: Any,
    conda_installation: Path,
) -> None:
    cache, content = filled
    hurt, fetched, set_aside = BY_US[damage]
    for each in hurt:
        each(cache)
    mirror.reset()
    result = run_module("conda_env", options, warns=True)
    assert result["changed"], result
    assert (Path(options["prefix"]) / FILE).read_text() == content
    assert (cache.unpacked / FILE).read_text() == content
    got = {path: seen for path, seen in mirror.counts().items() if path.endswith(".conda")}
    assert sum(seen["requests"] for seen in got.values()) == fetched
    assert cache.set_aside() == set_aside
    (warning,) = result["warnings"]
    assert DIST in warning
    assert str(cache.path / ".llmfleet-quarantine") in warning
    starts = len(counter.starts(conda_installation))
    assert not run_module("conda_env", options)["changed"]
    assert len(counter.starts(conda_installation)) == starts


@pytest.mark.full
def test_damage_offline_is_mended_from_the_archive(
    filled: tuple[Cache, str], options: Any, run_module: Any, mirror: Any
) -> None:
    cache, content = filled
    lose_file(cache)
    mirror.reset()
    assert run_module("conda_env", {**options, "offline": True}, warns=True)["changed"]
    assert (Path(options["prefix"]) / FILE).read_text() == content
    assert mirror.counts() == {}


@pytest.mark.full
def test_offline_without_a_good_archive_says_so(
    filled: tuple[Cache, str], options: Any, run_module: Any, tmp_path: Path
) -> None:
    cache, _ = filled
    cut_archive(cache)
    forget_unpacked(cache)
    # The home of the other tests has a package cache of its own, which would serve as well.
    elsewhere = {"HOME": str(tmp_path)}
    result = run_module("conda_env", {**options, "offline": True}, environment=elsewhere)
    assert result["rc"] == 1
    assert "offline" in result["hint"]
    assert not Path(options["prefix"]).exists()


@pytest.mark.full
def test_a_lock_is_linked_from_whole_files(
    filled: tuple[Cache, str], options: Any, run_module: Any, mirror: Any
) -> None:
    cache, content = filled
    record = json.loads((cache.unpacked / "info" / "repodata_record.json").read_text())
    lock = ["@EXPLICIT", f"{record['url']}#{record['md5']}"]
    empty_file(cache)
    locked = {**options, "packages": None, "lock": lock}
    assert run_module("conda_env", locked, warns=True)["changed"]
    assert (Path(options["prefix"]) / FILE).read_text() == content
    assert not run_module("conda_env", locked)["changed"]


@pytest.mark.full
def test_a_file_cut_off_in_place_is_cut_off_in_the_cache_too(
    cache: Cache, options: Any, run_module: Any
) -> None:
    """conda links hard: a repair from the cache would link the same damaged file for ever."""
    assert run_module("conda_env", options)["changed"]
    path = Path(options["prefix"]) / FILE
    content = path.read_text()
    assert path.stat().st_nlink > 1
    with path.open("r+") as stream:
        stream.truncate(0)
    assert (cache.unpacked / FILE).read_text() == ""
    result = run_module("conda_env", options, warns=True)
    assert result["plan"]["reinstall"] == [NAME]
    assert path.read_text() == content
    assert not run_module("conda_env", options)["changed"]


@pytest.mark.full
def test_only_the_newest_stay_set_aside_and_conda_leaves_them_alone(
    filled: tuple[Cache, str], options: Any, run_module: Any, conda: Any
) -> None:
    cache, _ = filled
    home = cache.path / ".llmfleet-quarantine"
    for number in range(1, 6):
        (home / f"2020010{number}T000000-old-1-0").mkdir(parents=True)
    lose_file(cache)
    assert run_module("conda_env", options, warns=True)["changed"]
    names = sorted(path.name for path in home.iterdir())
    assert names[:2] == ["20200104T000000-old-1-0", "20200105T000000-old-1-0"]
    assert names[2].endswith(DIST)
    assert len(names) == 3
    conda("clean", "--all", "--yes")
    assert sorted(path.name for path in home.iterdir()) == names
    assert cache.set_aside() == [DIST]


# -- the index of the channel ---------------------------------------------------------------------


@pytest.mark.full
def test_a_damaged_index_in_the_cache_does_not_stay(
    cache: Cache, options: Any, run_module: Any, mirror: Any, conda_installation: Path, home: Path
) -> None:
    """conda keeps an index that a proxy has altered, and crashes over it from then on."""
    shutil.rmtree(cache.path / "cache", ignore_errors=True)
    mirror.fault("/conda/lab/*repodata*", "tamper")
    result = run_module("conda_env", options)
    assert result["rc"] == 1
    assert result["error_kind"] == "index"
    assert "index of a channel" in result["msg"]
    assert "(tried 2 times)" in result["msg"]
    assert "Traceback" not in result["msg"]
    assert str(cache.path / ".llmfleet-quarantine") in result["set_aside"][0]
    mirror.clear_faults()
    roots = (conda_installation, home, Path(options["prefix"]).parent)
    before = snapshot(*roots)
    foreseen = run_module("conda_env", options, check=True)
    assert changes(before, snapshot(*roots)) == []
    assert foreseen["changed"]
    result = run_module("conda_env", options, warns=True)
    assert result["diff"] == foreseen["diff"]
    assert "index" in result["warnings"][0]
    assert cache.set_aside() == ["cache", "cache"]


# -- the channel ----------------------------------------------------------------------------------


def starts_of(installation: Path, call: Callable[[], dict[str, Any]]) -> tuple[int, dict[str, Any]]:
    """How often conda was started by a module's run, and the result."""
    before = len(counter.starts(installation))
    result = call()
    return len(counter.starts(installation)) - before, result


@pytest.mark.parametrize("kind", only_full_but(["tamper", "truncate"], "tamper"))
def test_a_channel_that_gives_damaged_packages(
    kind: str, cache: Cache, options: Any, run_module: Any, mirror: Any, conda_installation: Path
) -> None:
    how = {"fraction": 0.5, "honest": True} if kind == "truncate" else {}
    mirror.fault(PATTERN, kind, **how)
    started, result = starts_of(conda_installation, lambda: run_module("conda_env", options))
    assert result["rc"] == 1
    assert (started, result["attempts"]) == (2, 2)
    assert result["error_kind"] == "corrupt"
    assert "(tried 2 times)" in result["msg"]
    assert "downloaded again and is still damaged" in result["hint"]
    assert f"{DIST}.conda" in result["said"]
    assert result["set_aside"] == []
    assert not Path(options["prefix"]).exists()
    assert not cache.archive.exists()


def test_a_download_damaged_once_is_fetched_again_and_told(
    cache: Cache, options: Any, run_module: Any, mirror: Any, conda_installation: Path
) -> None:
    mirror.fault(PATTERN, "tamper", times=1)
    started, result = starts_of(
        conda_installation, lambda: run_module("conda_env", options, warns=True)
    )
    assert result["changed"]
    assert started == 2
    assert "downloaded it again" in result["warnings"][0]
    assert f"{DIST}.conda" in result["warnings"][0]


@pytest.mark.parametrize(
    ("pattern", "fault", "starts", "kind"),
    [
        (PATTERN, {"kind": "status", "code": 404}, 1, "channel"),
        (PATTERN, {"kind": "status", "code": 403}, 1, "denied"),
        ("/conda/lab/*repodata*", {"kind": "status", "code": 404}, 1, "channel"),
        ("/conda/lab/*repodata*", {"kind": "status", "code": 401}, 1, "denied"),
        (PATTERN, {"kind": "reset"}, 3, "network"),
    ],
)
@pytest.mark.full
def test_only_faults_that_may_pass_are_tried_again(
    pattern: str,
    fault: dict[str, Any],
    starts: int,
    kind: str,
    cache: Cache,
    options: Any,
    run_module: Any,
    mirror: Any,
    conda_installation: Path,
) -> None:
    shutil.rmtree(cache.path / "cache", ignore_errors=True)
    mirror.fault(pattern, **fault)
    started, result = starts_of(conda_installation, lambda: run_module("conda_env", options))
    assert result["rc"] == 1
    assert (result["error_kind"], started) == (kind, starts), result["msg"]
    assert ("times)" in result["msg"]) is (starts > 1)
    assert not Path(options["prefix"]).exists()


@pytest.mark.full
def test_a_cut_connection_is_tried_again(
    cache: Cache, options: Any, run_module: Any, mirror: Any, conda_installation: Path
) -> None:
    # conda asks four times by itself.
    mirror.fault(PATTERN, "reset", times=5)
    started, result = starts_of(conda_installation, lambda: run_module("conda_env", options))
    assert result["changed"]
    assert started == 2


def test_what_cannot_be_solved_is_asked_once(
    options: Any, run_module: Any, conda_installation: Path
) -> None:
    for packages, kind in (
        (["lab-conflict-a", "lab-conflict-b"], "unsatisfiable"),
        (["no-such-package"], "not_found"),
    ):
        asked = {**options, "packages": packages}
        started, result = starts_of(
            conda_installation, lambda asked=asked: run_module("conda_env", asked)
        )
        assert (result["error_kind"], started) == (kind, 1)
