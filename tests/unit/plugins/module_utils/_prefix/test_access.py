"""Owner, group and permissions of an installation made of files alone."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
import struct
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.access import (
    Access,
    AccessManager,
    access_of,
    parse_mode,
)
from ansible_collections.llmfleet.conda.tests.unit.plugins.fake_prefix import FakePrefix, snapshot

GROUP = str(os.getgid())


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """A base environment with a package cache and an environment."""
    base = FakePrefix(tmp_path / "base")
    base.link("conda", files={"bin/conda": b"#!"})
    FakePrefix(base.path / "envs" / "llm").link("six")
    cache = base.path / "pkgs" / "cache"
    cache.mkdir(parents=True)
    (base.path / "pkgs" / "urls.txt").write_text("")
    (base.path / "pkgs" / "six-1-0").mkdir()
    (base.path / "pkgs" / "six-1-0" / "six.py").write_text("")
    for path in (base.path, *base.path.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return base.path


def manager(prefix: Path, **wanted: Any) -> AccessManager:
    return AccessManager(str(prefix), Access(**wanted))


def test_no_options_no_change(prefix: Path) -> None:
    assert not Access()
    before = snapshot(prefix)
    assert manager(prefix).faults() == []
    manager(prefix).apply()
    assert snapshot(prefix) == before


@pytest.mark.parametrize("number", [True, False])
def test_the_present_owner_and_group_are_recognised(prefix: Path, number: bool) -> None:
    owner, group = str(os.getuid()), GROUP
    if not number:
        owner, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    present = manager(prefix, owner=owner, group=group)
    assert present.faults() == []
    assert present.lines() == [f"owner {owner}", f"group {group}"]


def test_change_of_owner_leaves_out_environments(
    prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[int, tuple[int, int]] = {}

    def chown(name: str, uid: int, gid: int, *, dir_fd: int | None, follow_symlinks: bool) -> None:
        assert not follow_symlinks
        given[os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_ino] = uid, gid

    monkeypatch.setattr(os, "chown", chown)
    other = manager(prefix, owner="54321", group="54322")
    me, mine = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    assert other.faults() == [
        f"{prefix} is owned by {me}",
        f"{prefix} has the group {mine}",
    ]
    other.apply()
    assert set(given.values()) == {(54321, 54322)}
    expected = {path.lstat().st_ino for path in (prefix, *prefix.rglob("*"))}
    inside = {path.lstat().st_ino for path in (prefix / "envs").rglob("*")}
    assert set(given) == expected - inside


@pytest.mark.parametrize("back", [False, True])
def test_shared_files_only_go_back_to_the_current_user(
    prefix: Path, monkeypatch: pytest.MonkeyPatch, back: bool
) -> None:
    environment = prefix / "envs" / "llm"
    shared = environment / "six.py"
    os.link(prefix / "pkgs" / "six-1-0" / "six.py", shared)
    given: dict[int, tuple[int, int]] = {}

    def chown(name: str, uid: int, gid: int, *, dir_fd: int | None, follow_symlinks: bool) -> None:
        assert not follow_symlinks
        given[os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_ino] = uid, gid

    monkeypatch.setattr(os, "chown", chown)
    if back:
        monkeypatch.setattr(os, "geteuid", lambda: 54321)
        monkeypatch.setattr(os, "getegid", lambda: 54322)
    access = Access(owner="54321", group="54322")
    AccessManager(str(environment), access, shared=False, inherit=True).apply()
    directories = [path for path in environment.rglob("*") if path.is_dir()]
    assert directories
    assert all(path.stat().st_mode & stat.S_ISGID for path in directories)
    assert not (prefix / "envs").stat().st_mode & stat.S_ISGID
    inside = {path.lstat().st_ino for path in (environment, *environment.rglob("*"))}
    expected = inside if back else inside - {shared.lstat().st_ino}
    assert given == dict.fromkeys(expected, (54321, 54322))


def test_mode_applies_to_the_prefix_only(prefix: Path) -> None:
    closed = manager(prefix, mode=0o750)
    assert closed.faults() == [f"{prefix} has the mode 0755"]
    closed.apply()
    assert stat.S_IMODE(prefix.stat().st_mode) == 0o750
    assert stat.S_IMODE((prefix / "bin").stat().st_mode) == 0o755
    assert closed.faults() == []
    assert closed.lines() == ["mode 0750"]


def test_group_may_write_directories_but_no_package_files(prefix: Path) -> None:
    shared = manager(prefix, group=GROUP, group_writable=("envs", "pkgs"))
    assert shared.faults() == ["envs lacks write permission for its group"]
    shared.apply()
    assert shared.faults() == []
    modes = {
        name: stat.S_IMODE((prefix / name).stat().st_mode)
        for name in (
            "envs",
            "envs/.conda_envs_dir_test",
            "envs/llm",
            "pkgs",
            "pkgs/cache",
            "pkgs/urls.txt",
            "pkgs/six-1-0/six.py",
        )
    }
    assert modes == {
        "envs": 0o2775,
        "envs/.conda_envs_dir_test": 0o664,
        "envs/llm": 0o755,
        "pkgs": 0o2775,
        "pkgs/cache": 0o2775,
        "pkgs/urls.txt": 0o664,
        "pkgs/six-1-0/six.py": 0o644,
    }
    assert shared.lines()[1] == "the group may write envs and pkgs"


def has_default_acls(directory: Path) -> bool:
    """Whether the file system of a test can keep what this is about."""
    if not hasattr(os, "setxattr"):
        return False
    try:
        os.getxattr(directory, "system.posix_acl_default")
    except OSError as error:
        return error.errno == errno.ENODATA
    return True


def test_repodata_of_one_member_is_writable_for_the_next(prefix: Path) -> None:
    """conda opens the state of repodata for writing; the umask of whoever fetched it must not close it."""
    cache = prefix / "pkgs" / "cache"
    if not has_default_acls(cache):
        pytest.skip("no default ACLs on this file system")
    older = cache / "older.info.json"
    older.write_text("{}")
    older.chmod(0o600)
    outside = prefix / "bin" / "conda"
    (cache / "link.json").symlink_to(outside)
    os.link(outside, cache / "second-name.json")
    shared = manager(prefix, group=GROUP, group_writable=("pkgs",))
    assert shared.faults()
    shared.apply()
    assert shared.faults() == []
    umask = os.umask(0o077)
    try:
        (cache / "newer.info.json").write_text("{}")
    finally:
        os.umask(umask)
    for name in ("older", "newer"):
        assert (cache / f"{name}.info.json").stat().st_mode & 0o060 == 0o060
    assert stat.S_IMODE(outside.stat().st_mode) == 0o644
    os.removexattr(cache, "system.posix_acl_default")
    assert "pkgs/cache lacks a default ACL" in shared.faults()[0]


def test_existing_default_acl_stays(prefix: Path) -> None:
    cache = prefix / "pkgs" / "cache"
    if not has_default_acls(cache):
        pytest.skip("no default ACLs on this file system")
    shared = manager(prefix, group=GROUP, group_writable=("pkgs",))
    shared.apply()
    own = os.getxattr(cache, "system.posix_acl_default")[:-8] + struct.pack(
        "<HHI", 0x20, 0, 0xFFFFFFFF
    )
    os.setxattr(cache, "system.posix_acl_default", own)
    assert shared.faults() == []
    shared.apply()
    assert os.getxattr(cache, "system.posix_acl_default") == own


def test_missing_directory_is_created(prefix: Path) -> None:
    os.rename(prefix / "envs", prefix / "away")
    shared = manager(prefix, group=GROUP, group_writable=("envs",))
    assert shared.faults()
    shared.apply()
    assert (prefix / "envs").is_dir()
    assert shared.faults() == []


@pytest.mark.parametrize(
    ("mode", "number"), [("0750", 0o750), ("755", 0o755), (0o700, 0o700), (None, None), ("", None)]
)
def test_modes(mode: Any, number: int | None) -> None:
    assert parse_mode(mode) == number


@pytest.mark.parametrize("mode", ["u=rwx", "0799", "77777", -1, True, "rwxr-xr-x"])
def test_refuses_invalid_modes(mode: Any) -> None:
    with pytest.raises(CondaModuleError, match="option mode"):
        parse_mode(mode)


@pytest.mark.parametrize("option", ["owner", "group"])
def test_refuses_unknown_owner_or_group(prefix: Path, option: str) -> None:
    with pytest.raises(
        CondaModuleError, match=f"option {option} names an unknown (?:user|group)"
    ) as error:
        manager(prefix, **{option: "no-such-one"})
    assert "first" in (error.value.hint or "")


def test_group_writable_needs_a_group() -> None:
    with pytest.raises(CondaModuleError, match="needs the option group"):
        access_of(None, None, None, ["envs"])


def test_system_error_is_reported(prefix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, *_ids: int, **_how: Any) -> None:
        raise PermissionError(1, "Operation not permitted", path)

    monkeypatch.setattr(os, "chown", refuse)
    with pytest.raises(
        CondaModuleError,
        match=r"Cannot set owner, group or permissions of .*: Operation not permitted",
    ):
        manager(prefix, owner="54321").apply()
