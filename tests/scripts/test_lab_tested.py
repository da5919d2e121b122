"""The lab's own tests run again when the lab, its tests or its pins change, and not otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.testing import lab_tested


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LLMFLEET_LAB_CACHE", str(tmp_path / "cache"))
    for name in ("lab/mirror.py", "lab/data/conda/activate", "tests/lab/test_mirror.py"):
        path = tmp_path / "checkout" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("one\n")
    for name in ("requirements/lab.txt", "tests/conftest.py", "scripts/setup/debian-packages.txt"):
        path = tmp_path / "checkout" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("one\n")
    return tmp_path / "checkout"


def test_nothing_is_remembered_at_first(checkout: Path) -> None:
    assert not lab_tested.passed(lab_tested.key(checkout))


def test_what_passed_is_known_until_something_changes(checkout: Path) -> None:
    before = lab_tested.key(checkout)
    lab_tested.remember(before)
    assert lab_tested.passed(lab_tested.key(checkout))
    for name in (
        "lab/mirror.py",
        "lab/data/conda/activate",
        "tests/lab/test_mirror.py",
        "requirements/lab.txt",
    ):
        path = checkout / name
        path.write_text("two\n")
        assert not lab_tested.passed(lab_tested.key(checkout)), name
        path.write_text("one\n")
    (checkout / "lab" / "more.py").write_text("")
    assert not lab_tested.passed(lab_tested.key(checkout))


def test_a_file_under_another_name_is_a_change(checkout: Path) -> None:
    before = lab_tested.key(checkout)
    (checkout / "lab" / "mirror.py").rename(checkout / "lab" / "server.py")
    assert lab_tested.key(checkout) != before


def test_compiled_files_are_none(checkout: Path) -> None:
    before = lab_tested.key(checkout)
    (checkout / "lab" / "__pycache__").mkdir()
    (checkout / "lab" / "__pycache__" / "mirror.py").write_text("compiled")
    assert lab_tested.key(checkout) == before
