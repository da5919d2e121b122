"""Prefixes that are refused, and names of environments."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core import guards as _guards
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.guards import (
    MAX_PREFIX_LENGTH,
    check_prefix,
    environment_prefix,
)

SYSTEM = [
    "/",
    "//",
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/home",
    "/lib",
    "/lib64",
    "/media",
    "/mnt",
    "/opt",
    "/proc",
    "/run",
    "/sbin",
    "/srv",
    "/sys",
    "/tmp",
    "/usr",
    "/usr/local",
    "/var",
    "/Users",
    "/Library",
    "/Applications",
]


@pytest.mark.parametrize(
    "path", [*SYSTEM, *(f"{path}/" for path in SYSTEM), "/opt/.", "/usr//local"]
)
def test_directories_of_the_system(path: str) -> None:
    with pytest.raises(CondaModuleError, match="is a directory of the operating system"):
        check_prefix(path)


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("", "not an absolute path"),
        ("miniconda3", "not an absolute path"),
        ("./miniconda3", "not an absolute path"),
        ("~/miniconda3", "not an absolute path"),
        ("C:\\miniconda3", "not an absolute path"),
        ("/opt/../etc", "must not contain"),
        ("/opt/..", "must not contain"),
        ("/opt/my conda", "contains white space"),
        ("/opt/conda ", "contains white space"),
        ("/opt/conda\n", "contains white space"),
        ("/opt/con\tda", "contains white space"),
        ("/opt/con\u00a0da", "contains white space"),
        ("/opt/con\u2003da", "contains white space"),
        ("/opt/con\x01da", "control characters"),
        ("/opt/con\x1bda", "control characters"),
        ("/opt/con\x7fda", "control characters"),
        ("/opt/" + "x" * 106, "longer than 110 bytes"),
        ("/opt/" + "é" * 53, "longer than 110 bytes"),
    ],
)
def test_refuses_paths_that_conda_cannot_use(path: str, problem: str) -> None:
    with pytest.raises(CondaModuleError) as error:
        check_prefix(path, "installation")
    assert problem in str(error.value)
    assert "The option installation" in str(error.value)
    assert "Nothing was changed" in str(error.value)
    assert error.value.hint


@pytest.mark.parametrize(
    ("path", "result"),
    [
        ("/opt/miniconda3", "/opt/miniconda3"),
        ("/opt/miniconda3/", "/opt/miniconda3"),
        ("/opt//miniconda3/.", "/opt/miniconda3"),
        ("/home/NAME/..conda", "/home/NAME/..conda"),
        ("/srv/größe", "/srv/größe"),
        ("/opt/" + "x" * 105, "/opt/" + "x" * 105),
        ("/opt/a:b", "/opt/a:b"),
    ],
)
def test_good_paths_come_back_normalised(path: str, result: str) -> None:
    assert check_prefix(path) == result
    assert len(os.fsencode(result)) <= MAX_PREFIX_LENGTH


def test_refuses_every_home_directory() -> None:
    homes = {entry.pw_dir for entry in pwd.getpwall() if entry.pw_dir.startswith("/")}
    assert homes
    for home in homes | {os.path.expanduser("~")}:
        with pytest.raises(CondaModuleError):
            check_prefix(home)


def test_a_home_directory_of_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    alice = pwd.struct_passwd(("alice", "x", 1000, 1000, "", "/home/alice/", "/bin/sh"))
    monkeypatch.setattr(_guards.pwd, "getpwall", lambda: [alice])
    with pytest.raises(CondaModuleError, match="is a home directory"):
        check_prefix("/home/alice")
    assert check_prefix("/home/alice/miniconda3") == "/home/alice/miniconda3"


def test_user_database_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> list[pwd.struct_passwd]:
        raise OSError("no answer")

    monkeypatch.setattr(_guards.pwd, "getpwall", broken)
    monkeypatch.setenv("HOME", "/home/me")
    assert check_prefix("/opt/miniconda3") == "/opt/miniconda3"
    with pytest.raises(CondaModuleError, match="is a home directory"):
        check_prefix("/home/me")


def test_a_link_to_a_forbidden_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "l").symlink_to("/usr")
    with pytest.raises(CondaModuleError, match="operating system"):
        check_prefix(str(tmp_path / "l"))
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    (tmp_path / "h").symlink_to(home)
    with pytest.raises(CondaModuleError, match="home directory"):
        check_prefix(str(tmp_path / "h"))


def test_a_link_is_resolved_to_its_target(tmp_path: Path) -> None:
    (tmp_path / "real" / "env").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real" / "env")
    (tmp_path / "parent").symlink_to("real")
    (tmp_path / "dangling").symlink_to("real/later")
    real = tmp_path / "real"
    assert check_prefix(str(tmp_path / "link")) == str(real / "env")
    assert check_prefix(f"{tmp_path}/parent/new/env") == str(real / "new" / "env")
    assert check_prefix(str(tmp_path / "dangling")) == str(real / "later")
    (tmp_path / "envs").symlink_to(real)
    assert environment_prefix(str(tmp_path / "parent"), "llm", None) == str(real / "envs" / "llm")


def test_the_target_of_a_link_has_to_be_possible(tmp_path: Path) -> None:
    blank = tmp_path / "with blank"
    blank.mkdir()
    (tmp_path / "blank").symlink_to(blank)
    with pytest.raises(CondaModuleError, match=r"white space.*which leads to .*with blank"):
        check_prefix(str(tmp_path / "blank"))
    (tmp_path / "long").symlink_to(tmp_path / ("x" * 111))
    with pytest.raises(CondaModuleError, match="longer than 110 bytes"):
        check_prefix(str(tmp_path / "long"))


@pytest.mark.parametrize(
    ("installation", "name", "prefix", "result"),
    [
        ("/opt/mc", "llm", None, "/opt/mc/envs/llm"),
        ("/opt/mc/", "base", None, "/opt/mc"),
        ("/opt/mc", None, "/srv/env", "/srv/env"),
        (None, None, "/srv/env/", "/srv/env"),
        ("/opt/mc", "py-3.12_x", None, "/opt/mc/envs/py-3.12_x"),
    ],
)
def test_prefix_from_name_and_installation(
    installation: str | None, name: str | None, prefix: str | None, result: str
) -> None:
    assert environment_prefix(installation, name, prefix) == result


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/x", "a b", "a\n", "a:b", "a#b", "\t"])
def test_refuses_invalid_environment_names(name: str) -> None:
    with pytest.raises(CondaModuleError, match="The option name"):
        environment_prefix("/opt/mc", name, None)


@pytest.mark.parametrize(
    ("installation", "name", "prefix", "words"),
    [
        ("/opt/mc", None, None, "name and prefix"),
        ("/opt/mc", "a", "/b", "name and prefix"),
        (None, "a", None, "installation"),
        ("relative", "a", None, "The option installation"),
        ("/opt/mc", None, "relative", "The option prefix"),
        ("/opt/" + "x" * 100, "a" * 10, None, "The option name"),
    ],
)
def test_refuses_invalid_option_combinations(
    installation: str | None, name: str | None, prefix: str | None, words: str
) -> None:
    with pytest.raises(CondaModuleError, match=words):
        environment_prefix(installation, name, prefix)


def test_a_link_that_is_to_be_changed_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real" / "envs" / ".llm" / "1").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real" / "envs" / "llm").symlink_to(".llm/1")
    path = str(tmp_path / "link" / "envs" / "llm")
    envs = tmp_path.resolve() / "real" / "envs"
    assert check_prefix(path, keep_link=True) == str(envs / "llm")
    assert check_prefix(path) == str(envs / ".llm" / "1")
