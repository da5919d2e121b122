"""The installer behaves as the real one was seen to behave (constructor 3.16)."""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conda_package_streaming.extract import extract

from lab import counter, paths
from tests.lab.installed_base import clean_environment

EXISTS = "ERROR: File or directory already exists: '{}'\n"


@pytest.fixture
def script(lab_installer: dict[str, Any]) -> Path:
    path: Path = lab_installer["path"]
    return path


def run(
    script: Path, *arguments: str | Path, home: Path, stdin: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(script), *map(str, arguments)],
        env={**clean_environment(home), **variables},
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_the_index_lists_each_installer_with_its_sum(lab_installer: dict[str, Any]) -> None:
    listed = json.loads((paths.installers_dir() / "index.json").read_text())
    scripts = {path.name for path in paths.installers_dir().glob("*.sh")}
    assert {entry["filename"] for entry in listed} == scripts
    for entry in listed:
        body = (paths.installers_dir() / entry["filename"]).read_bytes()
        assert entry["sha256"] == hashlib.sha256(body).hexdigest()
        assert entry["filename"] == f"Miniconda3-{entry['version']}-Linux-x86_64.sh"
    assert lab_installer["filename"] == listed[0]["filename"]


def test_help_is_on_stdout_with_status_2(script: Path, tmp_path: Path) -> None:
    done = run(script, "-h", home=tmp_path)
    assert done.returncode == 2
    for option in ("-b ", "-f ", "-h ", "-p PREFIX", "-s ", "-u "):
        assert f"\n{option}" in done.stdout


@pytest.mark.parametrize("arguments", [["-z"], ["--help"], ["-b", "-p"]])
def test_a_bad_option_is_status_1(script: Path, tmp_path: Path, arguments: list[str]) -> None:
    done = run(script, *arguments, home=tmp_path)
    assert done.returncode == 1
    assert "did not recognize option '?', please try -h" in done.stdout


@pytest.mark.parametrize(("stdin", "status"), [("\nno\n", 2), ("", 1), ("\n", 1)])
def test_without_consent_nothing_is_written(
    script: Path, tmp_path: Path, stdin: str, status: int
) -> None:
    done = run(script, "-p", tmp_path / "p", home=tmp_path, stdin=stdin)
    assert done.returncode == status
    assert not (tmp_path / "p").exists()


def test_a_prefix_with_spaces_is_refused(script: Path, tmp_path: Path) -> None:
    done = run(script, "-b", "-p", tmp_path / "a b", home=tmp_path)
    assert (done.returncode, done.stderr) == (
        1,
        "ERROR: Cannot install into directories with spaces\n",
    )
    assert not (tmp_path / "a b").exists()


def test_a_name_without_sh_is_refused(script: Path, tmp_path: Path) -> None:
    (tmp_path / "installer").symlink_to(script)
    done = run(tmp_path / "installer", "-b", "-p", tmp_path / "p", home=tmp_path)
    assert done.returncode == 1
    assert "Please run using" in done.stderr


