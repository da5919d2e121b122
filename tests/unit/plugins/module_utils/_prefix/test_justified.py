"""Which files of a prefix may go with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.tree import (
    Survey,
    mounts_below,
    survey,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.removal import (
    examine,
    refuse_mounts,
    remove_half_made,
    remove_prefix,
)
from ansible_collections.llmfleet.conda.tests.unit.plugins.fake_prefix import FakePrefix, snapshot

SITE = "lib/python3.12/site-packages"
CONDAS = (
    "bin/python3.12",
    f"{SITE}/numpy/__init__.py",
    f"{SITE}/numpy/__pycache__/__init__.cpython-312.pyc",
    "lib/libz.so.1.c~",
    ".condatmp/1234/bin/x",
    ".tmpab12_xyz",
    ".tmp.index.json.f51cbb39",
    ".tmp.index.json",
    "conda-meta/pinned",
    "conda-meta/state",
    "conda-meta/tos/4071c156/1752537600.0.json",
    "conda-meta/._six-1.16.0-0.json",
    ".condarc",
    "condarc.d/site.yml",
)
PIPS = (
    f"{SITE}/tqdm/__init__.py",
    f"{SITE}/tqdm-4.0.dist-info/RECORD",
    f"{SITE}/tqdm-4.0.dist-info/.DS_Store",
    "bin/tqdm",
    "share/man/tqdm.1",
)
OF_INSTALLATIONS = (
    "_conda",
    "pkgs/urls.txt",
    "pkgs/cache/497deca9.json",
    "pkgs/zlib-1.3-0.conda",
    "pkgs/zlib-1.3-0/info/index.json",
    "pkgs/zlib-1.3-0/lib/libz.so",
    "pkgs/cut-off-1.0-0/lib/half",
    "envs/.conda_envs_dir_test",
)
PEOPLES = (
    "notebooks/model.ipynb",
    f"{SITE}/mine.py",
    f"{SITE}/easy-install.pth",
    "etc/conda/activate.d/team.sh",
    "share/jupyter/kernels/mine/kernel.json",
    "checkpoint.pt",
    "bin/deploy",
    ".condarc.bak",
    ".tmp.index.json.mine",
    "pkgs/weights.bin",
    "pkgs/mine/model.bin",
    "conda-meta.old/six-1.0-0.json",
    "conda-meta/mine/notes.txt",
    "data/__pycache__/notes.txt",
    "_conda.d/x",
)


@pytest.fixture
def prefix(tmp_path: Path) -> FakePrefix:
    """An environment in which conda, pip and people have worked."""
    made = FakePrefix(tmp_path / "env")
    made.link("numpy", files={"bin/python3.12": b"", f"{SITE}/numpy/__init__.py": b""})
    made.link("zlib", files={"lib/libz.so.1": b""})
    for path in (*CONDAS, *PIPS, *OF_INSTALLATIONS, *PEOPLES):
        target = made.path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            target.write_text("")
    record = made.path / SITE / "tqdm-4.0.dist-info" / "RECORD"
    record.write_text(
        "tqdm/__init__.py,sha256=x,1\n../../../bin/tqdm,,\n../../../share/man/tqdm.1,,\n"
        "../../../../outside.txt,,\n/etc/passwd,,\n"
    )
    (made.path / "pkgs" / "urls.txt").write_text("http://lab.invalid/noarch/cut-off-1.0-0.conda\n")
    return made


@pytest.mark.parametrize("path", [*CONDAS, *PIPS])
def test_files_of_conda_and_pip_may_be_removed(prefix: FakePrefix, path: str) -> None:
    assert examine(str(prefix.path)).may_go(path)


@pytest.mark.parametrize("path", OF_INSTALLATIONS)
def test_installer_and_cache_files_may_be_removed_with_an_installation(
    prefix: FakePrefix, path: str
) -> None:
    assert examine(str(prefix.path), installation=True).may_go(path)


@pytest.mark.parametrize("installation", [False, True])
def test_users_files_may_not_be_removed(prefix: FakePrefix, installation: bool) -> None:
    contents = examine(str(prefix.path), installation=installation)
    assert [path for path in PEOPLES if contents.may_go(path)] == []
    assert set(PEOPLES) <= set(contents.foreign)
    kept = {path: (prefix.path / path).stat().st_ino for path in PEOPLES}
    remove_prefix(contents)
    assert {path: (prefix.path / path).stat().st_ino for path in PEOPLES} == kept
    left = {str(path.relative_to(prefix.path)) for path in prefix.path.rglob("*") if path.is_file()}
    rest = set() if installation else {p for p in OF_INSTALLATIONS if p.startswith(("pkgs", "_c"))}
    assert left == {".llmfleet-left", *PEOPLES, *rest}


def test_remove_foreign_removes_everything(prefix: FakePrefix) -> None:
    assert remove_prefix(examine(str(prefix.path)), remove_foreign=True) == ()
    assert not prefix.path.exists()


def test_an_environment_below_is_judged_by_its_own_records(prefix: FakePrefix) -> None:
    inner = FakePrefix(prefix.path / "envs" / "team" / "proj")
    inner.link("six", files={"lib/six.py": b""})
    (inner.path / "lib" / "work.py").write_text("")
    contents = examine(str(prefix.path), installation=True)
    assert contents.nested == ("envs/team/proj",)
    assert contents.may_go("envs/team/proj/lib/six.py")
    assert not contents.may_go("envs/team/proj/lib/work.py")
    assert not contents.may_go("lib/six.py")


def test_paths_outside_the_prefix_are_ignored(prefix: FakePrefix) -> None:
    outside = prefix.path.parent / "outside.txt"
    outside.write_text("work")
    prefix.link("liar", files={})
    (prefix.meta / "liar-1.0-0.json").write_text(
        '{"name": "liar", "version": "1", "build": "0", "files": ["../outside.txt", "/etc/passwd"]}'
    )
    remove_prefix(examine(str(prefix.path)))
    assert outside.read_text() == "work"


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "set.bin").write_text("work")
    env = FakePrefix(tmp_path / "env")
    env.link("six", files={"lib/six.py": b"", "share/x": b""})
    (env.path / "share" / "x").unlink()
    (env.path / "share").rmdir()
    (env.path / "share").symlink_to(data)
    (data / "x").write_text("work")
    before = snapshot(data)
    remove_prefix(examine(str(env.path)), remove_foreign=True)
    assert snapshot(data) == before
    assert not env.path.exists()


def test_files_of_half_linked_packages_are_found_in_the_cache(tmp_path: Path) -> None:
    info = tmp_path / "pkgs" / "six-1.0-0" / "info"
    info.mkdir(parents=True)
    (info / "paths.json").write_text(
        '{"paths": [{"_path": "site-packages/six.py"}, {"_path": "python-scripts/six"},'
        ' {"_path": "share/six"}]}'
    )
    (info / "link.json").write_text(
        '{"noarch": {"type": "python", "entry_points": ["say = six:main"]}}'
    )
    half = tmp_path / "half"
    mine = [f"{SITE}/mine.py", "share/mine"]
    linked = [f"{SITE}/six.py", "bin/six", "bin/say", "share/six"]
    for path in (*mine, *linked):
        (half / path).parent.mkdir(parents=True, exist_ok=True)
        (half / path).write_text("")
    assert sorted(remove_half_made(str(half), caches=[str(tmp_path / "pkgs")])) == sorted(mine)
    left = [str(path.relative_to(half)) for path in half.rglob("*") if path.is_file()]
    assert sorted(left) == sorted(mine)


def test_mounts_are_refused_by_name(tmp_path: Path) -> None:
    contents = examine(str(FakePrefix(tmp_path / "env").path))
    contents.found.mounts.append("data sets")
    with pytest.raises(
        CondaModuleError, match=r"mounted at .*/env/data sets\. Nothing was changed"
    ):
        refuse_mounts(contents)


def test_mount_points_are_those_of_the_system() -> None:
    """The tool of the system is the oracle: /proc is mounted at /proc."""
    assert "proc" in mounts_below("/")
    assert mounts_below("/proc/self/nowhere") == []


def test_a_survey_counts_a_file_with_two_names_once(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"x" * 100_000)
    once = survey(str(tmp_path)).size
    (tmp_path / "two").hardlink_to(tmp_path / "one") if hasattr(Path, "hardlink_to") else None
    found = survey(str(tmp_path))
    assert isinstance(found, Survey)
    assert found.size == once
