"""Installations for a group, and for one user alone: real users, the real conda, plain files as judges."""

from __future__ import annotations

import grp
import json
import os
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.mirror import Mirror
from tests.integration.four_steps import Steps
from tests.integration.snapshot import changes, snapshot

Options = Callable[..., dict[str, Any]]

MEMBER = 65534
"""Number of the user, and of the group of the same number, whom the tests become."""
STRANGER = 54321
"""A user who is not in that group."""

# Only in make test-full: the scenario multiuser has shared installations in make test.
pytestmark = [pytest.mark.root, pytest.mark.full]


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory of root's that everybody may read, with homes of the two users in it."""
    if os.geteuid() != 0:
        pytest.skip("becoming another user needs root: shared installations are NOT tested here")
    with tempfile.TemporaryDirectory(prefix="llmfleet-test-") as name:
        Path(name).chmod(0o755)
        for user in (MEMBER, STRANGER):
            home = Path(name, f"home-{user}")
            home.mkdir()
            os.chown(home, user, user)
        yield Path(name)


def environment(place: Path, user: int) -> dict[str, str]:
    """The environment of a user who is logged in."""
    return {"HOME": str(place / f"home-{user}")}


def conda_as(place: Path, prefix: Path, user: int, *arguments: str) -> Any:
    """What the real conda of the installation says to a user; it must succeed."""
    done = subprocess.run(
        [str(prefix / "bin" / "python"), "-I", "-B", "-m", "conda", *arguments, "--json"],
        env={"PATH": os.environ["PATH"], **environment(place, user)},
        cwd="/",
        user=user,
        group=user,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def owners(*roots: Path) -> set[tuple[int, int]]:
    """The owners and groups of everything below ``roots``."""
    found = set()
    for root in roots:
        for path in (root, *root.rglob("*")):
            status = path.lstat()
            found.add((status.st_uid, status.st_gid))
    return found


def writable_by_group(prefix: Path) -> set[str]:
    """What the group may write, outside of environments."""
    return {
        str(path.relative_to(prefix))
        for path in (prefix, *prefix.rglob("*"))
        if not path.is_symlink() and path.lstat().st_mode & stat.S_IWGRP
    }


def test_a_group_shares_an_installation(
    place: Path, run_module: Any, installer_options: Options, mirror: Mirror, home: Path
) -> None:
    prefix = place / "base"
    steps = Steps(run_module, (place, home), prefix)
    plain = installer_options(prefix)
    assert run_module("conda_installation", plain)["changed"]
    shared = {
        **plain,
        "owner": "root",
        "group": grp.getgrgid(MEMBER).gr_name,
        "mode": "0750",
        "group_writable": ["envs", "pkgs"],
    }
    result = steps("conda_installation", shared)
    assert result["plan"]["action"] == "access"
    assert owners(prefix) == {(0, MEMBER)}
    assert stat.S_IMODE(prefix.stat().st_mode) == 0o750
    open_places = writable_by_group(prefix)
    assert {"envs", "pkgs", "pkgs/urls.txt"} <= open_places
    assert not [path for path in open_places if not path.startswith(("envs", "pkgs"))]
    assert not [path for path in open_places if path.startswith("pkgs/") and path.count("/") > 2]

    settings = {
        "channels": [f"{mirror.url}/conda/lab"],
        "envs_dirs": [str(prefix / "envs")],
        "pkgs_dirs": [str(prefix / "pkgs")],
    }
    config = {"scope": "prefix", "installation": str(prefix), "settings": settings}
    assert run_module("conda_config", config)["changed"]
    base = snapshot(*(prefix / name for name in ("bin", "conda-meta", "etc", "lib")))

    mine = {"installation": str(prefix), "name": "mine", "packages": ["lab-upgrade=1.0"]}
    how: dict[str, Any] = {"user": MEMBER, "environment": environment(place, MEMBER)}
    made = run_module("conda_env", mine, **how)
    assert made["changed"], made
    assert owners(prefix / "envs" / "mine") == {(MEMBER, MEMBER)}
    conda_as(place, prefix, MEMBER, "create", "--yes", "--name", "by-conda", "lab-upgrade=2.0")
    assert (prefix / "envs" / "by-conda" / "conda-meta" / "history").is_file()
    own = place / f"home-{MEMBER}" / ".conda"
    assert not (own / "pkgs").exists()
    assert not list(own.glob("envs/*/conda-meta"))
    unchanged = snapshot(*(prefix / name for name in ("bin", "conda-meta", "etc", "lib")))
    assert changes(base, unchanged) == []

    # What members made is theirs and no reason for a change.
    assert not run_module("conda_installation", shared)["changed"]
    refused = run_module("conda_env", mine, user=STRANGER, environment=environment(place, STRANGER))
    assert refused["rc"] == 1
    assert str(prefix) in refused["msg"]


def test_a_new_shared_installation_and_a_drift(
    place: Path, run_module: Any, installer_options: Options, home: Path
) -> None:
    prefix = place / "base"
    steps = Steps(run_module, (place, home), prefix)
    options = installer_options(prefix, owner=str(MEMBER), group=str(MEMBER), mode="0755")
    steps("conda_installation", options)
    assert owners(prefix) == {(MEMBER, MEMBER)}
    record = next((prefix / "conda-meta").glob("pip-*.json"))
    os.chown(record, 0, 0)
    os.lchown(prefix / "bin" / "pip", 0, 0)
    result = steps("conda_installation", options)
    assert result["plan"]["action"] == "access"
    assert owners(prefix) == {(MEMBER, MEMBER)}


def test_a_user_s_own_installation(
    place: Path, run_module: Any, installer_options: Options, mirror: Mirror
) -> None:
    home = place / f"home-{MEMBER}"
    prefix = home / "miniconda3"
    how: dict[str, Any] = {"user": MEMBER, "environment": environment(place, MEMBER)}
    steps = Steps(run_module, (place,), prefix)
    steps("conda_installation", installer_options(prefix), **how)
    settings = {"channels": ["lab"], "channel_alias": f"{mirror.url}/conda"}
    steps("conda_config", {"scope": "user", "settings": settings}, **how)
    assert (home / ".condarc").is_file()
    made = {"installation": str(prefix), "name": "mine", "packages": ["lab-upgrade=1.0"]}
    assert run_module("conda_env", made, **how)["changed"]
    assert owners(home) == {(MEMBER, MEMBER)}
    listed = (home / ".conda" / "environments.txt").read_text().splitlines()
    assert str(prefix / "envs" / "mine") in listed

    absent = {"prefix": str(prefix), "state": "absent", "remove_environments": True}
    steps("conda_installation", absent, **how)
    left = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    assert left == {".condarc"}


def test_a_user_of_an_installation_that_is_closed_to_them(
    place: Path,
    conda_installation: Path,
    run_module: Any,
    installer_options: Options,
    mirror: Mirror,
) -> None:
    """Environments and packages then go below the home directory, by conda and by the modules."""
    home = place / f"home-{MEMBER}"
    prefix = place / "base"
    assert run_module("conda_installation", installer_options(prefix))["changed"]
    before = snapshot(prefix)
    how: dict[str, Any] = {"user": MEMBER, "environment": environment(place, MEMBER)}
    config = {"scope": "user", "settings": {"channels": [f"{mirror.url}/conda/lab"]}}
    assert run_module("conda_config", config, **how)["changed"]
    conda_as(place, prefix, MEMBER, "create", "--yes", "--name", "by-conda", "lab-upgrade=1.0")
    mine = {
        "installation": str(prefix),
        "prefix": str(home / ".conda" / "envs" / "mine"),
        "packages": ["lab-upgrade=2.0"],
    }
    assert run_module("conda_env", mine, **how)["changed"]
    assert not run_module("conda_env", mine, **how)["changed"]
    environments = home / ".conda" / "envs"
    assert {path.name for path in environments.iterdir() if path.is_dir()} == {"by-conda", "mine"}
    assert list((home / ".conda" / "pkgs").glob("lab-upgrade-*"))
    assert owners(home) == {(MEMBER, MEMBER)}
    assert changes(before, snapshot(prefix)) == []
    info = run_module("conda_info", {"installation": str(prefix)}, **how)
    assert info["rc"] == 0, info
