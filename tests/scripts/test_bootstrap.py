"""The virtual environment's set-up: refuses a bad Python, costs nothing when it is current."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from scripts.setup import bootstrap, debian_packages

ROOT = Path(__file__).resolve().parents[2]


def run_bootstrap(**env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "scripts" / "setup" / "bootstrap.sh"],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_current_environment_is_left_alone() -> None:
    before = bootstrap.STAMP.stat().st_mtime_ns
    done = run_bootstrap()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert bootstrap.STAMP.stat().st_mtime_ns == before


def test_interpreter_that_does_not_run_is_refused() -> None:
    done = run_bootstrap(PYTHON="/bin/false")
    assert done.returncode == 1
    assert "PYTHON=/bin/false is not a working Python 3.11 or newer" in done.stderr


def test_no_python_at_all_is_a_clear_error(tmp_path: Path) -> None:
    for tool in ("sh", "dirname"):
        (tmp_path / tool).symlink_to(f"/usr/bin/{tool}")
    done = run_bootstrap(PATH=str(tmp_path), PYTHON="")
    assert done.returncode == 1
    assert "no Python 3.11 or newer found" in done.stderr


def test_stamp_follows_the_requirements(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    constraints = tmp_path / "requirements" / "constraints" / "venv.txt"
    constraints.parent.mkdir(parents=True)
    constraints.write_text("one==1\n")
    (tmp_path / "requirements" / "a.txt").write_text("one==1\n")
    first = bootstrap.wanted_stamp()
    assert bootstrap.wanted_stamp() == first
    (tmp_path / "requirements" / "a.txt").write_text("one==2\n")
    second = bootstrap.wanted_stamp()
    assert second != first
    constraints.write_text("one==2\n")
    assert bootstrap.wanted_stamp() not in (first, second)


def test_collection_link_is_idempotent_and_drops_stale_links() -> None:
    link = ROOT / "build/collections/ansible_collections/llmfleet/conda/stale"
    link.symlink_to(ROOT / "no-such-entry")
    script = ROOT / "scripts" / "setup" / "link_collection.sh"
    for _ in range(2):
        assert subprocess.run([script], check=True, capture_output=True).stdout == b""
    assert not link.is_symlink()
    names = {path.name for path in link.parent.iterdir()}
    assert {"galaxy.yml", "meta", "plugins", "roles", "playbooks", "tests"} <= names
    assert {"lab", "scripts", "build", "molecule"} & names == set()


def test_debian_packages_are_listed_with_command_and_purpose() -> None:
    wanted = debian_packages.wanted()
    assert {"docker.io", "debootstrap"} <= {package.name for package in wanted}
    assert all(package.command and package.purpose for package in wanted)


def test_missing_packages_are_named_where_they_cannot_be_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(debian_packages, "find", lambda _command: None)
    monkeypatch.setattr(debian_packages.os, "geteuid", lambda: 1000)
    said: list[str] = []
    reason = debian_packages.install_missing(said.append, tmp_path / "log")
    assert reason is not None
    assert "docker.io" in reason
    assert "only root" in reason
    assert said == []
