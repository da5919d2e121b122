"""The installed base is a conda that a user can work with, and it counts its starts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lab import channel, conda_source, counter, packages
from tests.lab.installed_base import Base, clean_environment

InShell = Callable[..., subprocess.CompletedProcess[str]]

SHELLS = [
    pytest.param(shell, id=" ".join(shell))
    for shell in (
        ("bash", "--noprofile", "--norc", "-e"),
        ("bash", "--noprofile", "--norc", "-eu"),
        ("sh", "-eu"),
    )
]


@pytest.fixture(scope="module")
def environment(base: Base) -> Path:
    """An environment with Python and what shows links, scripts and entry points."""
    minor = channel.base_interpreter().minor
    return base.create(f"python={minor}", "six=1.15.0", "lab-post-link", "lab-entrypoint")


def test_conda_says_its_version(base: Base) -> None:
    assert base.run("--version").stdout == f"conda {conda_source.VERSION}\n"


def test_every_record_names_files_that_are_there(base: Base) -> None:
    records = [json.loads(p.read_text()) for p in base.prefix.glob("conda-meta/*.json")]
    assert {"python", "conda", "pip", "setuptools", "wheel"} <= {r["name"] for r in records}
    for record in records:
        assert record["files"], record["name"]
        missing = [name for name in record["files"] if not os.path.lexists(base.prefix / name)]
        assert missing == [], record["name"]
        assert record["url"].startswith(conda_source.CHANNEL_URL)


def test_the_channel_keeps_its_name_behind_a_mirror(base: Base) -> None:
    listed = json.loads(base.run("list", "--json").stdout)
    assert {item["channel"] for item in listed} == {"lab"}


def test_nothing_in_the_base_names_another_place(base: Base) -> None:
    record = json.loads(next(base.prefix.glob("conda-meta/python-3*.json")).read_text())
    with_prefix = [p["_path"] for p in record["paths_data"]["paths"] if "prefix_placeholder" in p]
    assert any("_sysconfigdata" in name for name in with_prefix)
    for name in with_prefix:
        text = (base.prefix / name).read_text()
        assert "placeholder_placeholder" not in text, name
        assert str(base.prefix) in text, name


def test_conda_would_change_nothing_in_its_own_base(base: Base) -> None:
    answer = base.json("install", "--name", "base", "--dry-run", "conda", "pip", "setuptools")
    assert answer["message"] == "All requested packages already installed."


def test_python_takes_no_library_from_the_host_but_glibc(environment: Path) -> None:
    code = (
        "import bz2, ctypes, curses, lzma, readline, sqlite3, ssl, uuid, zlib\n"
        "for line in open('/proc/self/maps'):\n"
        "    name = line.split()[-1]\n"
        "    if '.so' in name: print(name)\n"
    )
    done = subprocess.run(
        [environment / "bin" / "python", "-I", "-c", code],
        env={},
        capture_output=True,
        text=True,
        check=True,
    )
    foreign = {
        Path(name).name.split(".so")[0]
        for name in done.stdout.split()
        if not name.startswith((str(environment), str(environment.resolve())))
    }
    glibc = {"ld-linux-x86-64", "libc", "libm", "libdl", "libpthread", "librt", "libutil"}
    assert foreign <= glibc | {"libresolv", "libnsl"}


def test_pip_agrees_with_conda(base: Base, environment: Path) -> None:
    python = str(environment / "bin" / "python")
    variables = clean_environment(base.home)
    check = subprocess.run([python, "-m", "pip", "check"], env=variables, capture_output=True)
    assert check.returncode == 0, check.stdout
    shown = subprocess.run(
        [python, "-m", "pip", "inspect"], env=variables, capture_output=True, check=True
    )
    installers = {
        item["metadata"]["name"]: item.get("installer")
        for item in json.loads(shown.stdout)["installed"]
    }
    assert installers["six"] == installers["pip"] == "conda"


def test_entry_points_and_link_scripts_ran(base: Base, environment: Path) -> None:
    said = subprocess.run(
        [environment / "bin" / "lab-hello"], capture_output=True, text=True, check=True
    )
    assert said.stdout == "hello from lab-entrypoint\n"
    linked = environment / "lab-post-link.txt"
    assert linked.read_text() == f"linked into {environment}\n"
    assert base.json("remove", "--prefix", str(environment), "lab-post-link")["success"]
    assert not linked.exists()


def test_a_package_is_upgraded_in_place(base: Base) -> None:
    prefix = base.create("lab-upgrade=1.0")
    assert (prefix / "share" / "lab-upgrade.txt").read_text() == "lab-upgrade 1.0 build 0\n"
    assert base.json("update", "--prefix", str(prefix), "lab-upgrade")["success"]
    assert (prefix / "share" / "lab-upgrade.txt").read_text() == "lab-upgrade 2.0 build 0\n"


def test_an_upgraded_module_of_the_same_size_is_the_one_that_runs(
    base: Base, environment: Path, tmp_path: Path
) -> None:
    site = f"lib/python{channel.base_interpreter().minor}/site-packages"
    (tmp_path / "noarch").mkdir()
    for version in ("1.0", "2.0"):
        module = tmp_path / version / site / "lab_same_size.py"
        module.parent.mkdir(parents=True)
        module.write_text(f"print({version!r})\n")
        description = packages.Description(
            name="lab-same-size", version=version, build="lab_0", noarch="generic"
        )
        package = packages.pack(tmp_path / version, description, tmp_path / "noarch")
        linked = base.run("install", "--prefix", str(environment), "--yes", "--quiet", str(package))
        assert linked.returncode == 0, linked.stderr
        said = subprocess.run(
            [environment / "bin" / "python", "-c", "import lab_same_size"],
            env=clean_environment(base.home),
            capture_output=True,
            text=True,
            check=True,
        )
        assert said.stdout == f"{version}\n"


def test_conda_run_starts_the_environments_python(base: Base, environment: Path) -> None:
    done = base.run(
        "run", "--prefix", str(environment), "python", "-c", "import sys; print(sys.prefix)"
    )
    assert done.stdout.strip() == str(environment), done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_activate_and_deactivate_in_a_shell(
    in_shell: InShell, environment: Path, shell: tuple[str, ...]
) -> None:
    done = in_shell(
        f"conda activate {environment}\n"
        "python -c 'import sys; print(sys.prefix)'\n"
        'echo "$CONDA_PREFIX $CONDA_SHLVL"\n'
        "conda deactivate\n"
        'echo "[${CONDA_PREFIX:-}] $CONDA_SHLVL $PATH"\n',
        shell,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == str(environment)
    assert lines[1] == f"{environment} 1"
    assert lines[2].startswith("[] 0 ")
    assert str(environment) not in lines[2]


@pytest.mark.parametrize("shell", SHELLS)
def test_activating_nothing_fails_and_changes_nothing(
    in_shell: InShell, shell: tuple[str, ...]
) -> None:
    done = in_shell(
        'before="$PATH"\nif conda activate not-there; then exit 9; fi\n'
        'test "$before" = "$PATH" && echo unchanged\n',
        shell,
    )
    assert (done.returncode, done.stdout) == (0, "unchanged\n")
    assert "EnvironmentNameNotFound" in done.stderr


def test_conda_in_a_shell_is_the_real_one(in_shell: InShell) -> None:
    done = in_shell("conda --version\nconda nonsense || echo failed=$?\n", ("sh", "-eu"))
    assert done.stdout == f"conda {conda_source.VERSION}\nfailed=2\n"


@pytest.mark.parametrize(
    "arguments", [("--version",), ("list",), ("info", "--json"), ("config", "--show-sources")]
)
def test_every_start_of_conda_is_counted(base: Base, arguments: tuple[str, ...]) -> None:
    counter.reset(base.prefix)
    assert base.run(*arguments).returncode == 0
    starts = counter.starts(base.prefix)
    assert len(starts) == 1
    assert starts[0].endswith(" ".join(arguments))


def test_no_start_is_no_line(base: Base) -> None:
    counter.reset(base.prefix)
    subprocess.run([base.prefix / "bin" / "python", "-c", "import conda.base.context"], check=True)
    assert counter.starts(base.prefix) == []


def test_a_log_that_cannot_be_written_breaks_nothing(base: Base) -> None:
    counter.reset(base.prefix)
    log = base.prefix / counter.LOG
    log.mkdir()
    try:
        assert base.run("--version").stdout == f"conda {conda_source.VERSION}\n"
    finally:
        shutil.rmtree(log)
