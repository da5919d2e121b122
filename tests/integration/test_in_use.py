"""An environment from which programs run, and what becomes of changes to it: real processes, real conda."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import paths
from tests.integration.target import module_command, module_environment

Start = Callable[..., subprocess.Popen[str]]

ME = pwd.getpwuid(os.getuid()).pw_name

# Imports a module only when it is told to: what is unlinked meanwhile breaks it.
SERVICE = "import sys; print('ready', flush=True); sys.stdin.readline(); import six; print(six.__version__)"


@pytest.fixture(scope="module")
def prefix(conda_installation: Path, run_module: Any) -> Iterator[Path]:
    """An environment with a Python, made once: a test that changes it puts six 1.16 back."""
    path = conda_installation / "envs" / "used"
    options = {"installation": str(conda_installation), "prefix": str(path)}
    packages = ["python=3.11", "six=1.16", "pip"]
    assert run_module("conda_env", {**options, "packages": packages})["changed"]
    yield path
    run_module("conda_env", {**options, "state": "absent"})


@pytest.fixture
def change(prefix: Path, conda_installation: Path, run_module: Any) -> Callable[..., Any]:
    """Run conda_package in the environment."""

    def run(spec: str, *, check: bool = False, warns: bool = False, **more: Any) -> Any:
        where = {"installation": str(conda_installation), "prefix": str(prefix)}
        options = {**where, "packages": [spec], **more}
        return run_module("conda_package", options, check=check, warns=warns)

    return run


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a program that says "ready"; all of them have ended when the test has."""
    started: list[subprocess.Popen[str]] = []

    def run(*argv: str | Path, **how: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [str(word) for word in argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PATH": os.defpath},
            start_new_session=True,
            **how,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield run
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def finished(process: subprocess.Popen[str]) -> str:
    """What a service says at its end, after its import."""
    output, _none = process.communicate("go on\n", timeout=60)
    assert process.returncode == 0
    return output


def six(prefix: Path) -> str:
    (record,) = (prefix / "conda-meta").glob("six-*.json")
    return record.name.split("-")[1]


def test_a_change_is_refused_and_the_program_goes_on(
    prefix: Path, change: Any, start: Start
) -> None:
    process = start(prefix / "bin/python", "-c", SERVICE, "--token", "s3cret")
    before = six(prefix)
    for check in (True, False):
        result = change("six=1.17", check=check)
        assert result["failed"]
        (user,) = result["in_use"]
        assert (user["pid"], user["user"], user["how"]) == (process.pid, ME, "exe")
        assert user["command"].startswith(f"{prefix}/bin/python -c import sys")
        assert 0 <= user["age_seconds"] < 600
        assert f"process {process.pid} of {ME}" in result["msg"]
        assert "files of six" in result["msg"]
        assert "s3cret" not in str(result)
    assert six(prefix) == before
    # What only adds packages is not refused: conda is asked whether it does.
    assert change("lab-needs-glibc")["changed"]
    # Nothing to do: nobody looks.
    assert change("six")["in_use"] == []
    assert finished(process) == f"{before}\n"
    result = change("lab-needs-glibc", state="absent")
    assert (result["changed"], result["in_use"]) == (True, [])


@pytest.mark.full
def test_wait_changes_after_the_program_has_ended(prefix: Path, change: Any, start: Start) -> None:
    process = start(prefix / "bin/python", "-c", SERVICE)
    wanted = "1.16" if six(prefix).startswith("1.17") else "1.17"
    how = {"in_use": "wait", "in_use_timeout": 1}
    result = change(f"six={wanted}", check=True, warns=True, **how)
    assert result["changed"]
    assert "would wait up to 1 seconds" in result["warnings"][0]
    result = change(f"six={wanted}", **how)
    assert result["failed"]
    assert "Waited 1 seconds" in result["msg"]
    ending = subprocess.Popen(["sh", "-c", f"sleep 3; kill {process.pid}"])
    result = change(f"six={wanted}", in_use="wait", in_use_timeout=120)
    ending.wait()
    assert process.wait() == -signal.SIGTERM
    assert (result["changed"], result["in_use"]) == (True, [])
    assert six(prefix).startswith(wanted)


@pytest.mark.full
def test_warn_changes_at_once(prefix: Path, change: Any, start: Start) -> None:
    process = start(prefix / "bin/python", "-c", SERVICE)
    wanted = "1.16" if six(prefix).startswith("1.17") else "1.17"
    result = change(f"six={wanted}", warns=True, in_use="warn")
    assert result["changed"]
    assert f"process {process.pid} of {ME}" in result["warnings"][0]
    assert [user["pid"] for user in result["in_use"]] == [process.pid]


def test_pip_upgrades_are_refused_and_additions_are_not(
    prefix: Path, run_module: Any, start: Start, lab_parts: None
) -> None:
    def pip(requirement: str, **more: Any) -> Any:
        sources = {"no_index": True, "find_links": [str(paths.wheels_dir())]}
        options = {"prefix": str(prefix), "requirements": [requirement], **sources, **more}
        return run_module("conda_pip", options)

    start(prefix / "bin/python", "-c", SERVICE)
    assert pip("defusedxml")["changed"]
    result = pip("defusedxml", state="absent")
    assert result["failed"]
    assert "files of defusedxml" in result["msg"]
    assert pip("defusedxml", state="absent", in_use_timeout=0, in_use="wait")["failed"]


@pytest.mark.full
def test_only_the_same_file_counts(prefix: Path, change: Any, start: Start, tmp_path: Path) -> None:
    """The same path in another mount namespace does not; the same directory under another path does."""
    if subprocess.run(["unshare", "-m", "true"], check=False).returncode:
        pytest.skip("this user may not make a mount namespace")
    wanted = "1.16" if six(prefix).startswith("1.17") else "1.17"
    copy, other = tmp_path / "copy", tmp_path / "other"
    shutil.copytree(prefix, copy, symlinks=True)
    other.mkdir()
    script = 'mount --bind "$0" "$1"; shift; exec "$@"'

    def elsewhere(what: Path, where: Path, python: Path) -> subprocess.Popen[str]:
        mount = ("unshare", "-m", "sh", "-c", script, what, where)
        return start(*mount, python, "-c", SERVICE)

    same_path = elsewhere(copy, prefix, prefix / "bin/python")
    assert os.readlink(f"/proc/{same_path.pid}/exe") == str(prefix / "bin/python3.11")
    result = change(f"six={wanted}", check=True)
    assert result["changed"], result
    same_directory = elsewhere(prefix, other, other / "bin/python")
    assert os.readlink(f"/proc/{same_directory.pid}/exe") == str(other / "bin/python3.11")
    result = change(f"six={wanted}", check=True)
    assert [user["pid"] for user in result["in_use"]] == [same_directory.pid]


@pytest.mark.full
def test_a_shell_in_the_directory_counts_only_when_it_goes(
    prefix: Path, change: Any, start: Start, conda_installation: Path, run_module: Any
) -> None:
    start("sh", "-c", "echo ready; read -r line; true", cwd=prefix / "lib")
    wanted = "1.16" if six(prefix).startswith("1.17") else "1.17"
    assert change(f"six={wanted}")["changed"]
    options = {"installation": str(conda_installation), "prefix": str(prefix), "state": "absent"}
    result = run_module("conda_env", options)
    assert result["failed"]
    assert [user["how"] for user in result["in_use"]] == ["cwd"]
    assert (prefix / "bin" / "python").exists()


def test_an_environment_of_the_installation_counts_only_when_it_goes(
    prefix: Path, conda_installation: Path, run_module: Any, start: Start
) -> None:
    process = start(prefix / "bin/python", "-c", SERVICE)
    options = {"installation": str(conda_installation), "name": "base", "force_reinstall": True}
    package = next((conda_installation / "conda-meta").glob("*.json")).name.rsplit("-", 2)[0]
    assert run_module("conda_package", {**options, "packages": [package]}, check=True)["changed"]
    gone = {"prefix": str(conda_installation), "state": "absent", "remove_environments": True}
    result = run_module("conda_installation", gone, check=True)
    assert result["failed"]
    assert [user["pid"] for user in result["in_use"]] == [process.pid]
    warned = run_module("conda_installation", {**gone, "in_use": "warn"}, check=True, warns=True)
    assert warned["changed"]


@pytest.mark.full
def test_the_python_of_the_module_is_not_removed(
    prefix: Path, conda_installation: Path, home: Path
) -> None:
    options = {"installation": str(conda_installation), "prefix": str(prefix)}

    def run(name: str, python: Path | str, starter: tuple[Path | str, ...], **more: Any) -> Any:
        arguments = {**options, **more, "_ansible_check_mode": False}
        argv = [*starter, *module_command(name, arguments, python=str(python))]
        return subprocess.run(
            argv, env=module_environment(home), capture_output=True, text=True, check=False
        )

    own = prefix / "bin/python"
    done = run("conda_env", own, (), state="absent", in_use="warn")
    assert "Ansible runs this module with" in done.stdout, done.stderr
    assert "ansible_python_interpreter" in done.stdout
    assert (prefix / "conda-meta" / "history").exists()
    # The module's own process and its parents are no users: other packages can be changed.
    wanted = "1.16" if six(prefix).startswith("1.17") else "1.17"
    start = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:]).returncode)"
    done = run("conda_package", own, (own, "-c", start), packages=[f"six={wanted}"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert six(prefix).startswith(wanted)
