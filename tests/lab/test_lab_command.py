"""The command line: a current lab is left alone at once, and what is wrong is one clear line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lab import build, channel, errors, interpreters, paths, wheels
from lab.__main__ import main
from lab.errors import LabError

ROOT = Path(build.__file__).parent.parent


def test_a_second_build_does_nothing(lab_installer: dict[str, Any]) -> None:
    before = lab_installer["path"].stat().st_mtime_ns
    done = subprocess.run(
        [sys.executable, "-m", "lab", "build", "interpreters", "channel", "installer"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "nothing to do" in done.stdout
    assert lab_installer["path"].stat().st_mtime_ns == before


def test_status_of_a_current_part_is_0(
    lab_installer: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "channel", "installer"]) == 0
    assert capsys.readouterr().out.split() == ["channel", "current", "installer", "current"]


def test_status_of_an_empty_cache_is_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LLMFLEET_LAB_CACHE", str(tmp_path))
    assert main(["status", "interpreters", "channel", "installer"]) == 1
    assert capsys.readouterr().out.count("to be built") == 3
    assert list(tmp_path.iterdir()) == []


def test_path_prints_the_installer(
    lab_installer: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["path", "installer"]) == 0
    assert capsys.readouterr().out == f"{lab_installer['path']}\n"


def test_path_of_an_unbuilt_installer_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LLMFLEET_LAB_CACHE", str(tmp_path))
    assert main(["path", "installer"]) == 1
    assert capsys.readouterr().err == "lab: no installer yet: run `python -m lab build`\n"


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "kitchen"]) == 1
    assert "unknown part 'kitchen'; known: interpreters, channel" in capsys.readouterr().err


def test_clean_removes_the_cache_and_only_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMFLEET_LAB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache" / "site").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    assert main(["clean"]) == 0
    assert [p.name for p in tmp_path.iterdir()] == ["other"]
    assert main(["clean"]) == 0


def test_a_missing_tool_is_named_with_its_debian_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(LabError, match=r"'debootstrap'.*apt-get install debootstrap"):
        errors.require_tool("debootstrap", "debootstrap")


def test_a_missing_library_says_what_to_install(capsys: pytest.CaptureFixture[str]) -> None:
    def absent(_options: object) -> int:
        raise ModuleNotFoundError("No module named 'zstandard'", name="zstandard")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lab.__main__._status", absent)
        assert main(["status"]) == 1
    said = capsys.readouterr().err
    assert "has no zstandard: pip install -r requirements/lab.txt" in said


def test_no_usable_python_names_the_debian_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreters, "_candidates", lambda: {Path("/bin/true")})
    interpreters.discover.cache_clear()
    try:
        with pytest.raises(LabError, match=r"'python3' and 'python3-venv'"):
            interpreters.discover()
    finally:
        interpreters.discover.cache_clear()


def test_interpreters_are_found_and_each_can_be_read() -> None:
    for one in interpreters.discover():
        assert os.access(one.executable, os.X_OK)
        assert (one.stdlib / "os.py").is_file()
        assert one.version.startswith(one.minor + ".")


def test_an_older_python_makes_another_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    before = channel.key()
    found = interpreters.discover()
    monkeypatch.setattr(interpreters, "discover", lambda: found[:-1])
    assert channel.key() != before


def test_wheels_that_cannot_be_had_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMFLEET_LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    for name in ("PIP_FIND_LINKS", "PIP_CONFIG_FILE"):
        monkeypatch.setenv(name, os.devnull if name == "PIP_CONFIG_FILE" else "")
    listing = tmp_path / "wheels-3.11.txt"
    listing.write_text("six==0.0.0.1\n")
    with pytest.raises(LabError, match=r"six==0\.0\.0\.1"):
        wheels.download(listing, "3.11")
    assert list(paths.downloads_dir().glob("*")) == []
