"""Environments from explicit locks, judged by the real conda."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab import paths
from tests.integration.four_steps import Steps
from tests.integration.lab_conda import run_conda

Versions = Callable[[Path], dict[str, str]]
MakeEnv = Callable[..., Path]


@pytest.fixture
def options(conda_installation: Path) -> Callable[..., dict[str, Any]]:
    def make(prefix: Path, **more: Any) -> dict[str, Any]:
        return {"installation": str(conda_installation), "prefix": str(prefix), **more}

    return make


@pytest.fixture
def line(mirror: Any) -> Callable[..., str]:
    """The line of one noarch package of the lab's channel."""

    def make(stem: str, digest: str = "") -> str:
        path = paths.channel_dir() / "noarch" / f"{stem}.conda"
        found = hashlib.new(digest, path.read_bytes()).hexdigest() if digest else ""
        mark = {"": "", "md5": "#", "sha256": "#sha256:"}[digest]
        return f"{mirror.url}/conda/lab/noarch/{path.name}{mark}{found}"

    return make


@pytest.mark.parametrize("digest", ["", "md5", "sha256"])
def test_create(
    digest: str, tmp_path: Path, four_steps: Steps, options: Any, line: Any, versions: Versions
) -> None:
    prefix = tmp_path / "env"
    lock = [line("lab-upgrade-1.0-lab_0", digest), line("lab-versions-1!0.5-lab_0", digest)]
    result = four_steps("conda_env", options(prefix, lock=["@EXPLICIT", *lock]))
    assert versions(prefix) == {"lab-upgrade": "1.0", "lab-versions": "1!0.5"}
    assert "lab-upgrade 1.0 lab_0 lab\n" in result["diff"]["after"]
    assert result["plan"]["install"][0] == "lab-upgrade=1.0=lab_0"


@pytest.mark.full
def test_the_lock_of_conda_itself_makes_the_same_environment(
    tmp_path: Path,
    make_env: MakeEnv,
    four_steps: Steps,
    options: Any,
    conda: Any,
    conda_installation: Path,
    home: Path,
) -> None:
    original = make_env("python=3.11", "lab-entrypoint", "six")
    text = run_conda(
        conda_installation, home, "list", "--explicit", "--md5", "--prefix", str(original)
    )
    path = tmp_path / "lock.txt"
    path.write_text(text)
    prefix = tmp_path / "env"
    four_steps("conda_env", options(prefix, lock_file=str(path), remote_src=True))
    listed = [conda("list", "--prefix", str(place)) for place in (original, prefix)]
    assert listed[0] == listed[1]


def test_change_to_the_lock(
    make_env: MakeEnv, four_steps: Steps, options: Any, line: Any, versions: Versions
) -> None:
    """One package is replaced, one stays, one comes, and what the lock does not name goes."""
    prefix = make_env("lab-upgrade=1.1", "lab-needs-glibc", "lab-post-link")
    lock = "# made by hand\n@EXPLICIT\n\n" + "\n".join(
        line(stem)
        for stem in ("lab-upgrade-2.0-lab_0", "lab-post-link-1.0-lab_0", "lab-rebuilt-1.0-lab_0")
    )
    result = four_steps("conda_env", options(prefix, lock=lock))
    assert versions(prefix) == {"lab-upgrade": "2.0", "lab-post-link": "1.0", "lab-rebuilt": "1.0"}
    assert result["plan"]["remove"] == ["lab-needs-glibc"]


@pytest.mark.full
def test_a_package_goes_though_another_depends_on_it(
    make_env: MakeEnv, four_steps: Steps, options: Any, line: Any, versions: Versions
) -> None:
    prefix = make_env("lab-conflict-a")
    four_steps("conda_env", options(prefix, lock=[line("lab-conflict-a-1.0-lab_0", "md5")]))
    assert versions(prefix) == {"lab-conflict-a": "1.0"}


@pytest.mark.full
def test_a_damaged_file_is_put_back(
    make_env: MakeEnv, four_steps: Steps, options: Any, line: Any
) -> None:
    prefix = make_env("lab-upgrade=1.0")
    (prefix / "share" / "lab-upgrade.txt").unlink()
    result = four_steps("conda_env", options(prefix, lock=[line("lab-upgrade-1.0-lab_0")]))
    assert result["plan"]["reinstall"] == ["lab-upgrade"]
    assert (prefix / "share" / "lab-upgrade.txt").exists()


def test_offline_from_the_cache(
    tmp_path: Path, make_env: MakeEnv, four_steps: Steps, options: Any, line: Any, mirror: Any
) -> None:
    make_env("lab-upgrade=1.0")
    mirror.reset()
    lock = [line("lab-upgrade-1.0-lab_0", "md5")]
    four_steps("conda_env", options(tmp_path / "env", lock=lock, offline=True))
    assert mirror.counts() == {}


@pytest.mark.parametrize("digest", ["#" + "0" * 32, "#sha256:" + "0" * 64])
def test_another_file_than_the_locked_one_fails_and_leaves_no_environment(
    digest: str, tmp_path: Path, run_module: Any, options: Any, line: Any
) -> None:
    prefix = tmp_path / "env"
    result = run_module("conda_env", options(prefix, lock=[line("lab-upgrade-1.0-lab_0") + digest]))
    assert result["rc"] == 1
    assert result["hint"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"lock": ["six=1.16"]}, "line 1: expected the URL of a package"),
        ({"lock": []}, "it lists no packages"),
        ({"lock": {"six": 1}}, "must be text or a list of lines"),
        (
            {"lock_file": "/nowhere/lock", "remote_src": True},
            "/nowhere/lock cannot be read: No such file",
        ),
        ({"lock_file": "lock"}, "names a file on the controller (lock)"),
        ({"lock": ["https://host/lab/win-64/six-1.0-0.conda"]}, "are for win-64"),
        ({"lock": ["x"], "packages": ["six"]}, "cannot be combined with packages"),
        ({"lock": ["x"], "state": "latest"}, "cannot be combined with state: latest"),
        ({"lock": ["x"], "lock_file": "/x"}, "mutually exclusive"),
    ],
)
def test_refused(
    more: dict[str, Any], said: str, tmp_path: Path, run_module: Any, options: Any
) -> None:
    result = run_module("conda_env", options(tmp_path / "env", **more))
    assert result["rc"] == 1
    assert said in result["msg"]
    assert list(tmp_path.iterdir()) == []


def test_pins_that_the_lock_does_not_keep_to_are_refused(
    tmp_path: Path, run_module: Any, four_steps: Steps, options: Any, line: Any
) -> None:
    lock = [line("lab-upgrade-1.0-lab_0")]
    prefix = tmp_path / "env"
    result = run_module("conda_env", options(prefix, lock=lock, pinned=["lab-upgrade>=2"]))
    assert result["rc"] == 1
    assert "The option pinned contradicts the lock: lab-upgrade>=2 forbids" in result["msg"]
    assert list(tmp_path.iterdir()) == []
    four_steps("conda_env", options(prefix, lock=lock, pinned=["lab-upgrade<2"]))
    assert (prefix / "conda-meta" / "pinned").read_text() == "lab-upgrade<2\n"


def test_a_base_is_never_locked(
    conda_installation: Path, run_module: Any, options: Any, line: Any
) -> None:
    lock = [line("lab-upgrade-1.0-lab_0")]
    result = run_module("conda_env", options(conda_installation, lock=lock), check=True)
    assert result["rc"] == 1
    assert "is a base environment" in result["msg"]
