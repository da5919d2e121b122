"""Distributions of pip that the next generation shares with the one before."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._generations.pip_files import (
    link_distributions,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.python_packages import (
    damage_of,
    observe_packages,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import PrefixState
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import PackageRecord
from ansible_collections.llmfleet.conda.tests.unit.plugins.wheel_factory import record_digest

SITE = "lib/python3.11/site-packages"


def state(prefix: Path, version: str = "3.11.7") -> PrefixState:
    """An environment with nothing but Python."""
    python = PackageRecord("python", version, "0")
    return PrefixState(str(prefix), True, True, {"python": python})


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """An environment with a distribution that pip installed: a module, its compiled file, and a script."""
    prefix = tmp_path / "old"
    site = prefix / SITE
    files = {
        "app/__init__.py": b"VERSION = 1\n",
        "app/a,b.txt": b"a name with a comma\n",
        "app-1.dist-info/METADATA": b"Metadata-Version: 2.1\nName: app\nVersion: 1\n\n",
        "app-1.dist-info/INSTALLER": b"pip\n",
        "../../../bin/app": f"#!{prefix}/bin/python3.11\nimport app\n".encode(),
        "../../../share/app/data": b"data\n",
    }
    rows = []
    for name, content in files.items():
        path = Path(os.path.normpath(site / name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        shown = f'"{name}"' if "," in name else name
        rows.append(f"{shown},{record_digest(content)},{len(content)}")
    os.chmod(prefix / "bin" / "app", 0o755)
    cache = site / "app" / "__pycache__"
    cache.mkdir()
    (cache / "__init__.cpython-311.pyc").write_bytes(b"compiled")
    rows += ["app/__pycache__/__init__.cpython-311.pyc,,", "app/__pycache__/gone.pyc,,"]
    rows += ["app-1.dist-info/RECORD,,"]
    (site / "app-1.dist-info" / "RECORD").write_text("\n".join(rows) + "\n")
    return prefix


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """The next generation, without distributions."""
    prefix = tmp_path / "new"
    (prefix / SITE).mkdir(parents=True)
    return prefix


def test_files_are_shared_and_scripts_are_written_anew(old: Path, new: Path) -> None:
    assert link_distributions(state(old), state(new)) == ["app"]
    for name in ("app/__init__.py", "app/a,b.txt", "app/__pycache__/__init__.cpython-311.pyc"):
        assert os.path.samefile(old / SITE / name, new / SITE / name)
    assert os.path.samefile(old / "share/app/data", new / "share/app/data")
    script = new / "bin" / "app"
    assert script.read_text() == f"#!{new}/bin/python3.11\nimport app\n"
    assert os.access(script, os.X_OK)
    assert (old / "bin" / "app").read_text().startswith(f"#!{old}/")
    # RECORD says what is there, as the check for damage and pip itself read it.
    packages = observe_packages(str(new), str(new / SITE), ())
    assert packages.by_name["app"].owner == "pip"
    assert damage_of(packages, ["app"]) == {}
    row = next(
        line for line in (new / SITE / "app-1.dist-info/RECORD").read_text().splitlines()
        if "bin/app" in line
    )  # fmt: skip
    assert row == f"../../../bin/app,{record_digest(script.read_bytes())},{script.stat().st_size}"


@pytest.mark.parametrize(
    "name", ["app/__init__.py", "app-1.dist-info/METADATA", "../../../bin/app"]
)
def test_a_distribution_with_a_changed_file_is_left_out(old: Path, new: Path, name: str) -> None:
    path = Path(os.path.normpath(old / SITE / name))
    # The same size: only the hash tells.
    path.write_bytes(path.read_bytes()[:-2] + b"#\n")
    assert link_distributions(state(old), state(new)) == []
    assert [one for one in new.rglob("*") if one.is_file()] == []


def test_a_distribution_without_record_is_left_out(old: Path, new: Path) -> None:
    (old / SITE / "app-1.dist-info" / "RECORD").unlink()
    assert link_distributions(state(old), state(new)) == []


def test_files_outside_of_the_prefix_are_not_linked(old: Path, new: Path) -> None:
    with (old / SITE / "app-1.dist-info" / "RECORD").open("a") as stream:
        stream.write("../../../../elsewhere,,\n")
    assert link_distributions(state(old), state(new)) == []


def test_a_file_of_conda_in_the_way_leaves_the_distribution_out(old: Path, new: Path) -> None:
    (new / "bin").mkdir()
    (new / "bin" / "app").write_text("conda's\n")
    assert link_distributions(state(old), state(new)) == []
    assert (new / "bin" / "app").read_text() == "conda's\n"
    assert not (new / SITE / "app").exists()


def test_another_python_shares_nothing(old: Path, new: Path) -> None:
    assert link_distributions(state(old), state(new, "3.12.1")) == []


@pytest.mark.skipif(sys.platform != "linux", reason="the test makes linking fail as Linux does")
def test_files_are_copied_where_they_cannot_be_linked(
    old: Path, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_words: object, **_how: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    assert link_distributions(state(old), state(new)) == ["app"]
    assert (new / SITE / "app" / "__init__.py").read_bytes() == b"VERSION = 1\n"
    assert not os.path.samefile(old / SITE / "app/__init__.py", new / SITE / "app/__init__.py")
