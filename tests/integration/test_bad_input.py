"""Bad input gets an error that names the option, and the host stays exactly as it was."""

from __future__ import annotations

import os
import pwd
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import counter
from lab import installer as lab_installer
from tests.integration.selection import only_full_but
from tests.integration.snapshot import changes, snapshot

Refused = Callable[..., str]
SUM = "sha256:" + "0" * 64
NOT_WATCHED = {"pkgs", counter.NAME}


@pytest.fixture
def refused(
    run_module: Any, conda_installation: Path, home: Path, tmp_path: Path
) -> Callable[..., str]:
    """Run a module that must fail, in check mode or not; returns its message."""

    def run(
        name: str, options: dict[str, Any], *, check: bool = False, watch: Path = tmp_path
    ) -> str:
        # conda's package cache is three quarters of an installation, and no part of the host's state.
        kept = (path for path in conda_installation.iterdir() if path.name not in NOT_WATCHED)
        roots = (watch, home, *kept)
        before = snapshot(*roots)
        result = run_module(name, options, check=check)
        found = changes(before, snapshot(*roots))
        assert result["rc"] == 1, result
        assert result["failed"] is True
        # conda's caches and its list of prefixes, which it weeds itself, are not the host's state.
        assert [path for path in found if not _is_cache(path)] == []
        return str(result["msg"])

    return run


def _is_cache(path: str) -> bool:
    parts = Path(path).parts
    return (
        "pkgs" in parts
        or "__pycache__" in parts
        or parts[-2:] == (".conda", "environments.txt")
        # Taking a lock touches the directory that it is in.
        or Path(path).is_dir()
    )


