"""Removing what a killed pip left in site-packages."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.scratch import (
    remove_renamed,
    remove_unfinished,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import observe_prefix
from ansible_collections.llmfleet.conda.tests.unit.plugins.fake_prefix import FakePrefix


def test_files_of_renamed_metadata_are_removed(tmp_path: Path) -> None:
    """pip was killed between the two: the next version would be installed over them."""
    env = FakePrefix(tmp_path / "env")
    env.link("python", "3.11.7", files={"bin/python3.11": b"x"})
    site = env.path / "lib" / "python3.11" / "site-packages"
    outside = tmp_path / "outside.py"
    outside.write_text("not ours")
    listed = ["tool/__init__.py", "tool/old/py39.py", "shared.py", "../../../../outside.py"]
    for name in listed[:3]:
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(name)
    (site / "tool" / "mine.py").write_text("a user's")
    for metadata, names in (("~ool-1.0.dist-info", listed), ("other-1.0.dist-info", ["shared.py"])):
        (site / metadata).mkdir()
        (site / metadata / "RECORD").write_text("".join(f"{name},,\n" for name in names))
    state = observe_prefix(str(env.path))
    assert str(state.site_packages) == str(site)
    remove_renamed(state)
    assert sorted(path.name for path in site.iterdir()) == [
        "other-1.0.dist-info",
        "shared.py",
        "tool",
    ]
    assert [path.name for path in (site / "tool").iterdir()] == ["mine.py"]
    assert outside.read_text() == "not ours"


def test_partial_files_and_empty_directories_are_removed(tmp_path: Path) -> None:
    """uv was killed while it wrote, pip while it took away: an empty directory could still be imported."""
    env = FakePrefix(tmp_path / "env")
    env.link("python", "3.11.7", files={"bin/python3.11": b"x"})
    site = env.path / "lib" / "python3.11" / "site-packages"
    for name in ("gone/tests/data", "tool"):
        (site / name).mkdir(parents=True)
    for name in ("tool/.tmpQgmFyy", "tool/.tmp", "tool/.tmpQgmFyy.py", "tool/__init__.py"):
        (site / name).write_text("")
    (tmp_path / "elsewhere").mkdir()
    (site / "link").symlink_to(tmp_path / "elsewhere")
    remove_unfinished(observe_prefix(str(env.path)))
    assert sorted(path.name for path in site.iterdir()) == ["link", "tool"]
    assert sorted(path.name for path in (site / "tool").iterdir()) == [
        ".tmp",
        ".tmpQgmFyy.py",
        "__init__.py",
    ]
    assert (tmp_path / "elsewhere").is_dir()


def test_orphaned_compiled_files_are_removed(tmp_path: Path) -> None:
    """No RECORD lists them, and they would keep the directories of removed modules."""
    env = FakePrefix(tmp_path / "env")
    of_conda = "lib/python3.11/site-packages/conda/__pycache__/odd.cpython-311.pyc"
    env.link("python", "3.11.7", files={"bin/python3.11": b"x", of_conda: b"x"})
    site = env.path / "lib" / "python3.11" / "site-packages"
    names = [
        "gone/tests/__pycache__/test_a.cpython-311.pyc",
        "gone/__pycache__/__init__.cpython-311.opt-1.pyc",
        "tool/__init__.py",
        "tool/__pycache__/__init__.cpython-311.pyc",
        "tool/__pycache__/old.cpython-311.pyc",
        "tool/__pycache__/a.b.cpython-311.pyc",
        "tool/alone.pyc",
    ]
    for name in names:
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text("")
    remove_unfinished(observe_prefix(str(env.path)))
    assert not (site / "gone").exists()
    left = {str(path.relative_to(site)) for path in site.rglob("*") if path.is_file()}
    assert left == {*names[2:4], *names[5:], of_conda.removeprefix("lib/python3.11/site-packages/")}