@pytest.mark.parametrize("kind", ["file", "empty folder"])
def test_an_existing_prefix_is_refused_and_left_alone(
    script: Path, tmp_path: Path, kind: str
) -> None:
    prefix = tmp_path / "p"
    if kind == "file":
        prefix.write_text("mine")
    else:
        prefix.mkdir()
    done = run(script, "-b", "-p", prefix, home=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(EXISTS.format(prefix))
    assert "use the -u option" in done.stderr
    assert prefix.read_text() == "mine" if kind == "file" else list(prefix.iterdir()) == []


def test_a_prefix_that_cannot_be_made_is_refused(script: Path, tmp_path: Path) -> None:
    done = run(script, "-b", "-p", "/proc/nowhere/p", home=tmp_path)
    assert done.returncode == 1
    assert "ERROR: Could not create directory: '/proc/nowhere/p'." in done.stderr


def test_a_truncated_file_warns_fails_and_leaves_a_part(script: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.sh"
    cut.write_bytes(script.read_bytes()[: script.stat().st_size // 2])
    done = run(cut, "-b", "-p", tmp_path / "p", home=tmp_path)
    assert done.returncode == 1
    assert "WARNING: md5sum mismatch of tar archive" in done.stderr
    assert "installation finished." not in done.stdout
    assert (tmp_path / "p" / "pkgs").is_dir()
    assert not (tmp_path / "p" / "bin" / "conda").exists()


def test_a_tampered_payload_warns_and_fails(script: Path, tmp_path: Path) -> None:
    body = bytearray(script.read_bytes())
    middle = len(body) // 2
    body[middle : middle + 64] = bytes(byte ^ 0xFF for byte in body[middle : middle + 64])
    changed = tmp_path / "changed.sh"
    changed.write_bytes(body)
    done = run(changed, "-b", "-p", tmp_path / "p", home=tmp_path)
    assert done.returncode == 1
    assert "WARNING: md5sum mismatch of tar archive" in done.stderr


@dataclass(frozen=True)
class Installation:
    """One installation, and what the installer said."""

    prefix: Path
    home: Path
    said: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def installation(
    lab_installer: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Installation:
    """Made under the worst conditions that must not matter: see the tests that follow."""
    folder = tmp_path_factory.mktemp("installation")
    home = folder / "home"
    home.mkdir()
    longer = folder / "longer.sh"
    longer.write_bytes(lab_installer["path"].read_bytes() + b"padding")
    prefix = folder / "p"
    variables = {"PYTHONPATH": "/nowhere", "TMPDIR": "/nowhere/either", "CONDA_CHANNELS": "x"}
    said = run(longer, "-b", "-s", "-p", prefix, home=home, **variables)
    assert said.returncode == 0, said.stderr
    return Installation(prefix, home, said)


def test_bytes_behind_the_payload_are_only_a_warning(installation: Installation) -> None:
    assert "WARNING: md5sum mismatch of tar archive" in installation.said.stderr
    assert "WARNING: size of" in installation.said.stderr


def test_an_installation_says_what_it_does(installation: Installation) -> None:
    lines = installation.said.stdout.splitlines()
    assert lines[:6] == [
        f"PREFIX={installation.prefix}",
        "Unpacking bootstrapper...",
        "Unpacking payload...",
        "",
        "Installing base environment...",
        "",
    ]
    # PYTHONPATH was set.
    assert lines.index("WARNING:") > lines.index("installation finished.")


def test_an_installation_leaves_a_base_and_nothing_in_the_home(
    installation: Installation, lab_installer: dict[str, Any]
) -> None:
    prefix = installation.prefix
    for name in ("pkgs", "envs", "condabin/conda", "bin/conda", "etc/profile.d/conda.sh"):
        assert (prefix / name).exists(), name
    for name in ("history", "initial-state.explicit.txt"):
        assert (prefix / "conda-meta" / name).read_text(), name
    assert (prefix / ".installer.info").read_text() == f"{lab_installer['filename']}\n"
    for name in ("_conda", "LICENSE.txt", "pkgs/.constructor-build.info", "pkgs/urls"):
        assert (prefix / name).is_file(), name
    for name in ("preconda.tar.bz2", "postconda.tar.bz2", "install_tmp", ".messages.txt"):
        assert not (prefix / name).exists(), name
    assert (installation.home / ".conda" / "environments.txt").read_text() == f"{prefix}\n"
    assert [p.name for p in installation.home.iterdir()] == [".conda"]
    # The installer's own conda is no start of the user's.
    assert counter.starts(prefix) == []


def test_a_base_has_the_times_of_the_channels_files(
    installation: Installation, lab_channel: Path, tmp_path: Path
) -> None:
    """Python tells versions of a module apart by them, when conda updates the base."""
    (record,) = installation.prefix.glob("conda-meta/requests-*.json")
    listed = json.loads(record.read_text())
    extract(next(lab_channel.glob(f"*/{listed['fn']}")), tmp_path)
    (packed,) = tmp_path.glob("site-packages/requests/sessions.py")
    (linked,) = installation.prefix.glob("lib/*/site-packages/requests/sessions.py")
    assert linked.stat().st_mtime == packed.stat().st_mtime


def test_an_update_keeps_environments_and_loses_the_history(
    installation: Installation, script: Path
) -> None:
    prefix = installation.prefix
    (prefix / "envs" / "kept").mkdir()
    history = prefix / "conda-meta" / "history"
    with history.open("a") as handle:
        handle.write("# update specs: ['lab-upgrade']\n")
    shutil.rmtree(prefix / "pkgs")
    done = run(script, "-b", "-f", "-p", prefix, home=installation.home)
    assert done.returncode == 0, done.stderr
    assert "md5sum mismatch" not in done.stderr
    assert (prefix / "envs" / "kept").is_dir()
    assert "lab-upgrade" not in history.read_text()
    assert (prefix / "pkgs").is_dir()


def test_consent_by_hand_installs_where_the_answer_says(script: Path, tmp_path: Path) -> None:
    # Longer than a shebang may be, too.
    prefix = tmp_path / ("long" * 30)
    done = run(script, home=tmp_path, stdin=f"\nyes\n{prefix}\n")
    assert done.returncode == 0, done.stderr
    assert (prefix / "bin" / "conda").read_text().startswith("#!/usr/bin/env python\n")
    version = subprocess.run(
        [prefix / "bin" / "python", "-m", "conda", "--version"],
        env=clean_environment(tmp_path),
        capture_output=True,
        check=True,
    )
    assert version.stdout.startswith(b"conda ")


def test_the_second_installer_has_another_python(
    lab_installer: dict[str, Any], tmp_path: Path
) -> None:
    first, *others = json.loads((paths.installers_dir() / "index.json").read_text())
    if not others:
        pytest.skip("this machine has one Python that conda 24.7.1's dependencies are pinned for")
    assert others[0]["python"] != first["python"]
    script = paths.installers_dir() / others[0]["filename"]
    assert run(script, "-b", "-p", tmp_path / "p", home=tmp_path).returncode == 0
    info = subprocess.run(
        [tmp_path / "p" / "bin" / "python", "-m", "conda", "info", "--json"],
        env=clean_environment(tmp_path),
        capture_output=True,
        check=True,
    )
    assert json.loads(info.stdout)["python_version"].startswith(others[0]["python"])


@pytest.mark.root
def test_an_ordinary_user_may_update_a_folder_of_his(script: Path) -> None:
    user = pwd.getpwnam("nobody")
    folder = Path("/var/tmp") / f"llmfleet-lab-{os.getpid()}"
    folder.mkdir()
    try:
        shutil.copy(script, folder / "installer.sh")
        prefix = folder / "p"
        prefix.mkdir()
        (prefix / "mine.txt").write_text("mine")
        os.chown(folder, user.pw_uid, user.pw_gid)
        os.chown(prefix, user.pw_uid, user.pw_gid)
        done = subprocess.run(
            ["sh", str(folder / "installer.sh"), "-b", "-u", "-p", str(prefix)],
            env=clean_environment(folder),
            user=user.pw_uid,
            group=user.pw_gid,
            extra_groups=[],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert (prefix / ".nonadmin").is_file()
        assert (prefix / "mine.txt").read_text() == "mine"
        owners = {path.stat().st_uid for path in prefix.iterdir() if path.name != "mine.txt"}
        assert owners == {user.pw_uid}
    finally:
        shutil.rmtree(folder)


@pytest.mark.root
def test_a_disk_that_is_too_small_is_refused(script: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "none", str(disk)], check=True)
    try:
        done = run(script, "-b", "-p", disk / "p", home=tmp_path)
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert done.returncode == 1
    assert "Not enough free space" in done.stderr