@pytest.fixture
def env_options(conda_installation: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Options of conda_env for a prefix where nothing is."""

    def make(*packages: str, **more: Any) -> dict[str, Any]:
        base = {"installation": str(conda_installation), "prefix": str(tmp_path / "env")}
        return {**base, "packages": list(packages), **more}

    return make


# -- the installation: distribution, version, checksum ---------------------------------------------


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"distribution": "mambaforge"}, "value of distribution must be one of: miniconda"),
        ({"version": "py312_99.1.0-0"}, "The option version is not in the catalogue of miniconda"),
        ({"version": "latest"}, "The option version is not in the catalogue"),
        ({}, "The option version is required"),
        ({"version": "py311_24.7.1-lab0", "mirror": "http://127.0.0.1:9"}, "The option version"),
        ({"installer_url": "http://127.0.0.1:9/Site-1.0.sh"}, "so the option checksum is required"),
        ({"installer_path": "/nowhere/Site.sh"}, "so the option checksum is required"),
        (
            {"installer_url": "http://127.0.0.1:9/Site.sh", "checksum": "md5:1"},
            "The option checksum",
        ),
        ({"installer_url": "http://127.0.0.1:9/Site.exe", "checksum": SUM}, "option installer_url"),
        ({"installer_url": "http://127.0.0.1:9/a.sh", "installer_path": "/a.sh"}, "mutually excl"),
        ({"version": "py312_25.3.1-1", "state": "latest"}, "value of state must be one of"),
    ],
)
@pytest.mark.parametrize("check", [True, False])
def test_installer_that_cannot_be_chosen(
    options: dict[str, Any], expected: str, check: bool, refused: Refused, tmp_path: Path
) -> None:
    message = refused(
        "conda_installation", {"prefix": str(tmp_path / "base"), **options}, check=check
    )
    assert expected in message


def test_installer_on_the_host_that_is_not_there(refused: Refused, tmp_path: Path) -> None:
    options = {"prefix": str(tmp_path / "base"), "installer_path": "/nowhere/Site.sh"}
    message = refused("conda_installation", {**options, "checksum": SUM})
    assert "option installer_path cannot be read: /nowhere/Site.sh" in message


def test_wrong_checksum(refused: Refused, tmp_path: Path, installer_options: Any) -> None:
    message = refused("conda_installation", installer_options(tmp_path / "base", checksum=SUM))
    assert "option checksum" in message
    assert lab_installer.current()["sha256"] in message
    assert SUM.removeprefix("sha256:") in message


# -- the mirror of the installer ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "how", "expected"),
    only_full_but(
        [
            ("status", {"code": 404}, "the server answered 404"),
            ("status", {"code": 500}, "the server answered 500"),
            ("status", {"code": 403}, "the server answered 403"),
            ("truncate", {"fraction": 0.5}, "broke off"),
            ("truncate", {"fraction": 0.5, "honest": True}, "SHA-256"),
            ("tamper", {}, "SHA-256"),
            ("reset", {}, "installer_url"),
        ],
        ("status", {"code": 404}, "the server answered 404"),
        ("tamper", {}, "SHA-256"),
    ),
)
def test_mirror_of_the_installer(
    kind: str,
    how: dict[str, Any],
    expected: str,
    refused: Refused,
    tmp_path: Path,
    installer_options: Any,
    mirror: Any,
) -> None:
    mirror.fault("/installers/*.sh", kind, **how)
    message = refused("conda_installation", installer_options(tmp_path / "below" / "base"))
    assert expected in message
    assert "installer_url" in message or "checksum" in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.full
def test_mirror_that_is_not_there(refused: Refused, tmp_path: Path) -> None:
    options = {"prefix": str(tmp_path / "base"), "version": "py312_25.3.1-1"}
    message = refused("conda_installation", {**options, "mirror": "http://127.0.0.1:9/m"})
    assert "option mirror" in message
    assert "refused" in message


# -- prefixes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("relative/conda", "not an absolute path"),
        ("/srv/my conda", "white space"),
        ("/srv/" + "x" * 106, "longer than 110 bytes"),
        ("/", "directory of the operating system"),
        ("/usr/local/", "directory of the operating system"),
        ("/srv/../etc", "must not contain '..'"),
        ("~", "home directory"),
        ("/root", "directory of the operating system"),
    ],
)
@pytest.mark.parametrize("module", ["conda_installation", "conda_env", "conda_package"])
def test_prefix_that_no_conda_may_have(
    module: str,
    prefix: str,
    expected: str,
    refused: Refused,
    conda_installation: Path,
) -> None:
    options: dict[str, Any] = {"prefix": prefix, "state": "absent"}
    if module != "conda_installation":
        options |= {"installation": str(conda_installation), "packages": ["six"]}
    if module == "conda_installation" and prefix == "relative/conda":
        # The module may run with any working directory: nothing relative can be meant.
        assert not Path(prefix).exists()
    message = refused(module, options)
    assert "The option prefix" in message
    assert expected in message


@pytest.mark.parametrize("name", ["a/b", "..", "a b", "", "a:b", "#a"])
def test_name_that_no_environment_may_have(
    name: str, refused: Refused, conda_installation: Path
) -> None:
    options = {"installation": str(conda_installation), "name": name, "state": "absent"}
    assert "The option name" in refused("conda_env", options)


def test_name_that_makes_the_path_too_long(refused: Refused, conda_installation: Path) -> None:
    options = {"installation": str(conda_installation), "name": "x" * 100}
    assert "110 bytes" in refused("conda_env", options)


@pytest.mark.parametrize("state", ["present", "absent"])
@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("module", ["conda_installation", "conda_env"])
def test_prefix_with_somebody_else_s_files(
    module: str,
    check: bool,
    state: str,
    refused: Refused,
    tmp_path: Path,
    installer_options: Any,
    env_options: Any,
) -> None:
    prefix = tmp_path / "theirs"
    (prefix / "sub").mkdir(parents=True)
    (prefix / "sub" / "important.txt").write_text("mine\n")
    options = (
        installer_options(prefix)
        if module == "conda_installation"
        else env_options(prefix=str(prefix))
    )
    message = refused(module, {**options, "state": state}, check=check)
    assert str(prefix) in message
    assert "Nothing was changed" in message
    assert (prefix / "sub" / "important.txt").read_text() == "mine\n"


def test_installation_where_an_environment_is(
    make_env: Any, refused: Refused, installer_options: Any
) -> None:
    prefix = make_env("lab-upgrade")
    assert "an environment without conda" in refused(
        "conda_installation", installer_options(prefix)
    )
    assert "so it is not removed" in refused(
        "conda_installation", {"prefix": str(prefix), "state": "absent"}
    )


def test_prefix_that_is_a_file(refused: Refused, tmp_path: Path, env_options: Any) -> None:
    path = tmp_path / "env"
    path.write_text("mine\n")
    assert str(path) in refused("conda_env", env_options())
    assert str(path) in refused("conda_env", env_options(state="absent"))


# -- specs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("packages", "expected"),
    [
        (["numpy=="], "The option packages"),
        (["numpy>=1.2,"], "The option packages"),
        (["numpy=!=1"], "The option packages"),
        (["numpy@1"], "The option packages"),
        (["a b c d"], "a"),
        ([""], "The option packages"),
        (["lab-upgrade=1.0", "lab-upgrade=2.0"], "lab-upgrade"),
        pytest.param(["lab-upgrade=9"], "lab-upgrade", marks=pytest.mark.full),
        pytest.param(["no-such-package"], "no-such-package", marks=pytest.mark.full),
        pytest.param(["python=3.99"], "python=3.99", marks=pytest.mark.full),
        pytest.param(["lab-conflict-a", "lab-conflict-b"], "lab-upgrade", marks=pytest.mark.full),
        (["lab-needs-cuda"], "__cuda"),
        pytest.param(["lab-needs-missing"], "lab-does-not-exist", marks=pytest.mark.full),
    ],
)
def test_packages_that_cannot_be(
    packages: list[str], expected: str, refused: Refused, env_options: Any, tmp_path: Path
) -> None:
    for check in (True, False):
        message = refused("conda_env", env_options(*packages), check=check)
        assert expected in message
        assert "packages" in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.full
def test_conflict_leaves_an_existing_environment_alone(
    make_env: Any, refused: Refused, env_options: Any, versions: Any
) -> None:
    prefix = make_env("lab-conflict-a")
    for module in ("conda_env", "conda_package"):
        options = env_options("lab-conflict-a", "lab-conflict-b", prefix=str(prefix))
        assert "lab-conflict" in refused(module, options)
    assert versions(prefix) == {"lab-conflict-a": "1.0", "lab-upgrade": "2.0"}


# -- what is protected --------------------------------------------------------------------------------


def test_base_is_not_removed_as_an_environment(
    refused: Refused, conda_installation: Path, conda: Any
) -> None:
    for where in ({"name": "base"}, {"prefix": str(conda_installation)}):
        options = {"installation": str(conda_installation), "state": "absent", **where}
        for check in (True, False):
            assert "base environment" in refused("conda_env", options, check=check)
    assert conda("info")["conda_version"] == "24.7.1"


@pytest.mark.parametrize(
    ("module", "more"),
    [
        ("conda_env", {"packages": ["lab-rebuilt"]}),
        ("conda_env", {"state": "absent"}),
        ("conda_package", {"packages": ["lab-rebuilt"]}),
        ("conda_package", {"packages": ["lab-upgrade"], "state": "absent"}),
        ("conda_package", {"packages": ["lab-upgrade"], "state": "latest"}),
    ],
)
def test_frozen_environment(
    module: str, more: dict[str, Any], make_env: Any, refused: Refused, env_options: Any
) -> None:
    prefix = make_env("lab-upgrade=1.0")
    frozen = prefix / "conda-meta" / "frozen"
    frozen.write_text("{}\n")
    try:
        for check in (True, False):
            message = refused(module, env_options(prefix=str(prefix), **more), check=check)
            assert "frozen" in message
    finally:
        frozen.unlink()


def test_package_in_an_environment_that_is_not_there(
    refused: Refused, env_options: Any, tmp_path: Path
) -> None:
    message = refused("conda_package", env_options("six"))
    assert "There is no conda environment at" in message
    assert list(tmp_path.iterdir()) == []


def test_installation_that_is_not_there(refused: Refused, tmp_path: Path, env_options: Any) -> None:
    nowhere = tmp_path / "nowhere"
    message = refused("conda_env", env_options("six", installation=str(nowhere)))
    assert "option installation" in message
    assert list(tmp_path.iterdir()) == []


# -- the mirror of the channel ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "kind", "how"),
    only_full_but(
        [
            ("/conda/lab/*", "status", {"code": 404}),
            ("/conda/lab/*", "status", {"code": 500}),
            ("/conda/lab/noarch/lab-rebuilt*", "status", {"code": 404}),
            ("/conda/lab/noarch/lab-rebuilt*", "truncate", {"fraction": 0.5}),
            ("/conda/lab/noarch/lab-rebuilt*", "tamper", {}),
        ],
        ("/conda/lab/noarch/lab-rebuilt*", "truncate", {"fraction": 0.5}),
    ),
)
def test_mirror_of_the_channel(
    pattern: str,
    kind: str,
    how: dict[str, Any],
    refused: Refused,
    env_options: Any,
    mirror: Any,
    tmp_path: Path,
    conda: Any,
    run_module: Any,
) -> None:
    conda("clean", "--all", "--yes")
    mirror.fault(pattern, kind, **how)
    message = refused("conda_env", env_options("lab-rebuilt"))
    assert "What to do:" in message
    assert list(tmp_path.iterdir()) == []
    mirror.clear_faults()
    assert run_module("conda_env", env_options("lab-rebuilt"))["changed"]
    run_module("conda_env", env_options(state="absent"))


def test_mirror_that_fails_for_a_moment(
    run_module: Any, env_options: Any, mirror: Any, conda: Any, versions: Any, tmp_path: Path
) -> None:
    conda("clean", "--all", "--yes")
    mirror.fault("/conda/lab/noarch/lab-rebuilt*", "truncate", fraction=0.5, times=1)
    assert run_module("conda_env", env_options("lab-rebuilt"))["changed"]
    assert versions(tmp_path / "env") == {"lab-rebuilt": "1.0"}


# -- the host ---------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root: a full disk is NOT tested here")
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "llmfleet-test", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted, a full disk is NOT tested: {done.stderr}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.root
def test_full_disk_for_an_installation(
    small_disk: Path, refused: Refused, installer_options: Any
) -> None:
    message = refused("conda_installation", installer_options(small_disk / "base"))
    assert "make room" in message.lower()
    assert str(small_disk) in message
    assert list(small_disk.iterdir()) == []


@pytest.mark.root
def test_full_disk_for_an_environment(small_disk: Path, refused: Refused, env_options: Any) -> None:
    message = refused("conda_env", env_options("python=3.11", prefix=str(small_disk / "env")))
    assert "make room" in message.lower()
    assert "packages" in message or "prefix" in message.lower()
    assert list(small_disk.iterdir()) == []


@pytest.mark.root
def test_full_disk_leaves_an_existing_environment_working(
    small_disk: Path, run_module: Any, env_options: Any, versions: Any
) -> None:
    options = env_options("lab-upgrade=1.0", prefix=str(small_disk / "env"))
    assert run_module("conda_env", options)["changed"]
    result = run_module("conda_env", {**options, "packages": ["lab-upgrade=1.0", "python=3.11"]})
    assert result["rc"] == 1
    assert "make room" in result["msg"].lower()
    assert versions(small_disk / "env")["lab-upgrade"] == "1.0"
    assert not run_module("conda_env", options)["changed"]


@pytest.fixture
def stranger() -> Iterator[tuple[int, Path]]:
    """The id of a user without rights, and a directory of root's that everybody may read."""
    if os.geteuid() != 0:
        pytest.skip("becoming another user needs root: missing permission is NOT tested here")
    with tempfile.TemporaryDirectory(prefix="llmfleet-test-") as name:
        Path(name).chmod(0o755)
        yield pwd.getpwnam("nobody").pw_uid, Path(name)


@pytest.mark.root
@pytest.mark.parametrize("module", ["conda_installation", "conda_env", "conda_config"])
def test_parent_that_may_not_be_written(
    module: str, stranger: tuple[int, Path], run_module: Any, mirror: Any, installer_options: Any
) -> None:
    user, place = stranger
    (place / "root").mkdir()
    (place / "base" / "bin").mkdir(parents=True)
    options: dict[str, Any] = {
        "conda_installation": installer_options(place / "root" / "conda"),
        "conda_env": {"installation": str(place / "base"), "prefix": str(place / "root" / "env")},
        "conda_config": {"path": str(place / "root" / "condarc"), "settings": {"channels": []}},
    }[module]
    before = snapshot(place)
    mirror.reset()
    result = run_module(module, options, user=user, environment={"HOME": "/nonexistent"})
    assert result["rc"] == 1
    assert str(place / "root") in result["msg"]
    assert any(word in result["msg"] for word in ("may not write", "not writable", "denied"))
    assert changes(before, snapshot(place)) == []
    assert mirror.counts() == {}, "nothing is fetched for a place that cannot be written"


@pytest.mark.root
def test_environment_of_somebody_else(
    stranger: tuple[int, Path], run_module: Any, env_options: Any
) -> None:
    user, place = stranger
    prefix = place / "env"
    assert run_module("conda_env", env_options("lab-upgrade=1.0", prefix=str(prefix)))["changed"]
    before = snapshot(place)
    options = env_options("lab-upgrade=2.0", prefix=str(prefix), installation=str(place / "none"))
    result = run_module("conda_env", options, user=user, environment={"HOME": "/nonexistent"})
    assert result["rc"] == 1
    assert "become" in result["msg"]
    assert changes(before, snapshot(place)) == []
